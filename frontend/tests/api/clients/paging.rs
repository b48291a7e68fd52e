//! Long lists with `copr-cli` and the library: every item once, to the end.

use std::collections::BTreeSet;

use db::seed::{CHROOTS, OWNER, PROJECT, Size};
use serde_json::Value;

use super::{copr, house, python, run};
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
