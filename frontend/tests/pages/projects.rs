//! Making, changing and deleting projects.

use chrono::TimeDelta;
use db::jobs::{self, Job};
use db::{builds, projects};

use crate::house::{CHROOT, House, RESULTS_URL, URL, location, refused};

const HOSTILE: &str = "<script>alert(1)</script> & \"quoted\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_by_form_and_shown() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let form = alice.page("/coprs/add/").await;
    assert!(form.contains(&format!("value=\"{CHROOT}\" checked")), "{form}");
    let fields = [
        ("name", "tools"),
        ("chroots", CHROOT),
        ("description", HOSTILE),
        ("instructions", "first\r\nsecond"),
        ("homepage", "https://example.org/?a=1&b=2"),
        ("contact", "alice@example.org"),
        ("enable_net", "on"),
    ];
    let path = location(alice.post("/coprs/add/", &fields).await).await;
    assert_eq!(path, "/coprs/alice/tools/");
    let page = house.anonymous().page(&path).await;
    for part in [
        "&lt;script&gt;alert(1)&lt;",
        "first\nsecond",
        "href=\"https://example.org/?a=1&amp;b=2\"",
        "href=\"mailto:alice@example.org\"",
        "sudo dnf copr enable koper.example.org/alice/tools",
        "port = 5080",
        &format!(
            "sudo dnf config-manager --add-repo {URL}/coprs/alice/tools/repo/debian-12/alice-tools.repo"
        ),
        &format!("{RESULTS_URL}/alice/tools/pubkey.gpg"),
        "0123 4567 89AB CDEF",
        ".kpr.alice_tools",
    ] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("add_build"), "nobody may build:\n{page}");
    assert!(house.projects().await[0].settings.enable_net);
    let home = house.anonymous().page("/").await;
    assert!(
        home.contains("alice/tools") && !home.contains("<script>alert"),
        "{home}"
    );
    assert!(
        house
            .anonymous()
            .page("/coprs/?q=oo")
            .await
            .contains("alice/tools")
    );
    let none = house.anonymous().page("/coprs/?q=%3Cscript%3Ealert(1)").await;
    assert!(
        none.contains("No project has that") && !none.contains("<script>alert"),
        "{none}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_come_back_with_what_was_typed() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let page = refused(
        alice
            .post("/coprs/add/", &[("name", "a b"), ("description", HOSTILE)])
            .await,
        400,
    )
    .await;
    assert!(
        page.contains("is not a valid project name") && page.contains("value=\"a b\""),
        "{page}"
    );
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script>alert"),
        "{page}"
    );
    let page = refused(alice.post("/coprs/add/", &[("name", "tools")]).await, 400).await;
    assert!(page.contains("At least one chroot must be selected"), "{page}");
    let fields = [
        ("name", "tools"),
        ("chroots", CHROOT),
        ("homepage", "javascript:alert(1)"),
        ("contact", "me"),
    ];
    let page = refused(alice.post("/coprs/add/", &fields).await, 400).await;
    assert!(
        page.contains("Invalid URL.") && page.contains("e-mail address or URL"),
        "{page}"
    );
    assert!(page.contains(&format!("value=\"{CHROOT}\" checked")), "{page}");
    assert!(house.projects().await.is_empty());
    alice.make_project("tools").await;
    let page = refused(
        alice
            .post("/coprs/add/", &[("name", "tools"), ("chroots", CHROOT)])
            .await,
        400,
    )
    .await;
    assert!(page.contains("You already have a project named"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_and_a_project_goes() {
    let house = House::new().await;
    house.add_chroot("fedora-44-x86_64", "Fedora 44").await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let form = alice.page(&format!("{path}edit/")).await;
    assert!(form.contains("value=\"fedora-44-x86_64\">"), "{form}");
    let fields = [
        ("chroots", CHROOT),
        ("chroots", "fedora-44-x86_64"),
        ("description", "new words"),
        ("keep_snapshots", "7"),
        ("keep_days", ""),
    ];
    assert_eq!(
        location(alice.post(&format!("{path}edit/"), &fields).await).await,
        path
    );
    let settings = house.projects().await.remove(0).settings;
    assert_eq!((settings.keep_snapshots, settings.keep_days), (Some(7), None));
    let page = alice.page(&path).await;
    assert!(page.contains("new words") && page.contains("fedora-44"), "{page}");
    let page = refused(
        alice
            .post(&format!("{path}delete/"), &[("confirm", "tool")])
            .await,
        400,
    )
    .await;
    assert!(page.contains("Type tools to delete it"), "{page}");
    let done = alice
        .post(&format!("{path}delete/"), &[("confirm", "tools")])
        .await;
    assert_eq!(location(done).await, "/coprs/alice/");
    refused(alice.get(&path).await, 404).await;
    assert!(alice.page("/coprs/alice/").await.contains("has no project yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_change_nothing() {
    let house = House::new().await;
    let path = house.browser_of("alice").await.make_project("tools").await;
    let mallory = house.browser_of("mallory").await;
    for page in ["edit/", "delete/", "add_build/"] {
        refused(mallory.get(&format!("{path}{page}")).await, 403).await;
        refused(house.anonymous().get(&format!("{path}{page}")).await, 403).await;
    }
    let fields = [
        ("description", "changed"),
        ("confirm", "tools"),
        ("chroots", CHROOT),
        ("urls", "http://h/a.src.rpm"),
    ];
    for form in ["edit/", "delete/", "add_build/url/"] {
        refused(mallory.post(&format!("{path}{form}"), &fields).await, 403).await;
        refused(
            house
                .anonymous()
                .post_raw(&format!("{path}{form}"), &fields)
                .await,
            403,
        )
        .await;
    }
    let projects = house.projects().await;
    assert_eq!(projects[0].settings.description, "");
    assert!(house.builds().await.is_empty());
}

/// K02: a definition is the same text whether a project was made by hand or by a program.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_the_same_however_the_project_was_made() {
    let house = House::new().await;
    house.add_chroot("fedora-44-x86_64", "Fedora 44").await;
    let alice = house.browser_of("alice").await;
    let fields = [
        ("name", "tools"),
        ("chroots", "fedora-44-x86_64"),
        ("chroots", CHROOT),
        ("description", "Two\r\nlines"),
        ("homepage", "https://example.org/"),
        ("contact", "alice@example.org"),
        (
            "additional_repos",
            "https://example.org/a/\r\nhttps://example.org/b/",
        ),
        ("packit_forge_projects_allowed", "https://github.com/packit/ogr"),
        ("repo_priority", "7"),
        ("delete_after_days", ""),
        ("bootstrap", "on"),
        ("isolation", "default"),
        ("boxes", "enable_net"),
        ("enable_net", "on"),
        ("boxes", "follow_fedora_branching"),
        ("boxes", "multilib"),
    ];
    location(alice.post("/coprs/add/", &fields).await).await;
    let cli = house.copr_of("bob").await;
    let arguments = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--chroot",
        "fedora-44-x86_64",
        "--description",
        "Two\nlines",
        "--repo",
        "https://example.org/a/",
        "--repo",
        "https://example.org/b/",
        "--packit-forge-project-allowed",
        "github.com/packit/ogr",
        "--repo-priority",
        "7",
        "--bootstrap",
        "on",
        "--enable-net",
        "on",
        "--follow-fedora-branching",
        "off",
    ];
    let ran = tokio::task::spawn_blocking({
        let cli = cli.clone();
        move || cli.run(&arguments).unwrap()
    });
    ran.await.unwrap().expect_code(0);
    // What copr-cli has no option for, python's library and curl have.
    let body = r#"{"homepage": "https://example.org/", "contact": "alice@example.org"}"#;
    house.put_of("bob", "/api_3/project/edit/bob/tools", body).await;
    let mut texts = Vec::new();
    for owner in ["alice", "bob"] {
        let path = format!("/api_3/project/export/{owner}/tools");
        let answer = house.anonymous().get(&path).await;
        assert_eq!(answer.headers()["content-type"], "text/yaml; charset=utf-8");
        texts.push(answer.text().await.unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    for part in [
        "name: tools\n",
        "multilib: false",
        "repo_priority: 7",
        "- github.com/packit/ogr",
        "debian-12-x86_64:",
    ] {
        assert!(texts[0].contains(part), "{part} is missing:\n{}", texts[0]);
    }
    for secret in ["alice/", "bob", "2026"] {
        assert!(!texts[0].contains(secret), "{secret}:\n{}", texts[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_does_not_get_on_is_said_until_it_does() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let project = house.projects().await[0].id;
    let reason = "the signer does not answer";
    let job = Job::Republish {
        project,
        chroot: None,
        repository: None,
        release: true,
    };
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let mut conn = house.conn().await;
    jobs::enqueue(&mut conn, &job, now).await.unwrap();
    let claimed = loop {
        let claimed = jobs::claim(&mut conn, jobs::HolderId(1), now, TimeDelta::days(1))
            .await
            .unwrap()
            .unwrap();
        if claimed.job == job {
            break claimed;
        }
    };
    jobs::retry(&mut conn, &claimed, now, reason, Some(project))
        .await
        .unwrap();
    let page = house.anonymous().page(&path).await;
    for part in ["Publishing does not get on", reason, "keeps trying"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    jobs::fail(&mut conn, &claimed, now, reason, Some(project))
        .await
        .unwrap();
    let page = house.anonymous().page(&path).await;
    assert!(
        page.contains("has given up") && !page.contains("keeps trying"),
        "{page}"
    );
    jobs::set_aside(&mut conn, project, None).await.unwrap();
    let page = house.anonymous().page(&path).await;
    assert!(!page.contains("Publishing does not get on"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_project_shows_its_newest_builds_and_finds_the_others() {
    let house = House::new().await;
    let size = db::seed::Size {
        projects: 3,
        builds: 3_000,
        large_packages: 50,
        packages: 60,
    };
    db::seed::fill(&mut *house.conn().await, size).await.unwrap();
    let newest: i64 = {
        let owner = db::seed::OWNER.parse().unwrap();
        let name = db::seed::PROJECT.parse().unwrap();
        let mut conn = house.conn().await;
        let project = projects::find(&mut conn, &owner, &name).await.unwrap().unwrap();
        builds::list(&mut conn, project.id, None, 1, 0).await.unwrap()[0]
            .id
            .0
    };
    let folder = format!("/coprs/{}/{}/", db::seed::OWNER, db::seed::PROJECT);
    let visitor = house.anonymous();
    let page = visitor.page(&folder).await;
    assert!(page.contains(&format!("/build/{newest}/")), "{page}");

    let row = format!("{folder}build/");
    let failed = visitor.page(&format!("{folder}builds/?state=failed")).await;
    assert!(failed.contains(&row), "{failed}");
    let table = failed.split("<tbody").nth(1).unwrap_or(&failed);
    assert!(
        table.contains("failed") && !table.contains("succeeded"),
        "other states are left: {table}"
    );
    let of_one = visitor
        .page(&format!("{folder}builds/?package=package-00007"))
        .await;
    let table = of_one.split("<tbody").nth(1).unwrap_or(&of_one);
    assert!(
        table.contains("package-00007") && !table.contains("package-00008"),
        "other packages are left: {table}"
    );
}
