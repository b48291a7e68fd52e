//! Results of tests: several at once are written down, and released, all or none.

use chrono::TimeDelta;
use db::gates::{self, NewResult, Tested};
use db::{jobs, repositories};
use diesel_async::SimpleAsyncConnection as _;
use protocol::DirName;

use crate::support::{CHROOT, pool, project, start};

/// Repositories of one project; there are five.
async fn five(conn: &mut db::Connection) -> Vec<i64> {
    let (_, project) = project(conn, "alice", "tools").await;
    let mut all = Vec::new();
    for n in 1..=5 {
        let dir: DirName = format!("tools:custom:{n}").parse().unwrap();
        let repository = repositories::ensure(conn, project.id, &dir, &CHROOT.parse().unwrap())
            .await
            .unwrap();
        all.push(repository.id);
    }
    all
}

/// How many results, released ones, requests, jobs and lines of the history there are.
async fn counts(conn: &mut db::Connection) -> [usize; 5] {
    let mut counts = [0; 5];
    for (count, rows) in counts.iter_mut().zip([
        "test_results",
        "test_results WHERE released_at IS NOT NULL",
        "snapshot_requests",
        "jobs WHERE kind = 'make_snapshot'",
        "audit WHERE action IN ('test.pass', 'snapshot.promote')",
    ]) {
        let select = format!("SELECT FROM {rows}");
        *count = db::testing::execute(conn, &select).await.unwrap();
    }
    counts
}

/// The database fails at the request of the third repository, or the connection breaks there: nothing is known of any of
/// them, and later all of it is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_several_repositories_are_taken_and_released_together_or_not_at_all() {
    let pool = pool(4).await;
    let conn = &mut *pool.get().await.unwrap();
    let repositories = five(conn).await;
    let results = repositories.iter().map(|repository| NewResult {
        repository: *repository,
        tested: Tested::Snapshot(1),
        passed: true,
        url: "",
        message: "",
        actor: "alice",
        added: &[7],
        removed: &[],
        devel_mode: true,
        release_after_hours: Some(5),
        object: "repository:alice/tools/x",
    });
    let results: Vec<NewResult<'_>> = results.collect();
    let fault = format!(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
         CREATE TRIGGER fault BEFORE INSERT ON snapshot_requests FOR EACH ROW WHEN (NEW.repository_id = {})
             EXECUTE FUNCTION fault()",
        repositories[2]
    );
    let breaks = "CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NEW; END'";
    let heals = "DROP TRIGGER fault ON snapshot_requests; DROP FUNCTION fault()";
    let (now, later) = (start(), start() + TimeDelta::hours(6));
    let before = counts(conn).await;
    assert_eq!(before[..4], [0; 4]);
    for what in [fault.as_str(), breaks] {
        conn.batch_execute(what).await.unwrap();
        let other = &mut *pool.get().await.unwrap();
        assert!(gates::record(other, &results, now).await.is_err());
        assert_eq!(counts(conn).await, before);
    }
    conn.batch_execute(heals).await.unwrap();
    assert_eq!(gates::record(conn, &results, now).await.unwrap().len(), 5);
    let recorded = counts(conn).await;
    assert_eq!(recorded[..4], [5, 0, 5, 5]);
    assert!(!gates::any_due(conn, now).await.unwrap());
    assert_eq!(gates::release(conn, now).await.unwrap(), 0, "not yet");

    for what in [fault.as_str(), breaks] {
        conn.batch_execute(what).await.unwrap();
        let other = &mut *pool.get().await.unwrap();
        assert!(gates::any_due(other, later).await.unwrap());
        assert!(gates::release(other, later).await.is_err());
        assert_eq!(counts(conn).await, recorded);
    }
    conn.batch_execute(heals).await.unwrap();
    assert_eq!(gates::release(conn, later).await.unwrap(), 5);
    assert_eq!(counts(conn).await[..4], [5, 5, 10, 10]);
    assert_eq!(gates::release(conn, later).await.unwrap(), 0, "once");
    assert!(!gates::any_due(conn, later).await.unwrap());
    assert_eq!(jobs::count(conn).await.unwrap().1, 0);
}
