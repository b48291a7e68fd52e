//! What the administrator reads before anything goes.

use std::time::Duration;

use serde_json::json;
use testkit::{CHROOT, Copr, Service, srpm};

use crate::support::{end, get, post, project, snapshot, sql, submit};

/// What the program lists of the project, apart from times and from what is decided already: snapshots and packages.
fn listed(service: &Service) -> Vec<String> {
    let said = service.retention("admin").unwrap();
    let own = said.lines().filter_map(|line| line.split_once(" admin/swept/"));
    let own = own.filter_map(|(_, rest)| rest.strip_prefix(&format!("{CHROOT} ")));
    let own = own.filter(|rest| !rest.ends_with(" parts of metadata"));
    own.map(|rest| rest.trim_end_matches(" marked").to_owned())
        .collect()
}

async fn until(what: &str, good: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !good().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come about"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// `koper retention --dry-run` lists what goes and removes nothing; then just that goes.
#[tokio::test]
async fn what_retention_lists_is_what_it_removes() {
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    project(&copr, "swept").unwrap();
    let settings = json!({"keep_snapshots": 1, "keep_days": 0});
    assert_eq!(post(service, "project/edit/admin/swept", settings).await, 200);
    let build = submit(&copr, "swept", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    let of = format!("snapshot/packages/admin/swept/{CHROOT}/2");
    let held = get(service, &of).await.unwrap()["packages"].clone();
    let held = held.as_array().unwrap().iter();
    let mut held: Vec<(&str, i64)> = held
        .map(|package| {
            (
                package["file_name"].as_str().unwrap(),
                package["size"].as_i64().unwrap(),
            )
        })
        .collect();
    held.sort_unstable();
    let location = format!("admin/swept/{CHROOT}/{build:08}-motd-koper/{}", held[0].0);
    copr.run(&["delete-build", &build.to_string()])
        .unwrap()
        .expect_code(0);
    until("a snapshot without it", async || {
        snapshot(service, "swept").await == 3
    })
    .await;
    // Two pointers keep the first from going.
    let keep = json!({"pointer": "stable", "to": "1"});
    assert_eq!(
        post(service, &format!("pointer/move/admin/swept/{CHROOT}"), keep).await,
        200
    );
    let repository = sql(
        service,
        "SELECT r.id FROM repositories r JOIN projects p ON p.id = r.project_id
         WHERE p.owner = 'admin' AND p.name = 'swept'",
    );
    // The service's own clock cannot be moved.
    sql(
        service,
        &format!(
            "UPDATE snapshots SET created_at = created_at - interval '400 days' WHERE repository_id = {repository};
             UPDATE pointer_moves SET moved_at = moved_at - interval '400 days' WHERE repository_id = {repository}"
        ),
    );
    let packages = held
        .iter()
        .map(|(file, size)| format!("package {file} {size} bytes"));
    let mut expected = vec![format!("snapshot 2 (build {build})")];
    expected.extend(packages);
    assert_eq!(listed(service), expected);

    let status = async |path: &str| {
        let answer = reqwest::get(format!("{}/{path}", service.results_url())).await;
        answer.map_or(0, |answer| answer.status().as_u16())
    };
    let repomd =
        async |number: i64| status(&format!("admin/swept/{CHROOT}/@{number}/repodata/repomd.xml")).await;
    for number in 1..=3 {
        assert_eq!(repomd(number).await, 200, "@{number}");
    }
    assert_eq!(status(&location).await, 200);
    assert_eq!(listed(service), expected, "looking changes nothing");

    let owner = sql(
        service,
        &format!("SELECT project_id FROM repositories WHERE id = {repository}"),
    );
    let retain = async || {
        let job = format!(
            "INSERT INTO jobs (kind, payload, priority, run_at, created_at) VALUES ('retain',
             '{{\"kind\": \"retain\", \"project\": {owner}, \"repository\": {repository}}}', 1, now(), now())
             ON CONFLICT DO NOTHING"
        );
        sql(service, &job);
        let open = format!(
            "SELECT count(*) FROM jobs WHERE kind = 'retain' AND failed_at IS NULL
                 AND payload ->> 'repository' = '{repository}'"
        );
        until("the end of the job", async || sql(service, &open) == "0").await;
    };
    // First both are marked, then the snapshot goes, and then what nothing has any more.
    retain().await;
    assert_eq!(listed(service), expected, "there is a time of grace");
    sql(
        service,
        &format!(
            "UPDATE snapshots SET purge_at = now() WHERE repository_id = {repository} AND purge_at IS NOT NULL"
        ),
    );
    retain().await;
    assert_eq!(listed(service), expected[1..]);
    assert_eq!(status(&location).await, 200, "the package is there longer");
    sql(
        service,
        &format!(
            "UPDATE rpms SET orphaned_at = now() - interval '2 days' WHERE repository_id = {repository}
                 AND orphaned_at IS NOT NULL"
        ),
    );
    retain().await;
    assert_eq!(listed(service), Vec::<String>::new());
    for (number, wanted) in [(1, 200), (2, 410), (3, 200)] {
        assert_eq!(repomd(number).await, wanted, "@{number}");
    }
    until("the package's end", async || status(&location).await == 404).await;
}
