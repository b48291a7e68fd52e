//! Directories that builds make, and their end.

use chrono::TimeDelta;
use db::DbError;
use db::directories::{expire_one, is_being_removed, touch};
use db::jobs::{self, Claimed, Job};
use protocol::DirName;

use crate::support::{HOLDER, after, pool, project, start};

async fn claim(conn: &mut db::Connection) -> Claimed {
    let claimed = jobs::claim(conn, HOLDER, after(20), TimeDelta::days(1)).await;
    claimed.unwrap().unwrap()
}

#[tokio::test]
async fn a_new_directory_is_set_up_alone_and_a_working_project_stays_ready() {
    let pool = pool(2).await;
    let conn = &mut *pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let first = claim(conn).await;
    jobs::done(conn, &first).await.unwrap();
    db::projects::set_ready(conn, project.id, Ok(start()))
        .await
        .unwrap();
    let dir: DirName = "tools:pr:1".parse().unwrap();
    for seconds in [0, 5] {
        touch(conn, project.id, &dir, after(seconds)).await.unwrap();
    }
    assert_eq!(jobs::count(conn).await.unwrap(), (1, 0));
    let (project, directory) = (project.id, Some(dir));
    assert_eq!(claim(conn).await.job, Job::SetUpProject { project, directory });
    db::projects::set_ready(conn, project, Err("no store"))
        .await
        .unwrap();
    let after = db::projects::by_id(conn, project).await.unwrap().unwrap();
    assert_eq!(after.ready_at, Some(start()));
    assert_eq!(after.setup_error.as_deref(), Some("no store"));
}

/// What a build writes into a directory that is being removed would go with it.
#[tokio::test]
async fn a_directory_that_is_being_removed_takes_no_builds() {
    let pool = pool(2).await;
    let conn = &mut *pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let dir: DirName = "tools:pr:1".parse().unwrap();
    touch(conn, project.id, &dir, start()).await.unwrap();
    let gone = expire_one(conn, after(1), after(2)).await.unwrap();
    assert_eq!(gone.as_deref(), Some("alice/tools:pr:1"));
    let refused = touch(conn, project.id, &dir, after(3)).await;
    assert!(
        matches!(&refused, Err(DbError::BeingRemoved(name)) if name == "tools:pr:1"),
        "{refused:?}"
    );
    let other: DirName = "tools:pr:2".parse().unwrap();
    touch(conn, project.id, &other, after(3)).await.unwrap();
    // Nothing that waits for the removal comes before it.
    let removal = claim(conn).await;
    assert_eq!(removal.job.kind(), "remove_directory");
    assert!(is_being_removed(conn, project.id, &dir).await.unwrap());
    jobs::done(conn, &removal).await.unwrap();
    touch(conn, project.id, &dir, after(4)).await.unwrap();
}
