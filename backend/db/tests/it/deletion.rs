//! What is left of deleted builds: a line in the history, their last events, what they used, and work for one job.

use db::jobs::{self, Job};
use db::{audit, builds, events, quotas, removals, tasks};
use protocol::Outcome;

use crate::support::{HOLDER, after, claimer, lease, pool, project, start, upload};

#[tokio::test]
async fn a_deleted_build_stays_in_its_projects_history() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let id = upload(&mut conn, &tools).await;
    builds::delete(&mut conn, &[id], "alice", after(1)).await.unwrap();
    let lines = audit::list(&mut conn, Some(tools.id), false, 100, 0)
        .await
        .unwrap();
    let newest = lines.first().unwrap();
    assert_eq!(
        (
            newest.action.as_str(),
            newest.actor.as_str(),
            newest.object.clone()
        ),
        ("build.delete", "alice", format!("build:{id}"))
    );
}

#[tokio::test]
async fn a_build_that_is_deleted_while_it_runs_ends_first() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    // One runs, one waits, one is being published.
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(upload(&mut conn, &tools).await);
    }
    for _ in 0..2 {
        tasks::claim(&mut conn, &claimer("one"), after(1), lease())
            .await
            .unwrap()
            .unwrap();
    }
    let build = builds::find(&mut conn, ids[1]).await.unwrap().unwrap();
    let task = build.tasks[0].id;
    tasks::finish(&mut conn, task, 1, &Outcome::Succeeded, &[], None, after(2))
        .await
        .unwrap();
    builds::delete(&mut conn, &ids, "alice", after(3)).await.unwrap();

    let all = events::unsent(&mut conn, 100).await.unwrap();
    for id in &ids {
        let mine: Vec<_> = all.iter().filter(|e| e.build() == Some(id.0)).collect();
        let ends: Vec<&str> = mine
            .iter()
            .map(|e| e.topic.as_str())
            .filter(|topic| topic.ends_with(".end") || topic.ends_with(".ended"))
            .collect();
        assert_eq!(ends, ["copr.build.end", "copr.chroot.end", "koper.build.ended"]);
        assert_eq!(mine.last().unwrap().body["state"], "canceled");
    }
    let used = quotas::usage(&mut conn, &tools.owner, false).await.unwrap();
    assert!(used.cpu_seconds >= 2, "both attempts count: {used:?}");
}

#[tokio::test]
async fn one_job_looks_after_all_deleted_builds_of_a_project() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let (_, other) = project(&mut conn, "bob", "other").await;
    let mut ids = Vec::new();
    for project in [&tools, &other, &tools, &tools] {
        ids.push(upload(&mut conn, project).await);
    }
    // Projects are set up by jobs, too.
    while let Some(claimed) = jobs::claim(&mut conn, HOLDER, start(), lease()).await.unwrap() {
        jobs::done(&mut conn, &claimed).await.unwrap();
    }
    builds::delete(&mut conn, &ids[..3], "admin", after(1))
        .await
        .unwrap();
    builds::delete(&mut conn, &ids[3..], "admin", after(2))
        .await
        .unwrap();
    let mut claimed = Vec::new();
    while let Some(job) = jobs::claim(&mut conn, HOLDER, after(3), lease()).await.unwrap() {
        claimed.push(job.job);
    }
    let job = |project: i64| Job::RemoveBuilds { project };
    assert_eq!(claimed, [job(tools.id), job(other.id)]);
    let left = removals::of_project(&mut conn, tools.id).await.unwrap();
    let numbers: Vec<_> = left.iter().map(|r| r.build).collect();
    assert_eq!(numbers, [ids[0], ids[2], ids[3]]);
    assert!(
        left.iter()
            .all(|r| r.tasks.len() == 1 && r.repositories.is_empty())
    );
    removals::forget(&mut conn, &numbers).await.unwrap();
    assert!(
        removals::of_project(&mut conn, tools.id)
            .await
            .unwrap()
            .is_empty()
    );
}
