//! A project's keys: everybody sees them, owners change them. What becomes of the packages is the backend's.

use serde_json::json;

use crate::house::{FINGERPRINT, House};

const KEY: &str = "/project/key/alice/tools";
const ROTATE: &str = "/project/key/rotate/alice/tools";
const REVOKE: &str = "/project/key/revoke/alice/tools";

#[tokio::test]
async fn keys_are_shown_to_everybody_and_changed_by_owners() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house.project(&alice, "tools").await;
    let shown = house.get(KEY).await.ok();
    assert_eq!(shown["changing"], false);
    let keys = shown["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["fingerprint"], FINGERPRINT);
    assert_eq!(
        (&keys[0]["active"], &keys[0]["revoked"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(keys[0]["created_on"], 1_795_000_000);

    // Who may change the settings may not change the key.
    let admin = json!({"bob": {"admin": "approved"}});
    house
        .send("PUT", "/project/permissions/set/alice/tools", Some(&alice), admin)
        .await
        .ok();
    let end = |fingerprint: &str, reason: &str, message: &str| json!({"fingerprint": fingerprint, "reason": reason, "message": message});
    let stolen = end(FINGERPRINT, "compromised", "A laptop was stolen.");
    house.send("POST", ROTATE, Some(&bob), json!({})).await.error(403);
    house
        .send("POST", REVOKE, Some(&bob), stolen.clone())
        .await
        .error(403);
    assert_eq!(house.get(KEY).await.ok()["changing"], false);

    let asked = house.send("POST", ROTATE, Some(&alice), json!({})).await.ok();
    assert_eq!(asked["changing"], true);
    let said = house
        .send("POST", ROTATE, Some(&alice), json!({}))
        .await
        .error(409);
    assert!(said.contains("changed already"), "{said}");
    // A key that was stolen waits for nothing.
    house.send("POST", REVOKE, Some(&alice), stolen).await.ok();
    let history = house
        .send("GET", "/audit/alice/tools", Some(&alice), json!({}))
        .await
        .ok();
    let line = &history["items"][0];
    assert_eq!(
        (&line["action"], &line["actor"]),
        (&json!("project.key.revoke"), &json!("alice"))
    );
    assert_eq!(line["new"]["message"], "A laptop was stolen.");
    assert_eq!(history["items"][1]["action"], "project.key.rotate");
}

#[tokio::test]
async fn what_no_key_can_be_revoked_with_is_refused() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let other = "F".repeat(40);
    let long = "x".repeat(401);
    for (fingerprint, reason, message, said) in [
        (
            other.as_str(),
            "retired",
            "x",
            "fingerprint: this project has no key",
        ),
        (FINGERPRINT, "bored", "x", "reason: "),
        (FINGERPRINT, "retired", "two\nlines", "message: say in one line"),
        (FINGERPRINT, "retired", " ", "message: "),
        (FINGERPRINT, "retired", &long, "message: "),
    ] {
        let end = json!({"fingerprint": fingerprint, "reason": reason, "message": message});
        let text = house.send("POST", REVOKE, Some(&alice), end).await.error(400);
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(house.get(KEY).await.ok()["changing"], false);
    // As gpg prints it.
    let spaced = "0123 4567 89ab cdef 0123  4567 89AB CDEF 0123 4567";
    let end = json!({"fingerprint": spaced, "reason": "retired", "message": "No longer used."});
    house.send("POST", REVOKE, Some(&alice), end).await.ok();
}
