//! Two people who change the same thing at the same time: neither undoes what the other did unseen.

use std::time::Duration;

use db::permissions::{self, Role, State};
use db::projects::{self, Edit};
use db::testing::execute;

use crate::support::{after, pool, project, until_somebody_waits};

#[tokio::test]
async fn settings_that_somebody_else_changed_meanwhile_stay() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, seen) = project(&mut conn, "alice", "tools").await;
    let save = async |conn: &mut db::Connection, change: &dyn Fn(&mut projects::ProjectSettings), renew| {
        let mut settings = seen.settings.clone();
        change(&mut settings);
        let edit = Edit {
            settings: &settings,
            chroots: None,
            renew,
        };
        projects::edit(conn, &seen, &edit, "alice", after(1))
            .await
            .unwrap()
    };
    assert!(save(&mut conn, &|s| s.devel_mode = true, false).await);
    assert!(!save(&mut conn, &|s| s.delete_after_days = Some(3), false).await);
    assert!(!save(&mut conn, &|s| "Hello.".clone_into(&mut s.description), false).await);
    let now = projects::by_id(&mut conn, seen.id).await.unwrap().unwrap();
    assert!(now.settings.devel_mode);
    assert_eq!(now.settings.delete_after_days, Some(3));
    assert_eq!(now.settings.description, "Hello.");
    assert_eq!(now.delete_at, now.settings.ends(after(1)));
    // The history says what was there, not what was seen.
    let newest = db::audit::list(&mut conn, Some(seen.id), false, 1, 0)
        .await
        .unwrap();
    let (old, new) = newest[0].change();
    assert_eq!(old, serde_json::json!({"description": ""}));
    assert_eq!(new, serde_json::json!({"description": "Hello."}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_a_role_does_not_undo_its_approval() {
    let pool = pool(4).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let (bob, _) = project(&mut conn, "bob", "other").await;
    let mut admin = pool.get().await.unwrap();
    // The approval is under way: nobody else sees it yet.
    execute(&mut admin, "BEGIN").await.unwrap();
    let approval = format!(
        "INSERT INTO project_permissions (project_id, user_id, builder) VALUES ({}, {}, 2)",
        tools.id, bob.id
    );
    execute(&mut admin, &approval).await.unwrap();
    let (asking, project, user) = (pool.clone(), tools.clone(), bob.clone());
    let asked = tokio::spawn(async move {
        let mut conn = asking.get().await.unwrap();
        permissions::request(&mut conn, &project, &user, &[(Role::Builder, true)], after(1)).await
    });
    until_somebody_waits(&mut conn).await;
    execute(&mut admin, "COMMIT").await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .unwrap();
    assert!(!asked.unwrap().unwrap(), "nothing to ask for");
    let roles = permissions::of_user(&mut conn, tools.id, bob.id).await.unwrap();
    assert_eq!(roles.builder, State::Approved);

    // Giving it up leaves no row.
    assert!(
        permissions::request(&mut conn, &tools, &bob, &[(Role::Builder, false)], after(2))
            .await
            .unwrap()
    );
    assert_eq!(permissions::of_project(&mut conn, tools.id).await.unwrap(), []);
}
