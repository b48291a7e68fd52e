//! The timeline of a repository, and its forms.

use crate::house::{CHROOT, House, location, refused};

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_shows_what_changed_and_where_pointers_are() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let empty = alice.page(&format!("{path}snapshots/")).await;
    assert!(empty.contains("Nothing has been published yet."), "{empty}");
    db::testing::two_snapshots(&mut *house.conn().await, "tools", CHROOT)
        .await
        .unwrap();
    let page = alice.page(&format!("{path}snapshots/")).await;
    for text in [
        "<span class=\"tag\">latest</span>",
        "<span class=\"tag\">stable</span>",
        "+1 −0",
        "Serve this one",
        "repo/debian-12/?at=stable",
        "Install as of now",
    ] {
        assert!(page.contains(text), "{text}:\n{page}");
    }
    let compared = alice
        .page(&format!("{path}snapshots/?chroot={CHROOT}&from=1&to=2"))
        .await;
    assert!(
        compared.contains("From snapshot 1 to 2") && compared.contains("hello-1-1.noarch"),
        "{compared}"
    );
    let back = alice.page(&format!("{path}snapshots/?from=2&to=1")).await;
    assert!(back.contains("<td>went</td>"), "{back}");
    let nobody = house.anonymous();
    let seen = nobody.page(&format!("{path}snapshots/")).await;
    assert!(
        seen.contains("+1 −0") && !seen.contains("Serve this one"),
        "{seen}"
    );
    for wrong in ["?chroot=fedora-1-x86_64", "?to=99", "?dir=other"] {
        let answer = nobody.get(&format!("{path}snapshots/{wrong}")).await;
        assert_eq!(answer.status(), 404, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_are_moved_by_hand() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    db::testing::two_snapshots(&mut *house.conn().await, "tools", CHROOT)
        .await
        .unwrap();
    let place = [("dir", "tools"), ("chroot", CHROOT)];
    let post = async |form: &str, fields: &[(&str, &str)]| {
        let fields: Vec<(&str, &str)> = place.iter().chain(fields).copied().collect();
        alice.post(&format!("{path}snapshots/{form}/"), &fields).await
    };
    let there = format!("{path}snapshots/?dir=tools&chroot={CHROOT}");
    let moved = post("move", &[("pointer", "beta"), ("to", "1")]).await;
    assert_eq!(location(moved).await, there);
    let page = alice.page(&there).await;
    assert!(page.contains("<strong>beta</strong> names 1"), "{page}");
    let said = refused(post("move", &[("pointer", "Not One"), ("to", "1")]).await, 400).await;
    assert!(
        said.contains("is not a valid pointer name") && said.contains("value=\"Not One\""),
        "{said}"
    );
    let said = refused(
        post("yank", &[("packages", "nothing"), ("expected", "2")]).await,
        400,
    )
    .await;
    assert!(said.contains("snapshot 2 has nothing of"), "{said}");
    let back = post("rollback", &[("to", "1"), ("expected", "2")]).await;
    assert_eq!(location(back).await, there);
    let said = refused(post("rollback", &[("to", "2"), ("expected", "2")]).await, 400).await;
    assert!(
        said.contains("names snapshot 1 now, so nothing was changed"),
        "{said}"
    );
    let gone = post("delete", &[("pointer", "beta"), ("expected", "1")]).await;
    assert_eq!(location(gone).await, there);
    let page = alice.page(&there).await;
    assert!(!page.contains("beta"), "{page}");
}

/// Whoever is signed in can ask; whoever takes care of the other project is heard.
#[tokio::test(flavor = "multi_thread")]
async fn packages_are_promoted_by_hand_into_projects_of_ones_own() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let path = alice.make_project("tools").await;
    bob.make_project("mine").await;
    db::testing::two_snapshots(&mut *house.conn().await, "tools", CHROOT)
        .await
        .unwrap();
    let page = bob.page(&format!("{path}snapshots/")).await;
    assert!(page.contains("Promote into another project"), "{page}");
    let seen = house.anonymous().page(&format!("{path}snapshots/")).await;
    assert!(!seen.contains("Promote into another project"), "{seen}");
    let post = async |fields: &[(&str, &str)]| {
        let place = [("dir", "tools"), ("chroot", CHROOT), ("from", "2")];
        let fields: Vec<(&str, &str)> = place.iter().chain(fields).copied().collect();
        bob.post(&format!("{path}snapshots/promote/"), &fields).await
    };
    let said = refused(post(&[("into", "mine")]).await, 400).await;
    assert!(
        said.contains("Name it as owner/project") && said.contains("value=\"mine\""),
        "{said}"
    );
    let said = refused(post(&[("into", "bob/mine"), ("packages", "nothing")]).await, 400).await;
    assert!(said.contains("snapshot 2 has nothing of"), "{said}");
    // The package of this test has no build.
    let said = refused(post(&[("into", "bob/mine")]).await, 400).await;
    assert!(said.contains("was deleted"), "{said}");
    assert_eq!(post(&[("into", "alice/tools")]).await.status(), 403);
}
