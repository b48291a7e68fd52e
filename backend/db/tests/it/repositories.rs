//! The pointer's compare-and-swap, and names of projects.

use db::repositories::{self, NewSnapshot};
use protocol::DirName;

use crate::support::{CHROOT, pool, project, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_movers_one_wins() {
    let pool = pool(4).await;
    let base = {
        let mut conn = pool.get().await.unwrap();
        let (_, project) = project(&mut conn, "alice", "tools").await;
        let dir = DirName::from(project.name.clone());
        repositories::ensure(&mut conn, project.id, &dir, &CHROOT.parse().unwrap())
            .await
            .unwrap()
    };
    let movers: Vec<_> = (0..2)
        .map(|_| {
            let (pool, base) = (pool.clone(), base.clone());
            tokio::spawn(async move {
                let mut conn = pool.get().await.unwrap();
                let number = repositories::reserve_snapshot(&mut conn, base.id).await.unwrap();
                let new = NewSnapshot {
                    base: &base,
                    number,
                    cause: "test",
                    packages: 0,
                    repomd_sha256: "x",
                    task: None,
                };
                (
                    number,
                    repositories::move_pointer(&mut conn, &new, start())
                        .await
                        .unwrap(),
                )
            })
        })
        .collect();
    let mut results = Vec::new();
    for mover in movers {
        results.push(mover.await.unwrap());
    }
    assert_ne!(results[0].0, results[1].0, "a number is never given twice");
    let winners: Vec<i64> = results.iter().filter(|(_, won)| *won).map(|(n, _)| *n).collect();
    let mut conn = pool.get().await.unwrap();
    let now = repositories::by_id(&mut conn, base.id).await.unwrap().unwrap();
    assert_eq!(winners, [now.current_snapshot]);
    assert_eq!(now.generation, base.generation + 1);
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
