//! Tables of builds, packages and projects.

use db::builds::{self, BuildOptions, NewBuild, Source, Srpm, Target};
use protocol::{BuildId, DirName};

use crate::house::{CHROOT, House};

/// A build of a package of the only project.
async fn submit(house: &House, package: &str) -> BuildId {
    let project = house.projects().await.remove(0);
    let dir = DirName::from(project.name.clone());
    let new = NewBuild {
        project: &project,
        dir: &dir,
        submitter: None,
        actor: "test",
        source: &Source::Upload(Srpm {
            sha256: "0".repeat(64).parse().unwrap(),
            file_name: format!("{package}-1-1.src.rpm").parse().unwrap(),
            size: 1,
            package: package.parse().unwrap(),
            version: "1-1".to_owned(),
        }),
        targets: &[Target {
            chroot: CHROOT.parse().unwrap(),
            skipped: false,
        }],
        options: &BuildOptions::default(),
        batch: None,
        package: None,
    };
    let now = (house.clock)();
    builds::create(&mut *house.conn().await, &new, now).await.unwrap()
}

/// The address of a link, as a browser reads it.
fn href(page: &str, text: &str) -> String {
    let (before, _) = page.split_once(&format!(">{text}</a>")).unwrap();
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    link.split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_leads_to_the_builds_of_any_name() {
    let house = House::new().await;
    let folder = house.browser_of("alice").await.make_project("tools").await;
    let build = submit(&house, "libsigc++20").await;
    let visitor = house.anonymous();
    let monitor = visitor.page(&format!("{folder}monitor/")).await;
    let builds = visitor.page(&href(&monitor, "libsigc++20")).await;
    assert!(
        builds.contains(&format!("{folder}build/{build}/")),
        "{monitor}\n{builds}"
    );
}
