//! What reads all of one repository, or of one delivery, reads nothing of the others.

use db::testing::{execute, explain, record_statements, take_statements};

use crate::support::{CHROOT, pool, project};

#[tokio::test]
async fn packages_of_a_repository_are_found_along_an_index() {
    record_statements().unwrap();
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let dir = project.name.clone().into();
    let repository = db::repositories::ensure(&mut conn, project.id, &dir, &CHROOT.parse().unwrap())
        .await
        .unwrap();
    take_statements();
    db::snapshots::content(&mut conn, repository.id, 2).await.unwrap();
    db::rpms::members(&mut conn, &[1, 2]).await.unwrap();
    db::rpms::of_tasks(&mut conn, repository.id, &[1, 2])
        .await
        .unwrap();
    db::rpms::withdrawn(&mut conn, repository.id).await.unwrap();
    db::rpms::twins(&mut conn, &[1, 2]).await.unwrap();
    db::pointers::of_repository(&mut conn, repository.id)
        .await
        .unwrap();
    let place = (&project.owner, &repository.dir, &repository.chroot);
    db::pointers::at(
        &mut conn,
        place,
        &"latest".parse().unwrap(),
        crate::support::start(),
    )
    .await
    .unwrap();
    db::retention::purged_at(&mut conn, place, 1).await.unwrap();
    db::retention::facts(&mut conn, repository.id).await.unwrap();
    db::retention::uses(&mut conn, repository.id).await.unwrap();
    db::retention::going(&mut conn, repository.id).await.unwrap();
    db::retention::orphans(&mut conn, repository.id, &[1])
        .await
        .unwrap();
    db::rpms::fragments(&mut conn, &[1, 2]).await.unwrap();
    db::rpms::count(&mut conn, repository.id).await.unwrap();
    db::quotas::usage(&mut conn, &project.owner, true).await.unwrap();
    db::keys::signed_after(&mut conn, repository.id, 1, 2)
        .await
        .unwrap();
    db::keys::fresh(&mut conn, repository.id).await.unwrap();
    db::keys::replaced(&mut conn, &[1, 2]).await.unwrap();
    db::keys::newest(&mut conn, &[1, 2]).await.unwrap();
    let mut asked = take_statements();
    assert_eq!(asked.len(), 20, "{asked:?}");
    // What foreign keys ask when a repository or a delivery goes.
    asked.push("DELETE FROM ONLY rpms x WHERE $1::bigint OPERATOR(pg_catalog.=) repository_id".to_owned());
    asked.push(
        "UPDATE ONLY webhook_deliveries SET redelivery_of = NULL WHERE $1::bigint OPERATOR(pg_catalog.=) redelivery_of"
            .to_owned(),
    );
    // The tables are empty, and one page is read fastest as it is; what counts is whether there is another way.
    execute(&mut conn, "SET enable_seqscan = off").await.unwrap();
    for statement in asked {
        let plan = explain(&mut conn, &statement).await.unwrap();
        let indexes = [
            "rpms_repository",
            "rpms_pkey",
            "rpms_task",
            "rpms_nevra",
            "rpms_withdrawn",
            "snapshots_pkey",
            "pointer_moves_at",
            "pointers_pkey",
            "snapshots_kept",
            "snapshots_going",
            "tasks_at_work",
            "webhook_deliveries_redelivery",
            "fresh_signatures_repository",
        ];
        let found = indexes.iter().any(|i| plan.contains(i));
        assert!(found && !plan.contains("Seq Scan"), "{statement}\n{plan}");
    }
}
