//! Batches of builds with `copr-cli`.

use db::builds;
use protocol::BuildId;
use serde_json::json;

use super::set::{Set, numbers};
use crate::packages;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_start_one_after_the_other() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let first = set.submit(&file, &[]).await;
    let (with, after) = (
        format!("--with-build-id={first}"),
        format!("--after-build-id={first}"),
    );
    let second = set.submit(&file, &[&with]).await;
    let third = set.submit(&file, &[&after]).await;
    let with = format!("--with-build-id={third}");
    let fourth = set.submit(&file, &[&with]).await;
    let after = format!("--after-build-id={fourth}");
    let fifth = set.submit(&file, &[&after]).await;

    let both = set
        .house
        .send(
            "POST",
            "/build/check-before-build",
            Some(&set.alice),
            json!({"ownername": "alice", "projectname": "tools", "after_build_id": first, "with_build_id": "2"}),
        )
        .await
        .error(400);
    assert!(both.contains("Only one batch option can be specified"), "{both}");
    // Whoever may not build there may not enter the batch, but may wait for it.
    let bob = set.house.person("bob", false).await;
    set.house.project(&bob, "other").await;
    let check = async |field: &str| {
        let body = json!({"ownername": "bob", "projectname": "other", field: first});
        set.house
            .send("POST", "/build/check-before-build", Some(&bob), body)
            .await
    };
    let text = check("with_build_id").await.error(400);
    assert!(text.contains("You are not allowed to build there"), "{text}");
    check("after_build_id").await.ok();

    let mut clock = 0;
    let mut started = Vec::new();
    let rounds = [vec![first, second], vec![third, fourth], vec![fifth]];
    for (n, expected) in rounds.iter().enumerate() {
        clock += 10;
        set.house.pass(10);
        let tasks = set.claim_all().await;
        assert_eq!(&numbers(&tasks), expected, "round {n}");
        started.push(crate::house::start().timestamp() + clock);
        // One of the first ones fails, which opens the next batch all the same.
        for (m, task) in tasks.iter().enumerate() {
            assert!(set.claim_all().await.is_empty());
            if n == 0 && m == 0 {
                set.fail(task, "build_failed").await;
            } else {
                set.succeed(task).await;
            }
        }
    }
    for (ids, at) in rounds.iter().zip(started) {
        for id in ids {
            let build = set.house.get(&format!("/build/{id}")).await.ok();
            assert_eq!(build["started_on"], at, "{build}");
        }
    }
    let late = format!("--with-build-id={first}");
    let refused = set
        .run(&["build", "--nowait", &late, "tools", &file])
        .await
        .expect_code(1);
    assert!(refused.err.contains("is already finished"), "{refused:?}");
    let mut conn = set.house.pool.get().await.unwrap();
    let id = BuildId(i64::try_from(first).unwrap());
    let batch = builds::find(&mut conn, id).await.unwrap().unwrap().batch.unwrap();
    let shown = set.house.get(&format!("/batch/{batch}")).await.ok();
    assert_eq!(
        (&shown["state"], shown["builds"].as_array().unwrap().len()),
        (&json!("finished"), 2)
    );
    set.house.get("/batch/99999").await.error(404);
    set.house.get("/batch/x").await.error(404);
}
