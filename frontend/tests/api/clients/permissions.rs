//! Scenario 14 of the contract: roles are asked for, approved and listed with `copr-cli`; a builder builds and does
//! not edit, a stranger does neither.

use super::{copr, house, python, run};
use crate::house::CHROOT;
use crate::packages;

#[tokio::test]
async fn a_builder_builds_and_does_not_edit() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let (owner, other) = (copr(&house, &alice), copr(&house, &bob));
    run(&owner, &["create", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let none = run(&owner, &["list-permissions", "tools"]).await.expect_code(1);
    assert!(none.err.contains("No permissions set on"), "{}", none.err);

    let package = packages::source("BuildArch: noarch");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(&package.name);
    std::fs::write(&file, &package.bytes).unwrap();
    let build = ["build", "alice/tools", file.to_str().unwrap(), "--nowait"];
    // 7 is copr-cli's code for what one may not do.
    let refused = run(&other, &build).await.expect_code(7);
    assert!(
        refused
            .err
            .contains("You don't have permissions to build in this copr."),
        "{}",
        refused.err
    );

    let asked = run(&other, &["request-permissions", "alice/tools", "--builder"])
        .await
        .expect_code(0);
    assert_eq!(asked.out, "success\n");
    run(&other, &["list-permissions", "alice/tools"])
        .await
        .expect_code(7);
    let listed = run(&owner, &["list-permissions", "tools"]).await.expect_code(0);
    assert_eq!(listed.out, "bob:\n  admin: nothing\n  builder: request\n");
    run(&other, &build).await.expect_code(7);

    let approved = run(&owner, &["edit-permissions", "tools", "--builder", "bob"])
        .await
        .expect_code(0);
    assert_eq!(approved.out, "success\n");
    let listed = run(&owner, &["list-permissions", "tools"]).await.expect_code(0);
    assert_eq!(listed.out, "bob:\n  admin: nothing\n  builder: approved\n");
    let built = run(&other, &build).await.expect_code(0).build();
    run(&other, &["cancel", &built.to_string()]).await.expect_code(0);
    let modify = ["modify", "alice/tools", "--description", "of bob"];
    let refused = run(&other, &modify).await.expect_code(7);
    assert!(
        refused
            .err
            .contains("Only owners and admins may update their projects."),
        "{}",
        refused.err
    );
    run(&other, &["delete", "alice/tools"]).await.expect_code(7);

    run(&owner, &["edit-permissions", "tools", "--admin", "bob=approved"])
        .await
        .expect_code(0);
    run(&other, &modify).await.expect_code(0);
    let wrong = run(&owner, &["edit-permissions", "tools", "--builder", "ghost"])
        .await
        .expect_code(1);
    assert!(wrong.err.contains("doesn't exist"), "{}", wrong.err);

    // Without credentials nobody gets that far.
    let mut nobody = bob.clone();
    nobody.token = "wrong".to_owned();
    let nobody = copr(&house, &nobody);
    for arguments in [
        &build[..],
        &modify[..],
        &["request-permissions", "alice/tools", "--admin"],
    ] {
        let refused = run(&nobody, arguments).await.expect_code(1);
        assert!(refused.err.contains("Login invalid/expired"), "{}", refused.err);
        assert!(!refused.out.contains("Uploading package"), "{}", refused.out);
    }
}

#[tokio::test]
async fn the_library_asks_who_may_build() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.person("bob", false).await;
    house.project(&alice, "tools").await;
    let script = "
import os
from copr.v3 import Client
client = Client.create_from_config_file(os.environ['COPR_CONFIG'])
project = client.project_proxy
print(project.can_build_in('alice', 'alice', 'tools'), project.can_build_in('bob', 'alice', 'tools'))
project.set_permissions('alice', 'tools', {'bob': {'builder': 'approved'}})
print(project.can_build_in('bob', 'alice', 'tools'))
print(project.get_permissions('alice', 'tools').permissions)
print(client.base_proxy.auth_check().name, client.base_proxy.auth_username())
";
    let out = python(&house, &alice, script).await;
    assert_eq!(
        out,
        "True False\nTrue\n{'bob': {'admin': 'nothing', 'builder': 'approved'}}\nalice alice\n"
    );
}

#[tokio::test]
async fn a_client_renews_its_token_in_its_file() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!("{}# expiration date: 2026-11-22\n", super::config(&house, &alice));
    std::fs::write(file.path(), text).unwrap();
    let call = async |arguments: &[&str]| {
        let program = testkit::venv().join("bin/copr-cli");
        let mut command = std::process::Command::new(program);
        command.arg("--config").arg(file.path()).args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    };
    let done = call(&["new-api-token"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let new = std::fs::read_to_string(file.path()).unwrap();
    assert!(
        new.contains("# expiration date: 2027-05-20") && !new.contains(&alice.token),
        "{new}"
    );
    let done = call(&["create", "tools", "--chroot", CHROOT]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
