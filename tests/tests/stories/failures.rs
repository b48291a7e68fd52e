//! When things go wrong: a reason that a packager understands, and the service goes on.

use std::sync::Arc;

use testkit::{CHROOT, Client, Copr, Service, srpm, srpm_of};

use crate::support::{end, get, log, page, project, submit};

const HEAD: &str = "Version: 1\nRelease: 1%{?dist}\nSummary: Broken\nLicense: MIT\nBuildArch: noarch\n%description\nBroken.\n";

fn spec(name: &str, rest: &str) -> String {
    format!("Name: {name}\n{HEAD}{rest}\n%files\n")
}

/// Builds a spec in a project of its own and returns the build's number and page after it failed.
async fn fails(name: &str, spec: &str, options: &[&str]) -> (u64, String) {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, name).unwrap();
    let build = submit(&copr, name, srpm_of(name, spec, None).unwrap().arg(), options).unwrap();
    assert_eq!(end(&service, build).await, "failed");
    let page = page(&service, build).await.unwrap();
    let copr_cli = copr.run(&["status", &build.to_string()]).unwrap().expect_code(0);
    assert_eq!(copr_cli.out.trim(), "failed");
    (build, page)
}

/// Refused with a sentence, exit 1, before a build exists.
#[tokio::test]
async fn what_is_no_source_package_is_refused_at_once() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "refused").unwrap();
    let good = srpm("tally").unwrap();
    let bytes = fs_err::read(good.path()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let built = std::process::Command::new("rpmbuild")
        .args(["-bb", "--define", &format!("_topdir {0}", dir.path().display())])
        .args([
            "--define",
            &format!("_rpmdir {0}", dir.path().display()),
            "--define",
            "_rpmfilename binary.rpm",
        ])
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/packages/motd-koper/motd-koper.spec"
        ))
        .env("HOME", dir.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let binary = fs_err::read(dir.path().join("binary.rpm")).unwrap();
    let half = &bytes[..bytes.len() / 2];
    // The signature header's size tag says more than there is: the payload was cut, or the header lies.
    let cases = [
        (
            file(
                "text.src.rpm",
                b"this is no package at all, but long enough to be looked into ................",
            ),
            "RPM",
        ),
        (file("binary.src.rpm", &binary), "binary package"),
        (file("truncated.src.rpm", half), "truncated.src.rpm"),
        (
            file(
                "lies.src.rpm",
                &[bytes.as_slice(), b"more than the header says"].concat(),
            ),
            "lies.src.rpm",
        ),
    ];
    for (path, word) in cases {
        let ran = copr
            .run(&["build", "--nowait", "refused", &path])
            .unwrap()
            .expect_code(1);
        assert!(ran.err.contains(word), "{path}: {}", ran.err);
    }
    let builds = get(&service, "build/list?ownername=admin&projectname=refused")
        .await
        .unwrap();
    assert_eq!(builds["items"].as_array().unwrap().len(), 0, "{builds}");
}

#[tokio::test]
async fn a_url_that_leads_nowhere_fails_with_the_answer() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "nowhere").unwrap();
    let build = submit(
        &copr,
        "nowhere",
        &format!("{}/nothing.src.rpm", service.results_url()),
        &[],
    )
    .unwrap();
    assert_eq!(end(&service, build).await, "failed");
    assert!(page(&service, build).await.unwrap().contains("404"));
    copr.run(&["watch-build", &build.to_string()])
        .unwrap()
        .expect_code(4);
}

#[tokio::test]
async fn a_spec_that_does_not_parse() {
    // It parses where the source package is made, and not in the guest.
    let spec = spec(
        "noparse",
        "%{lua: if rpm.expand('%{dist}') ~= '' then error('only parsed at home') end}",
    );
    let (_, page) = fails("noparse", &spec, &[]).await;
    assert!(page.contains("spec"), "{page}");
}

#[tokio::test]
async fn a_missing_build_requirement_is_named() {
    let spec = spec("missing", "").replace("BuildArch", "BuildRequires: no-such-thing-devel >= 7\nBuildArch");
    let (_, page) = fails("missing", &spec, &[]).await;
    assert!(page.contains("no-such-thing-devel"), "{page}");
}

/// Scenario 2: whoever watches learns it by the exit code, and the log says more.
#[tokio::test]
async fn a_failing_build_section_leaves_its_log() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "failing").unwrap();
    let spec = spec("failing", "%build\necho words before the end\nexit 3");
    let package = srpm_of("failing", &spec, None).unwrap();
    let watched = copr
        .run(&["build", "failing", package.arg()])
        .unwrap()
        .expect_code(4);
    let build = watched.build();
    assert!(
        watched.out.contains(&format!("Build {build}: failed"))
            && watched
                .err
                .contains(&format!("Build error: Build(s) {build} failed.")),
        "{watched:?}"
    );
    let page = page(&service, build).await.unwrap();
    assert!(page.contains("%build"), "{page}");
    let log = log(&service, build).await.unwrap();
    assert!(log.contains("words before the end"), "{log}");
}

#[tokio::test]
async fn a_check_that_never_ends_is_stopped() {
    let (build, page) = fails(
        "endless",
        &spec("endless", "%check\nsleep 100000"),
        &["--timeout", "60"],
    )
    .await;
    let words = "the build took longer than 60 s and was stopped";
    assert!(page.contains(words), "{page}");
    // Whoever reads the log alone learns it as well.
    let log = log(&Service::shared().unwrap(), build).await.unwrap();
    assert!(log.ends_with(&format!("\nkoper: {words}\n")), "{log}");
}

/// K13: what a build can do to its machine ends with the machine.
#[tokio::test]
async fn a_build_that_fills_the_disk() {
    let (_, page) = fails(
        "full",
        &spec("full", "%build\ndd if=/dev/zero of=big bs=1M count=100000"),
        &[],
    )
    .await;
    assert!(page.to_lowercase().contains("disk"), "{page}");
}

#[tokio::test]
async fn a_build_that_prints_forever() {
    let (_, page) = fails("loud", &spec("loud", "%build\nyes koper"), &[]).await;
    assert!(page.to_lowercase().contains("log"), "{page}");
}

#[tokio::test]
async fn a_build_that_eats_all_memory() {
    // `tail` keeps a line without an end in memory.
    let (_, page) = fails("hungry", &spec("hungry", "%build\ntail /dev/zero"), &[]).await;
    assert!(page.to_lowercase().contains("memory"), "{page}");
}

#[tokio::test]
async fn a_build_whose_packages_are_too_large() {
    let spec = format!(
        "%global _binary_payload w0.ufdio\nName: bulky\n{HEAD}%install\nmkdir -p %{{buildroot}}/opt\n\
         dd if=/dev/zero of=%{{buildroot}}/opt/big bs=1M count=48\n%files\n/opt/big\n"
    );
    let (_, page) = fails("bulky", &spec, &[]).await;
    assert!(page.contains("33554432") || page.contains("32 MiB"), "{page}");
}

/// K13: forks, signals to everything, the kernel's doors and the network: none of it leaves the machine, and the next
/// build starts in a fresh one.
#[tokio::test]
async fn a_hostile_build_harms_only_itself() {
    let hostile = "%build\n\
        echo c > /proc/sysrq-trigger || true\n\
        bash -c 'exec 3<>/dev/tcp/10.0.2.100/80' && echo NETWORK IS THERE\n\
        bash -c 'exec 3<>/dev/tcp/10.0.2.2/22' && echo HOST IS THERE\n\
        kill -9 1 || true\n\
        bash -c 'f() { f | f & }; f' || true\n\
        kill -9 -1\n";
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "peaceful").unwrap();
    let peaceful = |version: u32| {
        let spec = spec("peaceful", "").replacen("Version: 1", &format!("Version: {version}"), 1);
        submit(
            &copr,
            "peaceful",
            srpm_of("peaceful", &spec, None).unwrap().arg(),
            &[],
        )
        .unwrap()
    };
    assert_eq!(end(&service, peaceful(1)).await, "succeeded");
    let before = root_images(&service);
    assert!(!before.is_empty());
    let (build, _) = fails("hostile", &spec("hostile", hostile), &[]).await;
    let log = log(&service, build).await.unwrap();
    assert!(
        log.contains("/dev/tcp/10.0.2.100/80") && !log.contains("IS THERE"),
        "{log}"
    );
    assert_eq!(root_images(&service), before, "the root image changed");
    assert_eq!(end(&service, peaceful(2)).await, "succeeded");
}

/// Digests of the root images that machines start from.
fn root_images(service: &Service) -> String {
    let folder = service.data().join("builder/roots");
    let images = fs_err::read_dir(folder).unwrap().flatten().map(|e| e.path());
    let images = images.filter(|p| p.extension().is_some_and(|e| e == "ext4"));
    let output = std::process::Command::new("sha256sum")
        .args(images)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Cancel acts at once, on what waits and on what runs; a watcher learns it.
#[tokio::test]
async fn cancel_acts_at_once() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "cancel").unwrap();
    let long = srpm_of("long", &spec("long", "%build\nsleep 100000"), None).unwrap();
    let build = submit(&copr, "cancel", long.arg(), &[]).unwrap();
    crate::support::until(&service, build, |s| s == "running", crate::support::BUILD).await;
    let ran = copr.run(&["cancel", &build.to_string()]).unwrap().expect_code(0);
    assert!(ran.out.contains("canceled"), "{}", ran.out);
    assert_eq!(copr.status(build).unwrap(), "canceled");
    copr.run(&["watch-build", &build.to_string()])
        .unwrap()
        .expect_code(4);
    copr.run(&["cancel", &build.to_string()]).unwrap().expect_code(1);
}

/// Scenario 17, and a pain: the same name, version and release twice is refused, the repository keeps the first build's
/// file, and a loop of clients that check both signatures sees no failure meanwhile.
#[tokio::test]
async fn the_same_nevra_twice_is_refused() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "twice").unwrap();
    let watching = Arc::new(Client::new(&service, "admin", "twice").await.unwrap());
    let clients = watching.makecache_loop();
    // Other content under the same name, so that the two files differ.
    let build = |words: &str| {
        let body = format!("%install\nmkdir -p %{{buildroot}}/opt\necho {words} > %{{buildroot}}/opt/twice");
        let spec = format!("{}/opt/twice\n", spec("twice", &body));
        let package = srpm_of("twice", &spec, None).unwrap();
        submit(&copr, "twice", package.arg(), &[]).unwrap()
    };
    let first = build("first");
    assert_eq!(end(&service, first).await, "succeeded");
    let second = build("second");
    assert_eq!(end(&service, second).await, "failed");
    assert!(
        page(&service, second)
            .await
            .unwrap()
            .contains("raise Version or Release")
    );
    let late = Client::new(&service, "admin", "twice").await.unwrap();
    late.run(&["--setopt=keepcache=True", "install", "twice"])
        .unwrap();
    let installed = fs_err::read_to_string(late.root().join("opt/twice")).unwrap();
    assert_eq!(installed.trim(), "first");
    let of_first = result(&service, first, ".noarch.rpm").await;
    let [given] = late.downloaded(".noarch.rpm").unwrap().try_into().unwrap();
    assert!(
        fs_err::read(given).unwrap() == of_first,
        "the repository gives another file than the first build's"
    );
    // Until here clients looked all the time.
    clients.expect_no_failure();
}

/// The only file of a build's chroot with such a name.
async fn result(service: &Service, build: u64, suffix: &str) -> Vec<u8> {
    let path = format!("build-chroot?build_id={build}&chrootname={CHROOT}");
    let chroot = get(service, &path).await.unwrap();
    let url = chroot["result_url"].as_str().unwrap();
    let listing = reqwest::get(url).await.unwrap().text().await.unwrap();
    let mut names = listing.split("href=\"").filter_map(|rest| rest.split('"').next());
    let name = names.find(|name| name.ends_with(suffix)).unwrap();
    let file = reqwest::get(format!("{url}{name}")).await.unwrap();
    file.error_for_status().unwrap().bytes().await.unwrap().to_vec()
}
