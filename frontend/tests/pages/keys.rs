//! The page with a project's keys.

use serde_json::json;

use crate::house::{House, location, refused};

const FINGERPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_a_new_key_made_and_ends_the_old_one() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let path = alice.make_project("tools").await;
    let page = format!("{path}keys/");
    assert!(house.anonymous().page(&path).await.contains(&page));
    let seen = bob.page(&page).await;
    assert!(seen.contains(FINGERPRINT) && seen.contains(">active<"), "{seen}");
    assert!(!seen.contains("Make a new key"), "{seen}");
    refused(bob.post(&format!("{page}rotate/"), &[]).await, 403).await;
    location(alice.post(&format!("{page}rotate/"), &[]).await).await;
    assert!(alice.page(&page).await.contains("is being changed"));
    let twice = refused(alice.post(&format!("{page}rotate/"), &[]).await, 400).await;
    assert!(twice.contains("changed already"), "{twice}");

    let revoke = format!("{page}revoke/");
    let mut end = [
        ("fingerprint", "12"),
        ("reason", "compromised"),
        ("message", "It was stolen."),
    ];
    refused(bob.post(&revoke, &end).await, 403).await;
    let wrong = refused(alice.post(&revoke, &end).await, 400).await;
    assert!(
        wrong.contains("all 40 digits") && wrong.contains("It was stolen."),
        "{wrong}"
    );
    end[0].1 = FINGERPRINT;
    location(alice.post(&revoke, &end).await).await;

    // What the backend makes of it.
    let project = house.projects().await.remove(0);
    let fingerprint = "F".repeat(40);
    let keys = [
        (
            FINGERPRINT.to_owned(),
            json!({"fingerprint": FINGERPRINT, "algorithm": "rsa4096", "created": 1_795_000_000,
                "revoked": {"at": 1_795_100_000, "reason": "compromised", "message": "It was stolen."}}),
        ),
        (
            fingerprint.clone(),
            json!({"fingerprint": fingerprint, "algorithm": "rsa4096"}),
        ),
    ];
    let mut conn = house.conn().await;
    db::keys::write(&mut conn, project.id, &keys).await.unwrap();
    db::keys::activate(&mut conn, project.id, &keys[1].1)
        .await
        .unwrap();
    drop(conn);
    let seen = bob.page(&page).await;
    assert!(
        seen.contains(">revoked<") && seen.contains("It was stolen."),
        "{seen}"
    );
    assert!(seen.contains("rpm -e gpg-pubkey-01234567-6afd"), "{seen}");
}
