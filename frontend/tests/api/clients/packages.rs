//! Packages with `copr-cli`: acceptance scenario 9, as far as it goes without a machine that makes source packages.

use std::io::Write as _;

use serde_json::Value;

use super::{run, tools};

const URL: &str = "https://github.com/Codertocat/Hello-World.git";

#[tokio::test]
async fn a_package_is_added_changed_built_reset_and_deleted() {
    let (house, _, copr) = tools().await;
    let add = [
        "add-package-scm",
        "tools",
        "--name",
        "hello",
        "--clone-url",
        URL,
        "--subdir",
        "packaging/hello",
        "--method",
        "make_srpm",
        "--webhook-rebuild",
        "on",
    ];
    let added = run(&copr, &add).await.expect_code(0);
    assert!(
        added.out.contains("Create or edit operation was successful."),
        "{added:?}"
    );
    let twice = run(&copr, &add).await.expect_code(1);
    assert!(
        twice
            .err
            .contains("Package hello already exists in copr alice/tools."),
        "{twice:?}"
    );

    let get = async || -> Value {
        let got = run(
            &copr,
            &["get-package", "tools", "--name", "hello", "--with-latest-build"],
        )
        .await
        .expect_code(0);
        serde_json::from_str(&got.out).unwrap()
    };
    let package = get().await;
    assert_eq!(package["auto_rebuild"], true);
    assert_eq!(package["source_type"], "scm");
    assert_eq!(package["source_dict"]["source_build_method"], "make_srpm");
    assert_eq!(package["source_dict"]["subdirectory"], "packaging/hello");
    assert_eq!(package["latest_build"], Value::Null);
    let edit = [
        "edit-package-scm",
        "tools",
        "--name",
        "hello",
        "--clone-url",
        URL,
        "--commit",
        "main",
        "--max-builds",
        "5",
        "--timeout",
        "3600",
    ];
    run(&copr, &edit).await.expect_code(0);
    let package = get().await;
    assert_eq!(package["source_dict"]["committish"], "main");
    assert_eq!(package["auto_rebuild"], true, "what was not given stays");

    // No machine makes source packages yet, and the build says so.
    let built = run(&copr, &["build-package", "tools", "--name", "hello"])
        .await
        .expect_code(4);
    let id = built.build();
    assert_eq!(get().await["latest_build"]["id"], id);
    assert_eq!(get().await["latest_build"]["state"], "failed");
    let path = "/build/list?ownername=alice&projectname=tools&packagename=hello";
    let of_package = house.get(path).await.ok();
    assert_eq!(of_package["items"][0]["id"], id);
    assert_eq!(of_package["items"][0]["source_package"]["name"], "hello");

    let listed = run(&copr, &["list-package-names", "tools"]).await.expect_code(0);
    assert_eq!(listed.out.trim(), "hello");
    let listed = run(&copr, &["list-packages", "tools", "--with-all-builds"])
        .await
        .expect_code(0);
    let packages: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(packages[0]["name"], "hello");

    run(&copr, &["reset-package", "tools", "--name", "hello"])
        .await
        .expect_code(0);
    let package = get().await;
    assert_eq!(package["source_type"], "unset");
    assert_eq!(package["source_dict"], serde_json::json!({}));
    let unset = run(&copr, &["build-package", "tools", "--name", "hello"])
        .await
        .expect_code(1);
    assert!(
        unset.err.contains("Unset default source for package hello"),
        "{unset:?}"
    );
    run(&copr, &["delete-package", "tools", "--name", "hello"])
        .await
        .expect_code(0);
    let gone = run(&copr, &["get-package", "tools", "--name", "hello"])
        .await
        .expect_code(1);
    assert!(gone.err.contains("No package with name hello"), "{gone:?}");
}

#[tokio::test]
async fn packages_of_all_types_are_added_and_changed() {
    let (_house, _, copr) = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#! /bin/sh\ncat hook_payload\n").unwrap();
    let script = script.to_str().unwrap();
    for (kind, add, edit) in [
        (
            "pypi",
            &["--packagename", "requests"][..],
            &["--packageversion", "2.0"][..],
        ),
        ("rubygems", &["--gem", "hello"], &["--gem", "world"]),
        ("distgit", &["--distgit", "fedora"], &["--commit", "f44"]),
        (
            "custom",
            &["--script", script, "--script-builddeps", "git curl"],
            &["--script", script, "--script-resultdir", "out"],
        ),
    ] {
        for (verb, own) in [("add", add), ("edit", edit)] {
            let command = format!("{verb}-package-{kind}");
            let mut arguments = vec![command.as_str(), "tools", "--name", kind];
            arguments.extend_from_slice(own);
            run(&copr, &arguments).await.expect_code(0);
        }
    }
    let listed = run(&copr, &["list-packages", "tools"]).await.expect_code(0);
    let packages: Value = serde_json::from_str(&listed.out).unwrap();
    let of = |name: &str| {
        let all = packages.as_array().unwrap();
        all.iter().find(|p| p["name"] == name).unwrap()["source_dict"].clone()
    };
    assert_eq!(of("pypi")["pypi_package_name"], "requests");
    assert_eq!(of("pypi")["pypi_package_version"], "2.0");
    assert_eq!(of("rubygems")["gem_name"], "world");
    assert_eq!(of("distgit")["distgit"], "fedora");
    assert_eq!(of("distgit")["committish"], "f44");
    assert_eq!(of("custom")["builddeps"], "git curl");
    assert_eq!(of("custom")["resultdir"], "out");
}

#[tokio::test]
async fn a_new_secret_is_made_and_used() {
    let (house, alice, copr) = tools().await;
    // The command asks, and reads the answer from its standard input.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, super::config(&house, &alice)).unwrap();
    let mut command = std::process::Command::new(testkit::venv().join("bin/copr-cli"));
    command
        .arg("--config")
        .arg(&path)
        .args(["new-webhook-secret", "tools"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let printed = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"y\n").unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    })
    .await
    .unwrap();
    let (_, first) = printed.trim().split_once("Generated new token: ").unwrap();
    assert_eq!(first.len(), 36, "{printed}");

    let script = "
from copr.v3 import Client
client = Client.create_from_config_file(__import__('os').environ['COPR_CONFIG'])
secret = client.webhook_proxy.generate('alice', 'tools')
print(secret.id, secret.webhook_secret)
package = client.package_proxy.add('alice', 'tools', 'hello', 'custom', {'script': 'true'})
assert package.source_dict['script'] == 'true\\n', package
package = client.package_proxy.edit('alice', 'tools', 'hello')
assert package.source_type == 'custom', package
";
    let printed = super::python(&house, &alice, script).await;
    let (id, secret) = printed.trim().split_once(' ').unwrap();
    assert_ne!(first, secret);
    let path = format!("/webhooks/custom/{id}/{secret}/hello/");
    let told = crate::webhooks::post(&house, &path, &[], "{}").await;
    let build = told.text.trim();
    let status = run(&copr, &["status", build]).await.expect_code(0);
    assert_eq!(
        status.out.trim(),
        "failed",
        "no machine makes source packages yet"
    );
}
