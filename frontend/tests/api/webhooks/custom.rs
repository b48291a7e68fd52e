//! Webhooks for any program.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Told, hooked, post};

fn said(told: &Told, status: u16, text: &str) {
    assert_eq!((told.status.as_u16(), told.text.as_str()), (status, text));
}

#[tokio::test]
async fn the_payload_reaches_the_build_and_its_number_is_answered() {
    let hooked = hooked().await;
    let script = json!({"script": "#! /bin/sh\ncat hook_payload"});
    hooked.package("hello", "custom", script).await;
    let bob = hooked.house.person("bob", false).await;
    let payload = "{\"utf-8\": \"data ❤\"}";
    for tail in ["hello/", "hello"] {
        let told = hooked.deliver("custom", tail, &[], payload).await;
        assert_eq!(told.status, StatusCode::OK, "{}", told.text);
        let id: i64 = told.text.trim_end().parse().unwrap();
        let (build, source) = hooked.build(id).await;
        assert_eq!(build["project_dirname"], "tools");
        assert_eq!(source["source_dict"]["hook_data"], payload);
        // Neither does a stranger with a token see it.
        let path = format!("/build/source-build-config/{id}");
        let seen = hooked
            .house
            .send("GET", &path, Some(&bob), Value::Null)
            .await
            .ok();
        assert_eq!(seen["source_dict"].get("hook_data"), None);
    }
    let told = hooked.deliver("custom", "hello/tools:pr:7/", &[], payload).await;
    let id: i64 = told.text.trim_end().parse().unwrap();
    assert_eq!(hooked.build(id).await.0["project_dirname"], "tools:pr:7");
    let path = format!(
        "/webhooks/custom-dir/alice/tools:custom:next/{}/hello/",
        hooked.secret
    );
    let told = post(&hooked.house, &path, &[], "").await;
    let id: i64 = told.text.trim_end().parse().unwrap();
    let (build, source) = hooked.build(id).await;
    assert_eq!(build["project_dirname"], "tools:custom:next");
    assert_eq!(source["source_dict"].get("hook_data"), None);
}

#[tokio::test]
async fn copr_s_codes_are_answered() {
    let hooked = hooked().await;
    hooked.package("hello", "custom", json!({"script": "true"})).await;
    let (house, id, secret) = (&hooked.house, hooked.id, &hooked.secret);
    for (path, status, code) in [
        (
            "/webhooks/custom/".to_owned(),
            400,
            "COPR_ID_OR_UUID_TOKEN_MISSING\n",
        ),
        (
            format!("/webhooks/custom/{id}/"),
            400,
            "COPR_ID_OR_UUID_TOKEN_MISSING\n",
        ),
        (
            format!("/webhooks/custom/999999/{secret}/hello/"),
            404,
            "PROJECT_NOT_FOUND\n",
        ),
        (
            format!("/webhooks/custom/x/{secret}/hello/"),
            404,
            "PROJECT_NOT_FOUND\n",
        ),
        (
            format!("/webhooks/custom/{id}/invalid-token/hello/"),
            403,
            "BAD_UUID\n",
        ),
        (
            format!("/webhooks/custom/{id}/invalid-token/missing/"),
            403,
            "BAD_UUID\n",
        ),
        (
            format!("/webhooks/custom/{id}/{secret}/"),
            400,
            "PACKAGE_NAME_REQUIRED\n",
        ),
        (
            format!("/webhooks/custom/{id}/{secret}/missing/"),
            404,
            "PACKAGE_NOT_FOUND\n",
        ),
        (
            format!("/webhooks/custom-dir/alice/nothing/{secret}/hello/"),
            404,
            "PROJECT_NOT_FOUND\n",
        ),
        (
            "/webhooks/custom-dir/alice/tools/invalid/hello/".to_owned(),
            403,
            "BAD_UUID\n",
        ),
        (
            format!("/webhooks/custom-dir/alice/tools:x/{secret}/hello/"),
            400,
            "CANT_CREATE_DIRECTORY\n",
        ),
        (
            format!("/webhooks/custom-dir/alice/tools/{secret}/missing"),
            404,
            "PACKAGE_NOT_FOUND\n",
        ),
    ] {
        said(&post(house, &path, &[], "{}").await, status, code);
    }
    let ping = [("X-GitHub-Event", "ping")];
    said(
        &hooked.deliver("custom", "hello/", &ping, "{}").await,
        200,
        "SKIPPED\n",
    );
    let form = json!({"ownername": "alice", "projectname": "tools", "package_name": "hello"});
    hooked.api("PUT", "/package/reset", form).await.ok();
    let told = hooked.deliver("custom", "hello/", &[], "{}").await;
    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert!(
        told.text
            .starts_with("BUILD_REQUEST_ERROR\nUnset default source for package hello"),
        "{}",
        told.text
    );

    let mut conn = house.pool.get().await.unwrap();
    for chroot in db::chroots::list(&mut conn, true).await.unwrap() {
        let off = db::chroots::Chroot {
            active: false,
            ..chroot
        };
        db::chroots::upsert(&mut conn, &off).await.unwrap();
    }
    drop(conn);
    said(
        &hooked.deliver("custom", "hello/", &[], "{}").await,
        500,
        "NO_ACTIVE_CHROOTS_IN_PROJECT\n",
    );
}

#[tokio::test]
async fn other_methods_and_addresses_are_refused_in_json() {
    let hooked = hooked().await;
    let base = format!("http://{}/webhooks", hooked.house.addresses.web);
    for (method, path, status) in [
        ("GET", format!("github/{}/{}/", hooked.id, hooked.secret), 405),
        ("POST", "pagure/1/x/".to_owned(), 404),
        ("POST", format!("github/{}/wrong/", hooked.id), 403),
        ("POST", format!("github/999999/{}/", hooked.secret), 404),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let response = hooked
            .house
            .client
            .request(method, format!("{base}/{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let json: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(json["error"].is_string(), "{json}");
    }
}

#[tokio::test]
async fn a_used_up_quota_is_said_to_whoever_delivers() {
    let hooked = hooked().await;
    let admin = hooked.house.person("admin", true).await;
    hooked.package("hello", "custom", json!({"script": "true"})).await;
    hooked
        .package("world", "scm", json!({"clone_url": super::HELLO}))
        .await;
    let none = json!({"queued_builds": 0});
    hooked
        .house
        .send("PUT", "/quota/alice", Some(&admin), none)
        .await
        .ok();
    let quota = "The quota of alice is used up: 0 of 0 builds wait already.";
    let told = hooked.deliver("custom", "hello/", &[], "").await;
    assert_eq!(told.status.as_u16(), 429, "{}", told.text);
    assert!(
        told.text.starts_with("BUILD_REQUEST_ERROR\n") && told.text.contains(quota),
        "{}",
        told.text
    );
    // A forge has delivered all the same: its page would show a failure that it can do nothing about.
    let told = hooked.github("push", super::GITHUB_PUSH).await;
    assert!(told.started().is_empty());
    assert!(told.reason("world").contains(quota), "{}", told.text);
    let logged = hooked
        .api("GET", "/webhook/deliveries/alice/tools", Value::Null)
        .await
        .ok();
    let statuses: Vec<&Value> = logged["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["status"])
        .collect();
    assert_eq!(statuses, [200, 429]);
    assert!(
        logged["items"][0]["not_started"][0]["reason"]
            .as_str()
            .unwrap()
            .contains(quota)
    );
}
