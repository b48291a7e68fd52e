//! Tokens, groups and roles by hand.

use crate::house::{CHROOT, House, location, refused};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let form = [
        ("name", "CI <b>"),
        ("days", "0"),
        ("projects", "alice/tools\r\nalice/more"),
        ("actions", "build"),
        ("actions", "edit"),
    ];
    let page = alice.post("/api/new/", &form).await.text().await.unwrap();
    assert!(page.contains("# expiration date: never"), "{page}");
    let page = alice.page("/api/").await;
    for part in [
        "CI &lt;b&gt;",
        "alice&#x2F;tools",
        ">edit</span>",
        "never used",
        "does not end",
    ] {
        let plain = part.replace("&#x2F;", "/");
        assert!(page.contains(part) || page.contains(&plain), "{part}: {page}");
    }
    let again = refused(alice.post("/api/new/", &form).await, 400).await;
    assert!(again.contains("You already have a token named"), "{again}");
    let wrong = [("name", "x"), ("days", "soon"), ("projects", "tools")];
    let again = refused(alice.post("/api/new/", &wrong).await, 400).await;
    assert!(again.contains("Not a valid integer value"), "{again}");

    // Without a name it is Copr's one token, and ends the one before.
    for _ in 0..2 {
        let page = alice.post("/api/new/", &[]).await.text().await.unwrap();
        assert_eq!(page.matches("<strong>default</strong>").count(), 1, "{page}");
    }
    let user = house.user("alice").await;
    let tokens = db::tokens::list(&mut *house.conn().await, user.id).await.unwrap();
    assert_eq!(tokens.len(), 2);
    let revoke = format!("/api/revoke/{}/", tokens[0].id);
    let mallory = house.browser_of("mallory").await;
    refused(mallory.post(&revoke, &[]).await, 404).await;
    assert_eq!(location(alice.post(&revoke, &[]).await).await, "/api/");
    let left = db::tokens::list(&mut *house.conn().await, user.id).await.unwrap();
    assert_eq!(left, tokens[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_made_and_takes_members_and_projects() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    assert!(alice.page("/groups/").await.contains("There is no group yet"));
    let made = alice
        .post("/groups/add/", &[("name", "sig"), ("description", "Ours")])
        .await;
    assert_eq!(location(made).await, "/coprs/@sig/");
    let again = refused(alice.post("/groups/add/", &[("name", "sig")]).await, 400).await;
    assert!(again.contains("already"), "{again}");
    for path in ["/coprs/g/sig", "/coprs/g/sig/"] {
        assert_eq!(location(bob.get(path).await).await, "/coprs/@sig/");
    }
    assert!(
        !bob.page("/coprs/@sig/").await.contains("Add a member"),
        "only admins see the forms"
    );
    let set = "/groups/sig/members/set/";
    let wrong = refused(alice.post(set, &[("username", "ghost")]).await, 400).await;
    assert!(wrong.contains("There is no user"), "{wrong}");
    refused(
        bob.post(set, &[("username", "bob"), ("role", "admin")]).await,
        403,
    )
    .await;
    location(alice.post(set, &[("username", "bob")]).await).await;

    // A member makes a project for the group; it works under both addresses.
    let form = bob.page("/coprs/add/?owner=@sig").await;
    assert!(form.contains("value=\"@sig\" selected"), "{form}");
    let fields = [("owner", "@sig"), ("name", "tools"), ("chroots", CHROOT)];
    assert_eq!(
        location(bob.post("/coprs/add/", &fields).await).await,
        "/coprs/@sig/tools/"
    );
    let mallory = house.browser_of("mallory").await;
    refused(mallory.post("/coprs/add/", &fields).await, 403).await;
    assert_eq!(
        location(bob.get("/coprs/g/sig/tools/").await).await,
        "/coprs/@sig/tools/"
    );
    assert!(bob.page("/coprs/@sig/").await.contains("@sig/tools"));
    assert!(bob.page("/coprs/bob/").await.contains(">@sig</a>"));

    let kept = refused(alice.post("/groups/sig/delete/", &[]).await, 400).await;
    assert!(kept.contains("has projects"), "{kept}");
    let last = [("username", "alice")];
    let kept = refused(alice.post("/groups/sig/members/remove/", &last).await, 400).await;
    assert!(kept.contains("last admin"), "{kept}");
    location(
        bob.post("/groups/sig/members/remove/", &[("username", "bob")])
            .await,
    )
    .await;
    refused(
        bob.post("/coprs/@sig/tools/edit/", &[("chroots", CHROOT)]).await,
        403,
    )
    .await;
    location(
        alice
            .post("/groups/sig/edit/", &[("description", "Everybody's")])
            .await,
    )
    .await;
    assert!(bob.page("/groups/").await.contains("Everybody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_asked_for_and_given_and_a_project_goes_away() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let path = alice.make_project("tools").await;
    let page = format!("{path}permissions/");
    assert!(house.anonymous().page(&page).await.contains("to ask for a role"));
    assert!(bob.page(&page).await.contains("Your roles"));
    location(bob.post(&format!("{page}request/"), &[("builder", "on")]).await).await;
    let shown = alice.page(&page).await;
    assert!(shown.contains("<option value=\"request\" selected>"), "{shown}");
    assert!(!bob.page(&page).await.contains("Roles of others"));

    let give = [("username", "bob"), ("builder", "approved"), ("admin", "nothing")];
    refused(bob.post(&format!("{page}set/"), &give).await, 403).await;
    location(alice.post(&format!("{page}set/"), &give).await).await;
    assert!(bob.page(&path).await.contains("New build"));
    assert!(!bob.page(&path).await.contains(">Settings</a>"));
    let ghost = [
        ("username", "ghost"),
        ("builder", "approved"),
        ("admin", "nothing"),
    ];
    let wrong = refused(alice.post(&format!("{page}set/"), &ghost).await, 400).await;
    assert!(wrong.contains("exist in database"), "{wrong}");

    let transfer = format!("{page}transfer/");
    refused(bob.post(&transfer, &[("to", "bob")]).await, 403).await;
    let wrong = refused(alice.post(&transfer, &[("to", "ghost")]).await, 400).await;
    assert!(wrong.contains("There is no user"), "{wrong}");
    location(alice.post(&transfer, &[("to", "bob")]).await).await;
    assert!(alice.page(&path).await.contains("Held by"));
    assert!(!alice.page(&path).await.contains(">Settings</a>"));
    assert!(bob.page(&path).await.contains(">Settings</a>"));
    assert!(bob.page("/coprs/bob/").await.contains("alice/tools"));
}
