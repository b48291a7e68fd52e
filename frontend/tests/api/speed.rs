//! How much the database is asked: a fixed number of queries for each address, and each along an index.

use db::seed::{OWNER, PROJECT, Size};
use db::testing::{explain, record_statements, take_statements};

use serde_json::json;

use crate::house::{CHROOT, House};

/// Large enough that a walk through a whole table is never the cheapest way.
const SIZE: Size = Size {
    projects: 2_000,
    builds: 20_000,
    large_packages: 300,
    packages: 4_000,
};

/// Tables that grow with the service: nobody may read the whole of one.
const LARGE: [&str; 8] = [
    "builds",
    "tasks",
    "packages",
    "projects",
    "newest_builds",
    "rpms",
    "project_chroots",
    "repositories",
];

struct Asked {
    path: String,
    queries: usize,
}

fn asked() -> Vec<Asked> {
    let of = format!("ownername={OWNER}&projectname={PROJECT}");
    let api = |path: String, queries| Asked {
        path: format!("/api_3{path}"),
        queries,
    };
    let page = |path: &str, queries| Asked {
        path: format!("/coprs/{path}"),
        queries,
    };
    let list = format!("/build/list?{of}&limit=100");
    let packages = format!("/package/list?{of}&limit=100");
    let mut all = vec![
        api("/build/19995".to_owned(), 1),
        api(format!("/project?{of}"), 1),
        api("/project/list?limit=100".to_owned(), 1),
        api("/project/list?limit=100&order_type=DESC".to_owned(), 1),
        api(format!("/project/list?ownername={OWNER}"), 1),
        api("/project/search?query=seed-12".to_owned(), 1),
        api(list.clone(), 2),
        api(format!("{list}&offset=3000"), 2),
        api(format!("{list}&status=failed"), 2),
        api(format!("{list}&packagename=package-00007"), 2),
        api(format!("{list}&packagename=package-00007&status=failed"), 2),
        api(
            format!("/package?{of}&packagename=package-00007&with_latest_build=True"),
            2,
        ),
        api(packages.clone(), 1),
        api(format!("{packages}&order_type=DESC"), 1),
        api(
            format!("{packages}&with_latest_build=True&with_latest_succeeded_build=True"),
            2,
        ),
        api(format!("/monitor?{of}"), 2),
        api("/build-chroot/list?build_id=19995".to_owned(), 1),
        api("/build/built-packages/19995".to_owned(), 5),
        api(
            format!("/project-chroot/build-config?{of}&chrootname=fedora-44-x86_64"),
            3,
        ),
        api(format!("/rpmrepo/{OWNER}/{PROJECT}/fedora-44"), 1),
        page(&format!("{OWNER}/{PROJECT}/repo/fedora-44/x.repo"), 1),
        page(&format!("{OWNER}/{PROJECT}/"), 8),
        page(&format!("{OWNER}/{PROJECT}/builds/"), 3),
        page(
            &format!("{OWNER}/{PROJECT}/builds/?state=failed&package=package-00007"),
            3,
        ),
        page(&format!("{OWNER}/{PROJECT}/monitor/?q=07"), 3),
        page(&format!("{OWNER}/{PROJECT}/monitor/?sort=-package"), 3),
        page(&format!("{OWNER}/{PROJECT}/packages/?q=07&sort=-package"), 3),
    ];
    for direction in ["ASC", "DESC"] {
        for order in ["submitted_on", "started_on", "ended_on", "packagename", "state"] {
            all.push(api(format!("{list}&order={order}&order_type={direction}"), 2));
        }
        let named = format!("order=name&order_type={direction}");
        all.push(api(format!("{packages}&{named}"), 1));
        all.push(api(format!("/project/list?limit=100&{named}"), 1));
        all.push(api(format!("/project/list?ownername={OWNER}&{named}"), 1));
    }
    all
}

/// Lines of a plan that walk through a large table.
fn walks(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter(|line| line.contains("Seq Scan on "))
        .filter(|line| {
            let table = line
                .split("Seq Scan on ")
                .nth(1)
                .and_then(|t| t.split(' ').next());
            table.is_some_and(|t| LARGE.contains(&t))
        })
        .collect()
}

#[tokio::test]
async fn each_address_asks_a_fixed_number_of_queries_along_indexes() {
    record_statements().unwrap();
    // Nobody watches for new projects here, whose looks would be counted.
    let house = House::with(|config| config.ready_wait_s = 0).await;
    let mut conn = house.pool.get().await.unwrap();
    db::seed::fill(&mut conn, SIZE).await.unwrap();
    let mut wrong = Vec::new();
    for Asked { path, queries } in asked() {
        take_statements();
        let url = format!("http://{}{path}", house.addresses.web);
        let response = house.client.get(url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let statements = take_statements();
        if statements.len() != queries {
            wrong.push(format!(
                "{path}: {} queries, not {queries}:\n{}",
                statements.len(),
                statements.join("\n")
            ));
        }
        for statement in statements {
            let plan = explain(&mut conn, &statement).await.unwrap();
            if !walks(&plan).is_empty() {
                wrong.push(format!("{path}:\n{statement}\n{plan}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn a_build_s_repositories_are_one_query_however_many() {
    record_statements().unwrap();
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    for name in ["tools", "libs", "base"] {
        house.project(&alice, name).await;
    }
    let mut conn = house.pool.get().await.unwrap();
    let project = db::projects::find(&mut conn, &"alice".parse().unwrap(), &"libs".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let libs = db::repositories::ensure(
        &mut conn,
        project.id,
        &"libs:custom:x".parse().unwrap(),
        &CHROOT.parse().unwrap(),
    )
    .await
    .unwrap();
    let found = db::repositories::find(&mut conn, project.id, &libs.dir, &libs.chroot)
        .await
        .unwrap();
    assert_eq!(found.map(|r| r.id), Some(libs.id));
    let config =
        format!("/project-chroot/build-config?ownername=alice&projectname=tools&chrootname={CHROOT}");
    let asked = async || {
        take_statements();
        let json = house.get(&config).await.ok();
        // The small task that stands for the backend looks for new projects now and then.
        let looks =
            |statement: &String| statement.contains("unnest") || statement.contains("\"repositories\"");
        let statements: Vec<String> = take_statements().into_iter().filter(looks).collect();
        (json, statements.len())
    };
    let (_, alone) = asked().await;
    let repos = json!({"additional_repos": [
        "copr://alice/libs?priority=3", "copr://alice/libs:custom:x", "copr://alice/base",
        "https://h/x?a=b&priority=5", "https://h/y?priority=6&a=b",
    ]});
    house
        .send("PUT", "/project/edit/alice/tools", Some(&alice), repos)
        .await
        .ok();
    let (config, with) = asked().await;
    assert_eq!((alone, with), (1, 1));
    let repos: Vec<(&str, Option<u64>)> = config["repos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|repo| {
            let url = repo["baseurl"].as_str().unwrap();
            (
                url.strip_prefix(&house.results_url).unwrap_or(url),
                repo["priority"].as_u64(),
            )
        })
        .collect();
    let of = |dir: &str| format!("/alice/{dir}/{CHROOT}/");
    assert_eq!(
        repos,
        [
            (of("tools").as_str(), None),
            (of("libs").as_str(), Some(3)),
            (of("libs:custom:x").as_str(), None),
            (of("base").as_str(), None),
            ("https://h/x?a=b", Some(5)),
            ("https://h/y?a=b", Some(6)),
        ]
    );
}

#[tokio::test]
async fn builds_of_many_urls_are_made_together() {
    record_statements().unwrap();
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let mut reads = Vec::new();
    for count in [1, 40] {
        let urls: Vec<String> = (0..count)
            .map(|n| format!("https://example.org/{n}/a-1-1.src.rpm"))
            .collect();
        let body = json!({"ownername": "alice", "projectname": "tools", "pkgs": urls});
        take_statements();
        let made = house
            .send("POST", "/build/create/url", Some(&alice), body)
            .await
            .ok();
        let statements = take_statements();
        let read = |s: &&String| s.starts_with("SELECT p.owner, p.name, b.id");
        reads.push(statements.iter().filter(read).count());
        let ids: Vec<i64> = made["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|build| build["id"].as_i64().unwrap())
            .collect();
        assert!(ids.len() == urls.len() && ids.is_sorted(), "{ids:?}");
    }
    assert_eq!(reads, [1, 1]);
}
