//! What `copr-cli mock-config` prints, read by the real dnf.

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

/// The repositories of a mock configuration, as mock hands them to dnf.
fn repositories(config: &str) -> String {
    let (_, rest) = config
        .split_once("config_opts['dnf.conf'] += \"\"\"")
        .unwrap_or_else(|| panic!("no repositories in\n{config}"));
    rest.split("\"\"\"").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn dnf_reads_the_repositories_of_a_mock_config() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    run(&alice, &["create", "libs", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let create = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--repo",
        "copr://alice/libs",
    ];
    run(&alice, &create).await.expect_code(0);
    for (project, package) in [("libs", "library"), ("tools", "motd")] {
        let found = house.project("alice", project).await;
        house.build(&found, project, package, "1.0").await;
    }
    let mock = ["mock-config", "tools", CHROOT];
    let config = run(&alice, &mock).await.expect_code(0).out;
    let machine = Machine::with(&repositories(&config));
    assert_eq!(machine.sees().await, ["library-1.0", "motd-1.0"], "{config}");
    machine.install("motd").await;
    assert_eq!(machine.reads("motd"), "1.0");

    // In devel mode also what users do not see yet.
    let modify = ["modify", "tools", "--disable_createrepo", "true"];
    run(&alice, &modify).await.expect_code(0);
    house.settle().await;
    let tools = house.project("alice", "tools").await;
    house.build(&tools, "tools", "newer", "1.0").await;
    let config = run(&alice, &mock).await.expect_code(0).out;
    let machine = Machine::with(&repositories(&config));
    let seen = machine.sees().await;
    assert!(seen.contains(&"newer-1.0".to_owned()), "{seen:?}\n{config}");
}
