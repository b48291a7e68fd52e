//! Scenario 5 of the contract: directories with repositories of their own, and their end.

use storage::StorageKey;

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_s_directory_lives_and_ends() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "base", "1.0").await;
    house.build(&tools, "tools:pr:1", "motd", "1.0").await;
    let kept = house.build(&tools, "tools:custom:x", "motd", "2.0").await;
    for (dir, seen) in [
        ("tools", "base-1.0"),
        ("tools:pr:1", "motd-1.0"),
        ("tools:custom:x", "motd-2.0"),
    ] {
        let machine = Machine::new(&house, "alice", dir).await;
        assert_eq!(machine.sees().await, [seen], "{dir}");
    }
    Machine::new(&house, "alice", "tools:pr:1")
        .await
        .install("motd")
        .await;

    assert_eq!(backend::expire(&house.context).await.unwrap(), 0);
    house.pass(39);
    assert_eq!(backend::expire(&house.context).await.unwrap(), 0, "not yet");
    house.pass(2);
    assert_eq!(backend::expire(&house.context).await.unwrap(), 1);
    house.settle().await;
    assert_eq!(
        house
            .status(&format!("alice/tools:pr:1/{CHROOT}/repodata/repomd.xml"))
            .await,
        404
    );
    // The project's key is answered for any of its directories; this one's file is gone.
    let key = StorageKey::PublicKey {
        owner: "alice".parse().unwrap(),
        dir: "tools:pr:1".parse().unwrap(),
    };
    assert_eq!(house.context.storage.exists(&key).await.unwrap(), None);
    let mut conn = house.conn().await;
    let builds = db::builds::list(&mut conn, tools.id, None, 100, 0).await.unwrap();
    assert_eq!(builds.len(), 2, "the builds went with the directory");
    let directories = db::directories::list(&mut conn, tools.id, 10).await.unwrap();
    let names: Vec<&str> = directories.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["tools", "tools:custom:x"]);
    assert!(db::builds::find(&mut conn, kept).await.unwrap().is_some());
    drop(conn);
    assert_eq!(
        house
            .status(&format!("alice/tools:custom:x/{CHROOT}/repodata/repomd.xml"))
            .await,
        200
    );

    // The name can be used again.
    house.build(&tools, "tools:pr:1", "motd", "3.0").await;
    assert_eq!(
        house
            .status(&format!("alice/tools:pr:1/{CHROOT}/repodata/repomd.xml"))
            .await,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_projects_end() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    run(
        &alice,
        &["create", "short", "--chroot", CHROOT, "--delete-after-days", "1"],
    )
    .await
    .expect_code(0);
    run(&alice, &["create", "long", "--chroot", CHROOT])
        .await
        .expect_code(0);
    house.settle().await;
    assert_eq!(backend::expire(&house.context).await.unwrap(), 0);
    house.pass(3);
    assert_eq!(backend::expire(&house.context).await.unwrap(), 1);
    house.settle().await;
    run(&alice, &["get", "short"]).await.expect_code(1);
    run(&alice, &["get", "long"]).await.expect_code(0);
    assert_eq!(house.status("alice/short/pubkey.gpg").await, 404);
}
