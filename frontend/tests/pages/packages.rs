//! Packages and webhooks by hand.

use reqwest::StatusCode;

use crate::house::{House, location, refused};

const HOSTILE: &str = "<b>x</b>";

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_added_changed_built_reset_and_deleted_by_hand() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    alice.make_project("tools").await;
    let form = alice.page("/coprs/alice/tools/add_package/scm/").await;
    assert!(form.contains("name=\"clone_url\""), "{form}");
    let wrong = [
        ("package_name", "hello"),
        ("clone_url", HOSTILE),
        ("max_builds", "many"),
    ];
    let again = refused(
        alice.post("/coprs/alice/tools/add_package/scm/", &wrong).await,
        400,
    )
    .await;
    assert!(again.contains("max_builds-error"), "{again}");
    assert!(!again.contains(HOSTILE), "{again}");
    let fields = [
        ("package_name", "hello"),
        ("clone_url", "https://example.org/hello.git"),
        ("subdirectory", "pkg"),
        ("source_build_method", "make_srpm"),
        ("webhook_rebuild", "on"),
        ("timeout", "100"),
    ];
    let path = location(alice.post("/coprs/alice/tools/add_package/scm/", &fields).await).await;
    assert_eq!(path, "/coprs/alice/tools/package/hello/");
    let taken = refused(
        alice.post("/coprs/alice/tools/add_package/scm/", &fields).await,
        400,
    )
    .await;
    assert!(taken.contains("already exists"), "{taken}");
    let page = house.anonymous().page(&path).await;
    for part in [
        "https://example.org/hello.git",
        "make_srpm",
        "100 s",
        "It has not been built yet.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("method=\"post\""), "nobody gets buttons");

    let edit = location(alice.get(&format!("{path}edit/")).await).await;
    let form = alice.page(&edit).await;
    assert!(
        form.contains("value=\"pkg\"") && form.contains("value=\"make_srpm\" selected"),
        "{form}"
    );
    let script = [
        ("script", "#! /bin/sh\r\necho '<b>x</b>'\r\n"),
        ("chroot_denylist", ""),
    ];
    location(alice.post(&format!("{path}edit/custom/"), &script).await).await;
    let page = alice.page(&path).await;
    assert!(
        page.contains("&lt;b&gt;x&lt;") && !page.contains(HOSTILE),
        "{page}"
    );

    let build = location(alice.post(&format!("{path}rebuild/"), &[]).await).await;
    assert!(alice.page(&build).await.contains("failed"));
    let list = house.anonymous().page("/coprs/alice/tools/packages/?q=HEL").await;
    assert!(
        list.contains("badge failed") && list.contains(">hello</a>"),
        "{list}"
    );
    let none = house.anonymous().page("/coprs/alice/tools/packages/?q=xyz").await;
    assert!(none.contains("No package has such a name."), "{none}");

    let bob = house.browser_of("bob").await;
    for button in ["rebuild/", "reset/", "delete/"] {
        refused(bob.post(&format!("{path}{button}"), &[]).await, 403).await;
    }
    location(alice.post(&format!("{path}reset/"), &[]).await).await;
    refused(alice.post(&format!("{path}rebuild/"), &[]).await, 400).await;
    location(alice.post(&format!("{path}delete/"), &[]).await).await;
    refused(alice.get(&path).await, 404).await;
}

/// The first address of a kind on the page.
fn address(page: &str, kind: &str) -> String {
    let (_, rest) = page.split_once(&format!("/webhooks/{kind}/")).unwrap();
    format!("/webhooks/{kind}/{}", rest.split('<').next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_set_up_seen_and_run_again_by_hand() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    alice.make_project("tools").await;
    let path = "/coprs/alice/tools/webhooks/";
    let page = alice.page(path).await;
    let url = address(&page, "github");
    let body = "{\"zen\": \"<b>x</b>\"}";
    let deliver = async |url: &str| {
        let request = house.anonymous().request(reqwest::Method::POST, url);
        let request = request.header("X-GitHub-Event", "ping").body(body);
        request.send().await.unwrap().status()
    };
    assert_eq!(deliver(&url).await, StatusCode::OK);
    let page = alice.page(path).await;
    assert!(page.contains("pong"), "{page}");
    let (_, rest) = page.split_once("<th scope=\"row\"><a href=\"").unwrap();
    let delivery = rest.split('"').next().unwrap().to_owned();
    let shown = alice.page(&delivery).await;
    assert!(
        shown.contains("&lt;b&gt;x") && !shown.contains(HOSTILE),
        "{shown}"
    );
    let again = location(alice.post(&format!("{delivery}redeliver/"), &[]).await).await;
    assert!(alice.page(&again).await.contains("Run again of"));

    let short = refused(alice.post(&format!("{path}hmac/"), &[("key", "x")]).await, 400).await;
    assert!(short.contains("key-error"), "{short}");
    location(
        alice
            .post(&format!("{path}hmac/"), &[("key", "a-long-enough-key")])
            .await,
    )
    .await;
    assert_eq!(deliver(&url).await, StatusCode::FORBIDDEN);
    location(alice.post(&format!("{path}hmac/"), &[("key", "")]).await).await;
    location(alice.post(&format!("{path}secret/"), &[]).await).await;
    let new = address(&alice.page(path).await, "github");
    assert_ne!(new, url);
    assert_eq!(deliver(&url).await, StatusCode::FORBIDDEN);
    assert_eq!(deliver(&new).await, StatusCode::OK);
    assert!(alice.page(path).await.contains("1 with a wrong secret"));

    let bob = house.browser_of("bob").await;
    for page in [path, &delivery] {
        refused(bob.get(page).await, 403).await;
        refused(house.anonymous().get(page).await, 403).await;
    }
    for button in [
        format!("{path}secret/"),
        format!("{path}hmac/"),
        format!("{delivery}redeliver/"),
    ] {
        refused(bob.post(&button, &[]).await, 403).await;
    }
}
