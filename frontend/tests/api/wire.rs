//! What clients send beside what they mean (quirks of Copr's clients), and what every refusal looks like.

use std::time::Duration;

use base64::Engine as _;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

/// What comes back for bytes that no client library would send: status, type and body.
async fn raw(house: &House, request: &str) -> (u16, String, String) {
    let mut stream = tokio::net::TcpStream::connect(house.addresses.web).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    read.await.expect("an answer that ends").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{request:.80}: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map_or(String::new(), |(_, kind)| kind.to_owned());
    (status, kind, body.to_owned())
}

#[tokio::test]
async fn what_the_framework_refuses_is_json_as_well() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", alice.login, alice.token));
    let auth = format!("Authorization: Basic {pair}\r\n");
    let form = "Content-Type: multipart/form-data; boundary=x\r\n";
    let upload = "/api_3/build/create/upload";
    let chroot = format!("/api_3/project-chroot/edit/alice/tools/{CHROOT}");
    for (line, headers, body, status) in [
        ("BREW /api_3/project", String::new(), "", 405),
        ("TRACE /api_3/project", String::new(), "", 405),
        ("OPTIONS /api_3/project/list", String::new(), "", 405),
        ("PATCH /api_3/build/create/url", auth.clone(), "", 405),
        ("BREW /api_3/nothing", String::new(), "", 404),
        ("GET /api_3/%", String::new(), "", 404),
        ("GET /api_3/build/%", String::new(), "", 404),
        ("GET /api_3/build/%ff%fe", String::new(), "", 404),
        ("GET /api_3/rpmrepo/%ff/%c3%28/%", String::new(), "", 404),
        ("GET /api_3/%2e%2e/%2e%2e", String::new(), "", 404),
        (
            "GET /api_3/project?ownername=%&projectname=%ff",
            String::new(),
            "",
            404,
        ),
        // Bodies that end in the middle of a part.
        (
            &format!("PUT {chroot}"),
            format!("{auth}{form}Content-Length: 10\r\n"),
            "--x\r\nno: \0",
            400,
        ),
        (
            &format!("POST {upload}"),
            format!("{auth}{form}Content-Length: 10\r\n"),
            "--x\r\nno: \0",
            400,
        ),
    ] {
        let request =
            format!("{line} HTTP/1.1\r\nHost: koper.test\r\nConnection: close\r\n{headers}\r\n{body}");
        let (seen, kind, body) = raw(&house, &request).await;
        let what = format!("{line}: {seen} {kind} {body}");
        assert_eq!(seen, status, "{what}");
        assert!(kind.starts_with("application/json"), "{what}");
        let error: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(error["error"].as_str().is_some_and(|e| !e.is_empty()), "{what}");
    }
}

/// What is no HTTP reaches no route, and nothing of ours can answer: the framework says so with a status alone and closes
/// the connection.
#[tokio::test]
async fn what_is_no_http_is_refused_with_a_status_alone() {
    let house = House::new().await;
    for request in [
        "hello\r\n\r\n",
        "GET /api_3/project HTTP/9.9\r\nHost: a\r\n\r\n",
        "POST /api_3/project/add/alice HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        "GET /api_3/a b HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (status, _, body) = raw(&house, request).await;
        assert!((400..500).contains(&status), "{request:.60}: {status} {body}");
        assert_eq!(body, "", "{request:.60}");
    }
}
