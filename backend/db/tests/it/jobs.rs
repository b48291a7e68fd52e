//! Jobs.

use chrono::TimeDelta;
use db::jobs::{self, Job};

use crate::support::{after, pool, start};

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
    jobs::enqueue(&mut conn, &Job::SetUpProject { project: 7 }, start())
        .await
        .unwrap();
    let first = jobs::claim(&mut conn, start(), lease).await.unwrap().unwrap();
    assert!(jobs::claim(&mut conn, after(29), lease).await.unwrap().is_none());
    let second = jobs::claim(&mut conn, after(31), lease).await.unwrap().unwrap();
    assert_eq!(
        (second.id, second.attempt, &second.job),
        (first.id, 2, &first.job)
    );
    jobs::done(&mut conn, &first).await.unwrap();
    assert!(!jobs::extend(&mut conn, &first, after(100)).await.unwrap());
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (1, 0));
    jobs::retry(&mut conn, &second, after(60), "not yet")
        .await
        .unwrap();
    assert!(jobs::claim(&mut conn, after(59), lease).await.unwrap().is_none());
    let third = jobs::claim(&mut conn, after(61), lease).await.unwrap().unwrap();
    jobs::done(&mut conn, &third).await.unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_given_up_job_stays_visible_and_does_not_block_a_new_one() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let job = Job::RemoveProject { project: 7 };
    jobs::enqueue(&mut conn, &job, start()).await.unwrap();
    let claimed = jobs::claim(&mut conn, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
        .unwrap();
    jobs::fail(&mut conn, &claimed, after(1), "hopeless")
        .await
        .unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (0, 1));
    jobs::enqueue(&mut conn, &job, after(2)).await.unwrap();
    assert_eq!(jobs::count(&mut conn).await.unwrap(), (1, 1));
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
    jobs::enqueue(&mut conn, &Job::SetUpProject { project: 2 }, start())
        .await
        .unwrap();
    let mut kinds = Vec::new();
    while let Some(claimed) = jobs::claim(&mut conn, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
    {
        kinds.push(claimed.job.kind());
    }
    assert_eq!(kinds, ["set_up_project", "store_log", "remove_project"]);
}
