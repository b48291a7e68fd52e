//! Signing in, tokens, and what everybody may see.

use crate::house::{CHROOT, House, URL, location, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once() {
    let house = House::new().await;
    let link = house.login_link("alice").await;
    house
        .anonymous()
        .request(reqwest::Method::HEAD, &link)
        .send()
        .await
        .unwrap();
    let first = house.anonymous().get(&link).await;
    let cookie = first.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert_eq!(location(first).await, "/");
    for part in [
        "koper_session=",
        "HttpOnly",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=1209600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let again = house.anonymous().get(&link).await;
    assert!(again.headers().get("set-cookie").is_none());
    assert!(refused(again, 403).await.contains("no longer works"));
    let mut browser = house.anonymous();
    browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    assert!(browser.page("/").await.contains(">alice</a>"));
    assert_eq!(location(browser.post("/logout", &[]).await).await, "/");
    assert!(browser.page("/").await.contains(">Sign in</a>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_works() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    assert!(!alice.page("/api/").await.contains("login = "));
    let page = alice.post("/api/new/", &[]).await.text().await.unwrap();
    let block = page
        .split("[copr-cli]\n")
        .nth(1)
        .unwrap()
        .split("</code>")
        .next()
        .unwrap();
    let value = |key: &str| {
        let line = block
            .lines()
            .find(|l| l.starts_with(&format!("{key} = ")))
            .unwrap();
        line.split(" = ").nth(1).unwrap().to_owned()
    };
    let keys: Vec<&str> = block.lines().map(|l| l.split(" = ").next().unwrap()).collect();
    assert_eq!(keys[..5], ["login", "username", "token", "copr_url", "encrypted"]);
    assert!(keys[5].starts_with("# expiration date: 20"), "{block}");
    assert_eq!(
        (value("username"), value("copr_url")),
        ("alice".to_owned(), URL.to_owned())
    );
    let now = (house.clock)();
    let found = db::tokens::authenticate(&mut *house.conn().await, &value("login"), &value("token"), now)
        .await
        .unwrap();
    assert_eq!(found.unwrap().user.name.as_str(), "alice");
    assert!(!alice.page("/api/").await.contains(&value("token")));
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_change_nothing() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let mallory = house.browser_of("mallory").await;
    let path = alice.make_project("tools").await;
    let foreign = mallory.csrf().await;
    let targets: Vec<String> = [
        "/logout",
        "/api/new/",
        "/api/revoke/1/",
        "/groups/add/",
        "/coprs/add/",
    ]
    .iter()
    .map(|p| (*p).to_owned())
    .chain(
        [
            "edit/",
            "delete/",
            "add_build/url/",
            "permissions/set/",
            "permissions/request/",
            "permissions/transfer/",
            "keys/rotate/",
            "keys/revoke/",
        ]
        .iter()
        .map(|p| format!("{path}{p}")),
    )
    .collect();
    let fields = [
        ("name", "other"),
        ("confirm", "tools"),
        ("description", "changed"),
        ("urls", "http://h/a.src.rpm"),
    ];
    for target in &targets {
        for csrf in [None, Some(""), Some("wrong"), Some(foreign.as_str())] {
            let mut form = fields.to_vec();
            form.extend(csrf.map(|c| ("csrf", c)));
            let page = refused(alice.post_raw(target, &form).await, 403).await;
            assert!(page.contains("nothing was changed"), "{target}: {page}");
        }
    }
    let projects = house.projects().await;
    assert_eq!(projects.len(), 1);
    assert_eq!(projects[0].settings.description, "");
    assert!(house.builds().await.is_empty());
    assert!(alice.page("/").await.contains(">alice</a>"), "still signed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_pages_that_say_what_to_do() {
    let house = House::new().await;
    let anybody = house.anonymous();
    for path in [
        "/nowhere",
        "/coprs/alice/",
        "/coprs/alice/tools/",
        "/coprs/a%00b/x/",
        "/coprs/build/7",
        "/static/x",
    ] {
        let page = refused(anybody.get(path).await, 404).await;
        assert!(page.contains("Check the address"), "{path}: {page}");
    }
    let page = refused(anybody.get("/coprs/add/").await, 403).await;
    assert!(
        refused(anybody.get("/api/new/").await, 405)
            .await
            .contains("Open the page that has the form")
    );
    assert_eq!(anybody.get("/coprs/?page=x").await.status(), 200);
    let alice = house.browser_of("alice").await;
    assert!(
        refused(alice.get("/nowhere").await, 404)
            .await
            .contains("Sign out")
    );
    refused(alice.post_parts("/coprs/add/", &[]).await, 403).await;
    let head = anybody.request(reqwest::Method::HEAD, "/").send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(
        page.contains("You are not signed in") && page.contains("href=\"/login/\""),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_come_with_strict_headers() {
    let house = House::new().await;
    let response = house.anonymous().get("/").await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-security-policy").contains("default-src 'self'"));
    assert!(!header("content-security-policy").contains("unsafe"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    let page = response.text().await.unwrap();
    let style = page
        .split("href=\"/static/style.css")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let response = house.anonymous().get(&format!("/static/style.css{style}")).await;
    assert!(
        response.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
    let response = house.anonymous().get("/static/style.css").await;
    assert_eq!(response.headers()["cache-control"], "no-cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_shown_to_its_owner_and_when_it_is_used_up() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let path = alice.make_project("tools").await;
    let limits = db::quotas::Limits {
        queued_builds: Some(1),
        stored_bytes: Some(5 << 30),
        ..db::quotas::Limits::default()
    };
    let owner = "alice".parse().unwrap();
    db::quotas::set_limits(
        &mut *house.conn().await,
        &owner,
        &limits,
        "admin",
        (house.clock)(),
    )
    .await
    .unwrap();
    let page = alice.page("/coprs/alice/").await;
    for part in [
        "id=\"quota\"",
        "0 of 1<",
        "0 B of 5 GiB<",
        "0 s, no limit<",
        "Packages stored: 0 B that nobody else has, 0 B that others have too",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("used up"), "{page}");
    for other in [&bob, &house.anonymous()] {
        assert!(!other.page("/coprs/alice/").await.contains("id=\"quota\""));
    }
    let build = async || {
        let fields = [("urls", "https://example.org/a-1-1.src.rpm"), ("chroots", CHROOT)];
        alice.post(&format!("{path}add_build/url/"), &fields).await
    };
    location(build().await).await;
    let answer = build().await;
    assert_eq!(answer.headers()["retry-after"], "300");
    let page = refused(answer, 429).await;
    for part in [
        "Quota used up",
        "1 of 1 builds wait already",
        "cancel waiting builds, or ask an administrator for more",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = alice.page("/coprs/alice/").await;
    assert!(page.contains("1 of 1<") && page.contains("used up"), "{page}");

    location(alice.post("/groups/add/", &[("name", "sig")]).await).await;
    assert!(alice.page("/coprs/@sig/").await.contains("id=\"quota\""));
    assert!(!bob.page("/coprs/@sig/").await.contains("id=\"quota\""));
}
