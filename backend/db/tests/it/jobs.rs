//! Jobs.

use chrono::TimeDelta;
use db::jobs::{self, Job, Trouble};
use db::testing::execute;

use crate::support::{HOLDER, after, pool, project, start};

fn set_up(project: i64) -> Job {
    let directory = None;
    Job::SetUpProject { project, directory }
}

#[tokio::test]
async fn the_same_job_twice_is_one() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let job = Job::PublishTask { task: 1, attempt: 1 };
    for _ in 0..3 {
        jobs::enqueue(&mut conn, &job, start()).await.unwrap();
    }
    jobs::enqueue(&mut conn, &Job::PublishTask { task: 1, attempt: 2 }, start())
        .await
        .unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (2, 0));
}

#[tokio::test]
async fn a_lost_lease_is_claimed_again_and_the_loser_changes_nothing() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let lease = TimeDelta::seconds(30);
    jobs::enqueue(&mut conn, &set_up(7), start()).await.unwrap();
    let first = jobs::claim(&mut conn, HOLDER, start(), lease)
        .await
        .unwrap()
        .unwrap();
    assert!(
        jobs::claim(&mut conn, HOLDER, after(29), lease)
            .await
            .unwrap()
            .is_none()
    );
    let second = jobs::claim(&mut conn, HOLDER, after(31), lease)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (second.id, second.attempt, &second.job),
        (first.id, 2, &first.job)
    );
    jobs::done(&mut conn, &first).await.unwrap();
    assert!(!jobs::extend(&mut conn, &first, after(100)).await.unwrap());
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (1, 0));
    jobs::retry(&mut conn, &second, after(60), "not yet", None)
        .await
        .unwrap();
    assert!(
        jobs::claim(&mut conn, HOLDER, after(59), lease)
            .await
            .unwrap()
            .is_none()
    );
    let third = jobs::claim(&mut conn, HOLDER, after(61), lease)
        .await
        .unwrap()
        .unwrap();
    jobs::done(&mut conn, &third).await.unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn what_a_dead_process_held_is_free_when_the_next_begins() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let lease = TimeDelta::seconds(30);
    let (dead, other) = (
        jobs::begin(&mut conn, None, start()).await.unwrap(),
        jobs::begin(&mut conn, None, start()).await.unwrap(),
    );
    assert_ne!(dead, other);
    for project in [7, 8] {
        jobs::enqueue(&mut conn, &set_up(project), start()).await.unwrap();
    }
    let lost = jobs::claim(&mut conn, dead, start(), lease)
        .await
        .unwrap()
        .unwrap();
    let held = jobs::claim(&mut conn, other, start(), lease)
        .await
        .unwrap()
        .unwrap();
    // The same job may wait again meanwhile.
    jobs::enqueue(&mut conn, &lost.job, after(1)).await.unwrap();
    let next = jobs::begin(&mut conn, Some(dead), after(1)).await.unwrap();
    let mut claimed = Vec::new();
    while let Some(job) = jobs::claim(&mut conn, next, after(1), lease).await.unwrap() {
        claimed.push((job.id, job.attempt));
    }
    assert_eq!(claimed.len(), 2, "{claimed:?}");
    assert!(claimed.contains(&(lost.id, 2)), "{claimed:?}");
    assert!(!jobs::extend(&mut conn, &lost, after(31)).await.unwrap());
    assert!(jobs::extend(&mut conn, &held, after(31)).await.unwrap());
}

#[tokio::test]
async fn a_given_up_job_stays_visible_and_does_not_block_a_new_one() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let job = Job::RemoveProject { project: 7 };
    jobs::enqueue(&mut conn, &job, start()).await.unwrap();
    let claimed = jobs::claim(&mut conn, HOLDER, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
        .unwrap();
    jobs::fail(&mut conn, &claimed, after(1), "hopeless", None)
        .await
        .unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (0, 1));
    jobs::enqueue(&mut conn, &job, after(2)).await.unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (1, 1));
}

#[tokio::test]
async fn a_job_of_another_release_is_passed_over() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let unknown = "INSERT INTO jobs (kind, payload, priority, run_at, created_at)
        VALUES ('dance', '{\"kind\": \"dance\"}', 99, '2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z')";
    execute(&mut conn, unknown).await.unwrap();
    jobs::enqueue(&mut conn, &set_up(7), start()).await.unwrap();
    let lease = TimeDelta::seconds(30);
    let claimed = jobs::claim(&mut conn, HOLDER, start(), lease).await.unwrap();
    assert_eq!(claimed.unwrap().job, set_up(7));
    assert!(
        jobs::claim(&mut conn, HOLDER, start(), lease)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (2, 0));
    let told = "DO $$ BEGIN ASSERT (SELECT last_error LIKE '%dance%' FROM jobs WHERE kind = 'dance'); END $$";
    execute(&mut conn, told).await.unwrap();
}

#[tokio::test]
async fn urgent_jobs_come_first() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    jobs::enqueue(&mut conn, &Job::RemoveProject { project: 1 }, start())
        .await
        .unwrap();
    jobs::enqueue(&mut conn, &Job::StoreLog { task: 1, attempt: 1 }, start())
        .await
        .unwrap();
    jobs::enqueue(&mut conn, &set_up(2), start()).await.unwrap();
    let mut kinds = Vec::new();
    while let Some(claimed) = jobs::claim(&mut conn, HOLDER, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
    {
        kinds.push(claimed.job.kind());
    }
    assert_eq!(kinds, ["remove_project", "set_up_project", "store_log"]);
}

/// What does not get on is on its project's page until it does, and what was given up until it is set aside.
#[tokio::test]
async fn troubles_belong_to_jobs() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let claimed = jobs::claim(&mut conn, HOLDER, start(), TimeDelta::days(1)).await;
    let set_up = claimed.unwrap().unwrap();
    let publish = Job::PublishTask { task: 1, attempt: 1 };
    jobs::enqueue(&mut conn, &publish, start()).await.unwrap();
    let claimed = jobs::claim(&mut conn, HOLDER, start(), TimeDelta::days(1)).await;
    let publish = claimed.unwrap().unwrap();
    let of = Some(project.id);
    jobs::retry(&mut conn, &set_up, after(1), "no signer", of)
        .await
        .unwrap();
    jobs::fail(&mut conn, &publish, after(1), "no disk", of)
        .await
        .unwrap();
    let trouble = |reason: &str, set_up, given_up| Trouble {
        reason: reason.to_owned(),
        set_up,
        given_up,
    };
    assert_eq!(
        jobs::troubles(&mut conn, project.id).await.unwrap(),
        [trouble("no disk", false, true), trouble("no signer", true, false)]
    );
    assert!(
        jobs::troubles(&mut conn, project.id + 1)
            .await
            .unwrap()
            .is_empty()
    );
    jobs::set_aside(&mut conn, project.id, Some("republish"))
        .await
        .unwrap();
    assert_eq!(jobs::troubles(&mut conn, project.id).await.unwrap().len(), 2);
    jobs::set_aside(&mut conn, project.id, None).await.unwrap();
    let left = jobs::troubles(&mut conn, project.id).await.unwrap();
    assert_eq!(left, [trouble("no signer", true, false)]);
    let again = jobs::claim(&mut conn, HOLDER, after(2), TimeDelta::days(1)).await;
    jobs::done(&mut conn, &again.unwrap().unwrap()).await.unwrap();
    assert!(jobs::troubles(&mut conn, project.id).await.unwrap().is_empty());
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (0, 1));
}
