//! Whole copies of repositories of ours, made with what people make copies with; dnf installs from each without us.

use std::path::{Path, PathBuf};

use crate::foreign::program;
use crate::house::{CHROOT, House};
use crate::machine::Machine;

/// A project with two versions of `motd`, and `other`.
async fn tools(house: &House) {
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    for (name, version) in [("motd", "1.0"), ("motd", "2.0"), ("other", "1.0")] {
        house.build(&tools, "tools", name, version).await;
    }
}

/// Names of the packages below a folder, sorted.
fn packages(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".rpm") {
                found.push(name.split(".deb12").next().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

const ALL: [&str; 3] = ["motd-1.0-1", "motd-2.0-1", "other-1.0-1"];

/// The project's key in a file.
async fn key(house: &House, dir: &Path) -> PathBuf {
    let url = format!("{}/alice/tools/pubkey.gpg", house.results_url);
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    let path = dir.join("pubkey.gpg");
    fs_err::write(&path, answer.bytes().await.unwrap()).unwrap();
    path
}

/// Installs from a copy, with the checks that it allows.
async fn installs_from(copy: &Path, key: &Path, metadata_signed: bool) {
    let text = format!(
        "[copy]\nname=copy\nbaseurl=file://{}\ngpgcheck=1\nrepo_gpgcheck={}\ngpgkey=file://{}\n",
        copy.display(),
        u8::from(metadata_signed),
        key.display()
    );
    let machine = Machine::with(&text);
    assert_eq!(machine.sees().await, ["motd-1.0", "motd-2.0", "other-1.0"]);
    machine.install("motd").await;
    assert_eq!(machine.reads("motd"), "2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn reposync_and_download_give_whole_copies() {
    let house = House::new().await;
    tools(&house).await;
    let dir = tempfile::tempdir().unwrap();
    let key = key(&house, dir.path()).await;
    let machine = Machine::new(&house, "alice", "tools").await;
    // With it comes the key, by which reposync judges packages.
    machine.install("other").await;
    let sync = async |name: &str, more: &[&str]| {
        let copy = dir.path().join(name);
        let mut arguments = vec![
            "--enableplugin=reposync",
            "reposync",
            "--norepopath",
            "--download-path",
        ];
        arguments.push(copy.to_str().unwrap());
        arguments.extend(more);
        let (done, said) = machine.dnf(&arguments).await;
        assert!(done, "{said}");
        assert_eq!(packages(&copy), ALL, "{said}");
        copy
    };
    let plain = sync("plain", &["--gpgcheck"]).await;
    program("createrepo_c", &["--quiet", plain.to_str().unwrap()], dir.path());
    installs_from(&plain, &key, false).await;
    let whole = sync("whole", &["--gpgcheck", "--download-metadata"]).await;
    let signed = whole.join("repodata/repomd.xml.asc").exists();
    installs_from(&whole, &key, signed).await;

    let folder = dir.path().join("download");
    let place = format!("--destdir={}", folder.display());
    let (done, said) = machine
        .dnf(&["--enableplugin=download", "download", &place, "motd"])
        .await;
    assert!(done, "{said}");
    assert_eq!(packages(&folder), ["motd-2.0-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_gives_a_whole_copy() {
    let house = House::new().await;
    tools(&house).await;
    let dir = tempfile::tempdir().unwrap();
    let key = key(&house, dir.path()).await;
    let url = format!("{}/alice/tools/{CHROOT}/", house.results_url);
    let arguments = ["-q", "-r", "-np", "-nH", "-P"].map(str::to_owned);
    let place = dir.path().join("copy").display().to_string();
    let home = dir.path().to_owned();
    let fetching = tokio::task::spawn_blocking(move || {
        let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        all.extend([place.as_str(), url.as_str()]);
        program("wget", &all, &home);
    });
    fetching.await.unwrap();
    let copy = dir.path().join("copy/results/alice/tools").join(CHROOT);
    assert_eq!(packages(&copy), ALL);
    installs_from(&copy, &key, true).await;
}
