//! Builds that wait for each other, that are only tried, and that are taken back.

use std::process::Command;

use serde_json::Value;
use testkit::{CHROOT, Client, Copr, Service, srpm, srpm_of, wait_until};

use crate::support::{BUILD, end, get, project, snapshot, submit};

/// A program of the API that `copr-cli` has no word for, with the administrator's token.
fn call(service: &Service, path: &str, arguments: &[&str]) -> Value {
    let config = fs_err::read_to_string(service.copr_config()).unwrap();
    let value = |key: &str| {
        let line = config.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.trim_start_matches([' ', '=']).trim().to_owned()
    };
    let output = Command::new("curl")
        .args([
            "--silent",
            "--user",
            &format!("{}:{}", value("login"), value("token")),
        ])
        .args(arguments)
        .arg(format!("{}/api_3/{path}", service.url()))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{path}: {e}: {output:?}"))
}

/// K07, and pains of deletion: a scratch build can be downloaded and changes no repository; a deleted build is gone from
/// the metadata before its files go.
#[tokio::test]
async fn a_scratch_build_enters_no_repository_and_a_deleted_one_leaves_it() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "lifecycle").unwrap();
    let before = snapshot(&service, "lifecycle").await;
    let package = srpm("motd-koper").unwrap();
    let scratch = call(
        &service,
        "build/create/upload",
        &[
            "--form",
            &format!("pkgs=@{};type=application/x-rpm", package.arg()),
            "--form",
            "json={\"ownername\":\"admin\",\"projectname\":\"lifecycle\",\"scratch\":true};type=application/json",
        ],
    );
    let scratch = scratch["id"].as_u64().unwrap_or_else(|| panic!("{scratch}"));
    assert_eq!(end(&service, scratch).await, "succeeded");
    assert_eq!(
        snapshot(&service, "lifecycle").await,
        before,
        "a scratch build was published"
    );
    let chroot = get(
        &service,
        &format!("build-chroot?build_id={scratch}&chrootname={CHROOT}"),
    )
    .await
    .unwrap();
    let listing = chroot["result_url"].as_str().unwrap();
    let listing = reqwest::get(listing).await.unwrap().text().await.unwrap();
    assert!(listing.contains(".noarch.rpm"), "{listing}");

    let build = submit(&copr, "lifecycle", package.arg(), &[]).unwrap();
    assert_eq!(end(&service, build).await, "succeeded");
    let client = Client::new(&service, "admin", "lifecycle").await.unwrap();
    client.run(&["install", "motd-koper"]).unwrap();
    let published = snapshot(&service, "lifecycle").await;
    let deleted = copr
        .run(&["delete-build", &build.to_string()])
        .unwrap()
        .expect_code(0);
    assert!(deleted.out.contains(&build.to_string()), "{deleted:?}");
    wait_until("a snapshot without the build", BUILD, || {
        let url = format!("{}/admin/lifecycle/{CHROOT}/latest.json", service.results_url());
        let output = Command::new("curl").args(["--silent", &url]).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).ok()?;
        (json["snapshot"].as_u64()? > published).then_some(())
    });
    let late = Client::new(&service, "admin", "lifecycle").await.unwrap();
    assert!(
        late.run(&["install", "motd-koper"]).is_err(),
        "the deleted package is still offered"
    );
}

/// Scenario 4 with machines: the second build starts when the first has ended, although that one failed.
#[tokio::test]
async fn a_build_waits_for_the_batch_before_it() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "batches").unwrap();
    let spec = "Name: fails\nVersion: 1\nRelease: 1\nSummary: Fails\nLicense: MIT\nBuildArch: noarch\n\
                %description\nFails.\n%build\nexit 1\n%files\n";
    let fails = srpm_of("fails", spec, None).unwrap();
    let first = submit(&copr, "batches", fails.arg(), &[]).unwrap();
    let after = ["--after-build-id", &first.to_string()];
    let second = submit(&copr, "batches", srpm("motd-koper").unwrap().arg(), &after).unwrap();
    assert_eq!(end(&service, second).await, "succeeded");
    let of = async |id: u64| get(&service, &format!("build/{id}")).await.unwrap();
    let (first, second) = (of(first).await, of(second).await);
    assert_eq!(first["state"], "failed");
    assert!(
        first["ended_on"].as_u64().unwrap() <= second["started_on"].as_u64().unwrap(),
        "{first} {second}"
    );
}
