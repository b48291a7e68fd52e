//! What clients send beside what they mean (quirks of Copr's clients), and what every refusal looks like.

use reqwest::Response;
use serde_json::{Value, json};

use crate::house::{CHROOT, House, OTHER_CHROOT};

async fn refusal(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status}: {e}: {text}"));
    assert!(json["error"].is_string(), "{status}: {json}");
    (status, json)
}

#[tokio::test]
async fn path_parameters_are_repeated_in_the_query_and_groups_are_quoted() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let body = json!({"name": "tools", "chroots": [CHROOT], "description": null, "delete_after_days": null});
    let path = "/project/add/alice?ownername=alice&exist_ok=False";
    let made = house.send("POST", path, Some(&alice), body.clone()).await.ok();
    assert_eq!(made["description"], "");
    let again = house
        .send("POST", path, Some(&alice), body.clone())
        .await
        .error(400);
    assert!(again.contains("You already have a project named"), "{again}");
    let path = "/project/add/alice?ownername=alice&exist_ok=True";
    let known = house.send("POST", path, Some(&alice), body).await.ok();
    assert_eq!(known["id"], made["id"]);
    for owner in ["@staff", "%40staff"] {
        let text = house
            .get(&format!("/project?ownername={owner}&projectname=x"))
            .await
            .error(404);
        assert!(text.contains("@staff"), "{text}");
        assert_eq!(
            house.get(&format!("/project/list?ownername={owner}")).await.ok()["items"],
            json!([])
        );
    }
}

#[tokio::test]
async fn values_come_as_texts_or_as_what_they_are() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let edit = async |body: Value| {
        house
            .send("PUT", "/project/edit/alice/tools", Some(&alice), body)
            .await
    };
    let edited =
        edit(json!({"repo_priority": "5", "enable_net": "True", "chroots": CHROOT, "nobody_knows": {}}))
            .await
            .ok();
    assert_eq!(edited["repo_priority"], 5);
    assert_eq!(edited["enable_net"], true);
    assert_eq!(edited["chroot_repos"].as_object().unwrap().len(), 1);
    let edited = edit(json!({
        "repo_priority": 6, "enable_net": "False", "chroots": format!("{CHROOT}  {OTHER_CHROOT}"), "description": null,
    }))
    .await
    .ok();
    assert_eq!(edited["repo_priority"], 6);
    assert_eq!(edited["enable_net"], false);
    assert_eq!(edited["chroot_repos"].as_object().unwrap().len(), 2);
    // An empty list is a list.
    let edited = edit(json!({"additional_repos": ["copr://alice/tools"]}))
        .await
        .ok();
    assert_eq!(edited["additional_repos"], json!(["copr://alice/tools"]));
    assert_eq!(
        edit(json!({"repos": null})).await.ok()["additional_repos"],
        json!(["copr://alice/tools"])
    );
    assert_eq!(
        edit(json!({"repos": []})).await.ok()["additional_repos"],
        json!([])
    );
}

#[tokio::test]
async fn old_methods_work_and_warn() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let call = async |method: &str, path: &str, body: Value| {
        house
            .request(method, path, Some(&alice))
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let path = "/project/edit/alice/tools";
    let right = call("PUT", path, json!({"description": "a"})).await;
    assert_eq!(right.status().as_u16(), 200);
    assert!(!right.headers().contains_key("warning"));
    let old = call("POST", path, json!({"description": "b"})).await;
    assert_eq!(old.status().as_u16(), 200);
    assert_eq!(
        old.headers()["warning"],
        "299 - \"POST is deprecated here; use PUT\""
    );
    let old = call("POST", "/project/delete/alice/tools", json!({"verify": true})).await;
    assert_eq!(
        old.headers()["warning"],
        "299 - \"POST is deprecated here; use DELETE\""
    );
    assert_eq!(old.json::<Value>().await.unwrap()["description"], "b");
    // With the right method, a body comes along as well.
    house.project(&alice, "more").await;
    let gone = call("DELETE", "/project/delete/alice/more/", json!({"verify": true})).await;
    assert_eq!(gone.status().as_u16(), 200);
}

#[tokio::test]
async fn a_put_may_be_empty() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let body =
        json!({"ownername": "alice", "projectname": "tools", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let build = house
        .send("POST", "/build/create/url", Some(&alice), body)
        .await
        .ok()["items"][0]["id"]
        .clone();
    let canceled = house
        .request(
            "PUT",
            &format!("/build/cancel/{build}?build_id={build}"),
            Some(&alice),
        )
        .header("Content-Length", "0")
        .send()
        .await
        .unwrap();
    assert_eq!(canceled.status().as_u16(), 200);
    assert_eq!(canceled.json::<Value>().await.unwrap()["state"], "canceled");
}

#[tokio::test]
async fn every_refusal_is_json() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let call = async |method: &str, path: &str| house.request(method, path, None).send().await.unwrap();
    for path in [
        "/nothing",
        "/project/nothing/",
        "/build/create",
        "/%ff/%fe",
        "/project/edit//",
    ] {
        let (status, json) = refusal(call("GET", path).await).await;
        assert_eq!(status, 404, "{path}");
        assert!(
            json["error"].as_str().unwrap().contains("no such endpoint"),
            "{json}"
        );
    }
    for (method, path, allow) in [
        ("POST", "/project/list", "GET"),
        ("GET", "/project/edit/alice/tools", "PUT, POST"),
        ("BREW", "/project/delete/alice/tools", "DELETE, POST"),
    ] {
        let response = call(method, path).await;
        assert_eq!(response.headers()["allow"], allow);
        assert_eq!(refusal(response).await.0, 405, "{method} {path}");
    }
    for path in [
        "/build/source-chroot/%00",
        "/project?ownername=%00&projectname=a",
        "/project/list?limit=x",
        "/project/list?limit=-1",
    ] {
        let (status, json) = refusal(call("GET", path).await).await;
        assert_eq!(status, 400, "{path}: {json}");
    }
    for path in [
        "/project",
        "/project?ownername=%ff&projectname=%c3%28",
        "/build/%ff",
        "/build/-1",
    ] {
        let (status, _) = refusal(call("GET", path).await).await;
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
    let (status, json) = refusal(call("PUT", "/project/edit/alice/tools").await).await;
    assert_eq!((status, &json["output"]), (401, &json!("notok")));
    let long = house
        .request("PUT", "/project/edit/alice/tools", Some(&alice))
        .body(vec![b' '; 3 << 20])
        .send()
        .await
        .unwrap();
    assert!([404, 413].contains(&refusal(long).await.0));
}

#[tokio::test]
async fn a_head_is_a_get_without_a_body() {
    let house = House::new().await;
    for path in ["/", "/project/list?limit=1", "/mock-chroots/list"] {
        let response = house.request("HEAD", path, None).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert!(response.text().await.unwrap().is_empty());
    }
}
