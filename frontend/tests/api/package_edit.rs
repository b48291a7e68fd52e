//! Adding, changing and resetting packages.

use serde_json::{Value, json};

use crate::house::{Answer, House, Person};

const URL: &str = "https://example.org/hello.git";

async fn add(house: &House, person: &Person, name: &str, kind: &str, body: Value) -> Answer {
    let path = format!(
        "/package/add/alice/tools/{name}/{kind}?ownername=alice&projectname=tools&package_name={name}"
    );
    house.send("POST", &path, Some(person), body).await
}

async fn edit(house: &House, person: &Person, name: &str, kind: &str, body: Value) -> Answer {
    let path = format!("/package/edit/alice/tools/{name}/{kind}");
    house.send("POST", &path, Some(person), body).await
}

#[tokio::test]
async fn a_package_of_each_type_is_answered_with_copr_s_fields() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    for (kind, given, source) in [
        (
            "scm",
            // As copr-cli sends it, numbers as texts and what is not given as null.
            json!({"package_name": "scm", "clone_url": URL, "committish": "", "subdirectory": "pkg", "spec": "",
                "scm_type": "git", "source_build_method": "make_srpm", "max_builds": "5", "timeout": null,
                "chroot_denylist": null, "webhook_rebuild": true}),
            json!({"type": "git", "clone_url": URL, "committish": "", "subdirectory": "pkg", "spec": "",
                "source_build_method": "make_srpm"}),
        ),
        (
            "pypi",
            json!({"pypi_package_name": "requests", "pypi_package_version": null, "spec_generator": "pyp2spec",
                "spec_template": null, "python_versions": [3, 2], "webhook_rebuild": null}),
            json!({"pypi_package_name": "requests", "pypi_package_version": "", "spec_generator": "pyp2spec",
                "spec_template": "", "python_versions": ["3", "2"]}),
        ),
        (
            "rubygems",
            json!({"gem_name": "hello"}),
            json!({"gem_name": "hello"}),
        ),
        (
            "distgit",
            json!({"distgit": null, "namespace": null, "committish": "f44"}),
            json!({"clone_url": "https://src.fedoraproject.org/rpms/distgit", "distgit": "fedora", "committish": "f44"}),
        ),
        (
            "custom",
            json!({"script": "#! /bin/sh\ntrue", "script_chroot": null, "script_builddeps": ["git", "curl"],
                "script_resultdir": null, "script_repos": "https://example.org/a https://example.org/b"}),
            json!({"script": "#! /bin/sh\ntrue\n", "chroot": "fedora-latest-aarch64", "builddeps": "git curl",
                "resultdir": "", "repos": "https://example.org/a\nhttps://example.org/b"}),
        ),
    ] {
        let made = add(&house, &alice, kind, kind, given).await.ok();
        let id = made["id"].as_i64().unwrap();
        assert_eq!(
            made,
            json!({"id": id, "name": kind, "projectname": "tools", "ownername": "alice", "source_type": kind,
                "source_dict": source, "auto_rebuild": kind == "scm",
                "builds": {"latest": null, "latest_succeeded": null}})
        );
    }
}

#[tokio::test]
async fn what_an_edit_does_not_give_stays() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let given = json!({"clone_url": URL, "subdirectory": "pkg", "webhook_rebuild": true, "spec": "a.spec"});
    add(&house, &alice, "hello", "scm", given).await.ok();
    // What python's `copr` makes of `edit(…)` without a type.
    let edited = edit(
        &house,
        &alice,
        "hello",
        "None",
        json!({"spec": "", "committish": "main"}),
    )
    .await
    .ok();
    assert_eq!(
        edited["source_dict"],
        json!({"type": "git", "clone_url": URL, "committish": "main", "subdirectory": "pkg", "spec": "",
            "source_build_method": "rpkg"})
    );
    assert_eq!(edited["auto_rebuild"], true);
    let edited = house
        .send(
            "POST",
            "/package/edit/alice/tools/hello/",
            Some(&alice),
            json!({"webhook_rebuild": false}),
        )
        .await
        .ok();
    assert_eq!(edited["auto_rebuild"], false);
    assert_eq!(edited["source_dict"]["committish"], "main");
    let other = edit(&house, &alice, "hello", "rubygems", json!({"gem_name": "hello"}))
        .await
        .ok();
    assert_eq!(other["source_dict"], json!({"gem_name": "hello"}));

    let form = json!({"ownername": "alice", "projectname": "tools", "package_name": "hello"});
    let reset = house
        .send("PUT", "/package/reset", Some(&alice), form.clone())
        .await
        .ok();
    assert_eq!(reset["source_type"], "unset");
    assert_eq!(reset["source_dict"], json!({}));
    edit(&house, &alice, "hello", "None", json!({})).await.error(400);
    let error = add(&house, &alice, "hello", "scm", json!({"clone_url": URL}))
        .await
        .error(409);
    assert_eq!(error, "Package hello already exists in copr alice/tools.");
}

#[tokio::test]
async fn wrong_input_is_named() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    for (name, kind, body, expected) in [
        ("hello", "svn", json!({}), "Unsupported package source type svn"),
        (
            "hello",
            "unset",
            json!({}),
            "Unsupported package source type unset",
        ),
        ("hello", "scm", json!({}), "clone_url: This field is required."),
        (
            "hello",
            "scm",
            json!({"clone_url": "nowhere"}),
            "clone_url: Invalid URL.",
        ),
        (
            "hello",
            "scm",
            json!({"clone_url": {"a": 1}}),
            "clone_url: Not a valid string",
        ),
        (
            "hello",
            "scm",
            json!({"clone_url": URL, "max_builds": 101}),
            "max_builds: Number must be between 0 and 100.",
        ),
        (
            "hello",
            "scm",
            json!({"clone_url": URL, "timeout": "108001"}),
            "timeout: Number must be between 0 and 108000.",
        ),
        (
            "hello",
            "scm",
            json!({"clone_url": URL, "chroot_denylist": "opensuse-*"}),
            "chroot_denylist: no chroot matched by pattern \"opensuse-*\"",
        ),
        (
            "hello",
            "scm",
            json!({"clone_url": URL, "chroot_denylist": "debian-*, fedora-*"}),
            "chroot_denylist: patterns are deny-listing all chroots",
        ),
        (
            "he!lo",
            "rubygems",
            json!({"gem_name": "x"}),
            "package_name: Please enter a valid package name",
        ),
    ] {
        let error = add(&house, &alice, name, kind, body).await.error(400);
        assert!(error.starts_with(expected), "{error}");
    }
    edit(&house, &alice, "missing", "scm", json!({"clone_url": URL}))
        .await
        .error(404);
    let form = json!({"ownername": "alice", "projectname": "tools", "package_name": "missing"});
    let error = house
        .send("PUT", "/package/reset", Some(&alice), form)
        .await
        .error(404);
    assert_eq!(error, "No package with name missing in copr tools");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    house
        .send("PUT", "/package/reset", Some(&alice), form)
        .await
        .error(400);
}
