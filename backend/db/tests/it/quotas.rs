//! What an owner may run at the same time; the rest waits.

use db::quotas::{self, Limits};
use db::{Connection, tasks};

use crate::support::{after, claimer, lease, pool, project, start, upload};

async fn claim(conn: &mut Connection) -> Option<tasks::TaskRow> {
    tasks::claim(conn, &claimer("one"), start(), lease())
        .await
        .unwrap()
}

#[tokio::test]
async fn tasks_wait_while_their_holder_has_as_many_running_as_allowed() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, alices) = project(&mut conn, "alice", "tools").await;
    let (_, bobs) = project(&mut conn, "bob", "tools").await;
    for _ in 0..3 {
        upload(&mut conn, &alices).await;
    }
    for _ in 0..2 {
        upload(&mut conn, &bobs).await;
    }
    let two = |concurrent_builds| Limits {
        concurrent_builds,
        ..Limits::default()
    };
    quotas::set_service(&mut conn, &two(Some(1)), 3).await.unwrap();
    let bob = "bob".parse().unwrap();
    quotas::set_limits(&mut conn, &bob, &two(Some(-1)), "admin", start())
        .await
        .unwrap();
    let mut running = Vec::new();
    while let Some(task) = claim(&mut conn).await {
        running.push(task);
    }
    // One of alice's, and both of bob's, who has no limit.
    assert_eq!(running.len(), 3);
    let alice = "alice".parse().unwrap();
    let used = quotas::usage(&mut conn, &alice, true).await.unwrap();
    assert_eq!((used.concurrent_builds, used.queued_builds), (1, 2));
    assert_eq!((used.cpu_seconds, used.stored_bytes), (0, Some(30)));

    // The end of one makes room for the next, and has cost a begun second of three processors.
    for task in &running {
        tasks::refuse(&mut conn, task.id, 1, "enough", after(1))
            .await
            .unwrap();
    }
    let used = quotas::usage(&mut conn, &alice, false).await.unwrap();
    assert!(used.cpu_seconds >= 3 && used.cpu_seconds % 3 == 0, "{used:?}");
    quotas::set_limits(&mut conn, &alice, &two(Some(0)), "admin", start())
        .await
        .unwrap();
    quotas::set_limits(&mut conn, &bob, &two(Some(0)), "admin", start())
        .await
        .unwrap();
    assert!(claim(&mut conn).await.is_none());
    quotas::set_limits(&mut conn, &alice, &two(None), "admin", start())
        .await
        .unwrap();
    assert!(claim(&mut conn).await.is_some());
    assert!(claim(&mut conn).await.is_none());
}
