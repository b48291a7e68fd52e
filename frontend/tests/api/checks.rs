//! Checks: what builders are told of a snapshot, and what everybody is told of what they found.

use db::testing::execute;
use protocol::builder_api::{Task, Work};
use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person, RESULTS, claim_request};
use crate::packages;

/// A project whose second snapshot brings a newer version of a package, and waits for its check.
async fn house() -> (House, Person) {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    house.publish("tools").await;
    let mut conn = house.pool.get().await.unwrap();
    for statement in [
        "INSERT INTO rpms (repository_id, name, epoch, version, release, arch, file_name, sha256, unsigned_sha256, size,
             since_snapshot, primary_xml, filelists_xml, other_xml)
         SELECT repository_id, name, 0, '0.9', '1', v.arch, 'hello-0.9-1.' || v.arch || '.rpm', repeat(v.digit, 64), '', 7, 1,
             '', '', '' FROM rpms, (VALUES ('noarch', '2'), ('src', '3')) AS v (arch, digit)",
        "UPDATE snapshots SET content = ARRAY(SELECT id FROM rpms WHERE version = '0.9' OR number = 2)",
        "INSERT INTO checks (repository_id, snapshot, created_at)
         SELECT repository_id, number, '2026-11-21T00:00:00Z' FROM snapshots WHERE number = 2",
    ] {
        execute(&mut conn, statement).await.unwrap();
    }
    drop(conn);
    (house, alice)
}

async fn claim(house: &House) -> Option<Value> {
    let mut request = claim_request(0);
    request["checks"] = json!(true);
    let answer = house.builder("/claim", &request).await;
    (answer.status.as_u16() != 204).then(|| answer.ok())
}

async fn finish(house: &House, task: &Value, outcome: Value) -> u16 {
    let path = format!("/tasks/{}/attempts/{}/finish", task["id"], task["attempt"]);
    let body = json!({"outcome": outcome, "artifacts": [], "boot_ms": 7});
    house.builder(&path, &body).await.status.as_u16()
}

async fn shown(house: &House) -> Value {
    let list = house
        .get(&format!("/snapshot/list/alice/tools/{CHROOT}"))
        .await
        .ok();
    let one = house
        .get(&format!("/snapshot/show/alice/tools/{CHROOT}/2"))
        .await
        .ok();
    assert_eq!(
        list["items"][1]["check"],
        Value::Null,
        "nobody asked for that of 1"
    );
    assert_eq!(list["items"][0]["check"], one["check"]);
    one["check"].clone()
}

#[tokio::test]
async fn a_check_is_done_by_builders_that_know_checks_and_after_builds() {
    let (house, alice) = house().await;
    assert_eq!(shown(&house).await["state"], "waiting");
    assert_eq!(house.claim(0).await.status.as_u16(), 204, "an older builder");
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let first = claim(&house).await.unwrap();
    assert_eq!(first["build"], build["id"]);
    let check = claim(&house).await.unwrap();
    assert_eq!(claim(&house).await, None);

    let parsed: Task = serde_json::from_value(check.clone()).unwrap();
    assert_eq!((parsed.build, parsed.limits.timeout_s), (None, 900));
    let Work::Check(work) = parsed.work else {
        panic!("{check}")
    };
    assert_eq!(work.packages, ["hello-0:1-1.noarch"]);
    let upgrade = &work.upgrades[0];
    assert_eq!(
        (upgrade.from.as_str(), upgrade.to.as_str()),
        ("hello-0:0.9-1.noarch", "hello-0:1-1.noarch")
    );
    assert!(upgrade.url.contains(&"2".repeat(64)), "{}", upgrade.url);
    let own = &work.snapshot;
    assert_eq!(
        own.baseurl.as_deref(),
        Some(format!("{RESULTS}/alice/tools/{CHROOT}/@2/").as_str())
    );
    assert!(own.gpgcheck && own.repo_gpgcheck);
    assert_eq!(own.gpgkey, [format!("{RESULTS}/alice/tools/pubkey.gpg")]);
    assert!(work.repos.is_empty(), "the project's own is not there twice");
    assert_eq!(shown(&house).await["state"], "running");

    let of = |what: &str| format!("/tasks/{}/attempts/1/{what}", check["id"]);
    let beat = json!({"phase": "dependencies"});
    assert_eq!(house.builder(&of("heartbeat"), &beat).await.ok()["cancel"], false);
    let log = house.builder(&of("log?offset=0"), &json!("words")).await;
    assert_eq!(log.status.as_u16(), 204);
    let hostile = "hello-0:1-1.noarch cannot be installed: nothing provides <b>libfoo</b>\u{1b}[31m";
    let outcome = json!({"outcome": "failed", "kind": "uninstallable", "message": hostile});
    assert_eq!(finish(&house, &check, outcome.clone()).await, 204);
    assert_eq!(finish(&house, &check, outcome).await, 410, "it has ended");
    assert_eq!(house.builder(&of("heartbeat"), &beat).await.status.as_u16(), 410);

    let found = shown(&house).await;
    assert_eq!(found["state"], "failed");
    assert!(found["ended_on"].is_i64());
    let message = found["message"].as_str().unwrap();
    assert!(
        message.contains("nothing provides <b>libfoo</b>") && !message.contains('\u{1b}'),
        "{message}"
    );
    let results = house
        .get(&format!("/snapshot/test-results/alice/tools/{CHROOT}"))
        .await
        .ok();
    let result = &results["items"][0];
    assert_eq!(
        (&result["result"], &result["snapshot"], &result["testcase"]),
        (&json!("fail"), &json!(2), &json!("koper.installable"))
    );
    let url = format!("http://{}/coprs/alice/tools/snapshots/", house.addresses.web);
    let page = house.client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("cannot be installed</span>") && page.contains("&lt;b&gt;libfoo"),
        "{page}"
    );
}

#[tokio::test]
async fn what_users_need_beside_it_is_there_when_it_is_checked() {
    let (house, alice) = house().await;
    house.project(&alice, "libs").await;
    house.publish("libs").await;
    let edit = json!({
        "runtime_dependencies": ["copr://alice/libs", "https://example.org/$chroot/"],
        "repos": ["https://builds.example.org/"],
    });
    house
        .send("PUT", "/project/edit/alice/tools", Some(&alice), edit)
        .await
        .ok();
    let check = claim(&house).await.unwrap();
    let repos = check["work"]["repos"].as_array().unwrap();
    assert_eq!(repos.len(), 2, "{check}");
    assert_eq!(
        repos[0]["mirrorlist"],
        format!("{RESULTS}/alice/libs/{CHROOT}/mirrorlist")
    );
    assert_eq!(repos[1]["baseurl"], format!("https://example.org/{CHROOT}/"));
    // The service's own trouble is no word on the packages, and nothing stays of a project that goes.
    let outcome = json!({"outcome": "failed", "kind": "builder", "message": "no VM"});
    assert_eq!(finish(&house, &check, outcome).await, 204);
    let found = shown(&house).await;
    assert_eq!(
        (&found["state"], &found["message"]),
        (&json!("waiting"), &json!("no VM"))
    );
    house
        .send(
            "DELETE",
            "/project/delete/alice/tools",
            Some(&alice),
            json!({"verify": true}),
        )
        .await
        .ok();
    assert_eq!(claim(&house).await, None);
}

#[tokio::test]
async fn a_project_says_whether_its_snapshots_are_checked() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let made = house.project(&alice, "tools").await;
    assert_eq!(made["check_installs"], "default");
    let edit = async |value: &str| {
        let wish = json!({"check_installs": value});
        house
            .send("PUT", "/project/edit/alice/tools", Some(&alice), wish)
            .await
    };
    for choice in ["on", "off", "default"] {
        assert_eq!(edit(choice).await.ok()["check_installs"], choice);
    }
    let refused = edit("sometimes").await;
    assert_eq!(refused.status.as_u16(), 400);
    let said = refused.json["error"].as_str().unwrap();
    assert!(said.contains("check_installs"), "{said}");
}
