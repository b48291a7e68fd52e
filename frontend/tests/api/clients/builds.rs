//! Builds with `copr-cli`, and a builder that speaks the real protocol.

use db::{builds, tasks};
use protocol::{BuildId, TaskId};
use serde_json::{Value, json};
use testkit::{Copr, Ran};

use super::{copr, house, run};
use crate::house::{CHROOT, House, OTHER_CHROOT, Person};
use crate::packages::{self, Made};

struct Set {
    house: House,
    alice: Person,
    copr: Copr,
    dir: tempfile::TempDir,
}

impl Set {
    async fn new() -> Self {
        let house = house().await;
        let alice = house.person("alice", false).await;
        house.project(&alice, "tools").await;
        let copr = copr(&house, &alice);
        Self {
            house,
            alice,
            copr,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, made: &Made) -> String {
        let path = self.dir.path().join(&made.name);
        std::fs::write(&path, &made.bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.copr, arguments).await
    }

    /// Submits an upload for the chroot of the builder and does not wait for it.
    async fn submit(&self, file: &str, options: &[&str]) -> u64 {
        let mut arguments = vec!["build", "--nowait", "--chroot", CHROOT];
        arguments.extend(options);
        arguments.extend(["tools", file]);
        self.run(&arguments).await.expect_code(0).build()
    }

    async fn state(&self, build: u64) -> String {
        let build = self.house.get(&format!("/build/{build}")).await.ok();
        build["state"].as_str().unwrap().to_owned()
    }

    /// Claims all that can be claimed.
    async fn claim_all(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let task = self.house.claim(0).await;
            if task.status.as_u16() == 204 {
                return all;
            }
            all.push(task.ok());
        }
    }

    async fn fail(&self, task: &Value, kind: &str) {
        let outcome = json!({"outcome": "failed", "kind": kind, "message": "it does not build"});
        self.finish(task, &outcome).await;
    }

    /// Ends a task as succeeded; the backend's part is done in the database.
    async fn succeed(&self, task: &Value) {
        self.finish(task, &json!({"outcome": "succeeded"})).await;
        let mut conn = self.house.pool.get().await.unwrap();
        let id = TaskId(task["id"].as_i64().unwrap());
        tasks::succeed(&mut conn, id, 1, crate::house::start())
            .await
            .unwrap();
    }

    async fn finish(&self, task: &Value, outcome: &Value) {
        let path = format!("/tasks/{}/attempts/{}/finish", task["id"], task["attempt"]);
        let body = json!({"outcome": outcome, "artifacts": [], "boot_ms": null});
        assert_eq!(self.house.builder(&path, &body).await.status.as_u16(), 204);
    }
}

fn numbers(tasks: &[Value]) -> Vec<u64> {
    let mut all: Vec<u64> = tasks.iter().map(|t| t["build"].as_u64().unwrap()).collect();
    all.sort_unstable();
    all
}

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

#[tokio::test]
async fn a_package_from_elsewhere_waits_for_its_signature() {
    let set = Set::new().await;
    let file = set.file(&packages::binary());
    let arguments = ["uploadrpm", "--nowait", "--chroot", CHROOT, "tools", &file];
    let id = set.run(&arguments).await.expect_code(0).build();
    let build = set.house.get(&format!("/build/{id}")).await.ok();
    assert_eq!(
        (&build["state"], &build["chroots"]),
        (&json!("running"), &json!([CHROOT]))
    );
    assert_eq!(build["source_package"]["name"], "hello");
    let config = set
        .house
        .get(&format!("/build/source-build-config/{id}"))
        .await
        .ok();
    assert_eq!(config["source_type"], "rpm_upload");
    assert_eq!(config["source_dict"]["origin"], "unverified-origin");
    assert!(set.claim_all().await.is_empty(), "no builder gets it");
    let mut conn = set.house.pool.get().await.unwrap();
    let build = builds::find(&mut conn, BuildId(i64::try_from(id).unwrap()))
        .await
        .unwrap()
        .unwrap();
    let [task] = build.tasks.as_slice() else {
        panic!("{build:?}")
    };
    assert_eq!(task.state, tasks::TaskState::Publishing);
    assert_eq!(task.manifest[0].name.as_str(), "hello-1.0-1.noarch.rpm");
    let blob = storage::StorageKey::Blob(task.manifest[0].sha256.clone());
    let size = set.house.storage.exists(&blob).await.unwrap();
    assert_eq!(size, Some(task.manifest[0].size));
}

#[tokio::test]
async fn what_is_no_package_for_one_chroot_is_refused() {
    let set = Set::new().await;
    let (binary, source) = (packages::binary(), packages::source("BuildArch: noarch"));
    let one = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let two = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT, OTHER_CHROOT]});
    let none = json!({"ownername": "alice", "projectname": "tools"});
    let mut changed = binary.bytes.clone();
    let middle = changed.len() - 20;
    changed[middle] ^= 0xff;
    let cases: [(&str, &[u8], &Value, &str); 6] = [
        ("a-1-1.src.rpm", &source.bytes, &one, "only binary packages"),
        ("a-1-1.noarch.rpm", &source.bytes, &one, "it is a source package"),
        ("a-1-1.noarch.rpm", b"text", &one, "not an RPM"),
        ("a-1-1.noarch.rpm", &changed, &one, "payload"),
        (&binary.name, &binary.bytes, &two, "exactly one chroot"),
        (&binary.name, &binary.bytes, &none, "exactly one chroot"),
    ];
    for (name, bytes, form, expected) in cases {
        let path = "/build/create/rpm-upload";
        let answer = set.house.upload_to(path, Some(&set.alice), (name, bytes), form);
        let text = answer.await.error(400);
        assert!(text.contains(expected), "{name}: {text}");
    }
    let all = set.house.get("/build/list?ownername=alice&projectname=tools");
    assert_eq!(all.await.ok()["items"], json!([]), "no build is made");
}

#[tokio::test]
async fn a_service_can_publish_its_own_builds_only() {
    let house = House::with(|config| config.rpm_upload = false).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let binary = packages::binary();
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let file = (binary.name.as_str(), binary.bytes.as_slice());
    let answer = house.upload_to("/build/create/rpm-upload", Some(&alice), file, &form);
    let text = answer.await.error(403);
    assert!(text.contains("only what it built itself"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_start_one_after_the_other() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let first = set.submit(&file, &[]).await;
    let (with, after) = (
        format!("--with-build-id={first}"),
        format!("--after-build-id={first}"),
    );
    let second = set.submit(&file, &[&with]).await;
    let third = set.submit(&file, &[&after]).await;
    let with = format!("--with-build-id={third}");
    let fourth = set.submit(&file, &[&with]).await;
    let after = format!("--after-build-id={fourth}");
    let fifth = set.submit(&file, &[&after]).await;

    let both = set
        .house
        .send(
            "POST",
            "/build/check-before-build",
            Some(&set.alice),
            json!({"ownername": "alice", "projectname": "tools", "after_build_id": first, "with_build_id": "2"}),
        )
        .await
        .error(400);
    assert!(both.contains("Only one batch option can be specified"), "{both}");
    // Whoever may not build there may not enter the batch, but may wait for it.
    let bob = set.house.person("bob", false).await;
    set.house.project(&bob, "other").await;
    let check = async |field: &str| {
        let body = json!({"ownername": "bob", "projectname": "other", field: first});
        set.house
            .send("POST", "/build/check-before-build", Some(&bob), body)
            .await
    };
    let text = check("with_build_id").await.error(400);
    assert!(text.contains("You are not allowed to build there"), "{text}");
    check("after_build_id").await.ok();

    let mut clock = 0;
    let mut started = Vec::new();
    let rounds = [vec![first, second], vec![third, fourth], vec![fifth]];
    for (n, expected) in rounds.iter().enumerate() {
        clock += 10;
        set.house.pass(10);
        let tasks = set.claim_all().await;
        assert_eq!(&numbers(&tasks), expected, "round {n}");
        started.push(crate::house::start().timestamp() + clock);
        // One of the first ones fails, which opens the next batch all the same.
        for (m, task) in tasks.iter().enumerate() {
            assert!(set.claim_all().await.is_empty());
            if n == 0 && m == 0 {
                set.fail(task, "build_failed").await;
            } else {
                set.succeed(task).await;
            }
        }
    }
    for (ids, at) in rounds.iter().zip(started) {
        for id in ids {
            let build = set.house.get(&format!("/build/{id}")).await.ok();
            assert_eq!(build["started_on"], at, "{build}");
        }
    }
    let late = format!("--with-build-id={first}");
    let refused = set
        .run(&["build", "--nowait", &late, "tools", &file])
        .await
        .expect_code(1);
    assert!(refused.err.contains("is already finished"), "{refused:?}");
    let mut conn = set.house.pool.get().await.unwrap();
    let id = BuildId(i64::try_from(first).unwrap());
    let batch = builds::find(&mut conn, id).await.unwrap().unwrap().batch.unwrap();
    let shown = set.house.get(&format!("/batch/{batch}")).await.ok();
    assert_eq!(
        (&shown["state"], shown["builds"].as_array().unwrap().len()),
        (&json!("finished"), 2)
    );
    set.house.get("/batch/99999").await.error(404);
    set.house.get("/batch/x").await.error(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canceling_acts_at_once_in_every_state() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let url = "http://example.org/a-1-1.src.rpm";
    let cancel = async |build: u64| {
        let canceled = set.run(&["cancel", &build.to_string()]).await.expect_code(0);
        assert_eq!(canceled.out.trim(), "canceled");
        assert_eq!(set.state(build).await, "canceled");
        let watched = set.run(&["watch-build", &build.to_string()]).await.expect_code(4);
        assert!(watched.out.contains("canceled"), "{watched:?}");
        let again = set.run(&["cancel", &build.to_string()]).await.expect_code(1);
        assert!(
            again.err.contains(&format!("Cannot cancel build {build}")),
            "{again:?}"
        );
    };
    // Pending.
    let build = set.submit(&file, &[]).await;
    cancel(build).await;
    assert!(set.claim_all().await.is_empty());
    // A source that runs.
    let build = set.submit(url, &[]).await;
    let task = set.claim_all().await.remove(0);
    assert_eq!(set.state(build).await, "running");
    cancel(build).await;
    let path = format!("/tasks/{}/attempts/1/heartbeat", task["id"]);
    set.house
        .builder(&path, &json!({"phase": "building"}))
        .await
        .error(410);
    // A source that is looked into.
    let build = set.submit(url, &[]).await;
    let task = set.claim_all().await.remove(0);
    set.finish(&task, &json!({"outcome": "succeeded"})).await;
    assert_eq!(set.state(build).await, "importing");
    cancel(build).await;
    // A chroot that runs.
    let build = set.submit(&file, &[]).await;
    set.claim_all().await;
    assert_eq!(set.state(build).await, "running");
    cancel(build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_are_deleted_all_or_none() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let done = set.submit(&file, &[]).await;
    let task = set.claim_all().await.remove(0);
    set.succeed(&task).await;
    let running = set.submit(&file, &[]).await;
    let task = set.claim_all().await.remove(0);
    let bob = set.house.person("bob", false).await;
    set.house.project(&bob, "other").await;
    let url =
        json!({"ownername": "bob", "projectname": "other", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let foreign = set
        .house
        .send("POST", "/build/create/url", Some(&bob), url)
        .await
        .ok()["items"][0]["id"]
        .as_u64()
        .unwrap();

    let all = [done, running, foreign, 4_000].map(|id| id.to_string());
    let mut arguments = vec!["delete-build"];
    arguments.extend(all.iter().map(String::as_str));
    let refused = set.run(&arguments).await.expect_code(1);
    for expected in [
        format!("You don't have permissions to delete build(s) {foreign}."),
        format!("Build(s) {running} are still running."),
        "Build(s) 4000 don't exist.".to_owned(),
    ] {
        assert!(refused.err.contains(&expected), "{refused:?}");
    }
    for id in [done, running, foreign] {
        set.house.get(&format!("/build/{id}")).await.ok();
    }
    let deleted = set.run(&["delete-build", &done.to_string()]).await.expect_code(0);
    assert!(deleted.out.contains(&done.to_string()), "{deleted:?}");
    set.house.get(&format!("/build/{done}")).await.error(404);

    // One that runs is stopped and gone at once.
    let path = format!("/build/delete/{running}");
    let model = set
        .house
        .send("DELETE", &path, Some(&set.alice), json!(null))
        .await
        .ok();
    assert_eq!(model["state"], "running", "as it was");
    set.house.get(&format!("/build/{running}")).await.error(404);
    let heartbeat = format!("/tasks/{}/attempts/1/heartbeat", task["id"]);
    set.house
        .builder(&heartbeat, &json!({"phase": "building"}))
        .await
        .error(410);
    // What was built in a persistent project stays.
    let admin = set.house.person("root", true).await;
    let keep = json!({"name": "kept", "chroots": [CHROOT], "persistent": true});
    set.house
        .send("POST", "/project/add/root", Some(&admin), keep)
        .await
        .ok();
    let url =
        json!({"ownername": "root", "projectname": "kept", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let kept = set
        .house
        .send("POST", "/build/create/url", Some(&admin), url)
        .await
        .ok();
    let path = format!("/build/delete/{}", kept["items"][0]["id"]);
    let text = set
        .house
        .send("DELETE", &path, Some(&admin), json!(null))
        .await
        .error(403);
    assert!(text.contains("can not delete a persistent build"), "{text}");
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
