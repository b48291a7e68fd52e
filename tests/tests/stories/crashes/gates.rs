//! kill -9 while what passed its test comes to builds and users, and while a pointer moves in several repositories.
//!
//! Before that the frontend writes one transaction: a result, its line of the history and the requests that come of it; all
//! moves of a pointer and the jobs that write them. There is nothing to be killed between, and the tests of `db` let the
//! database fail, and the connection break, in the middle of each.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{CHROOT, Client, Copr, Service, srpm};

use super::{packages, seen, survives, turn};
use crate::support::{end, get, post, project, snapshot, sql, submit};

const GATED: &str = "lost-gates";

/// The newest result of a build's tests.
async fn newest(service: &Service, build: u64) -> Value {
    match get(service, &format!("build/test-results/{build}")).await {
        Ok(found) => found["items"][0].clone(),
        Err(_) => Value::Null,
    }
}

#[tokio::test]
async fn a_backend_killed_while_what_passed_its_test_is_released() {
    let _turn = turn().await;
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    project(&copr, GATED).unwrap();
    let settings = json!({"devel_mode": true, "build_pointer": "candidate", "release_after_hours": 5});
    assert_eq!(
        post(service, &format!("project/edit/admin/{GATED}"), settings).await,
        200
    );
    let build = submit(&copr, GATED, srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    let client = Client::new(service, service.owner(), GATED).await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    let before = snapshot(service, GATED).await;
    let pass = async || {
        post(
            service,
            &format!("build/test-result/{build}"),
            json!({"result": "pass"}),
        )
        .await
    };
    let done = async || newest(service, build).await["builds_on"].is_i64();
    survives(
        service,
        "snapshot.before_move",
        async || {
            pass().await;
        },
        done,
    )
    .await;
    assert_eq!(packages(service, GATED).await, 0, "users wait");

    for place in [
        "release.before_requests",
        "release.after_requests",
        "snapshot.after_plans",
        "make_snapshot.before_pointer",
        "write_pointers.after_one",
    ] {
        // The service's own clock cannot be moved.
        let due = async || {
            let of = format!("build_id = {build} AND passed");
            sql(
                service,
                &format!(
                    "UPDATE test_results SET release_at = now() WHERE {of}
                         AND id = (SELECT max(id) FROM test_results WHERE {of})"
                ),
            );
            // A new one looks at once; it may have looked and died already.
            let _ = service.kill("backend");
        };
        // The time is written down before clients are told.
        let done = async || {
            newest(service, build).await["users_on"].is_i64()
                && seen(service, GATED).await.is_ok_and(|packages| packages == 1)
        };
        survives(service, place, due, done).await;
        // Once more.
        let back = format!("snapshot/rollback/admin/{GATED}/{CHROOT}");
        assert_eq!(post(service, &back, json!({"to": before.to_string()})).await, 200);
        assert_eq!(packages(service, GATED).await, 0, "{place}");
        assert_eq!(pass().await, 200);
    }
    clients.expect_no_failure();
}

/// The snapshot that a pointer's followers get in each of these projects, 0 for none.
async fn named(service: &Service, projects: &[String]) -> Vec<u64> {
    let mut all = Vec::new();
    for project in projects {
        let url = format!(
            "{}/admin/{project}/{CHROOT}/@together/latest.json",
            service.results_url()
        );
        let state: Value = match reqwest::get(url).await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        all.push(state["snapshot"].as_u64().unwrap_or(0));
    }
    all
}

#[tokio::test]
async fn a_backend_killed_while_a_pointer_moves_in_five_repositories() {
    let _turn = turn().await;
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    let projects: Vec<String> = (1..=5).map(|n| format!("lost-together{n}")).collect();
    for name in &projects {
        project(&copr, name).unwrap();
        copr.run(&["regenerate-repos", name]).unwrap().expect_code(0);
    }
    for name in &projects {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        while snapshot(service, name).await < 2 {
            assert!(tokio::time::Instant::now() < deadline, "{name} has one snapshot");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    let client = Client::new(service, service.owner(), &projects[2]).await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    for (place, to) in [
        ("write_pointers.after_one", 1),
        ("write_pointers.before_removal", 2),
        ("write_pointers.before_end", 1),
    ] {
        let repositories: Vec<String> = projects
            .iter()
            .map(|name| format!("admin/{name}/{CHROOT}@{to}"))
            .collect();
        let wish = json!({"pointer": "together", "repositories": repositories});
        let together = async || {
            post(service, "pointer/move-many", wish).await;
        };
        let done = async || named(service, &projects).await == [to; 5];
        survives(service, place, together, done).await;
    }
    clients.expect_no_failure();
}
