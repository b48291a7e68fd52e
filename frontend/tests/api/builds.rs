//! Submitting, reading and canceling builds.

use serde_json::{Value, json};

use crate::house::{CHROOT, House, OTHER_CHROOT, Person, RESULTS};
use crate::packages;

const KEYS: &[&str] = &[
    "chroots",
    "ended_on",
    "id",
    "is_background",
    "ownername",
    "project_dirname",
    "projectname",
    "repo_url",
    "source_package",
    "started_on",
    "state",
    "submitted_on",
    "submitter",
];

async fn house() -> (House, Person) {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    (house, alice)
}

fn form(change: &Value) -> Value {
    let mut form = json!({
        "ownername": "alice", "projectname": "tools", "project_dirname": null, "timeout": null, "chroots": null,
        "exclude_chroots": null, "background": false, "enable_net": null, "bootstrap": null, "isolation": "unchanged",
        "after_build_id": null, "with_build_id": null,
    });
    form.as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    form
}

#[tokio::test]
async fn an_upload_becomes_a_build_for_every_chroot() {
    let (house, alice) = house().await;
    let package = packages::source("BuildArch: noarch");
    let build = house
        .upload(
            Some(&alice),
            &package.name,
            &package.bytes,
            &form(&json!({"timeout": "100"})),
        )
        .await
        .ok();
    let keys: Vec<&str> = build.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, KEYS);
    let id = build["id"].as_i64().unwrap();
    assert_eq!(build["state"], "pending");
    assert_eq!(build["chroots"], json!([CHROOT, OTHER_CHROOT]));
    assert_eq!(build["submitter"], "alice");
    assert_eq!(build["project_dirname"], "tools");
    assert_eq!(build["repo_url"], format!("{RESULTS}/alice/tools"));
    assert_eq!(build["started_on"], Value::Null);
    assert_eq!(build["submitted_on"], crate::house::start().timestamp());
    let srpms = format!("{RESULTS}/alice/tools/srpm-builds/{id:08}/");
    assert_eq!(
        build["source_package"],
        json!({"name": "hello", "version": "1.0-1", "url": format!("{srpms}hello-1.0-1.src.rpm")})
    );
    assert_eq!(house.get(&format!("/build/{id}/")).await.ok(), build);
    let source = house.get(&format!("/build/source-chroot/{id}")).await.ok();
    assert_eq!(source, json!({"state": "succeeded", "result_url": srpms}));

    let listed = house
        .get(&format!("/build-chroot/list?build_id={id}&limit=1000"))
        .await
        .ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["meta"]["limit"], 1000);
    let one = house
        .get(&format!("/build-chroot?build_id={id}&chrootname={CHROOT}"))
        .await
        .ok();
    assert_eq!(
        one,
        json!({"name": CHROOT, "state": "pending", "started_on": null, "ended_on": null, "result_url": null})
    );
    house.claim(0).await.ok();
    let one = house
        .get(&format!("/build-chroot?build_id={id}&chrootname={CHROOT}"))
        .await
        .ok();
    assert_eq!(one["state"], "running");
    assert_eq!(
        one["result_url"],
        format!("{RESULTS}/alice/tools/{CHROOT}/{id:08}-hello/")
    );
    let built = house.get(&format!("/build/built-packages/{id}")).await.ok();
    assert_eq!(built[CHROOT], json!({"packages": []}));
    house
        .get(&format!("/build-chroot?build_id={id}&chrootname=no-1-x86_64"))
        .await
        .error(404);
}

#[tokio::test]
async fn urls_become_builds_that_builders_fetch() {
    let (house, alice) = house().await;
    let pkgs = json!([
        "https://example.org/a-1-1.src.rpm",
        "http://example.org/b-1-1.nosrc.rpm"
    ]);
    let change = json!({"pkgs": pkgs, "chroots": ["debian-*"], "project_dirname": "tools:custom:x"});
    let answer = house
        .send("POST", "/build/create/url", Some(&alice), form(&change))
        .await
        .ok();
    let items = answer["items"].as_array().unwrap();
    assert_eq!((items.len(), &answer["meta"]), (2, &json!({})));
    assert_eq!(items[0]["chroots"], json!([CHROOT]));
    assert_eq!(
        items[0]["source_package"],
        json!({"name": null, "version": null, "url": null})
    );
    assert_eq!(items[0]["project_dirname"], "tools:custom:x");
    let id = &items[0]["id"];
    assert_eq!(
        house.get(&format!("/build/source-chroot/{id}")).await.ok()["state"],
        "pending"
    );

    for pkgs in [
        json!([]),
        json!(["ftp://h/a.src.rpm"]),
        json!(["http://h/a.rpm"]),
        json!(["a.src.rpm"]),
    ] {
        let change = json!({"pkgs": pkgs});
        house
            .send("POST", "/build/create/url", Some(&alice), form(&change))
            .await
            .error(400);
    }
    let list = "/build/list?ownername=alice&projectname=tools";
    let all = house.get(list).await.ok();
    let ids: Vec<i64> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] > ids[1], "newest first");
    assert_eq!(
        house
            .get(&format!("{list}&status=pending&limit=1&offset=1"))
            .await
            .ok()["items"][0]["id"],
        ids[1]
    );
    assert_eq!(
        house.get(&format!("{list}&status=failed")).await.ok()["items"],
        json!([])
    );
    assert_eq!(
        house.get(&format!("{list}&packagename=hello")).await.ok()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_check_finds_what_a_submission_would() {
    let (house, alice) = house().await;
    let check = async |change: Value| {
        house
            .send("POST", "/build/check-before-build", Some(&alice), form(&change))
            .await
    };
    assert!(check(json!({})).await.ok()["message"].is_string());
    check(json!({"timeout": 108_000, "project_dirname": "tools"}))
        .await
        .ok();
    check(json!({"project_dirname": "tools:pr:1"})).await.ok();
    for (change, expected) in [
        (
            json!({"chroots": ["fedora-1-x86_64"]}),
            "is not a valid choice for this field",
        ),
        (
            json!({"exclude_chroots": ["*"]}),
            "At least one chroot must be selected",
        ),
        (json!({"project_dirname": "other"}), "Please use directory format"),
        (
            json!({"project_dirname": "tools:../x"}),
            "Please use directory format",
        ),
        (json!({"timeout": "0"}), "timeout: "),
        (json!({"timeout": -5}), "timeout: "),
        (json!({"timeout": 108_001}), "timeout: "),
        (json!({"after_build_id": 3}), "after_build_id: "),
    ] {
        let text = check(change.clone()).await.error(400);
        assert!(text.contains(expected), "{change}: {text}");
    }
    let text = check(json!({"projectname": "nothing"})).await.error(404);
    assert!(text.contains("does not exist"));
}

#[tokio::test]
async fn canceling_works_once_and_with_an_empty_body() {
    let (house, alice) = house().await;
    let package = packages::source("BuildArch: noarch");
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form(&json!({})))
        .await
        .ok();
    let path = format!("/build/cancel/{}", build["id"]);
    let response = house
        .request("PUT", &path, Some(&alice))
        .header("Content-Length", "0")
        .send()
        .await
        .unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["state"], "canceled");
    let text = house
        .send("POST", &path, Some(&alice), json!(null))
        .await
        .error(409);
    assert!(
        text.contains(&format!("Cannot cancel build {}", build["id"])),
        "{text}"
    );
}

#[tokio::test]
async fn builds_of_a_deleted_project_are_gone() {
    let (house, alice) = house().await;
    let package = packages::source("BuildArch: noarch");
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form(&json!({})))
        .await
        .ok();
    house
        .send(
            "DELETE",
            "/project/delete/alice/tools",
            Some(&alice),
            json!({"verify": true}),
        )
        .await
        .ok();
    house.get(&format!("/build/{}", build["id"])).await.error(404);
    house
        .get(&format!("/build-chroot/list?build_id={}", build["id"]))
        .await
        .error(404);
    house.claim(0).await;
    assert_eq!(house.claim(0).await.status.as_u16(), 204);
}
