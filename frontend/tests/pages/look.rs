//! Sample pages to look at with a browser:
//! `KOPER_LOOK=127.0.0.1:5180 cargo test -p frontend --test pages look -- --ignored --nocapture`

use chrono::TimeDelta;
use db::repositories::{self, NewSnapshot};
use db::rpms::{self, NewRpm};
use db::{builds, logs, projects, tasks};
use protocol::builder_api::Phase;
use protocol::{DirName, FailureKind, Outcome};

use crate::house::{Browser, CHROOT, House, location, source_package};

const LOG: &str = "Building target platforms: x86_64\n\x1b[1mExecuting(%build):\x1b[0m /bin/sh -e /var/tmp/rpm-tmp.Yk3XJ1\n+ umask 022\n+ cd /build/BUILD\n+ gcc -O2 -g -o hello hello.c\nhello.c: In function ‘main’:\nhello.c:7:9: warning: unused variable ‘n’ [-Wunused-variable]\n    7 |     int n = 0;\n      |         ^\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "serves sample pages until Ctrl-C"]
async fn look() {
    let Ok(listen) = std::env::var("KOPER_LOOK") else {
        return;
    };
    let url = format!("http://{listen}");
    let house = House::listening(&listen, &url, "http://127.0.0.1:5082/results").await;
    house.add_chroot("fedora-44-x86_64", "Fedora 44").await;
    house
        .add_chroot("fedora-44-aarch64", "Fedora 44, 64-bit Arm")
        .await;
    house
        .add_chroot("opensuse-leap-16.0-x86_64", "openSUSE Leap 16.0")
        .await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let fields = [
        ("name", "tools"),
        ("chroots", CHROOT),
        ("chroots", "fedora-44-x86_64"),
        ("chroots", "fedora-44-aarch64"),
        (
            "description",
            "Small tools that I use every day, built from their latest releases.\n\nhello greets, frob twiddles bits, and quux does what you would expect.",
        ),
        (
            "instructions",
            "Nothing to configure: install a package and run it.",
        ),
        ("homepage", "https://example.org/tools/"),
        ("contact", "alice@example.org"),
    ];
    location(alice.post("/coprs/add/", &fields).await).await;
    let fields = [
        ("name", "games"),
        ("chroots", CHROOT),
        ("description", "Old games, still fun."),
    ];
    location(bob.post("/coprs/add/", &fields).await).await;
    upload(&bob, "bob", "games", "rogue").await;
    finish(&house, true).await;
    upload(&alice, "alice", "tools", "frob").await;
    finish(&house, false).await;
    upload(&alice, "alice", "tools", "hello").await;
    finish(&house, true).await;
    upload(&alice, "alice", "tools", "quux-with-a-rather-long-name").await;
    let task = house.claim().await;
    let now = (house.clock)();
    let mut conn = house.conn().await;
    let until = now + TimeDelta::hours(1);
    tasks::heartbeat(&mut conn, task.id, task.attempt, Phase::Building, until)
        .await
        .unwrap();
    logs::append(&mut conn, task.id, task.attempt, 0, LOG.as_bytes())
        .await
        .unwrap();
    drop(conn);
    println!("{url}{}", house.login_link("alice").await);
    tokio::signal::ctrl_c().await.unwrap();
}

async fn upload(browser: &Browser, owner: &str, project: &str, package: &str) -> String {
    let (name, bytes) = source_package(package);
    let csrf = browser.csrf().await;
    let parts = [
        ("csrf", None, csrf.as_bytes()),
        ("chroots", None, CHROOT.as_bytes()),
        ("pkgs", Some(name.as_str()), bytes.as_slice()),
    ];
    location(
        browser
            .post_parts(&format!("/coprs/{owner}/{project}/add_build/upload/"), &parts)
            .await,
    )
    .await
}

/// Ends the next task as a builder and the backend would.
async fn finish(house: &House, well: bool) {
    let task = house.claim().await;
    let now = (house.clock)() + TimeDelta::seconds(41);
    let mut conn = house.conn().await;
    let outcome = if well {
        Outcome::Succeeded
    } else {
        Outcome::Failed {
            kind: FailureKind::MissingDependency,
            message: "Nothing provides 'frobnicate-devel >= 2'. Check the spelling of this BuildRequires, or add a repository that has it.".to_owned(),
        }
    };
    tasks::finish(&mut conn, task.id, task.attempt, &outcome, &[], Some(5_500), now)
        .await
        .unwrap();
    if !well {
        return;
    }
    let build = builds::find(&mut conn, task.build).await.unwrap().unwrap();
    let project = projects::by_id(&mut conn, build.project).await.unwrap().unwrap();
    let dir = DirName::from(project.name.clone());
    let chroot = task.chroot.unwrap();
    let repository = repositories::ensure(&mut conn, project.id, &dir, &chroot)
        .await
        .unwrap();
    let name = build.srpm.unwrap().package.to_string();
    let new = |arch: &str, size| NewRpm {
        repository_id: repository.id,
        task_id: task.id.0,
        name: name.clone(),
        epoch: 0,
        version: "1.0".to_owned(),
        release: format!("1.deb12.kpr.{}", project.repotag),
        arch: arch.to_owned(),
        file_name: format!("{name}-1.0-1.deb12.kpr.{}.{arch}.rpm", project.repotag),
        sha256: "0".repeat(64),
        unsigned_sha256: "0".repeat(64),
        size,
        primary_xml: vec![],
        filelists_xml: vec![],
        other_xml: vec![],
    };
    rpms::insert(&mut conn, task.id.0, &[new("x86_64", 24_812), new("src", 9_120)])
        .await
        .unwrap();
    let number = repositories::reserve_snapshot(&mut conn, repository.id)
        .await
        .unwrap();
    let snapshot = NewSnapshot {
        base: &repository,
        number,
        cause: "build",
        packages: 1,
        repomd_sha256: "0",
        task: Some(task.id.0),
    };
    assert!(
        repositories::move_pointer(&mut conn, &snapshot, now)
            .await
            .unwrap()
    );
    tasks::succeed(&mut conn, task.id, task.attempt, now)
        .await
        .unwrap();
}
