//! What of the past goes: listed for whoever may change a project, and added up for administrators.

use db::repositories::Repository;
use db::snapshots::{Audience, NewSnapshot};
use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person};

const PLAN: &str = "/retention/alice/tools/debian-12-x86_64";

/// That of `alice/tools`.
async fn repository(house: &House) -> db::repositories::Repository {
    let mut conn = house.pool.get().await.unwrap();
    let (owner, name) = ("alice".parse().unwrap(), "tools".parse().unwrap());
    let project = db::projects::find(&mut conn, &owner, &name)
        .await
        .unwrap()
        .unwrap();
    let dir = protocol::DirName::from(project.name.clone());
    db::repositories::ensure(&mut conn, project.id, &dir, &CHROOT.parse().unwrap())
        .await
        .unwrap()
}

/// Publishes an empty snapshot.
async fn publish(house: &House, repository: &Repository) {
    let mut conn = house.pool.get().await.unwrap();
    let base = db::repositories::by_id(&mut conn, repository.id)
        .await
        .unwrap()
        .unwrap();
    let number = db::snapshots::reserve(&mut conn, base.id).await.unwrap();
    let new = NewSnapshot {
        repository: &base,
        parent: base.current_snapshot,
        number,
        cause: "test",
        actor: None,
        content: &[],
        added: &[],
        removed: &[],
        repomd_sha256: "x",
        signed_by: "",
        audience: &Audience::Everybody,
        request: None,
        check: false,
    };
    let now = crate::house::start();
    assert!(db::snapshots::publish(&mut conn, &new, now).await.unwrap());
}

async fn ask(house: &House, person: &Person, path: &str) -> Value {
    house.send("GET", path, Some(person), json!({})).await.ok()
}

#[tokio::test]
async fn a_dry_run_lists_what_goes() {
    let house = House::with(|config| {
        config.retention.snapshots = 1;
        config.retention.days = 0;
    })
    .await;
    let alice = house.person("alice", false).await;
    let (bob, admin) = (
        house.person("bob", false).await,
        house.person("admin", true).await,
    );
    house.project(&alice, "tools").await;
    let repository = repository(&house).await;
    for _ in 0..3 {
        publish(&house, &repository).await;
    }
    house.pass(1);
    let plan = ask(&house, &alice, PLAN).await;
    assert_eq!(
        plan["policy"],
        json!({"snapshots": 1, "days": 0, "commit_days": 30, "grace_hours": 24})
    );
    assert_eq!(
        (&plan["kept"], &plan["packages"], &plan["bytes"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(
        (&plan["files"], &plan["metadata_objects"]),
        (&json!([]), &json!(0))
    );
    let items = plan["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{plan}");
    assert_eq!(
        (&items[0]["snapshot"], &items[0]["cause"], &items[0]["marked"]),
        (&json!(1), &json!("test"), &json!(false))
    );
    assert_eq!(items[0]["goes_at"], "2026-11-22T12:00:01Z");
    assert_eq!(ask(&house, &admin, PLAN).await, plan);
    let refused = house.send("GET", PLAN, Some(&bob), json!({})).await.error(403);
    assert_eq!(
        refused,
        "Only owners and admins of a project see what of its past goes."
    );
    for path in [
        "/retention/alice/tools/fedora-1-x86_64",
        "/retention/alice/none/debian-12-x86_64",
        "/retention/alice/tools/%20",
    ] {
        house.send("GET", path, Some(&alice), json!({})).await.error(404);
    }

    let all = ask(&house, &admin, "/retention").await;
    assert_eq!(
        (&all["snapshots"], &all["marked"], &all["stored_bytes"]),
        (&json!(3), &json!(0), &json!(0))
    );
    house
        .send("GET", "/retention", Some(&alice), json!({}))
        .await
        .error(403);
}

#[tokio::test]
async fn a_project_keeps_more_or_less_within_limits() {
    let house = House::with(|config| {
        config.retention.snapshots = 1;
        config.retention.days = 0;
        config.retention.most_snapshots = 3;
        config.retention.most_days = 30;
    })
    .await;
    let alice = house.person("alice", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    let edit = async |person: &Person, change: Value| {
        house
            .send("PUT", "/project/edit/alice/tools", Some(person), change)
            .await
    };
    edit(&alice, json!({"keep_snapshots": 2, "keep_days": 30}))
        .await
        .ok();
    let repository = repository(&house).await;
    for _ in 0..3 {
        publish(&house, &repository).await;
    }
    house.pass(1);
    let plan = ask(&house, &alice, PLAN).await;
    assert_eq!(
        (&plan["policy"], &plan["kept"]),
        (
            &json!({"snapshots": 2, "days": 30, "commit_days": 30, "grace_hours": 24}),
            &json!(3)
        )
    );
    edit(&alice, json!({"keep_days": 0})).await.ok();
    assert_eq!(ask(&house, &alice, PLAN).await["kept"], 2);
    for (change, expected) in [
        (
            json!({"keep_snapshots": 4}),
            "keep_snapshots: Number must be between 1 and 3; administrators can set more.",
        ),
        (
            json!({"keep_snapshots": 0}),
            "keep_snapshots: Number must be at least 1; leave it empty for the service's rule.",
        ),
        (
            json!({"keep_days": 31}),
            "keep_days: Number must be between 0 and 30; administrators can set more.",
        ),
        (json!({"keep_days": "x"}), "keep_days: Not a valid integer value"),
    ] {
        let said = edit(&alice, change).await.error(400);
        assert!(said.contains(expected), "{said}");
    }
    edit(&admin, json!({"keep_snapshots": 40})).await.ok();
    // What an administrator allowed stays with other changes.
    edit(&alice, json!({"description": "words"})).await.ok();
    assert_eq!(ask(&house, &alice, PLAN).await["policy"]["snapshots"], 40);
    edit(&alice, json!({"keep_snapshots": -1, "keep_days": ""}))
        .await
        .ok();
    assert_eq!(
        ask(&house, &alice, PLAN).await["policy"],
        json!({"snapshots": 1, "days": 0, "commit_days": 30, "grace_hours": 24})
    );
}
