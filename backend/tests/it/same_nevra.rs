//! A package of a name, version, release and architecture that the repository has: refused, or put in its place.

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House};
use crate::machine::Machine;

async fn ready(replace: bool) -> (House, Api, db::projects::Project) {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    let wish = json!({"replace_same_nevra": replace});
    let edited = api.done("/project/edit/alice/tools", wish).await;
    assert_eq!(edited["replace_same_nevra"], replace);
    let tools = house.project("alice", "tools").await;
    (house, api, tools)
}

/// Builds whose packages a snapshot has.
async fn of(api: &Api, snapshot: &str) -> Vec<Value> {
    let path = format!("/snapshot/packages/alice/tools/{CHROOT}/{snapshot}");
    let shown = api.get(&path).await;
    let packages = shown["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| package["build_id"].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_build_replaces_where_the_project_says_so() {
    let (house, api, tools) = ready(true).await;
    let first = house.build(&tools, "tools", "motd", "1.0").await.0;
    api.done(
        &format!("/pointer/move/alice/tools/{CHROOT}"),
        json!({"pointer": "stable", "to": "latest"}),
    )
    .await;
    let second = house.build(&tools, "tools", "motd", "1.0").await.0;
    assert_eq!(of(&api, "latest").await, [second]);
    assert_eq!(of(&api, "stable").await, [first], "what was, stays");
    let users = Machine::new(&house, "alice", "tools").await;
    let stable = Machine::at(&house, "alice", "tools", "stable").await;
    let then = Machine::at(&house, "alice", "tools", "2").await;
    for machine in [users, stable, then] {
        assert_eq!(machine.sees().await, ["motd-1.0"]);
        machine.install("motd").await;
    }
    // Nothing but a new snapshot brings the other back.
    let wish = json!({"pointer": "latest", "from": "2", "packages": "motd"});
    api.done(&format!("/snapshot/promote/alice/tools/{CHROOT}"), wish)
        .await;
    assert_eq!(of(&api, "latest").await, [first]);

    // By default it is refused.
    api.done("/project/edit/alice/tools", json!({"replace_same_nevra": false}))
        .await;
    let tools = house.project("alice", "tools").await;
    house.build_refused(&tools, "tools", "motd", "1.0").await;
    assert_eq!(of(&api, "latest").await, [first]);
}

/// With each rule exactly one is in the result.
#[tokio::test(flavor = "multi_thread")]
async fn two_backends_publish_the_same_package_at_once() {
    for replace in [false, true] {
        let (house, api, tools) = ready(replace).await;
        house.start_backend("another");
        for round in 1..=3 {
            let version = format!("{round}.0");
            let uploads = (0..4).map(|_| house.upload(&tools, "tools", "motd", &version));
            let builds = futures_util::future::join_all(uploads).await;
            let mut states = Vec::new();
            for build in builds {
                states.push(house.wait(build, |build| build.is_final()).await.state());
            }
            states.sort_unstable();
            let good = states.iter().filter(|state| **state == "succeeded").count();
            assert_eq!(good, if replace { 4 } else { 1 }, "{replace}: {states:?}");
            assert_eq!(of(&api, "latest").await.len(), round, "{replace}");
        }
        house.settle().await;
        let users = Machine::new(&house, "alice", "tools").await;
        assert_eq!(users.sees().await, ["motd-1.0", "motd-2.0", "motd-3.0"]);
        users.install("motd").await;
    }
}
