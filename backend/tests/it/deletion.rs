//! Deleted builds leave their repositories together.

use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn builds_that_are_deleted_together_cost_one_snapshot() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let mut deleted = Vec::new();
    for name in ["one", "two", "three", "kept"] {
        deleted.push(house.build(&tools, "tools", name, "1.0").await);
    }
    let kept = deleted.pop().unwrap();
    house.settle().await;
    let before = house.snapshot("alice/tools").await;
    let place =
        |build: &protocol::BuildId, name: &str| format!("alice/tools/{CHROOT}/{:08}-{name}/", build.0);
    assert_eq!(house.status(&place(&deleted[0], "one")).await, 200);

    let mut command = vec!["delete-build".to_owned()];
    command.extend(deleted.iter().map(ToString::to_string));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    run(&alice, &command).await.expect_code(0);
    house.settle().await;
    assert_eq!(house.snapshot("alice/tools").await, before + 1);
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["kept-1.0"]);
    for (build, name) in deleted.iter().zip(["one", "two", "three"]) {
        // Whoever looked before may see it for a few seconds more.
        eventually("the end of a build's folder", async || {
            (house.status(&place(build, name)).await == 404).then_some(())
        })
        .await;
    }
    assert_eq!(house.status(&place(&kept, "kept")).await, 200);
    let left = db::removals::of_project(&mut *house.conn().await, tools.id).await;
    assert!(left.unwrap().is_empty());

    // A build that published nothing leaves the repository as it is.
    let failed = house.fail(&tools, "tools", "broken").await.to_string();
    run(&alice, &["delete-build", &failed]).await.expect_code(0);
    house.settle().await;
    assert_eq!(house.snapshot("alice/tools").await, before + 1);
}
