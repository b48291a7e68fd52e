//! Packages go from one project into another.

use db::jobs::Job;
use db::quotas::{self, Limits};
use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House, chroot, run};
use crate::keys::{fingerprints, verified_by};
use crate::machine::Machine;
use crate::sweep::blobs;

/// Of the same architecture, and another distribution.
const OTHER: &str = "fedora-42-x86_64";
/// Of the same distribution by another name.
const SAME: &str = "mydebian-12-x86_64";

/// Alice's project with two versions of `motd` and one of `other`, and another that has nothing.
async fn two() -> (House, Api) {
    let house = House::new().await;
    chroot(&house.context.pool, OTHER, ".fc42").await;
    chroot(&house.context.pool, SAME, ".deb12").await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    for (name, version) in [("motd", "1.0"), ("motd", "2.0"), ("other", "1.0")] {
        house.build(&tools, "tools", name, version).await;
    }
    let mut create = vec!["create", "prod"];
    for chroot in [CHROOT, OTHER, SAME] {
        create.extend(["--chroot", chroot]);
    }
    run(&alice, &create).await.expect_code(0);
    let api = house.api("alice").await;
    (house, api)
}

fn promote() -> String {
    format!("/snapshot/promote/alice/tools/{CHROOT}")
}

async fn builds(api: &Api, project: &str) -> Vec<Value> {
    let path = format!("/build/list?ownername=alice&projectname={project}");
    api.get(&path).await["items"].as_array().unwrap().clone()
}

/// All that is known of a repository's snapshots and pointers.
async fn state(api: &Api, project: &str) -> (Value, Value) {
    let at = format!("alice/{project}/{CHROOT}");
    (
        api.get(&format!("/snapshot/list/{at}")).await,
        api.get(&format!("/pointer/list/{at}")).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_go_into_another_project_signed_with_its_key() {
    let (house, api) = two().await;
    let before = state(&api, "tools").await;
    let done = api
        .done(
            &promote(),
            json!({"from": 3, "into": "alice/prod", "expected": 1}),
        )
        .await;
    assert_eq!(
        done,
        json!({"pointer": "latest", "snapshot": 2, "before": null}),
        "one snapshot"
    );
    let users = Machine::new(&house, "alice", "prod").await;
    assert_eq!(
        users.sees().await,
        ["motd-1.0", "motd-2.0"],
        "seen when the answer is there"
    );
    users.install("motd").await;
    assert_eq!(users.reads("motd"), "2.0");
    let (keys, _) = fingerprints(&house, "alice/prod").await;
    assert_eq!(verified_by(&house, &users, "alice/prod", &keys[0]).await, 2);
    // The original is as it was.
    assert_eq!(state(&api, "tools").await, before);
    let original = Machine::new(&house, "alice", "tools").await;
    let (old, _) = fingerprints(&house, "alice/tools").await;
    assert_ne!(old, keys);
    assert_eq!(verified_by(&house, &original, "alice/tools", &old[0]).await, 3);

    // Where they are from is said.
    let shown = api
        .get(&format!("/snapshot/show/alice/prod/{CHROOT}/latest"))
        .await;
    assert_eq!(shown["cause"], format!("promotion of alice/tools/{CHROOT}@3"));
    assert_eq!(shown["actor"], "alice");
    let copies = builds(&api, "prod").await;
    let states: Vec<&Value> = copies.iter().map(|build| &build["state"]).collect();
    assert_eq!(states, ["forked", "forked"]);
    let build = api.get(&format!("/build/{}", copies[0]["id"])).await;
    assert_eq!(
        build["promoted_from"],
        json!({"project": "alice/tools", "project_dirname": "tools", "chroot": CHROOT, "snapshot": 3, "build_id": 2})
    );
    let page = house
        .page(&format!("/coprs/alice/prod/build/{}/", copies[0]["id"]))
        .await;
    assert!(page.contains("alice/tools, snapshot 3, build 2"), "{page}");
    for (object, action) in [("prod", "snapshot.promote"), ("tools", "snapshot.promoted")] {
        let lines = db::audit::list(&mut *house.conn().await, None, false, 100, 0)
            .await
            .unwrap();
        let object = format!("repository:alice/{object}/{CHROOT}");
        let found = lines
            .iter()
            .any(|line| line.object == object && line.action == action && line.actor == "alice");
        assert!(found, "{object} {action}");
    }

    // The same once more changes nothing; one more package is one more snapshot.
    let again = api
        .done(&promote(), json!({"from": 3, "into": "alice/prod"}))
        .await;
    assert_eq!(again["snapshot"], 2);
    assert_eq!(builds(&api, "prod").await.len(), 2);
    let other = json!({"from": "latest", "packages": "other", "into": "alice/prod", "cause": "tested"});
    assert_eq!(api.done(&promote(), other).await["snapshot"], 3);
    assert_eq!(users.sees().await, ["motd-1.0", "motd-2.0", "other-1.0"]);
    // Back to the older version, also when it was promoted before.
    let older = json!({"from": 2, "packages": "motd", "into": "alice/prod"});
    api.done(&promote(), older).await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);

    // It outlives the original, and goes like any build.
    run(&house.copr("alice").await, &["delete", "tools"])
        .await
        .expect_code(0);
    house.settle().await;
    let fresh = Machine::new(&house, "alice", "prod").await;
    fresh.install("motd").await;
    fresh.install("other").await;
    let of_other = copies_of(&api, "other").await;
    run(
        &house.copr("alice").await,
        &["delete-build", &of_other.to_string()],
    )
    .await
    .expect_code(0);
    house.settle().await;
    assert_eq!(users.sees().await, ["motd-1.0"]);
}

/// The build that stands for a package in `prod`.
async fn copies_of(api: &Api, package: &str) -> i64 {
    let all = builds(api, "prod").await;
    let found = all
        .iter()
        .find(|build| build["source_package"]["name"] == package);
    found.unwrap()["id"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_cannot_be_is_refused_and_changes_nothing() {
    let (house, api) = two().await;
    let before = (state(&api, "prod").await, builds(&api, "prod").await);
    for (body, status, said) in [
        (json!({"into": "prod"}), 400, "Name it as owner/project"),
        (json!({"into": "alice/none"}), 404, "none"),
        (
            json!({"into": "alice/prod", "packages": "nothing"}),
            400,
            "snapshot 4 has nothing of 'nothing'",
        ),
        (
            json!({"into": "alice/prod", "into_chroot": OTHER}),
            400,
            "distribution and architecture have to be the same",
        ),
        (
            json!({"into": "alice/prod", "expected": 7}),
            409,
            "names snapshot 1 now",
        ),
        (json!({"into": "alice/prod", "pointer": "devel"}), 403, "devel"),
        (json!({"into_chroot": OTHER}), 400, "into: "),
        (json!({}), 400, "pointer"),
    ] {
        let mut wish = json!({"from": "latest"});
        for (name, value) in body.as_object().unwrap() {
            wish[name] = value.clone();
        }
        let (got, refused) = api.post(&promote(), wish).await;
        let error = refused["error"].as_str().unwrap();
        assert!(got == status && error.contains(said), "{body}: {got} {error}");
    }
    // Reading is not enough: one takes care of the other project.
    house.make(&house.copr("bob").await, "bob", "mine").await;
    let bob = house.api("bob").await;
    let (status, _) = bob
        .post(&promote(), json!({"from": 2, "into": "alice/prod"}))
        .await;
    assert_eq!(status, 403);
    assert_eq!((state(&api, "prod").await, builds(&api, "prod").await), before);
    // And enough of the one that they are from.
    let wish = json!({"from": 2, "into": "bob/mine", "pointer": "tried"});
    let done = bob.done(&promote(), wish).await;
    assert_eq!(done, json!({"pointer": "tried", "snapshot": 2, "before": null}));
    let tried = Machine::at(&house, "bob", "mine", "tried").await;
    assert_eq!(tried.sees().await, ["motd-1.0"]);
    tried.install("motd").await;

    // Another name of the same distribution will do.
    let wish = json!({"from": 2, "into": "alice/prod", "into_chroot": SAME});
    api.done(&promote(), wish).await;
    let there = api
        .get(&format!("/snapshot/packages/alice/prod/{SAME}/latest"))
        .await;
    assert_eq!(there["packages"][0]["name"], "motd");
}

/// Whoever runs the job a second time, or two at once, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_promotion_gives_the_same_packages() {
    let (house, api) = two().await;
    let done = api
        .done(&promote(), json!({"from": 4, "into": "alice/prod"}))
        .await;
    assert_eq!(done["snapshot"], 2);
    let before = (state(&api, "prod").await, builds(&api, "prod").await);
    let mut conn = house.conn().await;
    for _ in 0..2 {
        db::jobs::enqueue(&mut conn, &Job::Promote { request: 1 }, (house.context.clock)())
            .await
            .unwrap();
    }
    drop(conn);
    house.settle().await;
    assert_eq!((state(&api, "prod").await, builds(&api, "prod").await), before);
    let users = Machine::new(&house, "alice", "prod").await;
    assert_eq!(users.sees().await.len(), 3);

    // One whose build is deleted stays in snapshots of before, and goes where it is not yet no more.
    let alice = house.copr("alice").await;
    run(&alice, &["delete-build", "3"]).await.expect_code(0);
    house.settle().await;
    house.make(&alice, "alice", "empty").await;
    let api = house.api("alice").await;
    let wish = json!({"from": 4, "into": "alice/prod", "pointer": "other"});
    api.done(&promote(), wish).await;
    let (status, refused) = api
        .post(&promote(), json!({"from": 4, "into": "alice/empty"}))
        .await;
    let error = refused["error"].as_str().unwrap();
    assert!(status == 400 && error.contains("was deleted"), "{status} {error}");
}

/// Lets an owner store so many bytes, and says how many they have.
async fn may_store(house: &House, owner: &str, bytes: Option<i64>) -> i64 {
    let (owner, mut conn) = (owner.parse().unwrap(), house.conn().await);
    let limits = Limits {
        stored_bytes: bytes,
        ..Limits::default()
    };
    quotas::set_limits(&mut conn, &owner, &limits, "admin", (house.context.clock)())
        .await
        .unwrap();
    quotas::usage(&mut conn, &owner, true)
        .await
        .unwrap()
        .stored_bytes
        .unwrap()
}

/// What comes into a project counts for who holds that one, whoever made it, and is refused before anything is copied.
#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_needs_room_where_it_goes() {
    let (house, api) = two().await;
    house.make(&house.copr("bob").await, "bob", "mine").await;
    let bob = house.api("bob").await;
    may_store(&house, "alice", Some(1)).await;
    bob.done(&promote(), json!({"from": 2, "into": "bob/mine"})).await;
    house.settle().await;
    let used = may_store(&house, "bob", None).await;
    assert!(used > 0);
    may_store(&house, "bob", Some(used)).await;
    let known = async || {
        let list = api.get("/build/list?ownername=bob&projectname=mine").await;
        let at = format!("bob/mine/{CHROOT}");
        let snapshots = api.get(&format!("/snapshot/list/{at}")).await;
        let pointers = api.get(&format!("/pointer/list/{at}")).await;
        (list, snapshots, pointers, blobs(&house).await)
    };
    let before = known().await;
    for (who, into, numbers) in [
        (
            &bob,
            "bob/mine",
            format!("bob is used up: {used} of {used} bytes"),
        ),
        (&api, "alice/prod", "of 1 bytes of packages are stored".to_owned()),
    ] {
        let (status, refused) = who
            .post(&promote(), json!({"from": "latest", "into": into}))
            .await;
        let error = refused["error"].as_str().unwrap();
        assert!(
            status == 429 && error.contains(&numbers) && error.contains("Delete builds or projects"),
            "{into}: {status} {error}"
        );
    }
    house.settle().await;
    assert_eq!(known().await, before, "nothing was copied");
    // What is there already needs none.
    let again = json!({"from": 2, "into": "bob/mine", "pointer": "tried"});
    bob.done(&promote(), again).await;
    may_store(&house, "bob", Some(used + 1)).await;
    bob.done(&promote(), json!({"from": "latest", "into": "bob/mine"}))
        .await;
    let machine = Machine::new(&house, "bob", "mine").await;
    assert_eq!(machine.sees().await.len(), 3);
}
