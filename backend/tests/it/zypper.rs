//! openSUSE's client, with all of its checks.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::house::{CHROOT, House};

/// Runs zypper in a root of its own; keys that it is offered are accepted only with `trusting`.
fn zypper(root: &Path, trusting: bool, arguments: &[&str]) -> Output {
    // Where `deploy/test` unpacks it.
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/zypper/usr/bin/zypper");
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").arg("--non-interactive");
    if trusting {
        command.arg("--gpg-auto-import-keys");
    }
    command.arg("--root").arg(root).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Metadata has a signature and names its key, so that both checks of zypper are on; who does not trust the key gets
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn zypper_checks_metadata_and_packages() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    let base = format!("{}/alice/tools/{CHROOT}/", house.results_url);
    tokio::task::spawn_blocking(move || {
        let root = TempDir::new().unwrap();
        let root = root.path();
        let added = zypper(
            root,
            false,
            &["addrepo", "--gpgcheck-strict", "--refresh", &base, "ours"],
        );
        assert!(added.status.success(), "{}", said(&added));
        let refused = zypper(root, false, &["refresh"]);
        assert!(!refused.status.success(), "{}", said(&refused));
        let refreshed = zypper(root, true, &["refresh"]);
        assert!(refreshed.status.success(), "{}", said(&refreshed));
        let fetched = zypper(
            root,
            false,
            &["install", "--download-only", "--no-recommends", "motd"],
        );
        assert!(fetched.status.success(), "{}", said(&fetched));
        let text = said(&fetched);
        for word in ["unsigned", "not verified", "Warning"] {
            assert!(!text.contains(word), "{text}");
        }
    })
    .await
    .unwrap();
}
