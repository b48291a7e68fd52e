//! Submitting builds, looking at them, canceling them.

use protocol::{FailureKind, Outcome};

use crate::house::{CHROOT, House, location, refused, source_package};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_by_form() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let form = alice.page(&format!("{path}add_build/")).await;
    let (csrf_at, file_at) = (
        form.find("name=\"csrf\"").unwrap(),
        form.find("type=\"file\"").unwrap(),
    );
    assert!(csrf_at < file_at);
    let (name, bytes) = source_package("hello");
    let csrf = alice.csrf().await;
    let target = format!("{path}add_build/upload/");
    let parts = [
        ("csrf", None, csrf.as_bytes()),
        ("chroots", None, CHROOT.as_bytes()),
        ("pkgs", Some(name.as_str()), bytes.as_slice()),
    ];
    let build = location(alice.post_parts(&target, &parts).await).await;
    let page = house.anonymous().page(&build).await;
    for part in [
        "hello",
        "1.0-1",
        CHROOT,
        "waiting for a builder",
        "data-unfinished=\"yes\"",
        "/debian-12-x86_64/log",
    ] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    assert!(!page.contains("Cancel the build"));
    let id = build.trim_end_matches('/').rsplit('/').next().unwrap();
    assert_eq!(
        location(alice.get(&format!("/coprs/build/{id}")).await).await,
        build
    );
    assert!(alice.page(&format!("{path}builds/")).await.contains("hello"));
    assert!(house.anonymous().page(&path).await.contains("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_its_mark_is_not_read() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let (name, bytes) = source_package("hello");
    let target = format!("{path}add_build/upload/");
    let csrf = alice.csrf().await;
    let chroot = ("chroots", None, CHROOT.as_bytes());
    let file = ("pkgs", Some(name.as_str()), bytes.as_slice());
    let mark = ("csrf", None, csrf.as_bytes());
    for parts in [
        &[chroot, file][..],
        &[chroot, file, mark],
        &[("csrf", None, b"wrong".as_slice()), chroot, file],
    ] {
        refused(alice.post_parts(&target, parts).await, 403).await;
    }
    let mallory = house.browser_of("mallory").await;
    let others = mallory.csrf().await;
    refused(
        mallory
            .post_parts(&target, &[("csrf", None, others.as_bytes()), chroot, file])
            .await,
        403,
    )
    .await;
    assert!(house.builds().await.is_empty());
}

/// A form that breaks off is a mistake of whoever sent it, wherever it does.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_is_explained() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let csrf = alice.csrf().await;
    let mark = format!("--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n");
    for rest in [
        "",
        "--x\r\n",
        "--x\r\nContent-Disposition: form-data; name=\"chroots\"\r\n\r\nfed",
        "--x\r\nno header\0\r\n\r\n",
    ] {
        let answer = alice
            .request(reqwest::Method::POST, &format!("{path}add_build/upload/"))
            .header("content-type", "multipart/form-data; boundary=x")
            .body(format!("{mark}{rest}"))
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let page = answer.text().await.unwrap();
        assert!((200..500).contains(&status), "{rest:?}: {status} {page}");
        assert!(page.contains("The form cannot be read"), "{rest:?}: {page}");
    }
    assert!(house.builds().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_an_upload_are_explained() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let target = format!("{path}add_build/upload/");
    let csrf = alice.csrf().await;
    let mark = ("csrf", None, csrf.as_bytes());
    let chroot = ("chroots", None, CHROOT.as_bytes());
    let long = vec![0_u8; 3 << 20];
    for (parts, expected) in [
        (
            vec![mark, chroot, ("pkgs", Some(""), b"".as_slice())],
            "Choose a source package or a spec file",
        ),
        (vec![mark, chroot], "Choose a source package or a spec file"),
        (
            vec![mark, ("pkgs", Some("a-1-1.src.rpm"), long.as_slice())],
            "At least one chroot must be selected",
        ),
        (
            vec![
                mark,
                chroot,
                ("pkgs", Some("a-1-1.src.rpm"), b"no rpm".as_slice()),
            ],
            "cannot be built",
        ),
        (
            vec![mark, chroot, ("pkgs", Some("<b>.rpm"), b"x".as_slice())],
            "&lt;b&gt;.rpm",
        ),
        (
            vec![
                mark,
                ("chroots", None, b"other-1-x86_64".as_slice()),
                ("pkgs", Some("a-1-1.src.rpm"), long.as_slice()),
            ],
            "is not a valid choice",
        ),
    ] {
        let page = refused(alice.post_parts(&target, &parts).await, 400).await;
        assert!(page.contains(expected), "{expected} is missing:\n{page}");
    }
    assert!(house.builds().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_submitted_by_form() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let target = format!("{path}add_build/url/");
    let fields = [("chroots", CHROOT), ("urls", "javascript:x\r\n<b>")];
    let page = refused(alice.post(&target, &fields).await, 400).await;
    assert!(
        page.contains("seem to be a valid URL") && page.contains("javascript:x\n&lt;b&gt;"),
        "{page}"
    );
    let fields = [
        ("chroots", CHROOT),
        (
            "urls",
            "https://h/a-1-1.src.rpm\r\nhttps://h/b-1-1.src.rpm?x=1&y=2",
        ),
    ];
    assert_eq!(
        location(alice.post(&target, &fields).await).await,
        format!("{path}builds/")
    );
    let builds = house.builds().await;
    assert_eq!(builds.len(), 2);
    let page = alice.page(&format!("{path}build/{}/", builds[0].id)).await;
    assert!(
        page.contains("href=\"https://h/b-1-1.src.rpm?x=1&amp;y=2\""),
        "{page}"
    );
    assert!(page.contains("/srpm-builds/log"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_imported_by_form() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    assert!(
        alice
            .page(&format!("{path}add_build/"))
            .await
            .contains("import/\"")
    );
    let form = format!("{path}import/");
    assert!(alice.page(&form).await.contains("Import a repository"));
    let target = format!("{form}url/");
    let fields = [
        ("chroots", CHROOT),
        ("url", "javascript:x"),
        ("packages", "a\r\n<b>"),
    ];
    let page = refused(alice.post(&target, &fields).await, 400).await;
    assert!(
        page.contains("is no http or https URL") && page.contains("a\n&lt;b&gt;"),
        "{page}"
    );
    let page = refused(alice.post(&target, &[("url", "https://h/r/")]).await, 400).await;
    assert!(page.contains("At least one chroot"), "{page}");
    let fields = [
        ("chroots", CHROOT),
        ("url", "https://h/r/"),
        ("packages", "a\r\nlib*"),
    ];
    let build = location(alice.post(&target, &fields).await).await;
    let page = alice.page(&build).await;
    assert!(
        page.contains("import of https://h/r/") || page.contains("import of https:&#x2F;&#x2F;h"),
        "{page}"
    );
    assert!(page.contains("not built here"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_uploaded_by_form_all_or_none() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let form = alice.page(&format!("{path}import/")).await;
    assert!(form.contains("multiple"), "{form}");
    let csrf = form
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let chroot = format!("--x\r\nContent-Disposition: form-data; name=\"chroots\"\r\n\r\n{CHROOT}\r\n");
    let file = |name: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"pkgs\"; filename=\"{name}\"\r\n\r\nno package\r\n"
        )
    };
    let mark = |csrf: &str| format!("--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n");
    let send = async |parts: String| {
        let request = alice.request(reqwest::Method::POST, &format!("{path}import/upload/"));
        let request = request.header("content-type", "multipart/form-data; boundary=x");
        request.body(format!("{parts}--x--\r\n")).send().await.unwrap()
    };
    assert_eq!(send(mark("wrong") + &chroot).await.status(), 403);
    for (parts, words) in [
        (chroot.clone(), "Choose some packages"),
        (file("a-1-1.noarch.rpm"), "At least one chroot"),
        (chroot.clone() + &file("a-1-1.src.rpm"), "only binary packages"),
        (
            chroot.clone() + &file("a-1-1.noarch.rpm") + &file("b-1-1.noarch.rpm"),
            "does not start as one",
        ),
    ] {
        let page = refused(send(mark(csrf) + &parts).await, 400).await;
        assert!(page.contains(words), "{page}");
    }
    assert!(house.builds().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_explained_and_a_build_canceled() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    for name in ["a", "b"] {
        let url = format!("https://h/{name}-1-1.src.rpm");
        location(
            alice
                .post(
                    &format!("{path}add_build/url/"),
                    &[("chroots", CHROOT), ("urls", &url)],
                )
                .await,
        )
        .await;
    }
    let task = house.claim().await;
    let failed = Outcome::Failed {
        kind: FailureKind::BadSource,
        message: "<b>404</b> from h".to_owned(),
    };
    let now = (house.clock)();
    let done = db::tasks::finish(
        &mut *house.conn().await,
        task.id,
        task.attempt,
        &failed,
        &[],
        None,
        now,
    )
    .await;
    assert!(done.unwrap());
    let page = alice.page(&format!("{path}build/{}/", task.build)).await;
    for part in [
        "The source package cannot be used",
        "&lt;b&gt;404&lt;",
        "srpm-builds/",
        "builder-live.log",
    ] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    let other = house
        .builds()
        .await
        .into_iter()
        .find(|b| b.id != task.build)
        .unwrap();
    let target = format!("{path}build/{}/", other.id);
    assert!(alice.page(&target).await.contains("Cancel the build"));
    let mallory = house.browser_of("mallory").await;
    refused(mallory.post(&format!("{target}cancel/"), &[]).await, 403).await;
    refused(alice.post_raw(&format!("{target}cancel/"), &[]).await, 403).await;
    assert_eq!(house.build(other.id.0).await.state(), "pending");
    assert_eq!(
        location(alice.post(&format!("{target}cancel/"), &[]).await).await,
        target
    );
    let page = alice.page(&target).await;
    assert!(
        page.contains("canceled") && !page.contains("Cancel the build"),
        "{page}"
    );
    refused(alice.post(&format!("{target}cancel/"), &[]).await, 409).await;
    refused(
        alice
            .get(&format!("/coprs/alice/other/build/{}/", other.id))
            .await,
        404,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_build_is_built_again_and_deleted() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let form = alice.page(&format!("{path}add_build/")).await;
    assert_eq!(form.matches("name=\"scratch\"").count(), 2, "{form}");
    assert!(form.contains(".src.rpm") && form.contains(".spec"), "{form}");
    let fields = [
        ("chroots", CHROOT),
        ("scratch", "on"),
        ("urls", "https://h/a-1-1.src.rpm"),
    ];
    let first = location(alice.post(&format!("{path}add_build/url/"), &fields).await).await;
    let page = alice.page(&first).await;
    assert!(
        page.contains("A scratch build") && !page.contains("Build again"),
        "{page}"
    );
    location(alice.post(&format!("{first}cancel/"), &[]).await).await;
    assert!(alice.page(&first).await.contains("Build again"));

    let mallory = house.browser_of("mallory").await;
    let seen = mallory.page(&first).await;
    assert!(
        !seen.contains("Build again") && !seen.contains("Delete"),
        "{seen}"
    );
    for form in ["resubmit/", "delete/"] {
        refused(mallory.post(&format!("{first}{form}"), &[]).await, 403).await;
        refused(alice.post_raw(&format!("{first}{form}"), &[]).await, 403).await;
    }
    refused(mallory.get(&format!("{first}delete/")).await, 403).await;
    assert_eq!(house.builds().await.len(), 1);

    let second = location(alice.post(&format!("{first}resubmit/"), &[]).await).await;
    assert_ne!(first, second);
    assert!(alice.page(&second).await.contains("A scratch build"));
    let question = alice.page(&format!("{second}delete/")).await;
    assert!(
        question.contains("what still runs of it is canceled"),
        "{question}"
    );
    assert_eq!(
        location(alice.post(&format!("{second}delete/"), &[]).await).await,
        format!("{path}builds/")
    );
    refused(alice.get(&second).await, 404).await;
    assert_eq!(house.builds().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_can_be_a_scratch_build() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let (name, bytes) = source_package("hello");
    let csrf = alice.csrf().await;
    let parts = [
        ("csrf", None, csrf.as_bytes()),
        ("chroots", None, CHROOT.as_bytes()),
        ("scratch", None, b"on".as_slice()),
        ("pkgs", Some(name.as_str()), bytes.as_slice()),
    ];
    let target = format!("{path}add_build/upload/");
    location(alice.post_parts(&target, &parts).await).await;
    assert!(house.builds().await[0].options.scratch);
}
