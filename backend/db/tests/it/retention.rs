//! What of the past goes, and what protects it.

use chrono::TimeDelta;
use db::doomed;
use db::jobs::{self, Job};
use db::pointers::{self, Moved, Wish};
use db::projects::Project;
use db::repositories::{self, Repository};
use db::retention::{self, Policy};
use db::snapshots::{self, Audience, NewSnapshot};
use db::testing::execute;
use protocol::{DirName, PointerName};

use crate::support::{
    CHROOT, HOLDER, after, claimer, lease, pool, project, start, until_somebody_waits, upload,
};

const DAY: i64 = 86_400;

async fn repository(conn: &mut db::Connection) -> (Project, Repository) {
    let (_, project) = project(conn, "alice", "tools").await;
    let dir = DirName::from(project.name.clone());
    let repository = repositories::ensure(conn, project.id, &dir, &CHROOT.parse().unwrap()).await;
    (project, repository.unwrap())
}

/// Publishes packages `added` on top of what everybody has, some seconds after the start.
async fn publish(
    conn: &mut db::Connection,
    repository: i64,
    added: &[i64],
    removed: &[i64],
    seconds: i64,
) -> i64 {
    let base = repositories::by_id(conn, repository).await.unwrap().unwrap();
    let number = snapshots::reserve(conn, repository).await.unwrap();
    let mut content = snapshots::content(conn, repository, base.current_snapshot)
        .await
        .unwrap();
    content.retain(|id| !removed.contains(id));
    content.extend(added);
    let new = NewSnapshot {
        repository: &base,
        parent: base.current_snapshot,
        number,
        cause: "test",
        actor: None,
        content: &content,
        added,
        removed,
        repomd_sha256: "x",
        signed_by: "",
        audience: &Audience::Everybody,
        request: None,
        check: false,
    };
    assert!(snapshots::publish(conn, &new, after(seconds)).await.unwrap());
    number
}

fn policy(snapshots: u32, days: u32) -> Policy {
    Policy {
        snapshots,
        days,
        grace: TimeDelta::hours(2),
        ..Policy::default()
    }
}

async fn decide(conn: &mut db::Connection, repository: &Repository, policy: &Policy, seconds: i64) {
    let owner = "alice".parse().unwrap();
    retention::decide(conn, repository, &owner, policy, after(seconds))
        .await
        .unwrap();
}

/// Numbers that are marked, and those that have ended.
async fn states(conn: &mut db::Connection, repository: i64) -> (Vec<i64>, Vec<i64>) {
    let all = snapshots::list(conn, repository, None, 100).await.unwrap();
    let numbers = |which: fn(&&snapshots::Snapshot) -> bool| -> Vec<i64> {
        all.iter().rev().filter(which).map(|s| s.number).collect()
    };
    (
        numbers(|s| s.purge_at.is_some() && s.purged_at.is_none()),
        numbers(|s| s.purged_at.is_some()),
    )
}

async fn shift(
    conn: &mut db::Connection,
    repository: i64,
    name: &str,
    to: Option<i64>,
    seconds: i64,
) -> Moved {
    let name: PointerName = name.parse().unwrap();
    let wish = Wish {
        repository,
        name: &name,
        to,
        expected: None,
        actor: "alice",
        cause: "tried",
        devel_mode: false,
        object: "repository:alice/tools/sample",
    };
    pointers::shift(conn, &wish, after(seconds)).await.unwrap()
}

#[tokio::test]
async fn snapshots_are_marked_judged_again_and_go() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, base) = repository(conn).await;
    for n in 1..=6 {
        publish(conn, base.id, &[n], &[], n).await;
    }
    shift(conn, base.id, "stable", Some(2), 10).await;
    let rules = policy(2, 1);
    // All were the latest within a day.
    decide(conn, &base, &rules, DAY).await;
    assert_eq!(states(conn, base.id).await, (vec![], vec![]));
    decide(conn, &base, &rules, DAY + 20).await;
    assert_eq!(states(conn, base.id).await, (vec![1, 3, 4], vec![]));
    // Not before the grace has ended, and not what is wanted again.
    decide(conn, &base, &rules, DAY + 7_000).await;
    assert_eq!(states(conn, base.id).await, (vec![1, 3, 4], vec![]));
    assert_eq!(
        shift(conn, base.id, "tested", Some(3), DAY + 7_001).await,
        Moved::From(0)
    );
    assert_eq!(states(conn, base.id).await, (vec![1, 4], vec![]));
    decide(conn, &base, &rules, DAY + 7_220).await;
    assert_eq!(states(conn, base.id).await, (vec![], vec![1, 4]));
    assert_eq!(retention::going(conn, base.id).await.unwrap(), [1, 4]);
    retention::gone(conn, base.id, &[1, 4]).await.unwrap();
    assert!(retention::going(conn, base.id).await.unwrap().is_empty());
    assert_eq!(
        shift(conn, base.id, "tested", Some(4), DAY + 7_230).await,
        Moved::Purged(after(DAY + 7_220))
    );
    // Its row still says what later ones hold.
    assert_eq!(
        snapshots::content(conn, base.id, 5).await.unwrap(),
        [1, 2, 3, 4, 5]
    );
    let place = (&"alice".parse().unwrap(), &base.dir, &base.chroot);
    let purged =
        async |conn: &mut db::Connection, number| retention::purged_at(conn, place, number).await.unwrap();
    assert_eq!(purged(conn, 4).await, Some(after(DAY + 7_220)));
    assert_eq!((purged(conn, 2).await, purged(conn, 99).await), (None, None));
    let line = &db::audit::list(conn, None, false, 50, 0).await.unwrap();
    let line = line.iter().find(|line| line.action == "snapshot.purge").unwrap();
    assert_eq!(line.actor, "service");
    assert_eq!(line.change().1["snapshots"], serde_json::json!([1, 4]));
    // A pointer that goes away protects for the time that the rules say, and no longer.
    shift(conn, base.id, "stable", None, 3 * DAY).await;
    decide(conn, &base, &rules, 4 * DAY).await;
    assert_eq!(states(conn, base.id).await.0, Vec::<i64>::new());
    decide(conn, &base, &rules, 4 * DAY + 1).await;
    assert_eq!(states(conn, base.id).await.0, [2]);
}

#[tokio::test]
async fn a_build_that_runs_protects_what_it_may_read() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, base) = repository(conn).await;
    for n in 1..=3 {
        publish(conn, base.id, &[n], &[], n * DAY).await;
    }
    // Of another project: any build may read any repository.
    let (_, other) = project(conn, "bob", "tools").await;
    upload(conn, &other).await;
    let claimed = db::tasks::claim(conn, &claimer("b"), after(2 * DAY - 1), lease())
        .await
        .unwrap();
    let rules = policy(1, 0);
    decide(conn, &base, &rules, 9 * DAY).await;
    assert_eq!(states(conn, base.id).await.0, Vec::<i64>::new());
    let task = claimed.unwrap();
    execute(
        conn,
        &format!("UPDATE tasks SET state = 'failed' WHERE id = {}", task.id.0),
    )
    .await
    .unwrap();
    decide(conn, &base, &rules, 9 * DAY).await;
    assert_eq!(states(conn, base.id).await.0, [1, 2]);
}

#[tokio::test]
async fn each_repository_gets_its_turn() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (project, base) = repository(conn).await;
    for n in 1..=3 {
        publish(conn, base.id, &[n], &[], n).await;
    }
    let rules = policy(2, 0);
    execute(conn, "DELETE FROM jobs").await.unwrap();
    assert_eq!(
        retention::look(conn, &rules, start(), 10, after(100))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        retention::look(conn, &rules, after(99), 10, after(101))
            .await
            .unwrap(),
        0
    );
    let job = jobs::claim(conn, HOLDER, after(101), lease())
        .await
        .unwrap()
        .unwrap();
    let wanted = Job::Retain {
        project: project.id,
        repository: base.id,
    };
    assert_eq!(job.job, wanted);
    assert!(jobs::is_retaining(conn, project.id, after(102)).await.unwrap());
    jobs::done(conn, &job).await.unwrap();
    assert!(!jobs::is_retaining(conn, project.id, after(102)).await.unwrap());
    // Where nothing can go there is no job.
    assert_eq!(
        retention::look(conn, &policy(3, 0), after(200), 10, after(201))
            .await
            .unwrap(),
        1
    );
    assert!(
        jobs::claim(conn, HOLDER, after(202), lease())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn packages_are_orphans_when_no_snapshot_has_them() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, base) = repository(conn).await;
    for n in 1..=4 {
        let row = format!(
            "INSERT INTO rpms (id, repository_id, name, epoch, version, release, arch, file_name, sha256,
                 unsigned_sha256, size, since_snapshot, primary_xml, filelists_xml, other_xml)
             VALUES ({n}, {}, 'x', 0, '{n}', '1', 'noarch', 'x-{n}', '{n}', '{n}', {n}00, 1, '', '', '')",
            base.id
        );
        execute(conn, &row).await.unwrap();
    }
    // The fourth was never in any; far enough apart that whole lists come in between.
    publish(conn, base.id, &[1, 2], &[], 1).await;
    publish(conn, base.id, &[3], &[1], 2).await;
    for n in 3..=140 {
        publish(conn, base.id, &[], &[], n).await;
    }
    publish(conn, base.id, &[], &[2], 141).await;
    let orphans = async |conn: &mut db::Connection, kept: &[i64]| {
        let orphans = retention::orphans(conn, base.id, kept).await.unwrap();
        (orphans.ids, orphans.bytes)
    };
    assert_eq!(orphans(conn, &[1, 2, 141]).await, (vec![4], 400));
    assert_eq!(orphans(conn, &[70, 141]).await, (vec![1, 4], 500));
    assert_eq!(orphans(conn, &[141]).await, (vec![1, 2, 4], 700));
    assert_eq!(orphans(conn, &[1]).await, (vec![3, 4], 700));
    let asked = format!(
        "INSERT INTO snapshot_requests (repository_id, pointer, added, removed, actor, cause, created_at)
         VALUES ({}, 'stable', '{{1}}', '{{}}', 'alice', 'tried', now())",
        base.id
    );
    execute(conn, &asked).await.unwrap();
    assert_eq!(orphans(conn, &[141]).await, (vec![2, 4], 600));
    execute(conn, "DELETE FROM snapshot_requests").await.unwrap();
    let of_batch = format!(
        "WITH batch AS (INSERT INTO batches DEFAULT VALUES RETURNING id)
         INSERT INTO mini_repositories (repository_id, name, batch_id, revision, fingerprint, content, made_at)
         SELECT {}, 'batches/1', id, 1, 'ab', '{{2}}', now() FROM batch",
        base.id
    );
    execute(conn, &of_batch).await.unwrap();
    assert_eq!(orphans(conn, &[141]).await, (vec![1, 4], 500));
    execute(conn, "DELETE FROM mini_repositories").await.unwrap();

    // They go when that has been known for a while, and not while the project is being forked.
    execute(conn, "UPDATE snapshots SET purged_at = now() WHERE number < 141")
        .await
        .unwrap();
    let owner = "alice".parse().unwrap();
    let rules = policy(1, 0);
    let gone = async |conn: &mut db::Connection, seconds| {
        retention::decide_packages(conn, &base, &owner, &rules, after(seconds))
            .await
            .unwrap();
        let gone = retention::removed_packages(conn, base.id, 10).await.unwrap();
        gone.into_iter().map(|package| package.id).collect::<Vec<i64>>()
    };
    assert_eq!(gone(conn, 1_000).await, Vec::<i64>::new());
    assert_eq!(gone(conn, 8_199).await, Vec::<i64>::new());
    publish(conn, base.id, &[2], &[], 8_199).await;
    let fork = Job::ForkProject {
        project: base.project + 1,
        from: base.project,
    };
    jobs::enqueue(conn, &fork, after(0)).await.unwrap();
    assert_eq!(gone(conn, 8_200).await, Vec::<i64>::new());
    execute(conn, "DELETE FROM jobs").await.unwrap();
    assert_eq!(gone(conn, 8_200).await, [1, 4]);
    let gone = retention::removed_packages(conn, base.id, 10).await.unwrap();
    assert_eq!(
        (gone[0].sha256.as_str(), gone[0].shared, &gone[0].successor),
        ("1", false, &None)
    );
    retention::forget_packages(conn, &[1]).await.unwrap();
    assert_eq!(
        retention::removed_packages(conn, base.id, 10).await.unwrap(),
        gone[1..]
    );
}

#[tokio::test]
async fn requests_that_are_done_are_forgotten() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, base) = repository(conn).await;
    for (snapshot, was_at) in [("1", "NULL"), ("NULL", "2"), ("NULL", "NULL")] {
        let asked = format!(
            "INSERT INTO snapshot_requests (repository_id, pointer, added, removed, actor, cause, created_at, snapshot, was_at)
             VALUES ({}, 'stable', '{{}}', '{{}}', 'alice', 'tried', to_timestamp({}), {snapshot}, {was_at})",
            base.id,
            after(10).timestamp()
        );
        execute(conn, &asked).await.unwrap();
    }
    let forget = async |conn: &mut db::Connection, seconds| {
        retention::forget_requests(conn, base.id, after(seconds))
            .await
            .unwrap()
    };
    assert_eq!((forget(conn, 10).await, forget(conn, 11).await), (0, 2));
    let rules = policy(1, 2);
    assert_eq!(rules.forgotten_before(after(3 * DAY)), after(DAY));
    assert_eq!(policy(1, 0).forgotten_before(after(7_200)), after(0));
}

#[tokio::test]
async fn what_is_stored_again_is_not_deleted() {
    let pool = pool(3).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, base) = repository(conn).await;
    let paths = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let all = paths(&["a", "b", "c"]);
    doomed::doom(conn, base.id, &all, after(0)).await.unwrap();
    doomed::doom(conn, base.id, &all, after(50)).await.unwrap();
    assert!(doomed::any(conn, base.id).await.unwrap());
    assert!(doomed::rescue(conn, base.id, &paths(&["a", "x"])).await.unwrap());
    let condemn = async |conn: &mut db::Connection, before| {
        doomed::condemn(conn, base.id, after(before), after(100))
            .await
            .unwrap()
    };
    assert_eq!(condemn(conn, -1).await, paths(&[]), "too early");
    // The third is named again.
    doomed::doom(conn, base.id, &paths(&["b"]), after(60))
        .await
        .unwrap();
    assert_eq!(condemn(conn, 10).await, paths(&["b"]));
    assert!(!doomed::rescue(conn, base.id, &paths(&["b", "c"])).await.unwrap());
    doomed::doom(conn, base.id, &paths(&[]), after(70)).await.unwrap();
    assert_eq!(condemn(conn, 10).await, paths(&["b"]), "what was begun is ended");
    doomed::deleted(conn, base.id, &paths(&["b"])).await.unwrap();
    assert!(doomed::rescue(conn, base.id, &paths(&["b"])).await.unwrap());

    // Whoever comes while the sentence is being passed waits for it, and is told.
    doomed::doom(conn, base.id, &paths(&["d"]), after(0))
        .await
        .unwrap();
    execute(conn, "BEGIN").await.unwrap();
    assert_eq!(condemn(conn, 10).await, paths(&["d"]));
    let (other, id) = (pool.clone(), base.id);
    let late = tokio::spawn(async move {
        let mut conn = other.get().await.unwrap();
        doomed::rescue(&mut conn, id, &["d".to_owned()]).await.unwrap()
    });
    until_somebody_waits(conn).await;
    execute(conn, "COMMIT").await.unwrap();
    assert!(!late.await.unwrap());
}
