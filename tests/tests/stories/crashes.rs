//! kill -9 anywhere: nothing is lost, and clients never see a broken repository.

mod gates;
mod keys;
mod minis;
mod promote;
mod retention;

use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::{CHROOT, Client, Copr, Service, srpm, srpm_of, wait_until};

use crate::support::{FileServer, end, get, post, project, snapshot, submit, until};

/// Stories that kill parts of the shared service take turns; others only wait a little longer meanwhile.
async fn turn() -> nix::fcntl::Flock<std::fs::File> {
    tokio::task::spawn_blocking(|| {
        let path = std::env::temp_dir().join("koper-stories.turn");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .unwrap();
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).unwrap()
    })
    .await
    .unwrap()
}

async fn packages(service: &Service, project: &str) -> usize {
    seen(service, project).await.unwrap()
}

async fn seen(service: &Service, project: &str) -> anyhow::Result<usize> {
    let client = Client::new(service, service.owner(), project).await?;
    let out = client.run(&[
        "--disablerepo=distro",
        "--setopt=*.skip_if_unavailable=False",
        "repoquery",
        "--qf",
        "%{arch} %{name}",
    ])?;
    Ok(out.lines().filter(|l| l.starts_with("noarch ")).count())
}

/// K10: the lease ends, the task is offered again, there is exactly one result.
#[tokio::test]
async fn a_builder_killed_in_mid_build() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "lost-builder").unwrap();
    let build = submit(&copr, "lost-builder", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    until(&service, build, |s| s == "running", crate::support::BUILD).await;
    let old = service.kill("builder").unwrap();
    wait_until("a new builder", Duration::from_secs(60), || {
        service.pid("builder").filter(|p| *p != old)
    });
    assert_eq!(end(&service, build).await, "succeeded");
    assert_eq!(packages(&service, "lost-builder").await, 1);
}

/// The backend dies between any two steps of verify, sign and publish; each time the build ends right after a restart,
/// and a loop of clients with both signature checks sees no failure.
#[tokio::test]
async fn a_backend_killed_between_any_two_steps() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "lost-backend").unwrap();
    let client = Arc::new(
        Client::new(&service, service.owner(), "lost-backend")
            .await
            .unwrap(),
    );
    let clients = client.makecache_loop();
    let places = [
        "publish_task.after_verify",
        "publish_task.after_sign",
        "publish_task.after_store",
        "publish_task.before_snapshot",
        "snapshot.before_store",
        "snapshot.after_frames",
        "snapshot.after_plans",
        "snapshot.before_move",
        "publish_task.before_pointer",
        "publish_task.before_succeeded",
    ];
    for (n, place) in places.iter().enumerate() {
        let wish = service.die_at(place).unwrap();
        let name = format!("step{n}");
        let spec = format!(
            "Name: {name}\nVersion: 1\nRelease: 1%{{?dist}}\nSummary: Step\nLicense: MIT\nBuildArch: noarch\n%description\nStep.\n%files\n"
        );
        let build = submit(
            &copr,
            "lost-backend",
            srpm_of(&name, &spec, None).unwrap().arg(),
            &[],
        )
        .unwrap();
        assert_eq!(end(&service, build).await, "succeeded", "{place}");
        assert!(!wish.exists(), "the backend never passed {place}");
        assert_eq!(packages(&service, "lost-backend").await, n + 1, "{place}");
    }
    clients.expect_no_failure();
}

/// Makes the backend die at a place that a change of a project leads it past, and waits until that is done all the same.
async fn survives(service: &Service, place: &str, change: impl AsyncFnOnce(), done: impl AsyncFn() -> bool) {
    let wish = service.die_at(place).unwrap();
    change().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    // The change may show before the backend passes the place.
    while wish.exists() || !done().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{place}: nothing comes of it"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The same for what happens to a project that has builds: making, fork, publication anew and deletion.
#[tokio::test]
async fn a_backend_killed_while_projects_change() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let service = &service;
    for (place, name) in [
        ("set_up_project.after_key", "lost-key"),
        ("set_up_project.before_pointer", "lost-changes"),
    ] {
        let wish = service.die_at(place).unwrap();
        project(&copr, name).unwrap();
        assert!(!wish.exists(), "the backend never passed {place}");
        assert_eq!(packages(service, name).await, 0);
    }
    let client = Client::new(service, service.owner(), "lost-changes")
        .await
        .unwrap();
    let clients = Arc::new(client).makecache_loop();
    // The source comes by a URL, so that the backend looks into it.
    let package = srpm("motd-koper").unwrap();
    let server = FileServer::start(package.path().parent().unwrap());
    let file = package.path().file_name().unwrap().to_str().unwrap();
    let wish = service.die_at("accept_source.after_store").unwrap();
    let build = submit(&copr, "lost-changes", &format!("{}/{file}", server.url), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    assert!(!wish.exists(), "the backend never passed there");

    for place in [
        "fork_project.after_rows",
        "fork_project.after_store",
        "fork_project.before_pointer",
    ] {
        let name = place.replace(['_', '.'], "-");
        let fork = async || {
            let fork = ["fork", "lost-changes", &name];
            copr.run(&fork).unwrap().expect_code(0);
        };
        // A fork has no repository until it is set up.
        let done = async || seen(service, &name).await.is_ok_and(|all| all == 1);
        survives(service, place, fork, done).await;
    }
    let before = snapshot(service, "lost-changes").await;
    let regenerate = async || {
        copr.run(&["regenerate-repos", "lost-changes"])
            .unwrap()
            .expect_code(0);
    };
    let done = async || snapshot(service, "lost-changes").await > before;
    survives(service, "republish.before_pointer", regenerate, done).await;

    for (place, project) in [
        ("remove_builds.before_pointer", "lost-changes"),
        ("remove_builds.before_objects", "fork-project-after-rows"),
    ] {
        let listed = get(
            service,
            &format!("build/list?ownername=admin&projectname={project}"),
        )
        .await;
        let id = listed.unwrap()["items"][0]["id"].to_string();
        let delete = async || {
            copr.run(&["delete-build", &id]).unwrap().expect_code(0);
        };
        let done = async || packages(service, project).await == 0;
        survives(service, place, delete, done).await;
    }
    clients.expect_no_failure();
}

/// The same while somebody promotes packages, removes a pointer, and goes back and forth between snapshots.
#[tokio::test]
async fn a_backend_killed_while_pointers_move() {
    let _turn = turn().await;
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    project(&copr, "lost-pointers").unwrap();
    let build = submit(&copr, "lost-pointers", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    let client = Client::new(service, service.owner(), "lost-pointers")
        .await
        .unwrap();
    let clients = Arc::new(client).makecache_loop();
    let beta = format!(
        "{}/admin/lost-pointers/{CHROOT}/@beta/mirrorlist",
        service.results_url()
    );
    let status = async || {
        reqwest::get(&beta)
            .await
            .map_or(0, |answer| answer.status().as_u16())
    };
    let promote = async || {
        let wish = json!({"pointer": "beta", "from": "latest", "packages": "motd-koper"});
        post(
            service,
            &format!("snapshot/promote/admin/lost-pointers/{CHROOT}"),
            wish,
        )
        .await;
    };
    let done = async || status().await == 200;
    survives(service, "make_snapshot.before_pointer", promote, done).await;
    let remove = async || {
        let wish = json!({"pointer": "beta"});
        post(
            service,
            &format!("pointer/delete/admin/lost-pointers/{CHROOT}"),
            wish,
        )
        .await;
    };
    let done = async || status().await == 404;
    survives(service, "write_pointers.before_removal", remove, done).await;
    for _ in 0..5 {
        for to in ["1", "2"] {
            let path = format!("snapshot/rollback/admin/lost-pointers/{CHROOT}");
            assert_eq!(post(service, &path, json!({"to": to})).await, 200);
            assert_eq!(snapshot(service, "lost-pointers").await.to_string(), to);
        }
    }
    assert_eq!(packages(service, "lost-pointers").await, 1);
    clients.expect_no_failure();
}

/// No place is forgotten.
#[test]
fn the_backend_dies_in_each_of_its_places() {
    let stories = [
        include_str!("crashes.rs"),
        include_str!("crashes/gates.rs"),
        include_str!("crashes/keys.rs"),
        include_str!("crashes/promote.rs"),
        include_str!("crashes/minis.rs"),
        include_str!("crashes/retention.rs"),
    ]
    .concat();
    let mut places = 0;
    let mut paths = vec![PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../backend/src"
    ))];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs_err::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs_err::read_to_string(path).unwrap();
        for rest in text.split("faults.pass(\"").skip(1) {
            let place = rest.split('"').next().unwrap();
            assert!(stories.contains(&format!("\"{place}\"")), "no story of {place}");
            places += 1;
        }
    }
    assert!(places > 10, "{places} places");
}

/// Scenario 20: the frontend is killed while a client watches. The client, which tries three times, five seconds apart,
/// meets it dead, sees it again after the restart, and ends as if nothing had happened.
#[tokio::test]
async fn a_frontend_killed_under_a_watching_client() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "lost-frontend").unwrap();
    let build = submit(&copr, "lost-frontend", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    // Its words show each connection that it tries.
    let watch = ["--debug", "watch-build", &build.to_string()];
    let watch = copr.start(&watch).unwrap();
    let watch = Watch::of(watch);
    watch.until(1, "that the client asks");
    let hold = service.hold("frontend").unwrap();
    let old = service.kill("frontend").unwrap();
    // Half a minute after it asked first; it has two more tries.
    watch.until(2, "that the client meets a dead frontend");
    drop(hold);
    wait_until("a new frontend", Duration::from_secs(60), || {
        service.pid("frontend").filter(|p| *p != old)
    });
    let said = watch.end();
    assert!(said.contains(&format!("Build {build}: succeeded")), "{said}");
    assert_eq!(packages(&service, "lost-frontend").await, 1);
}

/// A running `copr-cli --debug watch-build`.
struct Watch {
    child: std::process::Child,
    /// How many connections it has tried.
    tried: Arc<AtomicUsize>,
    reader: std::thread::JoinHandle<()>,
}

impl Watch {
    fn of(mut child: std::process::Child) -> Self {
        let tried = Arc::new(AtomicUsize::new(0));
        let (counted, errors) = (tried.clone(), child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in std::io::BufReader::new(errors).lines() {
                if line.unwrap().contains("Starting new HTTP connection") {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { child, tried, reader }
    }

    fn until(&self, connections: usize, what: &str) {
        wait_until(what, Duration::from_secs(120), || {
            (self.tried.load(Ordering::Relaxed) >= connections).then_some(())
        });
    }

    /// Waits for the client's success and returns what it printed.
    fn end(self) -> String {
        let output = self.child.wait_with_output().unwrap();
        self.reader.join().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }
}

/// PostgreSQL, then the object store, are gone for 20 s while a build is under way.
#[tokio::test]
async fn database_and_store_away_for_twenty_seconds() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    for part in ["postgres", "s3"] {
        let name = format!("lost-{part}");
        project(&copr, &name).unwrap();
        let client = Arc::new(Client::new(&service, service.owner(), &name).await.unwrap());
        let clients = client.makecache_loop();
        let build = submit(&copr, &name, srpm("motd-koper").unwrap().arg(), &[]).unwrap();
        until(&service, build, |s| s == "running", crate::support::BUILD).await;
        let hold = service.hold(part).unwrap();
        service.kill(part).unwrap();
        // The length of the outage is the story, not a wait for something.
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(hold);
        assert_eq!(end(&service, build).await, "succeeded", "{part}");
        clients.expect_no_failure();
        assert_eq!(packages(&service, &name).await, 1);
        let json = get(&service, &format!("build/{build}")).await.unwrap();
        assert_eq!(json["state"], "succeeded");
    }
}

/// A machine that dies in mid-build fails its build with a reason; its disks go with it.
#[tokio::test]
async fn a_machine_killed_in_mid_build() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "lost-machine").unwrap();
    let spec = "Name: sleeper\nVersion: 1\nRelease: 1%{?dist}\nSummary: Sleeps\nLicense: MIT\nBuildArch: noarch\n\
        %description\nSleeps.\n%build\necho now asleep\nsleep 100000\n%files\n";
    let package = srpm_of("sleeper", spec, None).unwrap();
    let build = submit(&copr, "lost-machine", package.arg(), &[]).unwrap();
    live_log_says(&service, "lost-machine", build, "data: now asleep").await;
    let machine = machines(&service).pop().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(machine),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(end(&service, build).await, "failed");
    let page = crate::support::page(&service, build).await.unwrap();
    assert!(page.contains("the VM ended before the build did"), "{page}");
    let tasks = service.data().join("builder/tasks");
    wait_until("the disks' end", Duration::from_secs(30), || {
        fs_err::read_dir(&tasks).map_or(Some(()), |mut d| d.next().is_none().then_some(()))
    });
    assert!(machines(&service).is_empty());
}

/// Follows the live log of a build, as its page does, until it holds some words.
async fn live_log_says(service: &Service, project: &str, build: u64, words: &str) {
    let page = format!(
        "{}/coprs/admin/{project}/build/{build}/{}/log",
        service.url(),
        testkit::CHROOT
    );
    let follow = async {
        let mut answer = reqwest::get(page).await.unwrap().error_for_status().unwrap();
        let mut text = String::new();
        while !text.contains(words) {
            // rpmbuild shows the script before it runs it: the words have to stand alone.
            let piece = answer.chunk().await.unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&piece));
        }
    };
    tokio::time::timeout(crate::support::BUILD, follow).await.unwrap();
}

/// Process ids of the service's virtual machines.
fn machines(service: &Service) -> Vec<i32> {
    let data = service.data().display().to_string();
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let line = fs_err::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.starts_with("qemu-system") && line.contains(&data) {
            found.push(pid);
        }
    }
    found
}
