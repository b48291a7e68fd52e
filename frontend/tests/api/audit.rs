//! Who did what, from where.

use serde_json::{Value, json};

use crate::house::{House, Person};

async fn newest(house: &House) -> (i64, Value) {
    let mut conn = house.pool.get().await.unwrap();
    let all = db::audit::list(&mut conn, None, 1, 0).await.unwrap();
    all.first().map_or((0, Value::Null), |entry| {
        let line = json!({"actor": entry.actor, "action": entry.action, "source": entry.source,
            "credential": entry.credential.as_deref().unwrap_or_default().split(' ').next(), "address": entry.address});
        (entry.id, line)
    })
}

async fn history(house: &House, person: &Person, path: &str) -> Vec<Value> {
    house.send("GET", path, Some(person), json!({})).await.ok()["items"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_change_shows_who_when_from_where_and_what() {
    let house = House::with(|config| config.behind_proxy = true).await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    house
        .request("PUT", "/project/edit/alice/tools", Some(&alice))
        .header("X-Forwarded-For", "10.0.0.1, 203.0.113.9")
        .json(&json!({"description": "new words"}))
        .send()
        .await
        .unwrap();
    let all = history(&house, &alice, "/audit/alice/tools").await;
    assert_eq!(all.len(), 2);
    let (edit, create) = (&all[0], &all[1]);
    assert_eq!(
        (&create["action"], &create["source"]),
        (&json!("project.create"), &json!("unknown"))
    );
    assert_eq!(edit["action"], "project.edit");
    assert_eq!(edit["actor"], "alice");
    assert_eq!(edit["at"], "2026-11-21T12:00:00Z");
    assert_eq!(edit["source"], "public-v4");
    assert!(edit["credential"].as_str().unwrap().starts_with("token "));
    assert_eq!(edit["address"], Value::Null);
    assert_eq!(edit["old"]["description"], "");
    assert_eq!(edit["new"]["description"], "new words");
    assert!(
        edit["new"].as_object().unwrap().len() == 1,
        "only what changed: {}",
        edit["new"]
    );

    // Pages, and who may look.
    let page = "/audit/alice/tools?limit=1&offset=1";
    assert_eq!(history(&house, &alice, page).await[0]["action"], "project.create");
    house
        .send("GET", "/audit/alice/tools", Some(&bob), json!({}))
        .await
        .error(403);
    house
        .send("GET", "/audit", Some(&alice), json!({}))
        .await
        .error(403);
    assert_eq!(history(&house, &admin, "/audit/alice/tools").await.len(), 2);
    assert!(history(&house, &admin, "/audit").await.len() >= 2);
}

#[tokio::test]
async fn addresses_are_kept_only_where_the_administrator_says_so() {
    let house = House::with(|config| config.audit_addresses = true).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let line = newest(&house).await.1;
    assert_eq!(
        (&line["source"], &line["address"]),
        (&json!("loopback"), &json!("127.0.0.1"))
    );
}

#[tokio::test]
async fn a_namesake_does_not_inherit_a_deleted_projects_history() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    house
        .send(
            "DELETE",
            "/project/delete/alice/tools",
            Some(&alice),
            json!({"verify": true}),
        )
        .await
        .ok();
    house.project(&alice, "tools").await;
    assert_eq!(history(&house, &alice, "/audit/alice/tools").await.len(), 1);
}
