//! What people do with a project that is not theirs: `dnf copr`, dnf5's way of it, and `copr-cli download-build`.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::{CHROOT, Client, Copr, Service, srpm};

use crate::support::{end, get, project, submit};

/// Names in a folder.
fn names(folder: &std::path::Path) -> BTreeSet<String> {
    fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// K29, scenarios 10 to 12 of the contract: one build, enabled by dnf's own plugin and installed with both signature
/// checks, found where dnf5 would compose its address, and downloaded with all of its files.
#[tokio::test]
async fn a_build_is_enabled_installed_and_downloaded() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "consumed").unwrap();
    let build = submit(&copr, "consumed", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(&service, build).await, "succeeded");
    enable_and_install(&service);
    compose_as_dnf5(&service).await;
    download(&copr, build);
}

fn enable_and_install(service: &Service) {
    let client = Client::bare(service).unwrap();
    client.copr(&["enable", "koper/admin/consumed", CHROOT]).unwrap();
    let listed = client.copr(&["list"]).unwrap();
    assert!(listed.contains("127.0.0.1/admin/consumed"), "{listed}");
    client.run(&["install", "motd-koper"]).unwrap();
    assert_eq!(client.chroot("motd-koper").unwrap().trim(), "hello from koper");
    client.copr(&["disable", "koper/admin/consumed"]).unwrap();
    let left = client.run(&["repolist", "--enabled"]).unwrap();
    assert!(!left.contains("consumed"), "{left}");
    client.copr(&["remove", "koper/admin/consumed"]).unwrap();
}

/// The `.repo` file that dnf5 writes of `rpmrepo`'s answer: a plain baseurl, packages checked.
async fn compose_as_dnf5(service: &Service) {
    let json = get(service, "rpmrepo/admin/consumed/debian-12/").await.unwrap();
    assert!(
        json["repos"]["debian-12"]["arch"]["x86_64"]["opts"].is_object(),
        "{json}"
    );
    assert!(json["directories"]["consumed"].is_object(), "{json}");
    let results = json["results_url"].as_str().unwrap();
    let client = Client::bare(service).unwrap();
    client
        .add_repo(
            "dnf5",
            &format!(
                "[dnf5]\nname=dnf5\nbaseurl={results}/admin/consumed/debian-12-$basearch/\ntype=rpm-md\n\
                 skip_if_unavailable=False\ngpgcheck=1\ngpgkey={results}/admin/consumed/pubkey.gpg\n\
                 repo_gpgcheck=0\nenabled=1\nenabled_metadata=1\n"
            ),
        )
        .unwrap();
    client.run(&["install", "motd-koper"]).unwrap();
    assert_eq!(client.chroot("motd-koper").unwrap().trim(), "hello from koper");
}

fn download(copr: &Copr, build: u64) {
    let number = build.to_string();
    let folder = tempfile::tempdir().unwrap();
    let get = |what: &str, arguments: &[&str]| {
        let dest = folder.path().join(what);
        let mut all = vec!["download-build", "--dest", dest.to_str().unwrap()];
        all.extend(arguments);
        all.push(&number);
        copr.run(&all).unwrap().expect_code(0);
        dest.join(CHROOT)
    };
    let packages = BTreeSet::from([
        "motd-koper-0.1-3.deb12.kpr.admin_consumed.noarch.rpm".to_owned(),
        "motd-koper-0.1-3.deb12.kpr.admin_consumed.src.rpm".to_owned(),
    ]);
    assert_eq!(names(&get("rpms", &["--rpms"])), packages);
    let log = BTreeSet::from(["builder-live.log.gz".to_owned()]);
    assert_eq!(names(&get("logs", &["--logs"])), log);
    let spec = get("spec", &["--spec"]);
    assert_eq!(names(&spec), BTreeSet::from(["motd-koper.spec".to_owned()]));
    let text = fs_err::read_to_string(spec.join("motd-koper.spec")).unwrap();
    assert!(text.contains("Name:           motd-koper\n"), "{text}");

    let all = get("all", &[]);
    let mut expected = &packages | &log;
    expected.extend(["motd-koper.spec", "results.json", "success", "build.info"].map(str::to_owned));
    let mut found = names(&all);
    found.remove("index.html");
    assert_eq!(found, expected);
    let read = |name: &str| fs_err::read_to_string(all.join(name)).unwrap();
    assert_eq!(read("success"), "done\n");
    assert!(read("build.info").starts_with(&format!("build_id={build}\nbuilder=")));
    let results: Value = serde_json::from_str(&read("results.json")).unwrap();
    let listed: BTreeSet<String> = results["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            let part = |key: &str| p[key].as_str().unwrap().to_owned();
            format!(
                "{}-{}-{}.{}.rpm",
                part("name"),
                part("version"),
                part("release"),
                part("arch")
            )
        })
        .collect();
    assert_eq!(listed, packages);
}
