//! A project's key is followed by others and revoked while the backend dies: there is one new key for each wish, and
//! clients with both signature checks see no failure.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, Copr, Service, srpm};

use super::{packages, survives, turn};
use crate::support::{end, get, project, submit};

const PROJECT: &str = "lost-keys";

/// Asks for a change as the administrator.
async fn post(service: &Service, what: &str, body: &Value) {
    let config = fs_err::read_to_string(service.copr_config()).unwrap();
    let value = |name: &str| {
        let mut lines = config.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| key.trim() == name);
        found.unwrap().1.trim().to_owned()
    };
    let owner = service.owner();
    let url = format!("{}/api_3/project/key/{what}/{owner}/{PROJECT}", service.url());
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let request = client.post(url);
    let request = request
        .basic_auth(value("login"), Some(value("token")))
        .json(body);
    request.send().await.unwrap().error_for_status().unwrap();
}

/// All keys, oldest first; none while they are being changed.
async fn keys(service: &Service) -> Vec<Value> {
    let path = format!("project/key/{}/{PROJECT}", service.owner());
    match get(service, &path).await {
        Ok(shown) if shown["changing"] == false => shown["keys"].as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_backend_killed_while_a_key_changes() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let service = &service;
    project(&copr, PROJECT).unwrap();
    let build = submit(&copr, PROJECT, srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    let client = Client::new(service, service.owner(), PROJECT).await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    for (n, place) in [
        "change_key.after_key",
        "change_key.before_file",
        "change_key.before_active",
        "change_key.before_signatures",
        "resign.after_sign",
        "resign.before_rows",
        "resign.between",
        "change_key.before_pointer",
        "change_key.before_sweep",
    ]
    .iter()
    .enumerate()
    {
        let rotate = async || post(service, "rotate", &json!({})).await;
        let done = async || keys(service).await.len() == n + 2;
        survives(service, place, rotate, done).await;
        assert_eq!(packages(service, PROJECT).await, 1, "{place}");
    }
    for (n, place) in ["change_key.before_end", "change_key.before_listings"]
        .iter()
        .enumerate()
    {
        let all = keys(service).await;
        let old = json!({"fingerprint": all[n]["fingerprint"], "reason": "retired", "message": "Not used any more."});
        let revoke = async || post(service, "revoke", &old).await;
        let done = async || {
            let keys = keys(service).await;
            keys.get(n).is_some_and(|key| !key["revoked"].is_null())
        };
        survives(service, place, revoke, done).await;
        assert_eq!(packages(service, PROJECT).await, 1, "{place}");
    }
    assert_eq!(keys(service).await.len(), 10);
    clients.expect_no_failure();
}
