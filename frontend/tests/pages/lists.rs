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

/// Where a column's head leads, and what it says of the order.
fn head(page: &str, label: &str) -> (String, String) {
    let (before, _) = page.split_once(&format!(">{label}</a>")).unwrap();
    let (_, tag) = before.rsplit_once("<th scope=\"col\"").unwrap();
    let sorted = tag.split_once("aria-sort=\"");
    let sorted = sorted.map_or("", |(_, rest)| rest.split('"').next().unwrap());
    (href(page, label), sorted.to_owned())
}

/// The links of a table's first column, in its order.
fn rows(page: &str) -> Vec<String> {
    let body = page.split("<tbody>").nth(1).unwrap_or_default();
    body.split("<th scope=\"row\">")
        .skip(1)
        .map(|row| {
            let (_, text) = row.split_once("\">").unwrap();
            text.split('<').next().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_sorted_by_their_heads() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let folder = alice.make_project("tools").await;
    let mut numbers = Vec::new();
    for name in ["beta", "alpha", "gamma"] {
        numbers.push(submit(&house, name).await.to_string());
    }
    alice.make_project("books").await;
    let visitor = house.anonymous();
    let by_name = ["alpha", "beta", "gamma"];
    let of_builds = [&numbers[1], &numbers[0], &numbers[2]].map(String::as_str);
    for (list, label, expected) in [
        (format!("{folder}packages/"), "Package", by_name),
        (format!("{folder}monitor/"), "Package", by_name),
        (format!("{folder}builds/?state=pending"), "Package", of_builds),
    ] {
        let first = visitor.page(&list).await;
        let (mut url, sorted) = head(&first, label);
        let address = |url: &str| format!("{}{url}", list.split('?').next().unwrap());
        if sorted.is_empty() {
            url = head(&visitor.page(&address(&url)).await, label).0;
        } else {
            assert_eq!(
                (sorted.as_str(), rows(&first)),
                ("ascending", expected.map(str::to_owned).to_vec())
            );
        }
        let last_first = visitor.page(&address(&url)).await;
        let (url, sorted) = head(&last_first, label);
        let mut reversed = expected;
        reversed.reverse();
        assert_eq!(sorted, "descending", "{list}");
        assert_eq!(rows(&last_first), reversed, "{list}");
        let again = visitor.page(&address(&url)).await;
        assert_eq!(head(&again, label).1, "ascending", "{list}");
        assert_eq!(rows(&again), expected, "{list}");
        // Filters stay.
        assert_eq!(list.contains("state="), url.contains("state=pending"), "{url}");
    }
    let builds = visitor.page(&format!("{folder}builds/?sort=build")).await;
    assert_eq!(head(&builds, "Build").1, "ascending");
    assert_eq!(rows(&builds), numbers);

    let all = visitor.page("/coprs/").await;
    assert_eq!(head(&all, "Made").1, "descending");
    assert_eq!(rows(&all), ["alice/books", "alice/tools"]);
    let oldest = visitor.page(&format!("/coprs/{}", href(&all, "Made"))).await;
    assert_eq!(rows(&oldest), ["alice/tools", "alice/books"]);
    let searched = visitor.page("/coprs/?q=oo").await;
    let named = visitor
        .page(&format!("/coprs/{}", href(&searched, "Project")))
        .await;
    assert_eq!(head(&named, "Project").1, "ascending");
    assert_eq!(rows(&named), ["alice/books", "alice/tools"]);
    let (back, _) = head(&named, "Project");
    assert!(back.contains("q=oo") && back.contains("sort=-name"), "{back}");
    let strange = visitor.page("/coprs/?sort=%22%3E%3Cb%3E").await;
    assert!(!strange.contains("\"><b>"), "{strange}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_of_a_sorted_table_is_sorted_too() {
    let house = House::new().await;
    let size = db::seed::Size {
        projects: 3,
        builds: 600,
        large_packages: 70,
        packages: 80,
    };
    db::seed::fill(&mut *house.conn().await, size).await.unwrap();
    let folder = format!("/coprs/{}/{}/", db::seed::OWNER, db::seed::PROJECT);
    let visitor = house.anonymous();
    for list in ["packages/?sort=-package", "monitor/?sort=-package"] {
        let first = visitor.page(&format!("{folder}{list}")).await;
        let folder = format!("{folder}{}", list.split('?').next().unwrap());
        let second = visitor.page(&format!("{folder}{}", href(&first, "Next →"))).await;
        let names = [rows(&first), rows(&second)].concat();
        assert_eq!(names.len(), 70, "{list}");
        assert!(names.is_sorted_by(|a, b| a > b), "{list}: {names:?}");
    }
}
