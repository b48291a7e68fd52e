//! Signatures, and the log of deliveries.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{BITBUCKET_PUSH, GITHUB_PING, GITHUB_PUSH, GITLAB_PUSH, HELLO, Hooked, hooked, post};

const KEY: &str = "a-key-of-the-forge";

fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

async fn newest(hooked: &Hooked) -> Value {
    let list = hooked
        .api("GET", "/webhook/deliveries/alice/tools?limit=1", Value::Null)
        .await
        .ok();
    list["items"][0].clone()
}

#[tokio::test]
async fn signatures_are_checked_once_a_key_is_set() {
    let hooked = hooked().await;
    hooked.package("hello", "scm", json!({"clone_url": HELLO})).await;
    hooked
        .package("script", "custom", json!({"script": "true"}))
        .await;
    hooked
        .api("PUT", "/webhook/hmac/alice/tools", json!({"key": "short"}))
        .await
        .error(400);
    let set = hooked
        .api("PUT", "/webhook/hmac/alice/tools", json!({"key": KEY}))
        .await
        .ok();
    assert_eq!(set, json!({"signed": true}));

    let good = signature(KEY, GITHUB_PUSH);
    let other_key = signature("another-key", GITHUB_PUSH);
    let other_body = signature(KEY, GITHUB_PING);
    for (header, value, status) in [
        ("X-Hub-Signature-256", good.as_str(), 200),
        ("X-Hub-Signature-256", other_key.as_str(), 403),
        ("X-Hub-Signature-256", other_body.as_str(), 403),
        ("X-Hub-Signature-256", "sha256=", 403),
        ("X-Hub-Signature", good.as_str(), 403),
        ("X-Gitlab-Token", KEY, 403),
        ("X-Unrelated", "", 403),
    ] {
        let headers = [("X-GitHub-Event", "push"), (header, value)];
        let told = hooked.deliver("github", "", &headers, GITHUB_PUSH).await;
        let json = told.json(status);
        assert_eq!(
            json["builds"].as_array().unwrap().len(),
            usize::from(status == 200),
            "{json}"
        );
        let logged = newest(&hooked).await;
        assert_eq!(logged["status"], status);
        assert_eq!(logged["message"], json["message"]);
    }
    for (token, status) in [(KEY, 200), ("another-key", 403)] {
        let headers = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", token)];
        hooked
            .deliver("gitlab", "", &headers, GITLAB_PUSH)
            .await
            .json(status);
    }
    let bitbucket = signature(KEY, BITBUCKET_PUSH);
    for (value, status) in [(bitbucket.as_str(), 200), (good.as_str(), 403)] {
        let headers = [("X-Event-Key", "repo:push"), ("X-Hub-Signature", value)];
        hooked
            .deliver("bitbucket", "", &headers, BITBUCKET_PUSH)
            .await
            .json(status);
    }
    let told = hooked.deliver("custom", "script/", &[], "{}").await;
    assert_eq!(
        (told.status.as_u16(), told.text.as_str()),
        (403, "BAD_SIGNATURE\n")
    );
    let signed = signature(KEY, "{}");
    let told = hooked
        .deliver("custom", "script/", &[("X-Hub-Signature-256", &signed)], "{}")
        .await;
    assert_eq!(told.status.as_u16(), 200, "{}", told.text);

    let cleared = hooked
        .api("PUT", "/webhook/hmac/alice/tools", json!({"key": ""}))
        .await
        .ok();
    assert_eq!(cleared, json!({"signed": false}));
    assert_eq!(hooked.github("push", GITHUB_PUSH).await.started(), ["hello"]);
}

#[tokio::test]
async fn deliveries_are_kept_without_secrets_and_run_again() {
    let hooked = hooked().await;
    let headers = [
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("X-Hub-Signature-256", "sha256=0123"),
        ("Authorization", "Basic c2VjcmV0"),
        ("User-Agent", "GitHub-Hookshot/044aadd"),
    ];
    let nothing = hooked
        .deliver("github", "", &headers, GITHUB_PUSH)
        .await
        .json(200);
    let id = nothing["delivery"].as_i64().unwrap();
    let kept = hooked
        .api("GET", &format!("/webhook/delivery/{id}"), Value::Null)
        .await
        .ok();
    assert_eq!(kept["body"], GITHUB_PUSH);
    assert_eq!(kept["forge_id"], "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!(kept["event"], "push");
    assert_eq!(kept["headers"]["user-agent"], "GitHub-Hookshot/044aadd");
    assert_eq!(kept["headers"]["x-hub-signature-256"], "(left out)");
    assert_eq!(kept["headers"]["authorization"], "(left out)");

    // What was wrong is put right, and the same delivery builds.
    hooked.package("hello", "scm", json!({"clone_url": HELLO})).await;
    let again = hooked
        .api("POST", &format!("/webhook/redeliver/{id}"), Value::Null)
        .await
        .ok();
    assert_eq!(again["started"][0]["package"], "hello");
    let build = again["builds"][0].as_i64().unwrap();
    hooked.build(build).await;
    let logged = newest(&hooked).await;
    assert_eq!(logged["redelivery_of"], id);
    assert_eq!(logged["builds"], json!([build]));
    assert_eq!(logged["id"], again["id"]);
}

#[tokio::test]
async fn a_delivery_that_was_refused_does_not_come_in_by_the_log() {
    let hooked = hooked().await;
    hooked.package("hello", "scm", json!({"clone_url": HELLO})).await;
    hooked
        .api("PUT", "/webhook/hmac/alice/tools", json!({"key": KEY}))
        .await
        .ok();
    let refused = hooked.github("push", GITHUB_PUSH).await.json(403);
    let path = format!("/webhook/redeliver/{}", refused["delivery"]);
    let error = hooked.api("POST", &path, Value::Null).await.error(409);
    assert!(error.contains("signature"), "{error}");
}

#[tokio::test]
async fn the_newest_200_are_kept_and_paged() {
    let hooked = hooked().await;
    let mut first = 0;
    for n in 0..203 {
        let id = hooked.github("ping", GITHUB_PING).await.json(200)["delivery"]
            .as_i64()
            .unwrap();
        if n == 0 {
            first = id;
        }
    }
    let ids = async |query: &str| -> Vec<i64> {
        let path = format!("/webhook/deliveries/alice/tools?{query}");
        let list = hooked.api("GET", &path, Value::Null).await.ok();
        let items = list["items"].as_array().unwrap();
        items.iter().map(|i| i["id"].as_i64().unwrap()).collect()
    };
    let all = ids("").await;
    assert_eq!(all.len(), 200);
    assert!(all.is_sorted_by(|a, b| a > b));
    assert_eq!(ids("limit=50&offset=180").await, all[180..]);
    hooked
        .api("GET", &format!("/webhook/delivery/{first}"), Value::Null)
        .await
        .error(404);
}

#[tokio::test]
async fn a_new_secret_ends_the_old_urls_and_wrong_ones_are_counted() {
    let hooked = hooked().await;
    let old = format!("/webhooks/github/{}/{}/", hooked.id, hooked.secret);
    let made = hooked
        .api("POST", "/webhook/generate/alice/tools", Value::Null)
        .await
        .ok();
    assert_eq!(made["full_name"], "alice/tools");
    let secret = made["webhook_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 36);
    assert_ne!(secret, hooked.secret);
    let event = [("X-GitHub-Event", "ping")];
    post(&hooked.house, &old, &event, GITHUB_PING).await.json(403);
    let new = format!("/webhooks/github/{}/{secret}/", hooked.id);
    post(&hooked.house, &new, &event, GITHUB_PING).await.json(200);
    let urls = hooked
        .api("GET", "/webhook/urls/alice/tools", Value::Null)
        .await
        .ok();
    assert_eq!(urls["refused"], 1);
    let list = hooked
        .api("GET", "/webhook/deliveries/alice/tools", Value::Null)
        .await
        .ok();
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        1,
        "what has no right secret is not kept"
    );
}

#[tokio::test]
async fn a_long_delivery_is_done_and_not_kept_whole() {
    let hooked = hooked().await;
    hooked.package("hello", "scm", json!({"clone_url": HELLO})).await;
    let mut push: Value = serde_json::from_str(GITHUB_PUSH).unwrap();
    push["padding"] = json!("x".repeat(2 << 20));
    let told = hooked.github("push", &push.to_string()).await;
    assert_eq!(told.started(), ["hello"]);
    let id = told.json(200)["delivery"].as_i64().unwrap();
    let kept = hooked
        .api("GET", &format!("/webhook/delivery/{id}"), Value::Null)
        .await
        .ok();
    assert_eq!(kept["body"], "");
    let error = hooked
        .api("POST", &format!("/webhook/redeliver/{id}"), Value::Null)
        .await
        .error(409);
    assert!(error.contains("was not kept"), "{error}");
}
