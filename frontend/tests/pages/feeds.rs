//! What the whole service shows: feeds and batches.

use db::batches::BatchOf;
use db::builds::{self, BuildOptions, NewBuild, Source, Target};
use db::projects::Project;
use protocol::{BuildId, DirName};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::house::{CHROOT, House, location};

/// Reads a feed to its end; says how many items it has.
fn items(xml: &str) -> usize {
    let mut reader = Reader::from_str(xml);
    let mut found = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return found,
            Event::Start(tag) if tag.name().as_ref() == "item" => found += 1,
            _ => {}
        }
    }
}

async fn submit(house: &House, project: &Project, batch: Option<BatchOf>) -> BuildId {
    let dir = DirName::from(project.name.clone());
    let new = NewBuild {
        project,
        dir: &dir,
        submitter: None,
        actor: "test",
        source: &Source::Link("https://h/a<b>&-1-1.src.rpm".to_owned()),
        targets: &[Target {
            chroot: CHROOT.parse().unwrap(),
            skipped: false,
        }],
        options: &BuildOptions::default(),
        batch,
        package: None,
    };
    let now = (house.clock)();
    builds::create(&mut *house.conn().await, &new, now).await.unwrap()
}

/// A listed project, and one that is not.
async fn two_projects(house: &House) -> (Project, Project) {
    let alice = house.browser_of("alice").await;
    for fields in [
        &[
            ("name", "tools"),
            ("chroots", CHROOT),
            ("description", "<b>bold</b> & \u{1}"),
        ][..],
        &[
            ("name", "secret"),
            ("chroots", CHROOT),
            ("unlisted_on_hp", "on"),
            ("boxes", "unlisted_on_hp"),
        ],
    ] {
        location(alice.post("/coprs/add/", fields).await).await;
    }
    let all = house.projects().await;
    let find = |name: &str| all.iter().find(|p| p.name.as_str() == name).unwrap().clone();
    assert!(find("secret").settings.unlisted_on_hp);
    (find("tools"), find("secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_xml_and_leave_out_what_is_not_listed() {
    let house = House::new().await;
    let anybody = house.anonymous();
    assert_eq!(items(&anybody.page("/rss/builds/").await), 0);
    let (tools, secret) = two_projects(&house).await;
    submit(&house, &tools, None).await;
    submit(&house, &secret, None).await;
    for path in [
        "/rss/",
        "/rss/all/",
        "/rss/builds/",
        "/rss",
        "/rss/all",
        "/rss/builds",
    ] {
        let response = anybody.get(path).await;
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/rss+xml; charset=utf-8");
        let feed = response.text().await.unwrap();
        assert_eq!(items(&feed), 1, "{path}: {feed}");
        assert!(
            !feed.contains("secret") && !feed.contains("<b>"),
            "{path}: {feed}"
        );
        assert!(feed.contains("&lt;b&gt;"), "{path}: {feed}");
        assert!(
            feed.contains("<link>http://koper.example.org:5080/coprs/alice/tools/"),
            "{feed}"
        );
    }
    assert!(anybody.page("/").await.contains("href=\"/rss/\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_shown_as_a_tree() {
    let house = House::new().await;
    let anybody = house.anonymous();
    let empty = anybody.page("/status/batches/").await;
    assert!(empty.contains("No batch is waiting"), "{empty}");
    let (tools, secret) = two_projects(&house).await;
    let first = submit(&house, &tools, None).await;
    let second = submit(&house, &tools, Some(BatchOf::After(first))).await;
    submit(&house, &secret, Some(BatchOf::With(second))).await;
    let page = anybody.page("/status/batches").await;
    for part in [
        "depth-0",
        "depth-1",
        ">blocked<",
        ">processing<",
        "1 of projects that are not listed",
        &format!("/coprs/alice/tools/build/{first}/"),
        &format!("/coprs/alice/tools/build/{second}/"),
    ] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    assert!(!page.contains("secret") && !page.contains("depth-2"), "{page}");
}
