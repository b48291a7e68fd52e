//! Scenario 13 of the contract: fork, then install from the fork with its key.

use chrono::TimeDelta;
use db::builds::Build;
use db::jobs::Job;
use db::tasks::TaskState;
use storage::StorageKey;

use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_installed_with_its_own_key() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let bob = house.copr("bob").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "motd", "2.0").await;
    house.build(&tools, "tools", "other", "1.0").await;

    let said = run(&bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    assert!(
        said.out
            .contains("Forking project alice/tools for you into bob/mine."),
        "{}",
        said.out
    );
    // Copr's forks lack it until their first own build.
    assert_eq!(house.status("bob/mine/pubkey.gpg").await, 200);
    let mine = house.project("bob", "mine").await;
    assert_eq!(mine.forked_from, Some(tools.id));
    house.settle().await;
    let listed = run(&bob, &["list-builds", "bob/mine"]).await.expect_code(0);
    let lines: Vec<&str> = listed
        .out
        .lines()
        .map(|l| l.split_once('\t').unwrap().1)
        .collect();
    assert_eq!(lines, ["other\tforked", "motd\tforked"]);

    let machine = Machine::new(&house, "bob", "mine").await;
    assert_eq!(machine.sees().await, ["motd-2.0", "other-1.0"]);
    machine.install("motd").await;
    assert_eq!(machine.reads("motd"), "2.0");
    // One snapshot beside the empty one, however many packages.
    assert_eq!(house.snapshot("bob/mine").await, 2);
    // The original's key is not what signed them.
    let repo = reqwest::get(format!("{}/coprs/bob/mine/repo/debian-12/", house.url))
        .await
        .unwrap();
    let repo = repo.text().await.unwrap();
    let foreign = repo.replace("bob/mine/pubkey.gpg", "alice/tools/pubkey.gpg");
    assert_ne!(foreign, repo);
    let (done, _) = Machine::with(&foreign).dnf(&["install", "motd"]).await;
    assert!(!done, "packages of the fork install with the original's key");

    // What is newer in the original comes with the next fork, and nothing twice.
    house.build(&tools, "tools", "other", "1.1").await;
    let again = run(&bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(1);
    assert!(
        again.err.contains("use --confirm if you really want to do this"),
        "{}",
        again.err
    );
    let said = run(&bob, &["fork", "--confirm", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    assert!(
        said.out
            .contains("Updating packages in bob/mine from alice/tools."),
        "{}",
        said.out
    );
    house.settle().await;
    assert_eq!(machine.sees().await, ["motd-2.0", "other-1.0", "other-1.1"]);
    let mut conn = house.conn().await;
    let builds = db::builds::list(&mut conn, mine.id, None, 100, 0).await.unwrap();
    assert_eq!(builds.len(), 3);
    assert!(builds.iter().all(|b| b.tasks[0].state == TaskState::Forked));
    drop(conn);

    // A fork of a fork, whose original goes meanwhile.
    run(&alice, &["delete", "tools"]).await.expect_code(0);
    run(&alice, &["fork", "bob/mine", "alice/copy"])
        .await
        .expect_code(0);
    house.settle().await;
    let machine = Machine::new(&house, "alice", "copy").await;
    machine.install("other").await;
    assert_eq!(machine.reads("other"), "1.1");
}

/// Whoever runs the job a second time, or two at once, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_fork_gives_the_same_packages() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    let confirm = ["fork", "--confirm", "alice/tools", "alice/mine"];
    run(&alice, &["fork", "alice/tools", "alice/mine"])
        .await
        .expect_code(0);
    run(&alice, &confirm).await.expect_code(0);
    run(&alice, &confirm).await.expect_code(0);
    house.settle().await;
    let mine = house.project("alice", "mine").await;
    let builds = db::builds::list(&mut *house.conn().await, mine.id, None, 100, 0)
        .await
        .unwrap();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].state(), "forked");
    assert_eq!(house.snapshot("alice/mine").await, 2);
    let path = format!("alice/mine/{CHROOT}/{:08}-motd/", builds[0].id.0);
    assert_eq!(house.status(&path).await, 200, "the build's files are listed");
    let page = reqwest::get(format!("{}/coprs/alice/mine/", house.url))
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("motd") && page.contains("forked"), "{page}");
    eventually("a ready project", async || {
        house.project("alice", "mine").await.ready_at
    })
    .await;
}

async fn builds(house: &House, project: i64) -> Vec<Build> {
    let mut conn = house.conn().await;
    db::builds::list(&mut conn, project, None, 100, 0).await.unwrap()
}

/// The content of a build's only package.
async fn blob(house: &House, build: &Build) -> StorageKey {
    let mut conn = house.conn().await;
    let files = db::rpms::published_files(&mut conn, build.tasks[0].id.0)
        .await
        .unwrap();
    StorageKey::Blob(files[0].sha256.parse().unwrap())
}

/// One lost file is one failed build, which says so; the others are installed, and the file's return mends the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_fails_alone() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "other", "1.0").await;
    house.settle().await;
    let motd = builds(&house, tools.id).await.pop().unwrap();
    let lost = blob(&house, &motd).await;
    let bytes = house.context.storage.get(&lost, 1 << 20).await.unwrap().unwrap();
    house.context.storage.delete(&lost).await.unwrap();

    run(&alice, &["fork", "alice/tools", "alice/mine"])
        .await
        .expect_code(0);
    let mine = house.project("alice", "mine").await;
    let ended = eventually("the fork's end", async || {
        let builds = builds(&house, mine.id).await;
        (builds.len() == 2 && builds.iter().all(Build::is_final)).then_some(builds)
    })
    .await;
    let [other, motd] = ended.as_slice() else {
        unreachable!("two builds")
    };
    assert_eq!((other.state(), motd.state()), ("forked", "failed"));
    let (_, said) = motd.tasks[0].failure.clone().unwrap();
    assert!(
        said.contains("is gone") && said.contains("tell the administrator"),
        "{said}"
    );
    let machine = Machine::new(&house, "alice", "mine").await;
    assert_eq!(machine.sees().await, ["other-1.0"]);
    machine.install("other").await;
    // Nothing stands in its way any more.
    let number = motd.id.to_string();
    run(&alice, &["cancel", &number]).await.expect_code(1);

    house.context.storage.put(&lost, bytes).await.unwrap();
    run(&alice, &["fork", "--confirm", "alice/tools", "alice/mine"])
        .await
        .expect_code(0);
    eventually("the second try", async || {
        let builds = builds(&house, mine.id).await;
        builds.iter().all(|b| b.state() == "forked").then_some(())
    })
    .await;
    assert_eq!(machine.sees().await, ["motd-1.0", "other-1.0"]);
}

/// A job that runs once more makes nothing that was deleted meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_from_a_fork_stays_deleted() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "other", "1.0").await;
    run(&alice, &["fork", "alice/tools", "alice/mine"])
        .await
        .expect_code(0);
    house.settle().await;
    let mine = house.project("alice", "mine").await;
    let motd = builds(&house, mine.id).await.pop().unwrap();
    run(&alice, &["delete-build", &motd.id.to_string()])
        .await
        .expect_code(0);
    let again = Job::ForkProject {
        project: mine.id,
        from: tools.id,
    };
    db::jobs::enqueue(&mut *house.conn().await, &again, (house.context.clock)())
        .await
        .unwrap();
    house.settle().await;
    let left = builds(&house, mine.id).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].package.as_ref().unwrap().as_str(), "other");
}

/// Each build of a project that holds two forks has the log of its own original.
#[tokio::test(flavor = "multi_thread")]
async fn two_forks_into_one_project_keep_their_logs() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    for (project, package) in [("one", "motd"), ("two", "other")] {
        run(&alice, &["create", project, "--chroot", CHROOT])
            .await
            .expect_code(0);
        let made = house.project("alice", project).await;
        house.build(&made, project, package, "1.0").await;
    }
    run(&alice, &["create", "mine", "--chroot", CHROOT])
        .await
        .expect_code(0);
    house.settle().await;
    let (one, two) = (
        house.project("alice", "one").await,
        house.project("alice", "two").await,
    );
    let mine = house.project("alice", "mine").await;
    // Neither job looks before both were asked for.
    let soon = (house.context.clock)() + TimeDelta::seconds(2);
    let mut conn = house.conn().await;
    for from in [&one, &two] {
        db::forks::update(&mut conn, &mine, from, "test", soon)
            .await
            .unwrap();
    }
    drop(conn);
    house.settle().await;
    let copies = builds(&house, mine.id).await;
    assert_eq!(copies.len(), 2);
    for copy in copies {
        let package = copy.package.unwrap();
        let folder = format!("alice/mine/{CHROOT}/{:08}-{package}", copy.id.0);
        assert_eq!(
            house.status(&format!("{folder}/builder-live.log.gz")).await,
            200,
            "{folder}"
        );
    }
}
