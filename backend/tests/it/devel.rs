//! Scenario 15 of the contract: devel mode; and groups of packages.

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

/// The repository that only builds see, as builds get it.
async fn builds_see(house: &House) -> Vec<String> {
    let url = format!("{}/coprs/alice/tools/repo/debian-12/", house.url);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let devel = text.replace("/mirrorlist", "/devel/mirrorlist");
    assert_ne!(devel, text);
    Machine::with(&devel.replace("$basearch", "x86_64")).sees().await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_devel_mode_users_see_packages_on_request() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let create = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--disable_createrepo",
        "true",
    ];
    run(&alice, &create).await.expect_code(0);
    let tools = house.project("alice", "tools").await;
    assert!(tools.settings.devel_mode);
    let config = run(&alice, &["mock-config", "tools", CHROOT])
        .await
        .expect_code(0);
    assert!(config.out.contains("[copr_base_devel]"), "{}", config.out);
    assert_eq!(builds_see(&house).await, Vec::<String>::new());

    house.build(&tools, "tools", "motd", "1.0").await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, Vec::<String>::new());
    assert_eq!(builds_see(&house).await, ["motd-1.0"]);
    house.build(&tools, "tools", "other", "1.0").await;
    assert_eq!(users.sees().await, Vec::<String>::new());
    assert_eq!(house.snapshot("alice/tools").await, 1);

    let said = run(&alice, &["regenerate-repos", "tools"]).await.expect_code(0);
    assert!(
        said.out
            .contains("Submitted action to regenerate repository metadata"),
        "{}",
        said.out
    );
    house.settle().await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);
    users.install("motd").await;

    // What waits when the mode ends is published.
    house.build(&tools, "tools", "third", "1.0").await;
    assert_eq!(users.sees().await.len(), 2);
    run(&alice, &["modify", "tools", "--disable_createrepo", "false"])
        .await
        .expect_code(0);
    house.settle().await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0", "third-1.0"]);
}

/// A deleted build leaves what users see and what builds see, and releases nothing.
#[tokio::test(flavor = "multi_thread")]
async fn in_devel_mode_a_deleted_build_leaves_both_repositories() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let create = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--disable_createrepo",
        "true",
    ];
    run(&alice, &create).await.expect_code(0);
    let tools = house.project("alice", "tools").await;
    let bad = house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "other", "1.0").await;
    run(&alice, &["regenerate-repos", "tools"]).await.expect_code(0);
    house.settle().await;
    let early = house.build(&tools, "tools", "early", "1.0").await;
    house.build(&tools, "tools", "third", "1.0").await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);

    for build in [bad, early] {
        let build = build.to_string();
        run(&alice, &["delete-build", &build]).await.expect_code(0);
    }
    house.settle().await;
    assert_eq!(users.sees().await, ["other-1.0"]);
    assert_eq!(builds_see(&house).await, ["other-1.0", "third-1.0"]);
    users.install("other").await;

    run(&alice, &["regenerate-repos", "tools"]).await.expect_code(0);
    house.settle().await;
    assert_eq!(users.sees().await, ["other-1.0", "third-1.0"]);
}

/// Regenerating publishes the same again in any project, and loses nothing when repeated.
#[tokio::test(flavor = "multi_thread")]
async fn regenerating_keeps_everything() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    let before = house.snapshot("alice/tools").await;
    for _ in 0..3 {
        run(&alice, &["regenerate-repos", "tools"]).await.expect_code(0);
    }
    house.build(&tools, "tools", "other", "1.0").await;
    house.settle().await;
    assert!(house.snapshot("alice/tools").await > before + 1);
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);
}

/// A repository that goes before its turn, as that of an expired directory, stops no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_gone_is_passed_over() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools:pr:1", "motd", "1.0").await;
    house.settle().await;
    let before = house.snapshot("alice/tools").await;
    let mut conn = house.conn().await;
    let now = (house.context.clock)();
    let repositories = db::repositories::of_project(&mut conn, tools.id).await.unwrap();
    assert_eq!(repositories.len(), 2);
    house.pass(50);
    assert_eq!(backend::expire(&house.context).await.unwrap(), 1);
    for repository in repositories {
        let job = db::jobs::Job::Republish {
            project: tools.id,
            chroot: None,
            repository: Some(repository.id),
            release: true,
        };
        db::jobs::enqueue(&mut conn, &job, now).await.unwrap();
    }
    drop(conn);
    house.settle().await;
    assert_eq!(house.snapshot("alice/tools").await, before + 1);
}

/// Scenario 16: groups of packages are part of the signed metadata.
#[tokio::test(flavor = "multi_thread")]
async fn groups_come_with_the_metadata() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<comps>\n<group><id>greetings</id><name>Greetings</name>\
        <description>x</description><default>true</default><uservisible>true</uservisible>\
        <packagelist><packagereq type=\"mandatory\">motd</packagereq></packagelist></group>\n</comps>\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("comps.xml");
    fs_err::write(&file, text).unwrap();
    let place = format!("tools/{CHROOT}");
    run(
        &alice,
        &["edit-chroot", &place, "--upload-comps", file.to_str().unwrap()],
    )
    .await
    .expect_code(0);
    house.settle().await;
    let url = format!("{}/alice/tools/{CHROOT}/comps.xml", house.results_url);
    assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), text);
    let users = Machine::new(&house, "alice", "tools").await;
    let (done, said) = users.dnf(&["group", "install", "greetings"]).await;
    assert!(done, "{said}");
    assert_eq!(users.reads("motd"), "1.0");
    run(&alice, &["edit-chroot", &place, "--delete-comps"])
        .await
        .expect_code(0);
    house.settle().await;
    assert_eq!(
        house.status(&format!("alice/tools/{CHROOT}/comps.xml")).await,
        404
    );
}

/// Whoever enables a chroot finds its repository when the call returns, whatever else is being set up.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_directory_does_not_speak_for_a_new_chroot() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools:custom:a", "motd", "1.0").await;
    assert_eq!(
        house
            .status(&format!("alice/tools:custom:a/{CHROOT}/repodata/repomd.xml"))
            .await,
        200
    );
    assert_eq!(house.status("alice/tools:custom:a/pubkey.gpg").await, 200);
    house.settle().await;
    // A set-up that saw fewer repositories than there are says nothing.
    let mut conn = house.conn().await;
    let now = (house.context.clock)();
    assert!(!db::projects::complete(&mut conn, tools.id, 1, now).await.unwrap());
    assert!(db::projects::complete(&mut conn, tools.id, 2, now).await.unwrap());
}
