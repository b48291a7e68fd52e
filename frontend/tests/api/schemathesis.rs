//! schemathesis invents requests from the OpenAPI document: none makes the service fail, and every answer is what the
//! document says. A fixed seed and a bounded number of examples keep it the same, and short.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person};
use crate::packages;

/// What has to hold for every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,allow_header_conformance";

/// Makes requests name things that exist, where they name one at all: random names lead to nothing but 404.
fn aim(part: &mut Value, known: &[(&str, Value)]) {
    let aimed = |name: &str| {
        known
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.clone())
    };
    match part {
        Value::Array(list) => list.iter_mut().for_each(|item| aim(item, known)),
        Value::Object(object) => {
            if object.contains_key("in")
                && let Some(value) = object["name"].as_str().and_then(aimed)
            {
                object.insert("schema".to_owned(), json!({"enum": [value]}));
            }
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (name, property) in properties.iter_mut() {
                    if let Some(value) = aimed(name) {
                        *property = json!({"enum": [value]});
                    }
                }
            }
            object.values_mut().for_each(|value| aim(value, known));
        }
        _ => {}
    }
}

async fn run(house: &House, person: Option<&Person>, known: &[(&str, Value)], choice: &[&str]) {
    let mut document = house.get("/openapi.json").await.ok();
    aim(&mut document["paths"], known);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("openapi.json"), document.to_string()).unwrap();
    let program = testkit::venv().join("bin/schemathesis");
    let mut command = Command::new(&program);
    command
        .args([
            "run",
            "openapi.json",
            "--seed",
            "1",
            "--max-examples",
            "8",
            "--no-shrink",
        ])
        .args([
            "--checks",
            CHECKS,
            "--exclude-deprecated",
            "--continue-on-failure",
        ])
        .args(["--generation-deterministic", "--suppress-health-check", "all"])
        .args([
            "--warnings",
            "off",
            "--url",
            &format!("http://{}/api_3", house.addresses.web),
        ])
        .current_dir(dir.path())
        .env("NO_COLOR", "1");
    if let Some(person) = person {
        command.args(["--auth", &format!("{}:{}", person.login, person.token)]);
    }
    command.args(choice);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(Duration::from_secs(240), output)
        .await
        .expect("schemathesis ends");
    let output = output
        .unwrap()
        .unwrap_or_else(|e| panic!("{}: {e}; deploy/test installs it", program.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Nobody can only read: what takes a token refuses before it looks at anything, which other tests see to.
#[tokio::test]
async fn nobody_finds_no_fault() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let known = ground(&house, &alice).await;
    let choice = ["--include-method", "GET", "--phases", "coverage,fuzzing"];
    run(&house, None, &known, &choice).await;
}

#[tokio::test]
async fn a_reader_finds_no_fault() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let known = ground(&house, &alice).await;
    let choice = ["--include-method", "GET", "--phases", "fuzzing"];
    run(&house, Some(&alice), &known, &choice).await;
}

#[tokio::test]
async fn a_user_finds_no_fault() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let known = ground(&house, &alice).await;
    let mut choice = vec!["--exclude-method", "GET", "--phases", "coverage,fuzzing"];
    // These would end what the others need.
    for path in ["/api-token", "/project/delete/{owner}/{project}"] {
        choice.extend(["--exclude-path", path]);
    }
    run(&house, Some(&alice), &known, &choice).await;
}

/// What there is, by the names of fields.
async fn ground(house: &House, alice: &Person) -> Vec<(&'static str, Value)> {
    house.project(alice, "tools").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(alice), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .clone();
    vec![
        ("owner", json!("alice")),
        ("ownername", json!("alice")),
        ("project", json!("tools")),
        ("projectname", json!("tools")),
        ("chroot", json!(CHROOT)),
        ("chrootname", json!(CHROOT)),
        ("id", build.clone()),
        ("build_id", build),
        ("package", json!("hello")),
        ("package_name", json!("hello")),
        ("packagename", json!("hello")),
    ]
}
