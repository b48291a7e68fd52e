//! The log of a build that runs, at the address that clients give to people.

use serde_json::{Value, json};

use super::house;
use crate::house::{BUILDER_TOKEN, CHROOT, House};
use crate::packages;

/// Sends a piece of a claimed task's log as its builder does.
async fn log(house: &House, task: &Value, offset: usize, text: &str) {
    let path = format!(
        "/tasks/{}/attempts/{}/log?offset={offset}",
        task["id"], task["attempt"]
    );
    let answer = house
        .builder_with(BUILDER_TOKEN, &path, text.as_bytes().to_vec())
        .await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.json);
}

async fn get(house: &House, url: &str, range: Option<&str>) -> (u16, String, String) {
    let mut request = house.client.get(url);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let cache = header("cache-control").unwrap();
    assert_eq!(header("x-content-type-options").unwrap(), "nosniff");
    (status, cache, answer.text().await.unwrap())
}

#[tokio::test]
async fn the_log_of_a_running_build_is_where_its_results_will_be() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .as_i64()
        .unwrap();
    let chroot = format!("/build-chroot?build_id={build}&chrootname={CHROOT}");
    let folder = format!("{}/alice/tools/{CHROOT}/{build:08}-hello/", house.results_url);
    let url = format!("{folder}builder-live.log");
    assert_eq!(get(&house, &url, None).await.0, 404, "nobody has begun");

    let task = house.claim(0).await.ok();
    assert_eq!(
        get(&house, &url, None).await,
        (200, "no-cache".to_owned(), String::new())
    );
    log(&house, &task, 0, "one\n").await;
    let part = house.get(&chroot).await.ok();
    assert_eq!(part["result_url"], folder.as_str());
    assert_eq!(get(&house, &url, None).await.2, "one\n");
    // More than the database gives at once.
    let long = "two\n".repeat(150_000);
    for (n, piece) in long.as_bytes().chunks(100_000).enumerate() {
        log(
            &house,
            &task,
            4 + n * 100_000,
            std::str::from_utf8(piece).unwrap(),
        )
        .await;
    }
    let (status, _, text) = get(&house, &url, None).await;
    assert_eq!(status, 200);
    assert!(text == format!("one\n{long}"), "{} bytes", text.len());
    let (status, _, text) = get(&house, &url, Some("bytes=-8")).await;
    assert_eq!((status, text.as_str()), (206, "two\ntwo\n"));
    let (status, _, page) = get(&house, &folder, None).await;
    assert!(
        status == 200 && page.contains("href=\"builder-live.log\""),
        "{page}"
    );

    // What monitor names is there.
    let fields = "ownername=alice&projectname=tools&additional_fields[]=url_build_log";
    let monitor = house.get(&format!("/monitor?{fields}")).await.ok();
    assert_eq!(
        monitor["packages"][0]["chroots"][CHROOT]["url_build_log"],
        url.as_str()
    );

    for wrong in [
        url.replace("builder-live.log", "build.log"),
        url.replace("-hello", "-other"),
        url.replace("/tools/", "/tools:pr:1/"),
        url.replace("/alice/", "/bob/"),
        url.replace(CHROOT, "fedora-44-aarch64"),
        url.replace(&format!("{build:08}"), "00099999"),
    ] {
        assert_eq!(get(&house, &wrong, None).await.0, 404, "{wrong}");
    }

    // It stays while the build has ended and the backend has not stored it yet.
    let finish = json!({
        "outcome": {"outcome": "failed", "kind": "build_failed", "message": "x"}, "artifacts": [], "boot_ms": null,
    });
    let path = format!("/tasks/{}/attempts/{}/finish", task["id"], task["attempt"]);
    assert_eq!(house.builder(&path, &finish).await.status.as_u16(), 204);
    assert_eq!(get(&house, &url, None).await.0, 200);
}

#[tokio::test]
async fn the_log_of_a_source_that_is_fetched_is_shown() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let form =
        json!({"ownername": "alice", "projectname": "tools", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let made = house
        .send("POST", "/build/create/url", Some(&alice), form)
        .await
        .ok();
    let build = made["items"][0]["id"].as_i64().unwrap();
    let source = format!("/build/source-chroot/{build}");
    let folder = house.get(&source).await.ok()["result_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(folder.ends_with(&format!("/srpm-builds/{build:08}/")), "{folder}");
    let url = format!("{folder}builder-live.log");
    assert_eq!(get(&house, &url, None).await.0, 404);
    let task = house.claim(0).await.ok();
    log(&house, &task, 0, "fetching\n").await;
    assert_eq!(get(&house, &url, None).await.2, "fetching\n");
}
