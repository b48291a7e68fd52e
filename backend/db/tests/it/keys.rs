//! Packages that are signed anew, and keys that come near their end.

use chrono::TimeDelta;
use db::keys::{self, SignedRpm};
use db::repositories;
use db::rpms;
use db::tasks;
use serde_json::json;

use crate::support::{claimer, lease, pool, project, rpm, start, upload};

#[tokio::test]
async fn a_package_that_is_signed_twice_leads_to_the_newest() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let repository = repositories::of_project(conn, project.id).await.unwrap()[0].id;
    upload(conn, &project).await;
    let task = tasks::claim(conn, &claimer("b"), start(), lease()).await;
    let task = task.unwrap().unwrap().id.0;
    rpms::seed(conn, &[rpm(repository, task, "a")]).await.unwrap();
    let signed = async |conn: &mut db::Connection| -> SignedRpm {
        keys::signed_after(conn, repository, 0, 10)
            .await
            .unwrap()
            .remove(0)
    };
    let first = signed(conn).await;
    for sha256 in ["b", "c"] {
        let old = signed(conn).await;
        keys::replace(conn, &[(old.clone(), rpm(repository, task, sha256))])
            .await
            .unwrap();
        // A run that was overtaken replaces nothing.
        keys::replace(conn, &[(old, rpm(repository, task, "late"))])
            .await
            .unwrap();
    }
    let newest = signed(conn).await;
    assert_eq!((newest.sha256.as_str(), newest.task), ("c", task));
    assert_eq!(
        keys::newest(conn, &[first.id, newest.id]).await.unwrap(),
        [newest.id]
    );
    let expected = (first.id, Some((newest.id, "c".to_owned())));
    let fresh = keys::fresh(conn, repository).await.unwrap();
    assert!(fresh.len() == 2 && fresh[0] == expected, "{fresh:?}");
    assert_eq!(keys::replaced(conn, &[first.id]).await.unwrap(), [expected]);
    // Old ones are no packages of a deleted build, and the task has one.
    assert!(rpms::withdrawn(conn, repository).await.unwrap().is_empty());
    assert_eq!(rpms::published_files(conn, task).await.unwrap().len(), 1);

    let all: Vec<i64> = fresh.iter().map(|(old, _)| *old).collect();
    keys::settled(conn, &all).await.unwrap();
    assert!(keys::fresh(conn, repository).await.unwrap().is_empty());
    assert_eq!(keys::newest(conn, &[first.id]).await.unwrap(), [newest.id]);
}

#[tokio::test]
async fn keys_that_come_near_their_end_are_found_once() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, ends) = project(conn, "alice", "ends").await;
    let (_, revoked) = project(conn, "bob", "revoked").await;
    let (_, forever) = project(conn, "carol", "forever").await;
    let soon = (start() + TimeDelta::days(300)).timestamp();
    let key = |expires| json!({"fingerprint": "A", "expires": expires});
    keys::activate(conn, ends.id, &key(Some(soon))).await.unwrap();
    for project in [revoked.id, forever.id] {
        keys::activate(conn, project, &json!({"fingerprint": "A"}))
            .await
            .unwrap();
    }
    let mut old = key(Some(soon));
    old["revoked"] = json!({"at": 1, "reason": "retired", "message": "x"});
    keys::write(conn, revoked.id, &[("A".to_owned(), old)])
        .await
        .unwrap();
    let far = start() + TimeDelta::days(200);
    assert_eq!(keys::renew(conn, far, start()).await.unwrap(), 0);
    let near = start() + TimeDelta::days(365);
    assert_eq!(keys::renew(conn, near, start()).await.unwrap(), 1);
    let later = key(Some(soon + 365 * 86_400));
    let rows = [("A".to_owned(), later.clone())];
    keys::renewed(conn, &ends, (&rows, &later), Some("A"), start())
        .await
        .unwrap();
    assert_eq!(keys::renew(conn, near, start()).await.unwrap(), 0);
    assert!(keys::is_changing(conn, ends.id).await.unwrap());
    assert!(!keys::is_changing(conn, forever.id).await.unwrap());
}
