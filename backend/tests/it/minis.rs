//! Small repositories: just what a build made, and what a batch made.

use db::batches::BatchOf;
use db::builds::BuildOptions;
use protocol::{BuildId, Outcome};
use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House, eventually};
use crate::machine::Machine;

async fn text(url: &str) -> String {
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    answer.text().await.unwrap()
}

/// The only small repository of a build or batch.
async fn mini(api: &Api, of: &str) -> Value {
    let found = api.get(&format!("/{of}")).await;
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{found}");
    items[0].clone()
}

async fn of_build(api: &Api, build: BuildId) -> Value {
    mini(api, &format!("build/repository/{build}")).await
}

/// A machine with the file that the page of a build names.
async fn machine(mini: &Value) -> Machine {
    Machine::with(&text(mini["repo_url"].as_str().unwrap()).await)
}

async fn key_changed(house: &House) {
    eventually("the new key", async || {
        let shown = house.page("/api_3/project/key/alice/tools").await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        (shown["changing"] == false).then_some(())
    })
    .await;
    house.settle().await;
}

/// A new key, and the end of the old one.
async fn another_key(house: &House, api: &Api) {
    api.done("/project/key/rotate/alice/tools", json!({})).await;
    key_changed(house).await;
}

async fn old_key_ends(house: &House, api: &Api) {
    let keys = api.get("/project/key/alice/tools").await;
    let old = &keys["keys"][0]["fingerprint"];
    let end = json!({"fingerprint": old, "reason": "compromised", "message": "A laptop was stolen."});
    api.done("/project/key/revoke/alice/tools", end).await;
    key_changed(house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_made_is_a_repository_until_it_is_deleted() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    let first = house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "motd", "2.0").await;
    let options = BuildOptions {
        scratch: true,
        ..BuildOptions::default()
    };
    let trial = house
        .start(&tools, "tools", ("trial", "1.0"), &options, None)
        .await;
    house.deliver(&tools, &trial.tasks[0], "trial", "1.0").await;
    house.wait(trial.id, |build| build.is_final()).await;
    house.settle().await;
    // A newer build takes its place for those who follow `latest`.
    let yank = format!("/snapshot/yank/alice/tools/{CHROOT}");
    api.done(&yank, json!({"build_id": first.0})).await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-2.0"]);

    let of_first = of_build(&api, first).await;
    let folder = format!("{}/alice/tools/{CHROOT}/{:08}-motd/", house.results_url, first.0);
    assert_eq!(
        (&of_first["url"], &of_first["packages"]),
        (&json!(folder), &json!(1))
    );
    let (alone, of_trial) = (machine(&of_first).await, of_build(&api, trial.id).await);
    assert_eq!(alone.sees().await, ["motd-1.0"]);
    alone.install("motd").await;
    assert_eq!(alone.reads("motd"), "1.0");
    // The folder itself is the repository, also for those who know no mirrorlist.
    let plain = |url: &str| {
        format!(
            "[p]\nname=p\nbaseurl={url}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey={}/alice/tools/pubkey.gpg\n",
            house.results_url
        )
    };
    Machine::with(&plain(&folder)).install("motd").await;
    // `copr-cli download-build` fetches whatever the folder lists.
    assert!(!text(&folder).await.contains("repodata"));
    let listed = text(&format!("{folder}repodata/")).await;
    assert!(
        listed.contains("repomd.xml.asc") && listed.contains("-primary.xml"),
        "{listed}"
    );
    machine(&of_trial).await.install("trial").await;
    let page = house.page(&format!("/coprs/alice/tools/build/{first}/")).await;
    assert!(page.contains("Install what this build made"), "{page}");
    assert!(page.contains(&format!("?build={first}")), "{page}");

    // All of that with another key, with which all is signed anew; and still when the old one is no good any more.
    another_key(&house, &api).await;
    let again = of_build(&api, first).await;
    assert!(again["revision"].as_i64() > of_first["revision"].as_i64());
    for mini in [&of_first, &of_trial] {
        assert_eq!(machine(mini).await.sees().await.len(), 1);
    }
    old_key_ends(&house, &api).await;
    for (mini, package) in [(&of_first, "motd"), (&of_trial, "trial")] {
        machine(mini).await.install(package).await;
        Machine::with(&plain(mini["url"].as_str().unwrap()))
            .install(package)
            .await;
    }

    for build in [first, trial.id] {
        api.done(&format!("/build/delete/{build}"), json!({})).await;
    }
    house.settle().await;
    for mini in [&of_first, &of_trial] {
        for address in ["repodata/repomd.xml", "mirrorlist"] {
            let url = format!("{}{address}", mini["url"].as_str().unwrap());
            assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
        }
        let file = reqwest::get(mini["repo_url"].as_str().unwrap()).await.unwrap();
        assert_eq!(file.status(), 404);
    }
    assert_eq!(users.sees().await, ["motd-2.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_made_is_a_repository_once_all_of_it_has_ended() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    house.build(&tools, "tools", "before", "1.0").await;
    let options = BuildOptions::default();
    let start = async |name, batch| house.start(&tools, "tools", (name, "1.0"), &options, batch).await;
    let one = start("one", None).await;
    let two = start("two", Some(BatchOf::With(one.id))).await;
    let bad = start("bad", Some(BatchOf::With(one.id))).await;
    for (build, name) in [(&one, "one"), (&two, "two")] {
        house.deliver(&tools, &build.tasks[0], name, "1.0").await;
        house.wait(build.id, |build| build.is_final()).await;
    }
    let batch = house
        .wait(one.id, |build| build.batch.is_some())
        .await
        .batch
        .unwrap();
    house.settle().await;
    let address = format!("/batch/repository/{batch}");
    assert_eq!(
        api.get(&address).await,
        json!({"items": []}),
        "one of them has not ended"
    );
    let failed = Outcome::Failed {
        kind: protocol::FailureKind::BuildFailed,
        message: "no".to_owned(),
    };
    house.finish(&bad.tasks[0], &failed, &[]).await;
    house.settle().await;
    house.build(&tools, "tools", "after", "1.0").await;

    let of_batch = mini(&api, &address[1..]).await;
    let url = format!("{}/alice/tools/{CHROOT}/batches/{batch}/", house.results_url);
    assert_eq!(
        (&of_batch["url"], &of_batch["packages"]),
        (&json!(url), &json!(2))
    );
    let alone = machine(&of_batch).await;
    assert_eq!(alone.sees().await, ["one-1.0", "two-1.0"]);
    alone.install("two").await;
    another_key(&house, &api).await;
    old_key_ends(&house, &api).await;
    machine(&of_batch).await.install("one").await;

    // What a build made is gone with it, and the batch with the last.
    let delete = async |build: BuildId| {
        api.done(&format!("/build/delete/{build}"), json!({})).await;
        house.settle().await;
    };
    delete(one.id).await;
    assert_eq!(machine(&of_batch).await.sees().await, ["two-1.0"]);
    delete(two.id).await;
    let gone = reqwest::get(format!("{url}repodata/repomd.xml")).await.unwrap();
    assert_eq!(gone.status(), 404);
}
