//! A drill: a project's key is followed by another and then revoked, while machines install and upgrade with both
//! signature checks.

use std::path::Path;
use std::process::Command;

use db::jobs::Job;
use db::pointers::Wish;
use db::snapshot_requests::NewRequest;
use protocol::PointerName;
use serde_json::{Value, json};
use storage::StorageKey;
use tempfile::TempDir;

use crate::api::Api;
use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

async fn shown(house: &House, project: &str) -> Value {
    let text = house.page(&format!("/api_3/project/key/{project}")).await;
    serde_json::from_str(&text).unwrap()
}

/// Fingerprints, oldest first, and which of them is the active one.
pub async fn fingerprints(house: &House, project: &str) -> (Vec<String>, usize) {
    let shown = shown(house, project).await;
    let keys = shown["keys"].as_array().unwrap();
    let active = keys.iter().position(|key| key["active"] == true).unwrap();
    let name = |key: &Value| key["fingerprint"].as_str().unwrap().to_owned();
    (keys.iter().map(name).collect(), active)
}

async fn text(url: &str) -> String {
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    answer.text().await.unwrap()
}

async fn public_key(house: &House, project: &str) -> String {
    text(&format!("{}/{project}/pubkey.gpg", house.results_url)).await
}

/// What gpg finds in a file with keys.
fn in_file(keys: &str) -> Vec<String> {
    let home = TempDir::new().unwrap();
    let file = home.path().join("pubkey.gpg");
    fs_err::write(&file, keys).unwrap();
    let mut gpg = Command::new("gpg");
    gpg.args([
        "--batch",
        "--no-autostart",
        "--with-colons",
        "--show-keys",
        "--homedir",
    ]);
    let output = gpg.arg(home.path()).arg(&file).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let fingerprint = |line: &str| {
        line.strip_prefix("fpr:::::::::")?
            .strip_suffix(':')
            .map(str::to_owned)
    };
    said.lines().filter_map(fingerprint).collect()
}

/// What `rpmkeys -Kv` says about files with keys of which it knows nothing else.
fn rpmkeys(folder: &Path, keys: &str, files: &[Vec<u8>]) -> Vec<(bool, String)> {
    let database = folder.join("rpmdb");
    let file = folder.join("pubkey.gpg");
    fs_err::write(&file, keys).unwrap();
    let mut import = Command::new("rpmkeys");
    let imported = import
        .arg("--dbpath")
        .arg(&database)
        .arg("--import")
        .arg(&file)
        .status();
    assert!(imported.unwrap().success());
    let check = |bytes: &Vec<u8>| {
        let package = folder.join("package.rpm");
        fs_err::write(&package, bytes).unwrap();
        let mut check = Command::new("rpmkeys");
        check
            .arg("--dbpath")
            .arg(&database)
            .args(["--define", "_pkgverify_level all"]);
        let output = check.arg("-Kv").arg(&package).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    files.iter().map(check).collect()
}

/// Every package that dnf sees in a project, and whether it verifies with the keys that machines import now.
pub async fn verified_by(house: &House, machine: &Machine, project: &str, fingerprint: &str) -> usize {
    let (done, said) = machine.dnf(&["-q", "repoquery", "--location"]).await;
    assert!(done, "{said}");
    let mut files = Vec::new();
    for url in said.lines().filter(|line| line.starts_with("http")) {
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        files.push(answer.bytes().await.unwrap().to_vec());
    }
    let keys = public_key(house, project).await;
    let short = fingerprint[32..].to_lowercase();
    let checked = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        rpmkeys(folder.path(), &keys, &files)
    });
    let checked = checked.await.unwrap();
    for (good, said) in &checked {
        assert!(
            *good && said.contains(&format!("key ID {short}: OK")),
            "{short}: {said}"
        );
    }
    checked.len()
}

async fn changed(house: &House, project: &str) {
    eventually("the new key", async || {
        (shown(house, project).await["changing"] == false).then_some(())
    })
    .await;
    house.settle().await;
}

/// A machine that knows one snapshot only.
async fn at_snapshot(house: &House, number: i64) -> Machine {
    let repo = text(&format!("{}/coprs/alice/tools/repo/debian-12/", house.url)).await;
    let lines = repo.lines().map(|line| match line.split_once('=') {
        Some(("mirrorlist" | "baseurl", _)) => {
            format!("baseurl={}/alice/tools/{CHROOT}/@{number}/", house.results_url)
        }
        _ => line.to_owned(),
    });
    let mut lines: Vec<String> = lines.collect();
    lines.dedup();
    Machine::with(&lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_follow_a_new_key_and_forget_a_revoked_one() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let motd = house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "other", "1.0").await;
    house.settle().await;
    // Before.
    let (before, _) = fingerprints(&house, "alice/tools").await;
    assert_eq!(before.len(), 1);
    let installed = Machine::new(&house, "alice", "tools").await;
    installed.install("motd").await;
    assert_eq!(
        verified_by(&house, &installed, "alice/tools", &before[0]).await,
        2
    );
    let old_snapshot = house.snapshot("alice/tools").await;

    // The overlap: everything is signed with the new key, and the old one is still good.
    let (status, said) = house
        .api("alice")
        .await
        .post("/project/key/rotate/alice/tools", json!({}))
        .await;
    assert_eq!((status, &said["changing"]), (200, &json!(true)), "{said}");
    changed(&house, "alice/tools").await;
    let (keys, active) = fingerprints(&house, "alice/tools").await;
    assert_eq!((keys.len(), active, &keys[0]), (2, 1, &before[0]));
    assert_eq!(
        in_file(&public_key(&house, "alice/tools").await),
        [keys[1].clone(), keys[0].clone()]
    );
    assert_eq!(house.snapshot("alice/tools").await, old_snapshot + 1);
    let fresh = Machine::new(&house, "alice", "tools").await;
    fresh.install("other").await;
    assert_eq!(verified_by(&house, &fresh, "alice/tools", &keys[1]).await, 2);
    // Who has the old key goes on, also with what was there before the change.
    installed.install("other").await;
    house.build(&tools, "tools", "motd", "2.0").await;
    let (done, said) = installed.dnf(&["upgrade"]).await;
    assert!(done && installed.reads("motd") == "2.0", "{said}");
    let back = at_snapshot(&house, old_snapshot).await;
    back.install("motd").await;
    assert_eq!(back.reads("motd"), "1.0");
    let now = house.project("alice", "tools").await;
    house.build(&now, "tools", "third", "1.0").await;
    assert_eq!(verified_by(&house, &fresh, "alice/tools", &keys[1]).await, 4);

    // After the end of the old one.
    let end = json!({"fingerprint": keys[0], "reason": "compromised", "message": "A laptop was stolen."});
    let (status, said) = house
        .api("alice")
        .await
        .post("/project/key/revoke/alice/tools", end)
        .await;
    assert_eq!(status, 200, "{said}");
    changed(&house, "alice/tools").await;
    let shown = shown(&house, "alice/tools").await;
    assert_eq!(shown["keys"][0]["revoked"]["message"], "A laptop was stolen.");
    assert!(shown["keys"][1]["active"] == true && shown["keys"].as_array().unwrap().len() == 2);
    assert_eq!(
        in_file(&public_key(&house, "alice/tools").await),
        [keys[1].clone()]
    );
    for machine in [&installed, &Machine::new(&house, "alice", "tools").await] {
        machine.install("third").await;
    }
    let (done, said) = at_snapshot(&house, old_snapshot)
        .await
        .dnf(&["install", "motd"])
        .await;
    assert!(
        !done,
        "a snapshot of the revoked key is refused by who does not have it: {said}"
    );
    // Going back there gives what can be verified: the same packages, signed anew.
    let api = house.api("alice").await;
    let back = api
        .done(
            &format!("/snapshot/rollback/alice/tools/{CHROOT}"),
            json!({"to": old_snapshot}),
        )
        .await;
    assert_eq!(back["signed_anew"], old_snapshot);
    assert!(back["snapshot"].as_i64() > back["before"].as_i64());
    let anybody = Machine::new(&house, "alice", "tools").await;
    assert_eq!(anybody.sees().await, ["motd-1.0", "other-1.0"]);
    anybody.install("motd").await;
    assert_eq!(verified_by(&house, &anybody, "alice/tools", &keys[1]).await, 2);
    let wish = json!({"pointer": "before", "from": old_snapshot});
    let other = api
        .done(&format!("/snapshot/promote/alice/tools/{CHROOT}"), wish)
        .await;
    assert_eq!(other["signed_anew"], old_snapshot);
    let pinned = Machine::at(&house, "alice", "tools", "before").await;
    pinned.install("other").await;
    let again = json!({"to": back["snapshot"]});
    let there = api
        .done(&format!("/snapshot/rollback/alice/tools/{CHROOT}"), again)
        .await;
    assert_eq!(there.get("signed_anew"), None, "{there}");
    several_move_only_to_what_can_be_verified(&house, &api, old_snapshot).await;
    // What lies in the folders of builds verifies as well, as soon as the frontend looks anew.
    let folder = format!("{}/alice/tools/{CHROOT}/{:08}-motd/", house.results_url, motd.0);
    let listing = text(&folder).await;
    let file = listing.split('"').find(|part| part.ends_with(".rpm")).unwrap();
    let keys = public_key(&house, "alice/tools").await;
    eventually("the build's file with the new signature", async || {
        let bytes = reqwest::get(format!("{folder}{file}"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let temporary = TempDir::new().unwrap();
        rpmkeys(temporary.path(), &keys, &[bytes.to_vec()])[0]
            .0
            .then_some(())
    })
    .await;
}

/// Together with others a pointer goes to no snapshot of a key that has ended; alone it does, and that one goes with others.
async fn several_move_only_to_what_can_be_verified(house: &House, api: &Api, ended: i64) {
    let tools = house.project("alice", "tools").await;
    house.build(&tools, "tools:custom:x", "beside", "1.0").await;
    let (tools, beside) = (
        format!("alice/tools/{CHROOT}"),
        format!("alice/tools:custom:x/{CHROOT}"),
    );
    let together = |to: i64| {
        let repositories = [format!("{beside}@latest"), format!("{tools}@{to}")];
        json!({"pointer": "together", "repositories": repositories})
    };
    let (status, refused) = api.post("/pointer/move-many", together(ended)).await;
    let error = refused["error"].as_str().unwrap();
    let words = format!(
        "{tools}: the key that signed snapshot {ended} has ended; move the pointer of this repository alone, which signs it anew."
    );
    assert!(
        status == 409 && error.contains(&words) && error.contains("No pointer was moved"),
        "{status} {error}"
    );
    house.settle().await;
    let served = async |repository: &str| house.status(&format!("{repository}/@together/mirrorlist")).await;
    assert_eq!((served(&beside).await, served(&tools).await), (404, 404));
    // As it was told.
    let wish = json!({"pointer": "anew", "to": ended.to_string()});
    let alone = api.done(&format!("/pointer/move/{tools}"), wish).await;
    let anew = alone["snapshot"].as_i64().unwrap();
    api.done("/pointer/move-many", together(anew)).await;
    assert_eq!((served(&beside).await, served(&tools).await), (200, 200));
    let machine = Machine::at(house, "alice", "tools", "together").await;
    machine.install("motd").await;
}

/// A job that runs again makes no other key, and a fork has its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_made_once_and_a_fork_has_its_own() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house
        .api("alice")
        .await
        .post("/project/key/rotate/alice/tools", json!({}))
        .await;
    changed(&house, "alice/tools").await;
    let (keys, _) = fingerprints(&house, "alice/tools").await;
    let again = Job::ChangeKey {
        project: tools.id,
        after: keys[0].clone(),
        end: None,
        requester: "alice".to_owned(),
    };
    let now = (house.context.clock)();
    db::jobs::enqueue(&mut *house.conn().await, &again, now)
        .await
        .unwrap();
    house.settle().await;
    assert_eq!(fingerprints(&house, "alice/tools").await.0, keys);

    let bob = house.copr("bob").await;
    run(&bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    house.settle().await;
    let (own, _) = fingerprints(&house, "bob/mine").await;
    assert!(own.len() == 1 && !keys.contains(&own[0]));
    let machine = Machine::new(&house, "bob", "mine").await;
    machine.install("motd").await;
    assert_eq!(verified_by(&house, &machine, "bob/mine", &own[0]).await, 1);
}

/// Whoever follows any pointer gets the new signatures, and so does who goes back to an old snapshot and publishes, or
/// promotes packages by the numbers that they had there.
#[tokio::test(flavor = "multi_thread")]
async fn every_pointer_gets_the_new_signatures_and_what_comes_of_old_snapshots() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house.settle().await;
    let now = (house.context.clock)();
    let mut conn = house.conn().await;
    let repository = db::repositories::of_project(&mut conn, tools.id)
        .await
        .unwrap()
        .remove(0);
    let old = repository.current_snapshot;
    let before = db::snapshots::content(&mut conn, repository.id, old)
        .await
        .unwrap();
    let wish = |name, to| Wish {
        repository: repository.id,
        name,
        to: Some(to),
        expected: None,
        actor: "alice",
        cause: "test",
        devel_mode: false,
        object: "repository:alice/tools/x",
    };
    let (stable, latest): (PointerName, PointerName) = ("stable".parse().unwrap(), PointerName::latest());
    db::pointers::shift(&mut conn, &wish(&stable, old), now)
        .await
        .unwrap();
    drop(conn);
    house
        .api("alice")
        .await
        .post("/project/key/rotate/alice/tools", json!({}))
        .await;
    changed(&house, "alice/tools").await;
    let (keys, _) = fingerprints(&house, "alice/tools").await;

    let mut conn = house.conn().await;
    let there = db::pointers::find(&mut conn, repository.id, &stable)
        .await
        .unwrap()
        .unwrap();
    let content = db::snapshots::content(&mut conn, repository.id, there)
        .await
        .unwrap();
    assert!(there > old && content.len() == 1 && content != before);
    db::pointers::shift(&mut conn, &wish(&latest, old), now)
        .await
        .unwrap();
    let tested: PointerName = "tested".parse().unwrap();
    let request = NewRequest {
        repository: repository.id,
        pointer: &tested,
        expected: None,
        added: &before,
        removed: &[],
        actor: "alice",
        cause: "promoted",
        action: "pointer.promote",
        object: "repository:alice/tools/x",
    };
    db::snapshot_requests::create(&mut conn, &request, now)
        .await
        .unwrap();
    drop(conn);
    let now = house.project("alice", "tools").await;
    house.build(&now, "tools", "other", "1.0").await;
    house.settle().await;
    let mut conn = house.conn().await;
    let there = db::pointers::find(&mut conn, repository.id, &tested)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        db::snapshots::content(&mut conn, repository.id, there)
            .await
            .unwrap(),
        content
    );
    drop(conn);
    let machine = Machine::new(&house, "alice", "tools").await;
    assert_eq!(machine.sees().await, ["motd-1.0", "other-1.0"]);
    assert_eq!(verified_by(&house, &machine, "alice/tools", &keys[1]).await, 2);
}

/// One lost file keeps no other back, and its owner reads what is the matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_package_keeps_no_other_from_its_signature() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let motd = house.build(&tools, "tools", "motd", "1.0").await;
    house.build(&tools, "tools", "other", "1.0").await;
    house.settle().await;
    let mut conn = house.conn().await;
    let build = db::builds::find(&mut conn, motd).await.unwrap().unwrap();
    let files = db::rpms::published_files(&mut conn, build.tasks[0].id.0)
        .await
        .unwrap();
    drop(conn);
    let lost = StorageKey::Blob(files[0].sha256.parse().unwrap());
    let bytes = house.context.storage.get(&lost, 1 << 20).await.unwrap().unwrap();
    house.context.storage.delete(&lost).await.unwrap();

    house
        .api("alice")
        .await
        .post("/project/key/rotate/alice/tools", json!({}))
        .await;
    let page = eventually("the page's word", async || {
        let page = house.page("/coprs/alice/tools/").await;
        page.contains("is gone and cannot be signed").then_some(page)
    })
    .await;
    assert!(page.contains("has given up"), "{page}");
    let (keys, active) = fingerprints(&house, "alice/tools").await;
    assert_eq!(active, 1);
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("other").await;

    // It comes back from a backup, and the same is asked once more.
    house.context.storage.put(&lost, bytes).await.unwrap();
    let again = json!({"fingerprint": keys[0], "reason": "superseded", "message": "There is a new one."});
    let (status, said) = house
        .api("alice")
        .await
        .post("/project/key/revoke/alice/tools", again)
        .await;
    assert_eq!(status, 200, "{said}");
    changed_with_failures(&house).await;
    assert_eq!(verified_by(&house, &machine, "alice/tools", &keys[1]).await, 2);
    assert!(!house.page("/coprs/alice/tools/").await.contains("has given up"));
}

/// As [`changed`], where an earlier job was given up.
async fn changed_with_failures(house: &House) {
    eventually("the new key", async || {
        (shown(house, "alice/tools").await["changing"] == false).then_some(())
    })
    .await;
}

/// Nobody has to think of keys that expire: a year before, they are extended, and followed by others.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expires_is_extended_and_followed_a_year_before() {
    let house = House::with_keys_that_last(Some(5 * 365)).await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    house.settle().await;
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("motd").await;
    let before = shown(&house, "alice/tools").await;
    let end = before["keys"][0]["expires_on"].as_i64().unwrap();
    house.pass(4 * 365 - 2);
    assert_eq!(backend::renew_keys(&house.context).await.unwrap(), 0);
    house.pass(3);
    assert_eq!(backend::renew_keys(&house.context).await.unwrap(), 1);
    house.settle().await;
    let after = shown(&house, "alice/tools").await;
    let keys = after["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{after}");
    assert_eq!(
        (&keys[0]["active"], &keys[1]["active"]),
        (&json!(false), &json!(true))
    );
    for key in keys {
        assert!(
            key["expires_on"].as_i64().unwrap() > end + 3 * 365 * 86_400,
            "{after}"
        );
    }
    // Once is enough.
    assert_eq!(backend::renew_keys(&house.context).await.unwrap(), 0);
    let file = public_key(&house, "alice/tools").await;
    let mut names: Vec<&str> = keys
        .iter()
        .map(|key| key["fingerprint"].as_str().unwrap())
        .collect();
    names.reverse();
    assert_eq!(in_file(&file), names);
}
