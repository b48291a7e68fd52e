//! Snapshots and pointers as users and their machines meet them.

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

/// A project with two versions of `motd` and one of `other`, in snapshots 2, 3 and 4.
async fn three() -> (House, Api, db::projects::Project) {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    for (name, version) in [("motd", "1.0"), ("motd", "2.0"), ("other", "1.0")] {
        house.build(&tools, "tools", name, version).await;
        house.pass(1);
    }
    assert_eq!(house.snapshot("alice/tools").await, 4);
    let api = house.api("alice").await;
    (house, api, tools)
}

fn at(verb: &str) -> String {
    format!("{verb}/alice/tools/{CHROOT}")
}

/// A machine that follows something else than `latest`.
async fn machine(house: &House, at: &str) -> Machine {
    let url = format!("{}/coprs/alice/tools/repo/debian-12/?at={at}", house.url);
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    Machine::with(&answer.text().await.unwrap())
}

fn names(packages: &Value) -> Vec<&str> {
    let all = packages.as_array().unwrap().iter();
    all.map(|p| p["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_goes_back_and_on_from_there() {
    let (house, api, tools) = three().await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-1.0", "motd-2.0", "other-1.0"]);
    let back = api
        .done(
            &at("/snapshot/rollback"),
            json!({"to": 2, "cause": "2.0 is broken"}),
        )
        .await;
    assert_eq!(back, json!({"pointer": "latest", "snapshot": 2, "before": 4}));
    assert_eq!(users.sees().await, ["motd-1.0"], "seen when the answer is there");
    users.install("motd").await;
    assert_eq!(users.reads("motd"), "1.0");

    house.build(&tools, "tools", "third", "1.0").await;
    assert_eq!(
        users.sees().await,
        ["motd-1.0", "third-1.0"],
        "nothing comes back by itself"
    );
    let listed = api.get(&at("/snapshot/list")).await;
    let newest = &listed["items"][0];
    assert_eq!(
        (newest["number"].as_i64(), newest["parent"].as_i64()),
        (Some(5), Some(2))
    );
    assert_eq!(newest["pointers"], json!(["latest"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_snapshot_stays_what_it_was() {
    let (house, api, tools) = three().await;
    let pinned = machine(&house, "3").await;
    let listed = api.get(&at("/snapshot/list")).await;
    let third = &listed["items"][1];
    assert_eq!(
        (third["number"].as_i64(), third["packages"].as_i64()),
        (Some(3), Some(2))
    );
    let then = chrono::DateTime::from_timestamp(third["created_on"].as_i64().unwrap() + 1, 0).unwrap();
    let of_then = machine(&house, &then.format("%Y%m%dT%H%M%SZ").to_string()).await;
    for n in 0..5 {
        house.build(&tools, "tools", &format!("more{n}"), "1.0").await;
    }
    let alice = house.copr("alice").await;
    run(&alice, &["delete-build", "2"]).await.expect_code(0);
    house.settle().await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await.len(), 7);
    assert!(!users.sees().await.contains(&"motd-2.0".to_owned()));
    for machine in [&pinned, &of_then] {
        assert_eq!(machine.sees().await, ["motd-1.0", "motd-2.0"]);
        machine.install("motd").await;
        assert_eq!(
            machine.reads("motd"),
            "2.0",
            "its build is deleted, and it is there"
        );
    }
    let first = api
        .get(&format!("/snapshot/packages/alice/tools/{CHROOT}/3"))
        .await;
    assert_eq!(first["packages"][1]["build_id"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_flows_do_not_see_each_other() {
    let (house, api, tools) = three().await;
    let promote = at("/snapshot/promote");
    // Both begin at snapshot 2.
    for pointer in ["flow-a", "flow-b"] {
        let made = api
            .done(&promote, json!({"pointer": pointer, "from": "2", "expected": 0}))
            .await;
        assert_eq!(made["snapshot"], 2);
    }
    let a = api
        .done(
            &promote,
            json!({"pointer": "flow-a", "from": "latest", "packages": "other"}),
        )
        .await;
    let motd = json!({"pointer": "flow-b", "from": "latest", "packages": ["motd-2.0-1.deb12.kpr.alice_tools.noarch"]});
    let b = api.done(&promote, motd).await;
    assert_ne!(a["snapshot"], b["snapshot"]);
    let (in_a, in_b) = (machine(&house, "flow-a").await, machine(&house, "flow-b").await);
    assert_eq!(in_a.sees().await, ["motd-1.0", "other-1.0"]);
    assert_eq!(in_b.sees().await, ["motd-1.0", "motd-2.0"]);
    // What is built goes to `latest` alone.
    house.build(&tools, "tools", "third", "1.0").await;
    assert_eq!(in_a.sees().await.len(), 2);
    let merged = api
        .done(
            &at("/snapshot/merge"),
            json!({"pointer": "flow-a", "from": "flow-b"}),
        )
        .await;
    assert_eq!(in_a.sees().await, ["motd-1.0", "motd-2.0", "other-1.0"]);
    assert_eq!(in_b.sees().await, ["motd-1.0", "motd-2.0"]);
    in_a.install("motd").await;
    assert_eq!(in_a.reads("motd"), "2.0");
    let again = api
        .done(
            &at("/snapshot/merge"),
            json!({"pointer": "flow-a", "from": "flow-b"}),
        )
        .await;
    assert_eq!(
        again["snapshot"], merged["snapshot"],
        "there is nothing left to merge"
    );

    let (status, refused) = api
        .post(&promote, json!({"pointer": "flow-b", "from": "1", "expected": 2}))
        .await;
    assert_eq!((status, &refused["current"]), (409, &b["snapshot"]), "{refused}");
    let chosen = json!({"pointer": "flow-b", "from": "latest", "packages": "third", "expected": 2});
    let (status, refused) = api.post(&promote, chosen).await;
    assert_eq!((status, &refused["current"]), (409, &b["snapshot"]), "{refused}");
    api.done(&at("/pointer/delete"), json!({"pointer": "flow-b"}))
        .await;
    assert_eq!(
        house
            .status(&format!("alice/tools/{CHROOT}/@flow-b/mirrorlist"))
            .await,
        404
    );
    let left = api.get(&at("/pointer/list")).await;
    assert_eq!(
        names(&left["items"]),
        ["consistent", "current", "flow-a", "latest"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_taken_back_and_builds_stay() {
    let (house, api, tools) = three().await;
    let yank = at("/snapshot/yank");
    let yanked = api.done(&yank, json!({"build_id": 2, "expected": 4})).await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);
    house.build(&tools, "tools", "third", "1.0").await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0", "third-1.0"]);
    let number = yanked["snapshot"].as_i64().unwrap();
    let shown = api
        .get(&format!("/snapshot/show/alice/tools/{CHROOT}/{number}"))
        .await;
    assert_eq!(shown["cause"], "yank of build 2");
    assert_eq!(shown["actor"], "alice");
    assert_eq!(names(&shown["difference"]["removed"]), ["motd"]);
    assert_eq!(shown["difference"]["removed"][0]["build_id"], 2);
    let diff = api
        .get(&format!("/snapshot/diff/alice/tools/{CHROOT}/latest?from=4"))
        .await;
    assert_eq!(
        (names(&diff["added"]), names(&diff["removed"])),
        (vec!["third"], vec!["motd"])
    );

    for (body, said) in [
        (
            json!({"packages": "nothing"}),
            "snapshot 6 has nothing of 'nothing'",
        ),
        (json!({"build_id": 2}), "snapshot 6 has nothing of build 2"),
        (json!({}), "name packages, or a build"),
        (
            json!({"packages": "motd", "pointer": "Stable"}),
            "is not a valid pointer name",
        ),
    ] {
        let (status, refused) = api.post(&yank, body).await;
        let error = refused["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(said), "{error}");
    }
    let (status, refused) = api.post(&yank, json!({"packages": "motd", "expected": 4})).await;
    assert_eq!((status, &refused["current"]), (409, &json!(6)), "{refused}");
    let bob = house.api("bob").await;
    let (status, _) = bob.post(&yank, json!({"packages": "motd"})).await;
    assert_eq!(status, 403);
    let (status, _) = api
        .post(&at("/pointer/delete"), json!({"pointer": "latest"}))
        .await;
    assert_eq!(status, 403);
    // Back as often as there is something before.
    for wanted in [5, 4, 3, 2, 1] {
        let back = api.done(&at("/snapshot/rollback"), json!({})).await;
        assert_eq!(back["snapshot"], wanted);
    }
    let (status, refused) = api.post(&at("/snapshot/rollback"), json!({})).await;
    let error = refused["error"].as_str().unwrap();
    assert!(
        status == 400 && error.contains("there is nothing before"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_which_snapshot_they_are_of() {
    let (house, api, _tools) = three().await;
    api.done(&at("/pointer/move"), json!({"pointer": "stable", "to": "3"}))
        .await;
    let base = format!("{}/alice/tools/{CHROOT}", house.results_url);
    for (address, number) in [("", "4"), ("@stable/", "3"), ("@2/", "2")] {
        for file in ["repodata/repomd.xml", "repodata/repomd.xml.asc"] {
            let answer = reqwest::get(format!("{base}/{address}{file}")).await.unwrap();
            assert_eq!(answer.status(), 200, "{address}{file}");
            assert_eq!(answer.headers()["x-koper-snapshot"], number, "{address}{file}");
        }
    }
    let text = async |path: &str| {
        let answer = reqwest::get(format!("{base}/{path}")).await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    };
    assert_eq!(text("@stable/mirrorlist").await, format!("{base}/@3/\n"));
    let state: Value = serde_json::from_str(&text("@stable/latest.json").await).unwrap();
    assert_eq!(state["snapshot"], 3);
    // A plain baseurl that follows the pointer works as well.
    let plain = format!(
        "[p]\nname=p\nbaseurl={base}/@stable/\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey={}/alice/tools/pubkey.gpg\n",
        house.results_url
    );
    let follower = Machine::with(&plain);
    assert_eq!(follower.sees().await, ["motd-1.0", "motd-2.0"]);
    follower.install("motd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_of_several_repositories_move_in_one_call_or_not_at_all() {
    let (house, api, tools) = three().await;
    house.build(&tools, "tools:custom:x", "motd", "3.0").await;
    let second = format!("alice/tools:custom:x/{CHROOT}");
    let first = format!("alice/tools/{CHROOT}");
    let status = async |repository: &str| house.status(&format!("{repository}/@stable/mirrorlist")).await;
    let wish =
        |repositories: &[String]| json!({"pointer": "stable", "to": "current", "repositories": repositories});
    for (second, code, said) in [
        (format!("{second}=3"), 409, "names no snapshot now"),
        (format!("{second}@77"), 404, "has no snapshot '77'"),
        (format!("alice/none/{CHROOT}"), 404, "does not exist"),
        (first.clone(), 400, "name each repository once"),
        ("alice/tools".to_owned(), 400, "is not of the form"),
    ] {
        let (status_code, refused) = api
            .post("/pointer/move-many", wish(&[first.clone(), second]))
            .await;
        let error = refused["error"].as_str().unwrap();
        assert!(
            status_code == code && error.contains(said),
            "{status_code} {error}"
        );
        assert_eq!(status(&first).await, 404, "nothing moved");
    }
    let moved = api
        .done(
            "/pointer/move-many",
            wish(&[format!("{first}@2=0"), second.clone()]),
        )
        .await;
    assert_eq!(moved["items"][0]["snapshot"], 2);
    assert_eq!(status(&first).await, 200, "seen when the answer is there");
    assert_eq!(status(&second).await, 200);
    assert_eq!(house.status(&format!("{first}/@current/mirrorlist")).await, 200);
    for pointer in ["current", "consistent", "devel"] {
        let body = json!({"pointer": pointer, "to": "2", "repositories": [first]});
        let (code, refused) = api.post("/pointer/move-many", body).await;
        assert_eq!(code, 403, "{refused}");
        for (verb, body) in [
            ("/pointer/move", json!({"pointer": pointer, "to": "2"})),
            ("/snapshot/promote", json!({"pointer": pointer, "from": "2"})),
        ] {
            let (code, refused) = api.post(&at(verb), body).await;
            assert_eq!(code, 403, "{pointer} {refused}");
        }
    }
    let bob = house.api("bob").await;
    let (code, _) = bob.post("/pointer/move-many", wish(&[first])).await;
    assert_eq!(code, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn consistent_stays_behind_while_a_package_is_failing() {
    let (house, api, tools) = three().await;
    let stays = async || {
        house.settle().await;
        let shown = api
            .get(&format!("/snapshot/show/alice/tools/{CHROOT}/consistent"))
            .await;
        shown["number"].as_i64().unwrap()
    };
    assert_eq!(stays().await, 4);
    let failed = house.fail(&tools, "tools", "broken").await;
    house.build(&tools, "tools", "motd", "4.0").await;
    house.build(&tools, "tools", "motd", "5.0").await;
    assert_eq!((house.snapshot("alice/tools").await, stays().await), (6, 4));
    let follower = machine(&house, "consistent").await;
    assert_eq!(follower.sees().await, ["motd-1.0", "motd-2.0", "other-1.0"]);
    // The next build of the package is good.
    house.build(&tools, "tools", "broken", "2.0").await;
    assert_eq!((house.snapshot("alice/tools").await, stays().await), (7, 7));
    assert_eq!(follower.sees().await.len(), 6);
    house.fail(&tools, "tools", "other").await;
    house.build(&tools, "tools", "motd", "6.0").await;
    assert_eq!(stays().await, 7);
    // Or the failing build is deleted.
    let other = house.fail(&tools, "tools", "other").await;
    for build in [other.0 - 2, other.0] {
        api.done(&format!("/build/delete/{build}"), json!({})).await;
    }
    assert_eq!((house.snapshot("alice/tools").await, stays().await), (8, 8));
    // Going back moves what is served, and nothing else.
    api.done(&at("/snapshot/rollback"), json!({"to": 2})).await;
    assert_eq!(stays().await, 8);
    // All are listed, with what nobody moves by hand.
    let listed = api.get(&at("/pointer/list")).await;
    assert_eq!(names(&listed["items"]), ["consistent", "current", "latest"]);
    let base = format!("{}/alice/tools/{CHROOT}/", house.results_url);
    for (number, (snapshot, read_only, address)) in
        [(8, true, "@consistent/"), (2, true, "@current/"), (2, false, "")]
            .into_iter()
            .enumerate()
    {
        let pointer = &listed["items"][number];
        let url = format!("{base}{address}");
        assert_eq!(
            (&pointer["snapshot"], &pointer["read_only"], &pointer["url"]),
            (&json!(snapshot), &json!(read_only), &json!(url)),
        );
        let repomd = reqwest::get(format!("{url}repodata/repomd.xml")).await.unwrap();
        assert_eq!(repomd.headers()["x-koper-snapshot"], snapshot.to_string());
    }
    let page = house.page(&format!("/coprs/alice/tools/build/{failed}/")).await;
    assert!(page.contains("failed"), "{page}");
}
