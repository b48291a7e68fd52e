//! Gating: what passes its test comes to builds at once, and to users when the project wants it.

use db::builds::BuildOptions;
use protocol::BuildId;
use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House};
use crate::machine::Machine;

/// What builds and what users see.
struct Eyes {
    builds: Machine,
    users: Machine,
}

impl Eyes {
    async fn of(house: &House) -> Self {
        let url = format!("{}/coprs/alice/tools/repo/debian-12/", house.url);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        Self {
            builds: Machine::with(&text.replace("/mirrorlist", "/devel/mirrorlist")),
            users: Machine::with(&text),
        }
    }

    async fn see(&self) -> (Vec<String>, Vec<String>) {
        (self.builds.sees().await, self.users.sees().await)
    }
}

fn seen(builds: &[&str], users: &[&str]) -> (Vec<String>, Vec<String>) {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    (own(builds), own(users))
}

/// A project whose builds wait at `candidate`, and what a build there is numbered.
async fn gated(release_after_hours: i64) -> (House, db::projects::Project, Api) {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    let settings =
        json!({"devel_mode": true, "build_pointer": "candidate", "release_after_hours": release_after_hours});
    api.done("/project/edit/alice/tools", settings).await;
    house.settle().await;
    let tools = house.project("alice", "tools").await;
    (house, tools, api)
}

async fn candidate(house: &House, project: &db::projects::Project, name: &str) -> BuildId {
    let options = BuildOptions {
        pointer: project.settings.build_pointer.clone(),
        ..BuildOptions::default()
    };
    let build = house.start(project, "tools", (name, "1.0"), &options, None).await;
    house.deliver(project, &build.tasks[0], name, "1.0").await;
    house.wait(build.id, |build| build.is_final()).await;
    build.id
}

async fn report(api: &Api, build: BuildId, result: &str) -> Value {
    let report = json!({"result": result, "url": "https://ci.example.org/7", "message": "see there"});
    let said = api.done(&format!("/build/test-result/{build}"), report).await;
    said["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_comes_to_builds_at_once_and_to_users_after_its_time() {
    let (house, tools, api) = gated(5).await;
    let eyes = Eyes::of(&house).await;
    let good = candidate(&house, &tools, "good").await;
    let bad = candidate(&house, &tools, "bad").await;
    assert_eq!(eyes.see().await, seen(&[], &[]));
    let failed = report(&api, bad, "fail").await;
    assert_eq!(
        (&failed["result"], &failed["builds_on"]),
        (&json!("fail"), &Value::Null)
    );
    assert_eq!(eyes.see().await, seen(&[], &[]), "nothing moves");

    let passed = report(&api, good, "pass").await;
    assert!(
        passed["builds_on"].is_i64() && passed["users_on"].is_null(),
        "{passed}"
    );
    assert_eq!(
        passed["release_on"].as_i64(),
        passed["reported_on"].as_i64().map(|at| at + 5 * 3600)
    );
    assert_eq!(eyes.see().await, seen(&["good-1.0"], &[]));
    assert_eq!(backend::release(&house.context).await.unwrap(), 0, "not yet");
    let page = house.page(&format!("/coprs/alice/tools/build/{good}/")).await;
    assert!(
        page.contains("Builds see it") && page.contains("https://ci.example.org/7"),
        "{page}"
    );
    let page = house.page("/coprs/alice/tools/snapshots/").await;
    assert!(
        page.contains(&format!("build {bad} in {CHROOT}")) && page.contains("see there"),
        "{page}"
    );

    house.pass(1);
    assert_eq!(backend::release(&house.context).await.unwrap(), 1);
    assert_eq!(backend::release(&house.context).await.unwrap(), 0, "once");
    house.settle().await;
    assert_eq!(eyes.see().await, seen(&["good-1.0"], &["good-1.0"]));
    eyes.users.install("good").await;
    let shown = api.get(&format!("/build/test-results/{good}")).await;
    let item = &shown["items"][0];
    assert!(item["users_on"].as_i64() > item["builds_on"].as_i64(), "{item}");

    // A later failure holds what has passed.
    let third = candidate(&house, &tools, "third").await;
    report(&api, third, "pass").await;
    report(&api, third, "fail").await;
    house.pass(1);
    assert_eq!(backend::release(&house.context).await.unwrap(), 0);
    let shown = api.get(&format!("/build/test-results/{third}")).await;
    assert_eq!(
        (&shown["items"][0]["result"], &shown["items"][1]["held"]),
        (&json!("fail"), &json!(true))
    );
    assert_eq!(eyes.see().await.1, ["good-1.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_passes_with_all_that_it_has_and_users_need_not_wait() {
    let (house, tools, api) = gated(0).await;
    let eyes = Eyes::of(&house).await;
    candidate(&house, &tools, "one").await;
    candidate(&house, &tools, "two").await;
    let pointers = api.get(&format!("/pointer/list/alice/tools/{CHROOT}")).await;
    let candidate_at = pointers["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == "candidate")
        .unwrap()["snapshot"]
        .clone();
    // What comes to the pointer while the test runs was not tested.
    candidate(&house, &tools, "late").await;
    let address = format!("/snapshot/test-result/alice/tools/{CHROOT}");
    let said = api
        .done(
            &address,
            json!({"result": "pass", "snapshot": candidate_at.to_string()}),
        )
        .await;
    let both = ["one-1.0", "two-1.0"];
    assert_eq!(eyes.see().await, seen(&both, &both));
    let item = &said["items"][0];
    assert!(item["builds_on"].is_i64() && item["users_on"].is_i64(), "{said}");

    for (body, status, words) in [
        (
            json!({"result": "fail", "snapshot": "1"}),
            400,
            "say why the test failed",
        ),
        (json!({"result": "good", "snapshot": "1"}), 400, "result: "),
        (
            json!({"result": "pass", "snapshot": "99"}),
            404,
            "has no snapshot '99'",
        ),
        (
            json!({"result": "pass", "snapshot": "1", "url": "javascript:1"}),
            400,
            "url: ",
        ),
    ] {
        let (code, refused) = api.post(&address, body).await;
        let error = refused["error"].as_str().unwrap();
        assert!(code == status && error.contains(words), "{code} {error}");
    }
    let bob = house.api("bob").await;
    let (code, _) = bob
        .post(&address, json!({"result": "pass", "snapshot": "1"}))
        .await;
    assert_eq!(code, 403);
}
