//! What owners may use: refused with numbers, or made to wait.

use serde_json::{Value, json};

use crate::house::{House, Person};
use crate::packages;

async fn url(house: &House, person: &Person, urls: &[&str]) -> crate::house::Answer {
    let body = json!({"ownername": "alice", "projectname": "tools", "pkgs": urls});
    house.send("POST", "/build/create/url", Some(person), body).await
}

const PACKAGE: &str = "https://example.org/a-1-1.src.rpm";

async fn quota(house: &House, person: &Person) -> Value {
    house
        .send("GET", "/quota/alice", Some(person), json!({}))
        .await
        .ok()
}

#[tokio::test]
async fn a_full_queue_takes_no_more_builds_and_says_so_with_numbers() {
    let house = House::with(|config| config.quota.queued_builds = Some(2)).await;
    let alice = house.person("alice", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    let many = url(&house, &alice, &[PACKAGE, PACKAGE, PACKAGE]).await.error(429);
    assert!(many.contains("0 of 2 builds wait already"), "{many}");
    let first = url(&house, &alice, &[PACKAGE, PACKAGE]).await.ok()["items"][0]["id"].clone();
    let body = json!({"ownername": "alice", "projectname": "tools", "pkgs": [PACKAGE]});
    let refused = house
        .request("POST", "/build/create/url", Some(&alice))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let said = refused.json::<Value>().await.unwrap()["error"].to_string();
    for part in [
        "The quota of alice is used up: 2 of 2 builds wait already.",
        "cancel some",
        "/api_3/quota/alice",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // As copr-cli learns before it uploads.
    house
        .send("POST", "/build/check-before-build", Some(&alice), body)
        .await
        .error(429);
    let shown = quota(&house, &alice).await;
    assert_eq!(
        shown["queued_builds"],
        json!({"used": 2, "limit": 2, "days": null})
    );

    // What advice and administrators can do about it.
    house
        .send("PUT", &format!("/build/cancel/{first}"), Some(&alice), json!({}))
        .await
        .ok();
    url(&house, &alice, &[PACKAGE]).await.ok();
    url(&house, &alice, &[PACKAGE]).await.error(429);
    let more = json!({"queued_builds": 3, "cpu_seconds": "1000"});
    let set = house.send("PUT", "/quota/alice", Some(&admin), more).await.ok();
    assert_eq!(set["queued_builds"]["limit"], 3);
    assert_eq!(set["cpu_seconds"], json!({"used": 0, "limit": 1000, "days": 30}));
    url(&house, &alice, &[PACKAGE]).await.ok();
    house
        .send("PUT", "/quota/alice", Some(&admin), json!({"queued_builds": -1}))
        .await
        .ok();
    url(&house, &alice, &[PACKAGE, PACKAGE]).await.ok();
    house
        .send("PUT", "/quota/alice", Some(&admin), json!({}))
        .await
        .ok();
    url(&house, &alice, &[PACKAGE]).await.error(429);
}

#[tokio::test]
async fn time_and_space_and_downloads_count() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    // A builder that takes the work and gives it back has used its machine all the same.
    let task = house.claim(0).await.ok();
    let attempt = format!("/tasks/{}/attempts/{}/refuse", task["id"], task["attempt"]);
    house.builder(&attempt, &json!({"reason": "out of disk"})).await;
    let used = quota(&house, &alice).await;
    assert!(used["cpu_seconds"]["used"].as_i64().unwrap() >= 1, "{used}");
    assert!(
        used["stored_bytes"]["used"].as_u64().unwrap() >= package.bytes.len() as u64,
        "{used}"
    );
    assert_eq!(used["cpu_seconds"]["limit"], Value::Null);

    let (owner, name) = ("alice".parse().unwrap(), "tools".parse().unwrap());
    db::quotas::served(&mut house.pool.get().await.unwrap(), &owner, &name, 1)
        .await
        .unwrap();
    for (field, words) in [
        ("cpu_seconds", "CPU-seconds in the last 30 days"),
        ("stored_bytes", "bytes of packages are stored"),
        ("served_bytes", "1 of 1 bytes were downloaded in the last 30 days"),
    ] {
        house
            .send("PUT", "/quota/alice", Some(&admin), json!({field: 1}))
            .await
            .ok();
        let said = url(&house, &alice, &[PACKAGE]).await.error(429);
        assert!(said.contains("of 1 ") && said.contains(words), "{said}");
    }
    house
        .send("PUT", "/quota/alice", Some(&admin), json!({}))
        .await
        .ok();
    url(&house, &alice, &[PACKAGE]).await.ok();
}

#[tokio::test]
async fn downloads_are_counted_for_the_holder() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let path = build["source_package"]["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://koper.test")
        .unwrap()
        .to_owned();
    let url = format!("http://{}{path}", house.addresses.results);
    for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
        let file = house.client.request(method, &url).send().await.unwrap();
        assert!(file.status().is_success(), "{url}");
        file.bytes().await.unwrap();
    }
    let pool = house.pool.clone();
    // The end of the frontend writes down what it has counted.
    house.stop().await;
    let mut conn = pool.get().await.unwrap();
    let usage = db::quotas::usage(&mut conn, &"alice".parse().unwrap(), false)
        .await
        .unwrap();
    assert_eq!(usage.served_bytes, i64::try_from(package.bytes.len()).unwrap());
}

#[tokio::test]
async fn quotas_are_the_owners_to_see_and_the_administrators_to_set() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house
        .send("GET", "/quota/alice", Some(&bob), json!({}))
        .await
        .error(403);
    house
        .send("PUT", "/quota/alice", Some(&alice), json!({"cpu_seconds": -1}))
        .await
        .error(403);
    house
        .send("GET", "/quota/no%20name", Some(&alice), json!({}))
        .await
        .error(400);
    assert_eq!(quota(&house, &alice).await["owner"], "alice");
}

#[tokio::test]
async fn a_fork_needs_room() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    house.project(&bob, "mine").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "bob", "projectname": "mine"});
    house
        .upload(Some(&bob), &package.name, &package.bytes, &form)
        .await
        .ok();
    let fork = async |name: &str| {
        let body = json!({"name": name, "ownername": "bob", "confirm": true});
        house
            .send("PUT", "/project/fork/alice/tools", Some(&bob), body)
            .await
    };
    let limit = async |body: Value| {
        house.send("PUT", "/quota/bob", Some(&admin), body).await.ok();
    };
    limit(json!({"stored_bytes": 1})).await;
    // A new project, and one that there is.
    for name in ["new", "mine"] {
        let said = fork(name).await.error(429);
        assert!(
            said.contains("The quota of bob is used up") && said.contains("bytes of packages are stored"),
            "{said}"
        );
    }
    house
        .get("/project?ownername=bob&projectname=new")
        .await
        .error(404);
    // Nothing of a fork waits in the queue.
    limit(json!({"queued_builds": 0})).await;
    for name in ["new", "mine"] {
        fork(name).await.ok();
    }
}

/// Two owners upload the same: it is stored once, and each sees what is theirs alone. The administrators see the sums.
#[tokio::test]
async fn what_is_stored_once_for_several_is_told() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let admin = house.person("admin", true).await;
    let (same, other) = (
        packages::source("BuildArch: noarch"),
        packages::source("Epoch: 1"),
    );
    assert_ne!(same.bytes, other.bytes);
    let length = |package: &packages::Made| i64::try_from(package.bytes.len()).unwrap();
    for (person, owner, projects) in [(&alice, "alice", &["one", "two"][..]), (&bob, "bob", &["one"])] {
        for project in projects {
            house.project(person, project).await;
            let form = json!({"ownername": owner, "projectname": project});
            house
                .upload(Some(person), &same.name, &same.bytes, &form)
                .await
                .ok();
        }
    }
    let form = json!({"ownername": "bob", "projectname": "one"});
    house
        .upload(Some(&bob), &other.name, &other.bytes, &form)
        .await
        .ok();
    let (same, other) = (length(&same), length(&other));
    for (owner, used, own, shared) in [
        ("alice", 2 * same, 0, same),
        ("bob", same + other, other, same),
        ("admin", 0, 0, 0),
    ] {
        let path = format!("/quota/{owner}");
        let shown = house.send("GET", &path, Some(&admin), json!({})).await.ok();
        assert_eq!(
            (&shown["stored_bytes"]["used"], &shown["stored_files"]),
            (&json!(used), &json!({"own_bytes": own, "shared_bytes": shared})),
            "{owner}"
        );
    }
    // What is kept for the past alone, and what of it goes; one file is a living package's as well.
    let rows = "INSERT INTO rpms (repository_id, task_id, name, epoch, version, release, arch, file_name, sha256,
            unsigned_sha256, size, primary_xml, filelists_xml, other_xml, scratch, orphaned_at)
        SELECT (SELECT min(id) FROM repositories), CASE WHEN lives THEN (SELECT min(id) FROM tasks) END, name, 0, '1', '1',
            'noarch', name || '.rpm', repeat(digit, 64), 'u', size, '', '', '', false, CASE WHEN goes THEN now() END
        FROM (VALUES ('kept', 'a', 10, false, false), ('goes', 'b', 200, false, true), ('both', 'c', 3000, false, true),
            ('both', 'c', 3000, true, false), ('once', 'd', 40000, false, true), ('once', 'd', 40000, false, false))
            AS packages (name, digit, size, lives, goes)";
    let mut conn = house.pool.get().await.unwrap();
    assert_eq!(db::testing::execute(&mut conn, rows).await.unwrap(), 6);
    drop(conn);
    let all = house
        .send("GET", "/retention", Some(&admin), json!({}))
        .await
        .ok();
    let (named, stored) = (
        3 * same + other + 10 + 200 + 2 * (3_000 + 40_000),
        same + other + 10 + 200 + 3_000 + 40_000,
    );
    assert_eq!(
        [
            &all["named_bytes"],
            &all["stored_bytes"],
            &all["past_bytes"],
            &all["going_bytes"]
        ],
        [
            &json!(named),
            &json!(stored),
            &json!(10 + 200 + 40_000),
            &json!(200)
        ]
    );
}
