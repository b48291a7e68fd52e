//! How much the database is asked: a fixed number of queries for each address, and each along an index.

use db::seed::{OWNER, PROJECT, Size};
use db::testing::{execute, explain, record_statements, take_statements};
use frontend::api_3::routes;

use serde_json::json;

use crate::house::{CHROOT, House};

/// Large enough that a walk through a whole table is never the cheapest way.
const SIZE: Size = Size {
    projects: 2_000,
    builds: 20_000,
    large_packages: 300,
    packages: 4_000,
};

/// What the seeder leaves out; half of the projects are not for everybody's lists.
const MORE: [&str; 15] = [
    "UPDATE projects SET settings = settings || '{\"unlisted_on_hp\": true}' WHERE id % 2 = 0",
    "INSERT INTO users (name, created_at) SELECT 'more-' || n, now() FROM generate_series(1, 20000) n",
    "INSERT INTO api_tokens (user_id, login, token_sha256, created_at, name) \
        SELECT id, 'login-' || id, md5(name), now(), 'default' FROM users WHERE name LIKE 'more-%'",
    "INSERT INTO audit (at, actor, action, object, detail, project_id) \
        SELECT now(), 'more-1', 'project.edit', 'project:x', '{}', 1 + n % 2000 FROM generate_series(1, 20000) n",
    "INSERT INTO directories (project_id, name, created_at) \
        SELECT 1 + n % 2000, 'seed-' || (1 + n % 2000) || ':custom:' || n, now() FROM generate_series(1, 20000) n",
    "INSERT INTO webhook_deliveries (project_id, at, kind, headers, body, status, decision) \
        SELECT 1 + n % 2000, now(), 'github', '{}', '', 200, \
            '{\"started\": [], \"not_started\": [], \"message\": \"\"}' FROM generate_series(1, 20000) n",
    "INSERT INTO groups (name, created_at) SELECT 'more-' || n, now() FROM generate_series(1, 5000) n",
    "INSERT INTO group_members (group_id, user_id, role) \
        SELECT g.id, u.id, 'member' FROM groups g JOIN users u ON u.name = g.name",
    "INSERT INTO batches (blocked_by) SELECT NULL FROM generate_series(1, 5000)",
    "UPDATE builds SET batch_id = 1 + id % 5000",
    "UPDATE builds SET ended_at = NULL WHERE id > 19990",
    "INSERT INTO repositories (project_id, dirname, chroot) SELECT id, name, 'fedora-44-x86_64' FROM projects \
        ON CONFLICT DO NOTHING",
    "INSERT INTO snapshots (repository_id, number, parent, created_at, cause, packages, repomd_sha256, content) \
        SELECT id, n, n - 1, now(), 'more', 0, '', '{}' FROM repositories, generate_series(1, 10) n",
    "INSERT INTO pointer_moves (repository_id, name, to_snapshot, moved_at, cause) \
        SELECT repository_id, 'latest', number, created_at, cause FROM snapshots",
    "INSERT INTO commit_snapshots (repository_id, build_id, commit, snapshot) \
        SELECT repository_id, number, repeat('ab', 20), number FROM snapshots",
];

/// Tables that grow with the service: nobody may read the whole of one.
const LARGE: [&str; 19] = [
    "builds",
    "tasks",
    "packages",
    "projects",
    "newest_builds",
    "rpms",
    "snapshots",
    "pointer_moves",
    "commit_snapshots",
    "project_chroots",
    "repositories",
    "users",
    "audit",
    "directories",
    "webhook_deliveries",
    "api_tokens",
    "batches",
    "groups",
    "group_members",
];
/// More rows than this are not read to be thrown away.
const MOST_REMOVED: u64 = 1_000;

struct Asked {
    path: String,
    queries: usize,
}

fn api(path: impl AsRef<str>, queries: usize) -> Asked {
    let path = format!("/api_3{}", path.as_ref());
    Asked { path, queries }
}

fn page(path: impl AsRef<str>, queries: usize) -> Asked {
    let path = path.as_ref().to_owned();
    Asked { path, queries }
}

fn of_api() -> Vec<Asked> {
    let of = format!("ownername={OWNER}&projectname={PROJECT}");
    let list = format!("/build/list?{of}&limit=100");
    let packages = format!("/package/list?{of}&limit=100");
    let mut all = vec![
        api("/mock-chroots/list", 1),
        api("/build/19985", 1),
        api(format!("/project?{of}"), 1),
        api("/project/list?limit=100", 1),
        api("/project/list?limit=100&order_type=DESC", 1),
        api("/project/list?limit=100&order=name", 1),
        api("/project/list?limit=100&order=name&order_type=DESC", 1),
        api(format!("/project/list?ownername={OWNER}"), 1),
        api(format!("/project/list?ownername={OWNER}&order=name"), 1),
        api("/project/search?query=seed-12", 1),
        api("/project/search?query=seed-12&order=name", 1),
        api(&list, 2),
        api(format!("{list}&offset=3000"), 2),
        api(format!("{list}&status=failed"), 2),
        api(format!("{list}&packagename=package-00007"), 2),
        api(format!("{list}&packagename=package-00007&status=failed"), 2),
        api(
            format!("/package?{of}&packagename=package-00007&with_latest_build=True"),
            2,
        ),
        api(&packages, 1),
        api(format!("{packages}&order_type=DESC"), 1),
        api(format!("{packages}&order=name"), 1),
        api(format!("{packages}&order=name&order_type=DESC"), 1),
        api(
            format!("{packages}&with_latest_build=True&with_latest_succeeded_build=True"),
            2,
        ),
        api(format!("/monitor?{of}"), 2),
        api("/build-chroot/list?build_id=19985", 1),
        api("/build-chroot?build_id=19985&chrootname=fedora-44-x86_64", 1),
        api("/build/built-packages/19985", 5),
        api(
            format!("/project-chroot/build-config?{of}&chrootname=fedora-44-x86_64"),
            3,
        ),
        api(format!("/rpmrepo/{OWNER}/{PROJECT}/fedora-44"), 1),
        api(
            format!("/snapshot/list/{OWNER}/{PROJECT}/fedora-44-x86_64?limit=100"),
            6,
        ),
        api(format!("/pointer/list/{OWNER}/{PROJECT}/fedora-44-x86_64"), 3),
        api(
            format!("/pointer/moves/{OWNER}/{PROJECT}/fedora-44-x86_64?limit=100"),
            3,
        ),
        api("/group/list?limit=100", 1),
        api("/group/list?username=more-7", 1),
        api("/token/list", AUTH + 2),
        api("/audit?limit=100", AUTH + 1),
        api(format!("/audit/{OWNER}/{PROJECT}?limit=100"), AUTH + 2),
        api(
            format!("/webhook/deliveries/{OWNER}/{PROJECT}?limit=100"),
            AUTH + 2,
        ),
    ];
    for order in [
        "id",
        "submitted_on",
        "started_on",
        "ended_on",
        "packagename",
        "state",
    ] {
        for direction in ["ASC", "DESC"] {
            all.push(api(format!("{list}&order={order}&order_type={direction}"), 2));
        }
    }
    all
}

fn of_pages() -> Vec<Asked> {
    let project = format!("/coprs/{OWNER}/{PROJECT}/");
    let below = |path: &str| format!("{project}{path}");
    vec![
        page("/", 4),
        page("/coprs/", 1),
        page("/coprs/?page=5", 1),
        page("/coprs/?q=seed-12", 1),
        page("/coprs/?sort=name", 1),
        page("/coprs/?sort=-name", 1),
        page(format!("/coprs/{OWNER}/"), 2),
        page("/rss/", 1),
        page("/rss/builds/", 2),
        page("/status/batches/", 2),
        page(below("repo/fedora-44/x.repo"), 1),
        page(&project, 7),
        page(below("builds/"), 3),
        page(below("builds/?state=failed&package=package-00007"), 3),
        page(below("builds/?sort=package"), 3),
        page(below("builds/?sort=-state"), 3),
        page(below("packages/"), 3),
        page(below("packages/?q=07&sort=-package"), 3),
        page(below("package/package-00007/"), 4),
        page(below("monitor/?q=07"), 3),
        page(below("monitor/?sort=-package"), 3),
        page(below("snapshots/"), 7),
    ]
}

/// Queries that a token costs.
const AUTH: usize = 1;

/// Whether an address is one of a route's.
fn fits(path: &str, route: &str) -> bool {
    let asked = path.split('?').next().unwrap().strip_prefix("/api_3");
    let asked: Vec<&str> = asked.unwrap_or_default().split('/').collect();
    let route: Vec<&str> = route.split('/').collect();
    asked.len() == route.len()
        && asked
            .iter()
            .zip(&route)
            .all(|(a, r)| a == r || r.starts_with('{'))
}

#[test]
fn every_list_of_the_api_is_measured() {
    let asked = of_api();
    for route in routes().iter().filter(|r| r.reads.methods.contains(&"GET")) {
        let in_pages = route.reads.query.iter().any(|field| field.name == "limit");
        if in_pages || route.path.ends_with("/list") {
            assert!(
                asked.iter().any(|a| fits(&a.path, route.path)),
                "{} has no line here",
                route.path
            );
        }
    }
}

/// Lines of a plan that walk through a large table, or throw away most of what they read.
fn walks(plan: &str) -> Vec<&str> {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap_or(0)
    };
    plan.lines()
        .filter(|line| {
            let table = line
                .split("Seq Scan on ")
                .nth(1)
                .and_then(|t| t.split(' ').next());
            // What was never run read nothing, whatever the plan for any values says.
            let walked = table.is_some_and(|t| LARGE.contains(&t)) && !line.contains("(never executed)");
            let removed = line.split("Rows Removed by Filter: ").nth(1);
            walked || removed.is_some_and(|text| number(text) > MOST_REMOVED)
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
    for sql in MORE {
        execute(&mut conn, sql).await.unwrap();
    }
    execute(&mut conn, "ANALYZE").await.unwrap();
    let admin = house.person("admin", true).await;
    let mut wrong = Vec::new();
    for Asked { path, queries } in of_api().into_iter().chain(of_pages()) {
        let request = house.client.get(format!("http://{}{path}", house.addresses.web));
        let closed = ["/api_3/group", "/api_3/token", "/api_3/audit", "/api_3/webhook"];
        let request = if closed.iter().any(|start| path.starts_with(start)) {
            request.basic_auth(&admin.login, Some(&admin.token))
        } else {
            request
        };
        take_statements();
        let response = request.send().await.unwrap();
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
            let found = walks(&plan).join("\n");
            if !found.is_empty() {
                wrong.push(format!("{path}: {found}\n{statement}\n{plan}"));
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
