//! Builds that wait for others.

use std::collections::HashSet;

use db::batches::{self, BatchOf, BatchState};
use db::builds::{self, Source};
use db::tasks;
use db::{Connection, Pool};
use protocol::{BuildId, FailureKind, Outcome, TaskId};

use crate::support::{after, claimer, lease, pool, project, start, submit, upload};

/// Claims whatever can be claimed.
async fn claimable(conn: &mut Connection) -> Vec<(BuildId, TaskId)> {
    let mut all = Vec::new();
    while let Some(task) = tasks::claim(conn, &claimer("b"), start(), lease()).await.unwrap() {
        all.push((task.build, task.id));
    }
    all
}

async fn fail(conn: &mut Connection, task: TaskId) {
    let outcome = Outcome::Failed {
        kind: FailureKind::BuildFailed,
        message: "no".to_owned(),
    };
    assert!(
        tasks::finish(conn, task, 1, &outcome, &[], None, after(1))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_batch_opens_when_the_one_before_it_has_ended_whatever_came_of_it() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let (_, other) = project(&mut conn, "bob", "other").await;
    let first = submit(&mut conn, &tools, None).await;
    let second = submit(&mut conn, &tools, Some(BatchOf::With(first))).await;
    // Works across projects.
    let third = submit(&mut conn, &other, Some(BatchOf::After(first))).await;
    let fourth = submit(&mut conn, &other, Some(BatchOf::With(third))).await;
    let fifth = submit(&mut conn, &tools, Some(BatchOf::After(fourth))).await;

    let batch_of = async |conn: &mut Connection, id| builds::find(conn, id).await.unwrap().unwrap().batch;
    let one = batch_of(&mut conn, first).await.unwrap();
    let two = batch_of(&mut conn, third).await.unwrap();
    assert_eq!(batch_of(&mut conn, second).await, Some(one));
    assert_eq!(batch_of(&mut conn, fourth).await, Some(two));
    let states = async |conn: &mut Connection| -> Vec<(BatchState, usize)> {
        let all = batches::unfinished(conn, 100).await.unwrap();
        all.iter().map(|b| (b.state, b.builds.len())).collect()
    };
    assert_eq!(
        states(&mut conn).await,
        [
            (BatchState::Processing, 2),
            (BatchState::Blocked, 2),
            (BatchState::Blocked, 1)
        ]
    );

    let now = claimable(&mut conn).await;
    let ids: HashSet<BuildId> = now.iter().map(|(build, _)| *build).collect();
    assert_eq!(ids, HashSet::from([first, second]));
    fail(&mut conn, now[0].1).await;
    assert!(claimable(&mut conn).await.is_empty(), "one of two is not all");
    fail(&mut conn, now[1].1).await;
    let now = claimable(&mut conn).await;
    let ids: HashSet<BuildId> = now.iter().map(|(build, _)| *build).collect();
    assert_eq!(ids, HashSet::from([third, fourth]));
    // Canceling and deleting end a build as well.
    let canceled = builds::find(&mut conn, third).await.unwrap().unwrap();
    assert!(
        builds::cancel(&mut conn, &canceled, "bob", after(2))
            .await
            .unwrap()
    );
    assert!(claimable(&mut conn).await.is_empty());
    builds::delete(&mut conn, &[fourth], "bob", after(2))
        .await
        .unwrap();
    assert_eq!(claimable(&mut conn).await[0].0, fifth);
    assert!(batches::is_finished(&mut conn, two).await.unwrap());
    assert_eq!(
        batches::find(&mut conn, two).await.unwrap().unwrap().state,
        BatchState::Finished
    );
    // After what has ended already, nothing waits.
    let late = submit(&mut conn, &tools, Some(BatchOf::After(first))).await;
    assert_eq!(claimable(&mut conn).await[0].0, late);
}

/// Two ends at once, and a new build that would wait for them: none is overlooked, and nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_at_the_same_time_open_the_next_batch() {
    let pool: Pool = pool(8).await;
    for round in 0..10 {
        let mut conn = pool.get().await.unwrap();
        let (_, tools) = project(&mut conn, &format!("alice{round}"), "tools").await;
        let first = submit(&mut conn, &tools, None).await;
        submit(&mut conn, &tools, Some(BatchOf::With(first))).await;
        let waiting = submit(&mut conn, &tools, Some(BatchOf::After(first))).await;
        let now = claimable(&mut conn).await;
        assert_eq!(now.len(), 2);
        drop(conn);
        let ends = now.into_iter().map(|(_, task)| {
            let pool = pool.clone();
            tokio::spawn(async move { fail(&mut pool.get().await.unwrap(), task).await })
        });
        let ends: Vec<_> = ends.collect();
        let (late_pool, project) = (pool.clone(), tools.clone());
        let late = tokio::spawn(async move {
            let mut conn = late_pool.get().await.unwrap();
            submit(&mut conn, &project, Some(BatchOf::After(first))).await
        });
        for end in ends {
            end.await.unwrap();
        }
        let late = late.await.unwrap();
        let mut conn = pool.get().await.unwrap();
        let now: HashSet<BuildId> = claimable(&mut conn).await.into_iter().map(|(b, _)| b).collect();
        assert_eq!(now, HashSet::from([waiting, late]));
    }
}

/// Sources end, builds are canceled and others finish in all orders: no two wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_and_ends_never_wait_for_each_other() {
    let pool: Pool = pool(8).await;
    for round in 0..15 {
        let mut conn = pool.get().await.unwrap();
        let (_, tools) = project(&mut conn, &format!("alice{round}"), "tools").await;
        let link = Source::Link("http://example.org/a.src.rpm".to_owned());
        let linked = crate::support::build(&mut conn, &tools, &link).await;
        let uploaded = upload(&mut conn, &tools).await;
        let claimed = claimable(&mut conn).await;
        drop(conn);
        let mut work = tokio::task::JoinSet::new();
        for (_, task) in claimed {
            let (ending, expiring) = (pool.clone(), pool.clone());
            work.spawn(async move {
                let outcome = Outcome::Failed {
                    kind: FailureKind::BadSource,
                    message: "404".to_owned(),
                };
                let mut conn = ending.get().await.unwrap();
                tasks::finish(&mut conn, task, 1, &outcome, &[], None, after(1))
                    .await
                    .unwrap();
            });
            work.spawn(async move {
                tasks::expire_leases(&mut expiring.get().await.unwrap(), after(1_000))
                    .await
                    .unwrap();
            });
        }
        for id in [linked, uploaded] {
            let pool = pool.clone();
            work.spawn(async move {
                let mut conn = pool.get().await.unwrap();
                let build = builds::find(&mut conn, id).await.unwrap().unwrap();
                builds::cancel(&mut conn, &build, "alice", after(1))
                    .await
                    .unwrap();
            });
        }
        while let Some(done) = work.join_next().await {
            done.unwrap();
        }
    }
}
