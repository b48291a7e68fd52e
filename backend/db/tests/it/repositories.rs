//! Packages of tasks, and names of projects.

use chrono::TimeDelta;
use db::repositories;
use db::rpms::{self, SameNevra};
use db::snapshots::{self, Audience, NewSnapshot};
use db::{jobs, tasks};

use crate::support::{CHROOT, HOLDER, claimer, lease, pool, project, rpm, start, upload};

#[tokio::test]
async fn published_packages_are_not_replaced_by_a_second_worker() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
        .await
        .unwrap()
        .unwrap();
    let base = repositories::of_project(&mut conn, project.id)
        .await
        .unwrap()
        .remove(0);
    let rpm = |sha256: &str| rpm(base.id, task.id.0, sha256);
    // An interrupted run's rows are replaced, published ones are not.
    let insert = async |conn: &mut db::Connection, sha256: &str| {
        rpms::insert(conn, task.id.0, &[rpm(sha256)], SameNevra::Refuse)
            .await
            .unwrap();
    };
    insert(&mut conn, "a").await;
    insert(&mut conn, "b").await;
    let members = rpms::of_tasks(&mut conn, base.id, &[task.id.0]).await.unwrap();
    let added: Vec<i64> = members.iter().map(|(id, _)| *id).collect();
    let new = NewSnapshot {
        repository: &base,
        parent: 0,
        number: 1,
        cause: "test",
        actor: None,
        content: &added,
        added: &added,
        removed: &[],
        repomd_sha256: "x",
        signed_by: "",
        audience: &Audience::Everybody,
        request: None,
        check: false,
    };
    assert!(snapshots::publish(&mut conn, &new, start()).await.unwrap());
    insert(&mut conn, "c").await;
    let ids = snapshots::content(&mut conn, base.id, 1).await.unwrap();
    let stored = rpms::fragments(&mut conn, &ids).await.unwrap();
    let stored: Vec<&str> = stored.iter().map(|s| s.sha256.as_str()).collect();
    assert_eq!(stored, ["b"]);
}

#[tokio::test]
async fn a_removal_is_seen_until_its_job_is_done() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, old) = project(&mut conn, "alice", "tools").await;
    let conn = &mut conn;
    let being_removed =
        async |conn: &mut db::Connection| db::projects::is_being_removed(conn, &old.owner, &old.name).await;
    assert!(!being_removed(conn).await.unwrap());
    assert!(
        db::projects::is_worked_on(conn, old.id).await.unwrap(),
        "its set-up"
    );
    db::projects::delete(conn, &old, "alice", start()).await.unwrap();
    assert!(being_removed(conn).await.unwrap());
    while let Some(job) = jobs::claim(conn, HOLDER, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
    {
        jobs::done(conn, &job).await.unwrap();
    }
    assert!(!db::projects::is_worked_on(conn, old.id).await.unwrap());
    assert!(!being_removed(conn).await.unwrap());
}

#[tokio::test]
async fn names_and_repotags_stay_unique() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, dots) = project(&mut conn, "alice", "a.b").await;
    let (_, underscores) = project(&mut conn, "alice", "a_b").await;
    assert_eq!(dots.repotag, "alice_a_b");
    assert_eq!(underscores.repotag, "alice_a_b_2");

    db::projects::delete(&mut conn, &dots, "alice", start())
        .await
        .unwrap();
    assert!(
        db::projects::find(&mut conn, &dots.owner, &dots.name)
            .await
            .unwrap()
            .is_none()
    );
    let key_is_new = db::projects::NewProject {
        owner: &dots.owner,
        name: &dots.name,
        created_by: dots.created_by,
        actor: "alice",
        settings: &dots.settings,
        chroots: &[CHROOT.parse().unwrap()],
        key_id: "another",
    };
    let again = db::projects::create(&mut conn, &key_is_new, start())
        .await
        .unwrap();
    assert_eq!(
        again.repotag, "alice_a_b_3",
        "a repotag is never given to another project"
    );
    let twice = db::projects::NewProject {
        key_id: "a third",
        ..key_is_new
    };
    let twice = db::projects::create(&mut conn, &twice, start())
        .await
        .unwrap_err();
    assert!(matches!(twice, db::DbError::Duplicate(c) if c == "projects_live_name"));
}
