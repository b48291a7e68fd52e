//! Packages from elsewhere with `copr-cli uploadrpm`.

use db::{builds, tasks};
use protocol::BuildId;
use serde_json::{Value, json};

use super::set::Set;
use crate::house::{CHROOT, House, OTHER_CHROOT};
use crate::packages;

#[tokio::test]
async fn a_package_from_elsewhere_waits_for_its_signature() {
    let set = Set::new().await;
    let file = set.file(&packages::binary());
    let arguments = ["uploadrpm", "--nowait", "--chroot", CHROOT, "tools", &file];
    let id = set.run(&arguments).await.expect_code(0).build();
    let build = set.house.get(&format!("/build/{id}")).await.ok();
    assert_eq!(
        (&build["state"], &build["chroots"]),
        (&json!("running"), &json!([CHROOT]))
    );
    assert_eq!(build["source_package"]["name"], "hello");
    let config = set
        .house
        .get(&format!("/build/source-build-config/{id}"))
        .await
        .ok();
    assert_eq!(config["source_type"], "rpm_upload");
    assert_eq!(config["source_dict"]["origin"], "unverified-origin");
    assert!(set.claim_all().await.is_empty(), "no builder gets it");
    let mut conn = set.house.pool.get().await.unwrap();
    let build = builds::find(&mut conn, BuildId(i64::try_from(id).unwrap()))
        .await
        .unwrap()
        .unwrap();
    let [task] = build.tasks.as_slice() else {
        panic!("{build:?}")
    };
    assert_eq!(task.state, tasks::TaskState::Publishing);
    assert_eq!(task.manifest[0].name.as_str(), "hello-1.0-1.noarch.rpm");
    let blob = storage::StorageKey::Blob(task.manifest[0].sha256.clone());
    let size = set.house.storage.exists(&blob).await.unwrap();
    assert_eq!(size, Some(task.manifest[0].size));
}

#[tokio::test]
async fn what_is_no_package_for_one_chroot_is_refused() {
    let set = Set::new().await;
    let (binary, source) = (packages::binary(), packages::source("BuildArch: noarch"));
    let one = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let two = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT, OTHER_CHROOT]});
    let none = json!({"ownername": "alice", "projectname": "tools"});
    let mut changed = binary.bytes.clone();
    let middle = changed.len() - 20;
    changed[middle] ^= 0xff;
    let cases: [(&str, &[u8], &Value, &str); 6] = [
        ("a-1-1.src.rpm", &source.bytes, &one, "only binary packages"),
        ("a-1-1.noarch.rpm", &source.bytes, &one, "it is a source package"),
        ("a-1-1.noarch.rpm", b"text", &one, "not an RPM"),
        ("a-1-1.noarch.rpm", &changed, &one, "payload"),
        (&binary.name, &binary.bytes, &two, "exactly one chroot"),
        (&binary.name, &binary.bytes, &none, "exactly one chroot"),
    ];
    for (name, bytes, form, expected) in cases {
        let path = "/build/create/rpm-upload";
        let answer = set.house.upload_to(path, Some(&set.alice), (name, bytes), form);
        let text = answer.await.error(400);
        assert!(text.contains(expected), "{name}: {text}");
    }
    let all = set.house.get("/build/list?ownername=alice&projectname=tools");
    assert_eq!(all.await.ok()["items"], json!([]), "no build is made");
}

#[tokio::test]
async fn a_service_can_publish_its_own_builds_only() {
    let house = House::with(|config| config.rpm_upload = false).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let binary = packages::binary();
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let file = (binary.name.as_str(), binary.bytes.as_slice());
    let answer = house.upload_to("/build/create/rpm-upload", Some(&alice), file, &form);
    let text = answer.await.error(403);
    assert!(text.contains("only what it built itself"), "{text}");
    let import = json!({"url": "https://example.org/repo/"});
    let answer = house.send("POST", "/import/alice/tools", Some(&alice), import);
    let text = answer.await.error(403);
    assert!(text.contains("only what it built itself"), "{text}");
}

/// The import's fields come back, and a wrong one has a sentence of its own.
#[tokio::test]
async fn an_import_is_recorded() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let post = async |path: &str, body| house.send("POST", path, Some(&alice), body).await;
    let send = async |dir: &str, body| post(&format!("/import/alice/{dir}"), body).await;
    let build = send(
        "tools:custom:theirs",
        json!({"url": "https://example.org/$releasever/", "packages": ["lib*"], "chroots": [CHROOT]}),
    );
    let build = build.await.ok();
    assert_eq!(build["state"], "pending");
    assert_eq!(build["project_dirname"], "tools:custom:theirs");
    let config = house
        .get(&format!("/build/source-build-config/{}", build["id"]))
        .await
        .ok();
    assert_eq!(config["source_type"], "import");
    assert_eq!(
        config["source_dict"],
        json!({"url": "https://example.org/$releasever/", "packages": ["lib*"], "gpgkey": null, "origin": "unverified-origin"})
    );
    for (body, words) in [
        (json!({}), "url: This field is required"),
        (json!({"url": "file:///etc/passwd"}), "is no http or https URL"),
        (json!({"url": "https://u:p@example.org/"}), "everybody would see"),
        (
            json!({"url": "https://example.org/", "gpgkey": "none"}),
            "armored OpenPGP key",
        ),
        (
            json!({"url": "https://example.org/", "chroots": ["nothing"]}),
            "is not a valid choice",
        ),
    ] {
        let text = send("tools", body).await.error(400);
        assert!(text.contains(words), "{text}");
    }
    send("nothing", json!({"url": "https://example.org/"}))
        .await
        .error(404);
    // What was imported once can be imported again.
    let again = post(&format!("/build/resubmit/{}", build["id"]), json!({}))
        .await
        .ok();
    let config = house
        .get(&format!("/build/source-build-config/{}", again["id"]))
        .await
        .ok();
    assert_eq!(config["source_dict"]["packages"], json!(["lib*"]));
}
