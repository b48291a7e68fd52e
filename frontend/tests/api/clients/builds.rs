//! Builds with `copr-cli`, and a builder that speaks the real protocol: what they are made of, and what for.

use db::builds;
use protocol::BuildId;
use serde_json::{Value, json};

use super::set::{Set, numbers};
use crate::house::{CHROOT, OTHER_CHROOT};
use crate::packages;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_of_urls_are_watched_to_their_ends() {
    let set = Set::new().await;
    let made = set
        .run(&[
            "build",
            "--nowait",
            "--chroot",
            CHROOT,
            "tools",
            "http://example.org/a-1-1.src.rpm",
            "http://example.org/b-1-1.src.rpm",
        ])
        .await
        .expect_code(0);
    let ids = made.builds();
    assert_eq!(ids.len(), 2, "{made:?}");
    let tasks = set.claim_all().await;
    assert_eq!(numbers(&tasks), ids);
    for task in &tasks {
        set.fail(task, "bad_source").await;
    }
    let (one, two) = (ids[0].to_string(), ids[1].to_string());
    let watched = set.run(&["watch-build", &one, &two]).await.expect_code(4);
    assert!(
        watched.out.contains(&format!("Build {one}: failed")),
        "{watched:?}"
    );
    assert!(watched.err.contains("Build error: Build(s)"), "{watched:?}");

    let file = set.file(&packages::source("BuildArch: noarch"));
    let good = set.submit(&file, &[]).await;
    let tasks = set.claim_all().await;
    set.succeed(&tasks[0]).await;
    let watched = set.run(&["watch-build", &good.to_string()]).await.expect_code(0);
    assert!(
        watched.out.contains(&format!("Build {good}: succeeded")),
        "{watched:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_cannot_be_built_yet_are_recorded_and_say_so() {
    let set = Set::new().await;
    let script = set.dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh\ntrue\n").unwrap();
    let spec = set.dir.path().join("hello.spec");
    std::fs::write(&spec, "Name: hello\nVersion: 1\n").unwrap();
    let (script, spec) = (script.to_str().unwrap(), spec.to_str().unwrap());
    let cases: [(&[&str], &str, Value); 7] = [
        (
            &[
                "buildscm",
                "--clone-url",
                "https://example.org/hello.git",
                "--method",
                "make_srpm",
                "--subdir",
                "rpm",
            ],
            "scm",
            json!({"type": "git", "clone_url": "https://example.org/hello.git", "committish": "", "subdirectory": "rpm",
                "spec": "", "srpm_build_method": "make_srpm"}),
        ),
        (
            &[
                "buildpypi",
                "--packagename",
                "requests",
                "--packageversion",
                "2.0",
            ],
            "pypi",
            json!({"pypi_package_name": "requests", "pypi_package_version": "2.0", "spec_generator": "pyp2spec",
                "spec_template": "", "python_versions": ["3", "2"]}),
        ),
        (
            &["buildgem", "--gem", "rails"],
            "rubygems",
            json!({"gem_name": "rails"}),
        ),
        (
            &["build-distgit", "--name", "hello", "--commit", "f44"],
            "distgit",
            json!({"clone_url": "https://src.fedoraproject.org/rpms/hello", "distgit": "fedora", "committish": "f44"}),
        ),
        (
            &["buildcustom", "--script", script, "--script-chroot", CHROOT],
            "custom",
            json!({"script": "#!/bin/sh\ntrue\n", "chroot": CHROOT, "builddeps": "", "resultdir": "", "repos": ""}),
        ),
        (
            &["build", "https://example.org/hello.spec"],
            "link",
            json!({"url": "https://example.org/hello.spec"}),
        ),
        (&["build", spec], "upload", Value::Null),
    ];
    for (arguments, kind, source) in cases {
        let mut all = vec![arguments[0]];
        let last = if arguments[0] == "build" {
            all.extend(["tools", arguments[1]]);
            &[]
        } else {
            all.push("tools");
            &arguments[1..]
        };
        all.extend(last);
        let ran = set.run(&all).await.expect_code(4);
        let id = ran.build();
        assert!(ran.out.contains(&format!("Build {id}: failed")), "{ran:?}");
        let config = set
            .house
            .get(&format!("/build/source-build-config/{id}"))
            .await
            .ok();
        assert_eq!(config["source_type"], kind);
        if source != Value::Null {
            assert_eq!(config["source_dict"], source);
        }
        let mut conn = set.house.pool.get().await.unwrap();
        let build = builds::find(&mut conn, BuildId(i64::try_from(id).unwrap()))
            .await
            .unwrap()
            .unwrap();
        let (_, message) = build.source_task.unwrap().failure.unwrap();
        assert!(message.contains("source build"), "{message}");
    }
    assert!(set.claim_all().await.is_empty(), "no builder gets any of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excluded_chroots_are_skipped_or_left_out() {
    let set = Set::new().await;
    let file = set.file(&packages::source("ExclusiveArch: x86_64"));
    let some = set
        .run(&["build", "--nowait", "tools", &file])
        .await
        .expect_code(0)
        .build();
    let chroot = format!("/build-chroot?build_id={some}&chrootname={OTHER_CHROOT}");
    assert_eq!(set.house.get(&chroot).await.ok()["state"], "skipped");
    let task = set.claim_all().await.remove(0);
    set.succeed(&task).await;
    assert_eq!(set.state(some).await, "succeeded");
    set.run(&["watch-build", &some.to_string()]).await.expect_code(0);

    // All of them skipped: the build ends by itself, and so does the watcher.
    let none = set
        .run(&["build", "--chroot", OTHER_CHROOT, "tools", &file])
        .await
        .expect_code(0);
    assert!(none.out.contains("skipped"), "{none:?}");
    let ended = set.house.get(&format!("/build/{}", none.build())).await.ok();
    assert_eq!(ended["state"], "skipped");
    assert!(ended["ended_on"].is_i64());

    let chroots = async |options: &[&str]| {
        let mut arguments = vec!["build", "--nowait"];
        arguments.extend(options);
        arguments.extend(["tools", file.as_str()]);
        let id = set.run(&arguments).await.expect_code(0).build();
        set.house.get(&format!("/build/{id}")).await.ok()["chroots"].clone()
    };
    assert_eq!(chroots(&["--exclude-chroot", "*-aarch64"]).await, json!([CHROOT]));
    assert_eq!(chroots(&["--chroot", "fedora-*"]).await, json!([OTHER_CHROOT]));
    // The package is known by now, and its denylist counts where no chroots are named.
    let deny = async |patterns: &str| {
        let url = "https://example.org/hello.git";
        let edit = ["edit-package-scm", "tools", "--name", "hello", "--clone-url", url];
        let edit = [&edit[..], &["--chroot-denylist", patterns]].concat();
        let said = set.run(&edit).await.expect_code(0);
        assert!(
            said.out.contains("Create or edit operation was successful."),
            "{said:?}"
        );
    };
    deny("fedora-*").await;
    assert_eq!(chroots(&[]).await, json!([CHROOT]));
    assert_eq!(chroots(&["--chroot", OTHER_CHROOT]).await, json!([OTHER_CHROOT]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_kept_for_the_builder_and_for_a_resubmission() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let id = set
        .submit(
            &file,
            &["--timeout", "300", "--background", "--isolation", "nspawn"],
        )
        .await;
    let body = json!({});
    let again = set
        .house
        .send("POST", &format!("/build/resubmit/{id}"), Some(&set.alice), body)
        .await
        .ok();
    assert_eq!(again["source_package"]["name"], "hello");
    assert_eq!(
        (&again["is_background"], &again["chroots"]),
        (&json!(true), &json!([CHROOT]))
    );
    let tasks = set.claim_all().await;
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        assert_eq!(task["limits"]["timeout_s"], 300);
    }
    let config = format!("/build/source-build-config/{id}");
    let config = set.house.get(&config).await.ok();
    assert_eq!(
        (&config["timeout"], &config["is_background"]),
        (&json!(300), &json!(true))
    );
    let packit =
        json!({"ownername": "alice", "projectname": "tools", "packit_forge_project": "github.com/a/b"});
    let text = set
        .house
        .send(
            "POST",
            "/build/check-before-build",
            Some(&set.alice),
            packit.clone(),
        )
        .await
        .error(403);
    assert!(text.contains("can't build in this Copr via Packit."), "{text}");
    let allow = |entry: &str| {
        let body = json!({"packit_forge_projects_allowed": [entry]});
        set.house
            .send("PUT", "/project/edit/alice/tools", Some(&set.alice), body)
    };
    for (entry, status) in [
        ("github.com/a/b", 200),
        ("github.com/other/*", 403),
        ("github.com/a/*", 200),
        ("github.com/?/[!a]", 200),
    ] {
        allow(entry).await.ok();
        let checked = set
            .house
            .send(
                "POST",
                "/build/check-before-build",
                Some(&set.alice),
                packit.clone(),
            )
            .await;
        assert_eq!(checked.status.as_u16(), status, "{entry}: {}", checked.json);
    }
    let text = allow("*/a/b").await.error(400);
    assert!(text.contains("after the host"), "{text}");
}

/// An empty list of chroots means all of them; none that is left is another thing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resubmission_is_for_no_other_chroots() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let named = set.submit(&file, &[]).await;
    let mut arguments = vec!["build", "--nowait", "--exclude-chroot", OTHER_CHROOT];
    arguments.extend(["tools", file.as_str()]);
    let excluding = set.run(&arguments).await.expect_code(0).build();
    let resubmit = |id: u64| {
        let path = format!("/build/resubmit/{id}");
        let (house, alice) = (&set.house, &set.alice);
        async move { house.send("POST", &path, Some(alice), json!({})).await }
    };
    for id in [named, excluding] {
        let again = resubmit(id).await.ok();
        assert_eq!(again["chroots"], json!([CHROOT]), "of build {id}");
    }
    let enable = |chroots: Value| {
        let body = json!({"chroots": chroots});
        set.house
            .send("PUT", "/project/edit/alice/tools", Some(&set.alice), body)
    };
    enable(json!([OTHER_CHROOT])).await.ok();
    let before = set
        .house
        .get("/build/list?ownername=alice&projectname=tools")
        .await
        .ok();
    let text = resubmit(named).await.error(400);
    assert!(
        text.contains(&format!("was for {CHROOT}")) && text.contains("does not enable any more"),
        "{text}"
    );
    let text = resubmit(excluding).await.error(400);
    assert!(text.contains("At least one chroot must be selected"), "{text}");
    let after = set
        .house
        .get("/build/list?ownername=alice&projectname=tools")
        .await
        .ok();
    assert_eq!(
        before["items"].as_array().unwrap().len(),
        after["items"].as_array().unwrap().len()
    );
    enable(json!([CHROOT, OTHER_CHROOT])).await.ok();
    assert_eq!(resubmit(named).await.ok()["chroots"], json!([CHROOT]));
}
