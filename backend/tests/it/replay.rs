//! O08: what a repository's history says is all there is to know.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House, run};

fn at(verb: &str) -> String {
    format!("{verb}/alice/tools/{CHROOT}")
}

/// All items of a list that comes in parts, oldest first.
async fn all(api: &Api, verb: &str, number: &str) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let before = found.last().map(|item| format!("&before={}", item[number]));
        let path = format!("{}?limit=3{}", at(verb), before.unwrap_or_default());
        let page = api.get(&path).await["items"].as_array().unwrap().clone();
        if page.is_empty() {
            found.reverse();
            return found;
        }
        found.extend(page);
    }
}

fn names(packages: &Value) -> BTreeSet<String> {
    let all = packages.as_array().unwrap().iter();
    all.map(|p| p["file_name"].as_str().unwrap().to_owned()).collect()
}

/// A project with builds, a deletion, a rollback, promotions, a merge and packages that were taken back.
async fn lived() -> (House, Api) {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    for (name, version) in [("motd", "1.0"), ("motd", "2.0"), ("other", "1.0")] {
        house.build(&tools, "tools", name, version).await;
    }
    run(&alice, &["delete-build", "2"]).await.expect_code(0);
    house.settle().await;
    house.make(&alice, "alice", "source").await;
    let source = house.project("alice", "source").await;
    house.build(&source, "source", "given", "1.0").await;
    let api = house.api("alice").await;
    for (verb, body) in [
        (
            "/snapshot/promote",
            json!({"pointer": "flow", "from": 2, "expected": 0}),
        ),
        (
            "/snapshot/rollback",
            json!({"to": 3, "cause": "the others are broken"}),
        ),
        (
            "/snapshot/promote",
            json!({"pointer": "flow", "from": 4, "packages": "other"}),
        ),
        ("/snapshot/merge", json!({"pointer": "latest", "from": "flow"})),
        (
            "/snapshot/yank",
            json!({"packages": "motd-1.0-1.deb12.kpr.alice_tools.noarch"}),
        ),
        ("/pointer/move", json!({"pointer": "stable", "to": "latest"})),
        ("/pointer/delete", json!({"pointer": "flow"})),
    ] {
        api.done(&at(verb), body).await;
    }
    let given = json!({"from": "latest", "into": "alice/tools"});
    api.done(&format!("/snapshot/promote/alice/source/{CHROOT}"), given)
        .await;
    house.build(&tools, "tools", "last", "1.0").await;
    house.settle().await;
    (house, api)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_alone_gives_every_pointer_and_every_snapshot() {
    let (house, api) = lived().await;
    // Every snapshot, from its parent and what changed.
    let mut contents: BTreeMap<i64, BTreeSet<String>> = BTreeMap::from([(0, BTreeSet::new())]);
    for snapshot in all(&api, "/snapshot/list", "number").await {
        let number = snapshot["number"].as_i64().unwrap();
        let shown = api.get(&format!("{}/{number}", at("/snapshot/show"))).await;
        let mut content = contents[&snapshot["parent"].as_i64().unwrap()].clone();
        for gone in names(&shown["difference"]["removed"]) {
            assert!(content.remove(&gone), "{number}: {gone} was not there");
        }
        for came in names(&shown["difference"]["added"]) {
            assert!(content.insert(came.clone()), "{number}: {came} was there");
        }
        let listed = api.get(&format!("{}/{number}", at("/snapshot/packages"))).await;
        assert_eq!(names(&listed["packages"]), content, "{number}");
        assert!(!snapshot["cause"].as_str().unwrap().is_empty());
        contents.insert(number, content);
    }
    assert!(contents.len() > 8, "{contents:?}");
    // Every pointer, from its moves, each of which begins where the one before ended.
    let mut pointers: BTreeMap<String, i64> = BTreeMap::new();
    let moves = all(&api, "/pointer/moves", "id").await;
    for moved in &moves {
        let name = moved["pointer"].as_str().unwrap().to_owned();
        assert_eq!(moved["from"].as_i64(), pointers.get(&name).copied(), "{moved}");
        match moved["to"].as_i64() {
            Some(to) => {
                assert!(contents.contains_key(&to), "{moved}");
                pointers.insert(name, to);
            }
            None => {
                pointers.remove(&name);
            }
        }
    }
    // Outside devel mode it is where users are.
    assert_eq!(pointers.remove("devel"), pointers.get("latest").copied());
    let listed = api.get(&at("/pointer/list")).await;
    let listed = listed["items"].as_array().unwrap().iter();
    let mut listed: BTreeMap<String, i64> = listed
        .map(|p| {
            (
                p["name"].as_str().unwrap().to_owned(),
                p["snapshot"].as_i64().unwrap(),
            )
        })
        .collect();
    // The same by another name.
    assert_eq!(listed.remove("current"), listed.get("latest").copied());
    assert_eq!(pointers, listed);
    assert_eq!(house.snapshot("alice/tools").await, pointers["latest"]);
    // Whatever somebody did is in the history of changes as well.
    let lines = db::audit::list(&mut *house.conn().await, None, false, 200, 0)
        .await
        .unwrap();
    let object = format!("repository:alice/tools/{CHROOT}");
    let by_hand = moves
        .iter()
        .filter(|moved| moved["actor"] == "alice" && moved["pointer"] != "devel");
    let written = lines
        .iter()
        .filter(|line| line.object == object && line.actor == "alice");
    assert_eq!(by_hand.count(), written.count(), "{lines:#?}");
}
