//! The builder API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person, RESULTS, claim_request};
use crate::packages::{self, Made};

async fn house() -> (House, Person, Made) {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    (house, alice, packages::source("BuildArch: noarch"))
}

async fn submit(house: &House, alice: &Person, package: &Made) -> Value {
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT], "timeout": "77"});
    house
        .upload(Some(alice), &package.name, &package.bytes, &form)
        .await
        .ok()
}

fn of(task: &Value, what: &str) -> String {
    format!("/tasks/{}/attempts/{}/{what}", task["id"], task["attempt"])
}

#[tokio::test]
async fn a_claim_carries_all_that_a_builder_needs() {
    let (house, alice, package) = house().await;
    assert_eq!(house.claim(0).await.status.as_u16(), 204);
    let build = submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    let parsed: protocol::builder_api::Task = serde_json::from_value(task.clone()).unwrap();
    assert_eq!(
        (parsed.attempt, parsed.build.unwrap().0),
        (1, build["id"].as_i64().unwrap())
    );
    assert_eq!(parsed.limits.timeout_s, 77);
    assert_eq!(parsed.limits.memory_mib, 1024);
    let protocol::builder_api::Work::Rpm(work) = parsed.work else {
        panic!("{task}")
    };
    assert_eq!(
        work.chroot.repos[0].baseurl.as_deref(),
        Some("http://koper.test/distro/debian-12-x86_64/")
    );
    assert_eq!(work.identity.repotag.to_string(), "kpr.alice_tools");
    assert_eq!(work.identity.vendor, "Koper - user alice");
    assert_eq!(
        work.identity.packager,
        "alice/tools <http://koper.test/coprs/alice/tools/>"
    );
    assert_eq!(work.identity.bugurl, "http://koper.test/coprs/alice/tools/");
    assert!(!work.enable_net);
    assert!(
        work.repos.is_empty(),
        "the project's repository has no snapshot yet"
    );
    let fetched = house
        .client
        .get(&work.srpm.url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(fetched, package.bytes);
    assert_eq!(work.srpm.name.as_str(), package.name);
    assert_eq!(
        house.get(&format!("/build/{}", build["id"])).await.ok()["state"],
        "running"
    );
}

#[tokio::test]
async fn repositories_of_ours_are_named_once_they_have_a_snapshot() {
    let (house, alice, package) = house().await;
    house.project(&alice, "libs").await;
    house.project(&alice, "missing").await;
    let repos = json!([
        "copr://alice/libs",
        "copr://alice/missing",
        "http://example.org/$chroot/?priority=3"
    ]);
    house
        .send(
            "PUT",
            "/project/edit/alice/tools",
            Some(&alice),
            json!({"repos": repos}),
        )
        .await
        .ok();
    // What was named once may go.
    let delete = "/project/delete/alice/missing";
    house
        .send("DELETE", delete, Some(&alice), json!({"verify": true}))
        .await
        .ok();
    {
        let mut conn = house.pool.get().await.unwrap();
        for name in ["tools", "libs"] {
            let owner = "alice".parse().unwrap();
            let project = db::projects::find(&mut conn, &owner, &name.parse().unwrap())
                .await
                .unwrap()
                .unwrap();
            let all = db::repositories::of_project(&mut conn, project.id).await.unwrap();
            let base = all.iter().find(|r| r.chroot.as_str() == CHROOT).unwrap();
            let new = db::snapshots::NewSnapshot {
                repository: base,
                parent: 0,
                number: 1,
                cause: "test",
                actor: None,
                content: &[],
                added: &[],
                removed: &[],
                repomd_sha256: "x",
                signed_by: "",
                audience: &db::snapshots::Audience::Everybody,
                request: None,
                check: false,
            };
            let start = crate::house::start();
            assert!(db::snapshots::publish(&mut conn, &new, start).await.unwrap());
        }
    }
    submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    let repos = task["work"]["repos"].as_array().unwrap();
    let ids: Vec<&str> = repos.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["copr_base", "additional_1", "additional_3"]);
    assert_eq!(
        repos[0]["mirrorlist"],
        format!("{RESULTS}/alice/tools/{CHROOT}/mirrorlist")
    );
    assert_eq!(
        repos[0]["gpgkey"],
        json!([format!("{RESULTS}/alice/tools/pubkey.gpg")])
    );
    assert_eq!(
        (&repos[0]["gpgcheck"], &repos[0]["repo_gpgcheck"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        repos[1]["mirrorlist"],
        format!("{RESULTS}/alice/libs/{CHROOT}/mirrorlist")
    );
    assert_eq!(repos[2]["baseurl"], format!("http://example.org/{CHROOT}/"));
}

#[tokio::test]
async fn a_waiting_claim_gets_a_new_task_at_once() {
    let (house, alice, package) = house().await;
    let submitted = async {
        // The claim has to be waiting by then; if it were not, the test would be easier, not wrong.
        tokio::time::sleep(Duration::from_millis(300)).await;
        submit(&house, &alice, &package).await;
        Instant::now()
    };
    let claimed = async {
        let task = house.claim(30).await.ok();
        (task, Instant::now())
    };
    let (at, (task, got)) = tokio::join!(submitted, claimed);
    assert!(task["work"]["srpm"]["url"].is_string());
    // Without the hint it would be the slow poll's 10 s.
    assert!(got.saturating_duration_since(at) < Duration::from_secs(3));
}

#[tokio::test]
async fn a_url_is_fetched_by_the_builder() {
    let (house, alice, _) = house().await;
    let form =
        json!({"ownername": "alice", "projectname": "tools", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    house
        .send("POST", "/build/create/url", Some(&alice), form)
        .await
        .ok();
    let task = house.claim(0).await.ok();
    assert_eq!(
        task["work"],
        json!({"kind": "fetch", "url": "http://example.org/a-1-1.src.rpm"})
    );
}

#[tokio::test]
async fn other_protocols_are_told_what_to_install() {
    let house = House::new().await;
    let mut request = claim_request(0);
    request["protocol"] = json!(2);
    request["new_field"] = json!(true);
    let text = house.builder("/claim", &request).await.error(409);
    assert!(text.contains("version 1"), "{text}");
    house.builder("/claim", &json!({"protocol": 1})).await.error(400);
}

#[tokio::test]
async fn reports_of_a_held_lease_are_taken() {
    let (house, alice, package) = house().await;
    let build = submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    let beat = house
        .builder(&of(&task, "heartbeat"), &json!({"phase": "building"}))
        .await
        .ok();
    assert_eq!(beat, json!({"cancel": false}));

    let log = |offset: u64, bytes: &'static [u8]| {
        let path = of(&task, &format!("log?offset={offset}"));
        let house = &house;
        async move {
            house
                .builder_with(crate::house::BUILDER_TOKEN, &path, bytes.to_vec())
                .await
        }
    };
    assert_eq!(log(0, b"hello\n").await.status.as_u16(), 204);
    let again = log(0, b"hello\n").await;
    assert_eq!((again.status.as_u16(), &again.json), (409, &json!({"offset": 6})));
    assert_eq!(log(6, b"world\n").await.status.as_u16(), 204);
    log(u64::MAX, b"x").await.error(413);

    let file = json!({"name": "hello-1.0-1.noarch.rpm", "size": 5, "sha256": "a".repeat(64)});
    let reply = house
        .builder(&of(&task, "uploads"), &json!({"files": [file]}))
        .await
        .ok();
    let url = reply["urls"][0].as_str().unwrap();
    let wrong = house
        .client
        .put(url)
        .body("longer than five")
        .send()
        .await
        .unwrap();
    assert!(!wrong.status().is_success());
    let put = house.client.put(url).body("12345").send().await.unwrap();
    assert!(put.status().is_success(), "{put:?}");

    let mut big = file.clone();
    big["size"] = json!(u64::MAX);
    house
        .builder(&of(&task, "uploads"), &json!({"files": [big, file]}))
        .await
        .error(413);

    let finish = json!({"outcome": {"outcome": "succeeded"}, "artifacts": [file], "boot_ms": 900});
    assert_eq!(
        house.builder(&of(&task, "finish"), &finish).await.status.as_u16(),
        204
    );
    house.builder(&of(&task, "finish"), &finish).await.error(410);
    let state = house.get(&format!("/build/{}", build["id"])).await.ok()["state"].clone();
    assert_eq!(state, "running", "what is uploaded is not published yet");
}

#[tokio::test]
async fn a_failure_reaches_the_packager() {
    let (house, alice, package) = house().await;
    let build = submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    let outcome = json!({"outcome": "failed", "kind": "build_failed", "message": "make: *** [all] Error 2"});
    let finish = json!({"outcome": outcome, "artifacts": [], "boot_ms": null});
    assert_eq!(
        house.builder(&of(&task, "finish"), &finish).await.status.as_u16(),
        204
    );
    let build = house.get(&format!("/build/{}", build["id"])).await.ok();
    assert_eq!(build["state"], "failed");
    assert!(build["ended_on"].is_i64());
}

#[tokio::test]
async fn a_lease_that_is_lost_opens_nothing() {
    let (house, alice, package) = house().await;
    let build = submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    house
        .send(
            "PUT",
            &format!("/build/cancel/{}", build["id"]),
            Some(&alice),
            json!({}),
        )
        .await
        .ok();
    let file = json!({"name": "x.rpm", "size": 5, "sha256": "a".repeat(64)});
    let finish = json!({"outcome": {"outcome": "succeeded"}, "artifacts": [file], "boot_ms": null});
    for (what, body) in [
        ("heartbeat", json!({"phase": "building"})),
        ("uploads", json!({"files": [file]})),
        ("finish", finish),
        ("refuse", json!({"reason": "late"})),
        ("log?offset=0", json!("a piece of log")),
    ] {
        let text = house.builder(&of(&task, what), &body).await.error(410);
        assert!(text.contains("drop the work"), "{what}: {text}");
    }
    assert_eq!(
        house.get(&format!("/build/{}", build["id"])).await.ok()["state"],
        "canceled"
    );
    for path in ["/tasks/x/attempts/1/heartbeat", "/tasks/1/attempts/y/heartbeat"] {
        house
            .builder(path, &json!({"phase": "building"}))
            .await
            .error(404);
    }
}

#[tokio::test]
async fn a_refused_task_is_offered_again() {
    let (house, alice, package) = house().await;
    submit(&house, &alice, &package).await;
    let task = house.claim(0).await.ok();
    assert_eq!(
        house
            .builder(&of(&task, "refuse"), &json!({"reason": "no room"}))
            .await
            .status
            .as_u16(),
        204
    );
    house.pass(2);
    let again = house.claim(0).await.ok();
    assert_eq!((&again["id"], &again["attempt"]), (&task["id"], &json!(2)));
}

#[tokio::test]
async fn a_task_that_cannot_be_put_together_fails_and_does_not_block_the_queue() {
    let (house, alice, package) = house().await;
    let broken = submit(&house, &alice, &package).await;
    let good = submit(&house, &alice, &package).await;
    {
        let mut conn = house.pool.get().await.unwrap();
        break_source(&mut conn, broken["id"].as_i64().unwrap()).await;
    }
    let task = house.claim(0).await.ok();
    assert_eq!(task["build"], good["id"]);
    for _ in 0..5 {
        house.pass(100);
        house.claim(0).await;
    }
    assert_eq!(
        house.get(&format!("/build/{}", broken["id"])).await.ok()["state"],
        "failed"
    );
}

/// Takes a build's source package away, as no code does.
async fn break_source(conn: &mut db::Connection, build: i64) {
    db::testing::execute(
        conn,
        &format!("UPDATE builds SET srpm_sha256 = NULL WHERE id = {build}"),
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_open_claims_at_once() {
    let house = House::new().await;
    let url = format!("http://{}/v1/claim", house.addresses.builders);
    let request = house
        .client
        .post(url)
        .bearer_auth(crate::house::BUILDER_TOKEN)
        .json(&claim_request(60));
    let open = tokio::spawn(request.send());
    let mut conn = house.pool.get().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The claim is open once its builder was seen.
    while db::builders::seen_since(&mut conn, crate::house::start())
        .await
        .unwrap()
        == 0
    {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(conn);
    let began = Instant::now();
    house.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(open.await.unwrap().unwrap().status().as_u16(), 204);
}
