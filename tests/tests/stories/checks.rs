//! What is published is tried on a clean machine.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{CHROOT, Copr, Service, srpm_of};

use crate::support::{BUILD, end, get, post, submit};

fn spec(version: u32, requires: &str) -> String {
    format!(
        "Name: shaky\nVersion: {version}\nRelease: 1%{{?dist}}\nSummary: Shaky\nLicense: MIT\nBuildArch: noarch\n{requires}\n\
         %description\nShaky.\n%files\n"
    )
}

/// The newest snapshot of a project, once its check has ended.
async fn checked(service: &Service, name: &str) -> Value {
    let deadline = tokio::time::Instant::now() + BUILD;
    loop {
        let path = format!("snapshot/list/admin/{name}/{CHROOT}?limit=1");
        let list = get(service, &path).await.unwrap();
        let newest = list["items"][0].clone();
        let state = newest["check"]["state"].as_str().unwrap_or_default();
        if !["waiting", "running"].contains(&state) {
            return newest;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the check does not end: {newest}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// K26: a package that builds, is published and cannot be installed is told so, in dnf's words; the mended one can be, and
/// machines with an older one upgrade to it.
#[tokio::test]
async fn what_cannot_be_installed_is_said_after_it_was_published() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let wish = json!({"name": "shaky", "chroots": [CHROOT], "check_installs": "on"});
    assert_eq!(post(&service, "project/add/admin", wish).await, 200);
    let publish = async |version, requires: &str| {
        let package = srpm_of("shaky", &spec(version, requires), None).unwrap();
        let build = submit(&copr, "shaky", package.arg(), &[]).unwrap();
        assert_eq!(end(&service, build).await, "succeeded");
        checked(&service, "shaky").await
    };
    let first = publish(1, "Requires: bash").await;
    assert_eq!(first["check"]["state"], "passed", "{first}");

    let broken = publish(2, "Requires: no-such-library >= 7").await;
    assert_eq!(broken["check"]["state"], "failed", "{broken}");
    let message = broken["check"]["message"].as_str().unwrap();
    for words in [
        "cannot be installed: nothing provides no-such-library >= 7 needed by shaky-2-1",
        "shaky-0:1-1.deb12.kpr.admin_shaky.noarch cannot be upgraded to shaky-0:2-1",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let url = format!("{}/coprs/admin/shaky/snapshots/", service.url());
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(
        page.contains("cannot be installed</span>") && page.contains("nothing provides no-such-library"),
        "{page}"
    );

    let mended = publish(3, "Requires: bash").await;
    assert_eq!(mended["check"]["state"], "passed", "{mended}");
    let path = format!("snapshot/test-results/admin/shaky/{CHROOT}");
    let results = get(&service, &path).await.unwrap();
    let words: Vec<&str> = results["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["testcase"] == "koper.installable")
        .map(|result| result["result"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["pass", "fail", "pass"]);
}
