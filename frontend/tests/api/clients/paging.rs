//! Long lists with `copr-cli` and the library: every item once, to the end.

use std::collections::BTreeSet;

use db::seed::{CHROOTS, OWNER, PROJECT, Size};
use serde_json::{Value, json};

use super::{copr, house, house_with, python, run};
use crate::house::House;

/// The large project gets 2 500 builds and 500 packages.
const SIZE: Size = Size {
    projects: 3,
    builds: 12_500,
    large_packages: 500,
    packages: 505,
};

async fn seeded() -> House {
    let house = house().await;
    let mut conn = house.pool.get().await.unwrap();
    db::seed::fill(&mut conn, SIZE).await.unwrap();
    drop(conn);
    house
}

#[tokio::test]
async fn builds_are_listed_to_the_last_and_the_monitor_shows_every_chroot() {
    let house = seeded().await;
    let alice = house.person("alice", false).await;
    let copr = copr(&house, &alice);
    let project = format!("{OWNER}/{PROJECT}");

    let listed = run(&copr, &["list-builds", &project]).await.expect_code(0);
    let ids: Vec<i64> = listed
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(ids.len(), 2_500);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 2_500);
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first");

    let monitor = run(&copr, &["monitor", &project, "--output-format", "json"])
        .await
        .expect_code(0);
    let rows: Vec<Value> = serde_json::from_str(&monitor.out).unwrap();
    assert_eq!(rows.len(), 500 * CHROOTS.len());
    let names: BTreeSet<&str> = rows.iter().filter_map(|r| r["name"].as_str()).collect();
    assert_eq!(names.len(), 500);
    let links = run(
        &copr,
        &[
            "monitor",
            &project,
            "--fields",
            "name,chroot,url_build_log,url_build",
        ],
    )
    .await
    .expect_code(0);
    assert!(links.out.contains("/builder-live.log.gz"));

    let packages = run(&copr, &["list-packages", &project, "--with-latest-build"])
        .await
        .expect_code(0);
    let packages: Vec<Value> = serde_json::from_str(&packages.out).unwrap();
    assert_eq!(packages.len(), 500);
    assert!(
        packages.iter().all(|p| p["latest_build"]["id"].is_i64()),
        "{}",
        packages[0]
    );
}

#[tokio::test]
async fn the_library_s_pages_end() {
    let house = seeded().await;
    let alice = house.person("alice", false).await;
    let script = format!(
        r#"
import os
from copr.v3 import Client
from copr.v3.pagination import next_page
client = Client.create_from_config_file(os.environ["COPR_CONFIG"])
def walk(page):
    seen = []
    while page:
        seen += [item.id for item in page]
        page = next_page(page)
    assert len(set(seen)) == len(seen)
    return len(seen)
of = dict(ownername="{OWNER}", projectname="{PROJECT}")
print(walk(client.build_proxy.get_list(**of, pagination=dict(limit=300))))
print(walk(client.build_proxy.get_list(**of, status="failed", pagination=dict(limit=50))))
print(walk(client.build_proxy.get_list(**of, packagename="package-00007", pagination=dict(limit=2))))
print(walk(client.package_proxy.get_list(**of, with_latest_build=True, pagination=dict(limit=99))))
print(walk(client.project_proxy.get_list("{OWNER}", pagination=dict(limit=1))))
"#
    );
    let out = python(&house, &alice, &script).await;
    let counts: Vec<i64> = out.lines().map(|l| l.parse().unwrap()).collect();
    let [all, failed, of_package, packages, projects] = counts[..] else {
        panic!("{out}")
    };
    assert_eq!((all, of_package, packages, projects), (2_500, 5, 500, 1));
    assert!(failed > 300 && failed < 400, "{failed}");
}

#[tokio::test]
async fn a_list_is_whole_or_it_is_said_that_there_are_pages() {
    let house = house_with(|config| config.list_rows = 4).await;
    let size = Size {
        projects: 10,
        builds: 50,
        large_packages: 5,
        packages: 20,
    };
    let mut conn = house.pool.get().await.unwrap();
    db::seed::fill(&mut conn, size).await.unwrap();
    drop(conn);
    let admin = house.person("admin", true).await;
    for name in ["one", "two", "three", "four", "five"] {
        let group = json!({"name": name});
        house.send("POST", "/group/add", Some(&admin), group).await.ok();
    }
    let script = format!(
        r#"
import os
from copr.v3 import Client
from copr.v3.exceptions import CoprRequestException
from copr.v3.pagination import next_page
client = Client.create_from_config_file(os.environ["COPR_CONFIG"])
of = dict(ownername="{OWNER}", projectname="{PROJECT}")
for ask in (
    lambda page: client.build_proxy.get_list(**of, pagination=page),
    lambda page: client.package_proxy.get_list(**of, pagination=page),
    lambda page: client.project_proxy.get_list(pagination=page),
    lambda page: client.project_proxy.search("seed", pagination=page),
    lambda page: client.build_chroot_proxy.get_list(50, pagination=page),
):
    try:
        print(len(ask(None)))
    except CoprRequestException as refused:
        assert "more than 4 items" in str(refused) and "with limit and offset" in str(refused), refused
    seen, page = 0, ask(dict(limit=4))
    while page:
        seen += len(page)
        page = next_page(page)
    print(seen)
"#
    );
    let out = python(&house, &admin, &script).await;
    let counts: Vec<i64> = out.lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(counts, [10, 5, 10, 10, 6]);
    // What fits is given, and says that there was no limit.
    let few = house.get(&format!("/project/list?ownername={OWNER}")).await.ok();
    assert_eq!(few["meta"]["limit"], Value::Null);
    assert_eq!(few["items"].as_array().unwrap().len(), 1);
    house.get("/group/list").await.error(413);
    for path in ["/audit", "/audit?limit=2"] {
        let answer = house.send("GET", path, Some(&admin), Value::Null).await;
        let status = if path == "/audit" { 413 } else { 200 };
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.json);
    }
}

#[tokio::test]
async fn builds_come_in_the_order_that_is_asked_for() {
    let house = seeded().await;
    let list = async |query: &str| -> Vec<Value> {
        let path = format!("/build/list?ownername={OWNER}&projectname={PROJECT}&limit=2500{query}");
        house.get(&path).await.ok()["items"].as_array().unwrap().clone()
    };
    let sorted = |all: &[Value], by: &str, descending: bool| {
        let keys: Vec<(String, i64)> = all
            .iter()
            .map(|b| {
                let key = b.pointer(by).unwrap();
                let text = key.as_str().map_or_else(String::new, str::to_owned);
                (text, key.as_i64().unwrap_or(0))
            })
            .collect();
        assert_eq!(keys.len(), 2_500);
        keys.is_sorted_by(|a, b| if descending { a >= b } else { a <= b })
    };
    // Numbers and times run the same way in what was seeded, so some are turned round.
    let mut conn = house.pool.get().await.unwrap();
    let turn = "UPDATE builds SET started_at = started_at - id * interval '2 minutes', \
        ended_at = ended_at - id * interval '3 minutes' WHERE id % 2 = 0";
    db::testing::execute(&mut conn, turn).await.unwrap();
    drop(conn);
    for (order, by) in [
        ("id", "/id"),
        ("submitted_on", "/submitted_on"),
        ("started_on", "/started_on"),
        ("ended_on", "/ended_on"),
        ("packagename", "/source_package/name"),
        ("state", "/state"),
    ] {
        for (direction, descending) in [("ASC", false), ("DESC", true)] {
            let all = list(&format!("&order={order}&order_type={direction}")).await;
            assert!(sorted(&all, by, descending), "{order} {direction}");
        }
    }
    // A direction alone changes nothing, and what an order leaves open is newest first.
    assert!(sorted(&list("&order_type=ASC").await, "/id", true));
    assert!(sorted(&list("&order=id").await, "/id", true));
    let path = format!("/build/list?ownername={OWNER}&projectname={PROJECT}&order=colour");
    let said = house.get(&path).await.error(400);
    assert!(said.contains("use one of id, submitted_on, started_on"), "{said}");
}
