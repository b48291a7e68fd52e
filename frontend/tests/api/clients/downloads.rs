//! `copr-cli download-build`, which lets the real `wget` walk the listings of a build's results.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use sha2::Digest as _;
use storage::{Encoding, ResultFile, ResultIndex, StorageKey};

use super::{copr, house, run};
use crate::house::{CHROOT, House, OTHER_CHROOT};
use crate::packages;

/// What the backend leaves of a build: name and content.
const FILES: &[(&str, &[u8])] = &[
    ("hello-1.0~rc1^2+x-1.noarch.rpm", b"a package"),
    ("hello-1.0~rc1^2+x-1.src.rpm", b"a source package"),
    ("hello.spec", b"Name: hello\n"),
    ("results.json", b"{}"),
    ("success", b"done\n"),
    ("builder-live.log.gz", b"a log, as it is stored"),
    ("build.info", b"build_id=1\n"),
];

async fn leave(house: &House, chroot: &str, build_dir: &str) {
    let mut index = ResultIndex {
        complete: true,
        ..ResultIndex::default()
    };
    for (name, content) in FILES {
        let digest: [u8; 32] = sha2::Sha256::digest(content).into();
        let sha256 = protocol::Sha256::from_bytes(&digest);
        house
            .storage
            .put(&StorageKey::Blob(sha256.clone()), content.to_vec())
            .await
            .unwrap();
        index.files.push(ResultFile {
            name: name.parse().unwrap(),
            sha256,
            size: content.len() as u64,
            content_type: "text/plain".to_owned(),
            encoding: name.ends_with(".gz").then_some(Encoding::Gzip),
            modified: 1_700_000_000,
        });
    }
    let key = StorageKey::ResultIndex {
        owner: "alice".parse().unwrap(),
        dir: "tools".parse().unwrap(),
        chroot: chroot.parse().unwrap(),
        build_dir: build_dir.parse().unwrap(),
    };
    house.storage.put_json(&key, &index).await.unwrap();
}

/// Files below a folder, as paths from it.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn in_chroots(chroots: &[&str], ends: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let names = || FILES.iter().map(|(name, _)| *name).filter(|name| ends(name));
    chroots
        .iter()
        .flat_map(|chroot| names().map(move |name| format!("{chroot}/{name}")))
        .collect()
}

#[tokio::test]
async fn packages_logs_and_specs_are_downloaded() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let (id, name) = (
        build["id"].as_i64().unwrap(),
        build["source_package"]["name"].as_str().unwrap(),
    );
    let build_dir = format!("{id:08}-{name}");
    for chroot in [CHROOT, OTHER_CHROOT] {
        leave(&house, chroot, &build_dir).await;
    }
    house.begin_all().await;
    // Another build beside it, which is nobody's business.
    leave(&house, CHROOT, "00009999-other").await;

    let copr = copr(&house, &alice);
    let number = id.to_string();
    let both = [CHROOT, OTHER_CHROOT];
    let download = async |arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let dest = folder.path().to_str().unwrap().to_owned();
        let arguments = [&["download-build", "--dest", &dest, &number], arguments].concat();
        run(&copr, &arguments).await.expect_code(0);
        folder
    };
    let rpms = download(&["--rpms"]).await;
    assert_eq!(
        tree(rpms.path()),
        in_chroots(&both, |name| name.ends_with(".rpm"))
    );
    let content = std::fs::read(rpms.path().join(CHROOT).join(FILES[0].0)).unwrap();
    assert_eq!(content, FILES[0].1);
    let logs = download(&["--logs", "-r", CHROOT]).await;
    assert_eq!(
        tree(logs.path()),
        in_chroots(&[CHROOT], |name| name.ends_with(".log.gz"))
    );
    // As it is stored, not unpacked on the way.
    let log = std::fs::read(logs.path().join(CHROOT).join("builder-live.log.gz")).unwrap();
    assert_eq!(log, b"a log, as it is stored");
    let spec = download(&["--spec"]).await;
    assert_eq!(
        tree(spec.path()),
        in_chroots(&both, |name| name.ends_with(".spec"))
    );
    let several = download(&["--spec", "--rpms"]).await;
    let both_kinds = |name: &str| name.ends_with(".spec") || name.ends_with(".rpm");
    assert_eq!(tree(several.path()), in_chroots(&both, both_kinds));
    // Without a choice everything comes, and the page of the listing with it: wget sees it before its name is refused.
    let everything: BTreeSet<String> = tree(download(&[]).await.path())
        .into_iter()
        .filter(|path| !path.ends_with("/index.html"))
        .collect();
    assert_eq!(everything, in_chroots(&both, |_| true));
}

#[tokio::test]
async fn a_chroot_that_never_ran_has_no_data() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let package = packages::source("ExclusiveArch: x86_64");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let id = build["id"].as_i64().unwrap();
    let path = format!("/build-chroot?build_id={id}&chrootname={OTHER_CHROOT}");
    let skipped = house.get(&path).await.ok();
    assert_eq!(skipped["state"], "skipped");
    assert_eq!(skipped["result_url"], serde_json::Value::Null);
    house.claim(0).await.ok();
    leave(&house, CHROOT, &format!("{id:08}-hello")).await;

    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().to_str().unwrap();
    let copr = copr(&house, &alice);
    let number = id.to_string();
    let said = run(&copr, &["download-build", "--spec", "--dest", dest, &number])
        .await
        .expect_code(0);
    let words = format!("No data for build id: {id} and chroot: {OTHER_CHROOT}.");
    assert!(said.err.contains(&words), "{said:?}");
    assert_eq!(
        tree(folder.path()),
        in_chroots(&[CHROOT], |name| name.ends_with(".spec"))
    );
}
