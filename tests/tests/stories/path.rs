//! One source package all the way.

use testkit::{CHROOT, Client, Copr, Service, srpm, srpm_of};

use crate::support::{FileServer, end, get, project, submit};

/// `rpm -qp` of a file.
fn query(file: &std::path::Path, format: &str) -> String {
    let output = std::process::Command::new("rpm")
        .args(["-qp", "--nosignature", "--qf", format])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn download(url: &str) -> Vec<u8> {
    reqwest::get(url)
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .bytes()
        .await
        .unwrap()
        .to_vec()
}

/// K03 K12 K15 K17 K18 K19 K20 K21: upload, watch, install with both signature checks, run.
#[tokio::test]
async fn a_c_package_goes_from_copr_cli_build_to_dnf_install() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let said = copr
        .run(&["create", "tally", "--chroot", CHROOT, "--description", "Counting"])
        .unwrap()
        .expect_code(0);
    assert!(
        said.out.contains("New project was successfully created"),
        "{}",
        said.out
    );
    let package = srpm("tally").unwrap();
    let ran = copr
        .run(&["build", "tally", package.arg()])
        .unwrap()
        .expect_code(0);
    assert!(ran.out.contains("succeeded"), "{}", ran.out);
    let build = ran.build();

    let client = Client::new(&service, service.owner(), "tally").await.unwrap();
    client.run(&["install", "bash", "tally", "tally-doc"]).unwrap();
    assert_eq!(client.chroot("tally one two three").unwrap().trim(), "3");

    let format = "%{NAME} %{VERSION}-%{RELEASE} %{VENDOR} | %{PACKAGER} | %{BUGURL}\n";
    let installed = client.rpm(&["-q", "--qf", format, "tally", "tally-doc"]).unwrap();
    let page = format!("{}/coprs/admin/tally/", service.url());
    assert_eq!(
        installed,
        format!(
            "tally 1.0-1.deb12.kpr.admin_tally Koper - user admin | admin/tally <{page}> | {page}\n\
             tally-doc 1.0-7.deb12.kpr.admin_tally Koper - user admin | admin/tally <{page}> | {page}\n"
        )
    );
    let info = client.run(&["info", "--installed", "tally"]).unwrap();
    assert!(info.contains("copr:127.0.0.1:admin:tally"), "{info}");

    let json = get(&service, &format!("build/{build}")).await.unwrap();
    assert_eq!(json["submitter"], "admin");
    assert_eq!(json["source_package"]["name"], "tally");
    let built = get(&service, &format!("build/built-packages/{build}"))
        .await
        .unwrap();
    let names: Vec<&str> = built[CHROOT]["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"tally") && names.contains(&"tally-doc"),
        "{built}"
    );

    let listed = copr.run(&["list-builds", "tally"]).unwrap().expect_code(0);
    assert!(
        listed.out.starts_with(&format!("{build}\ttally\tsucceeded")),
        "{}",
        listed.out
    );
    signatures(&service, build).await;
}

/// Every file of a build, source package too, carries identity and a good signature of the project's own key.
async fn signatures(service: &Service, build: u64) {
    let chroot = get(
        service,
        &format!("build-chroot?build_id={build}&chrootname={CHROOT}"),
    )
    .await
    .unwrap();
    let url = chroot["result_url"].as_str().unwrap().to_owned();
    let listing = String::from_utf8(download(&url).await).unwrap();
    let rpms: Vec<&str> = listing
        .split("href=\"")
        .filter_map(|s| s.split('"').next())
        .filter(|n| n.ends_with(".rpm"))
        .collect();
    assert!(rpms.len() >= 3, "{listing}");
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("pubkey.gpg");
    fs_err::write(
        &key,
        download(&format!("{}/admin/tally/pubkey.gpg", service.results_url())).await,
    )
    .unwrap();
    let db = dir.path().join("db");
    let rpmkeys = |arguments: &[&std::ffi::OsStr]| {
        std::process::Command::new("rpmkeys")
            .arg("--dbpath")
            .arg(&db)
            .args(arguments)
            .output()
            .unwrap()
    };
    assert!(rpmkeys(&["--import".as_ref(), key.as_os_str()]).status.success());
    for name in rpms {
        let file = dir.path().join(name);
        fs_err::write(&file, download(&format!("{url}{name}")).await).unwrap();
        let checked = rpmkeys(&["-Kv".as_ref(), file.as_os_str()]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(
            checked.status.success() && said.contains("Header V4 RSA/SHA256 Signature"),
            "{said}"
        );
        assert!(
            query(&file, "%{RELEASE}").ends_with(".deb12.kpr.admin_tally"),
            "{name}"
        );
        assert_eq!(query(&file, "%{VENDOR}"), "Koper - user admin", "{name}");
    }
}

/// K15 K18: a spec without `%{?dist}` and with somebody else's Vendor gets the forced identity all the same.
#[tokio::test]
async fn a_noarch_package_without_the_dist_macro_gets_the_identity_too() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "motd").unwrap();
    let build = submit(&copr, "motd", srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(&service, build).await, "succeeded");
    let client = Client::new(&service, service.owner(), "motd").await.unwrap();
    client.run(&["install", "motd-koper"]).unwrap();
    assert_eq!(client.chroot("motd-koper").unwrap().trim(), "hello from koper");
    let identity = client
        .rpm(&["-q", "--qf", "%{RELEASE} %{VENDOR} %{PACKAGER}", "motd-koper"])
        .unwrap();
    assert!(
        identity.starts_with("3.deb12.kpr.admin_motd Koper - user admin admin/motd <http"),
        "{identity}"
    );
}

/// K16, scenario 3: two projects build the same source and their packages differ in name-version-release; one installs
/// both projects' repositories side by side. The sources come from URLs, fetched by the builder, two of them in one
/// call, and one client watches all of them to their ends.
#[tokio::test]
async fn urls_are_fetched_by_the_builder_and_two_projects_never_collide() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let folder = tempfile::tempdir().unwrap();
    let server = FileServer::start(folder.path());
    let spec = "Name: other\nVersion: 1\nRelease: 1\nSummary: Other\nLicense: MIT\nBuildArch: noarch\n\
                %description\nOther.\n%files\n";
    let [motd, other] = [srpm("motd-koper"), srpm_of("other", spec, None)].map(|package| {
        let package = package.unwrap();
        let name = package.path().file_name().unwrap();
        fs_err::copy(package.path(), folder.path().join(name)).unwrap();
        format!("{}/{}", server.url, name.to_str().unwrap())
    });
    for name in ["motd-one", "motd-two"] {
        project(&copr, name).unwrap();
    }
    let made = copr.run(&["build", "--nowait", "motd-one", &motd, &other]);
    let mut builds = made.unwrap().expect_code(0).builds();
    assert_eq!(builds.len(), 2);
    builds.push(submit(&copr, "motd-two", &motd, &[]).unwrap());
    let mut watch = vec!["watch-build".to_owned()];
    watch.extend(builds.iter().map(u64::to_string));
    let watch: Vec<&str> = watch.iter().map(String::as_str).collect();
    let watched = copr.run(&watch).unwrap().expect_code(0);
    for build in &builds {
        let end = format!("Build {build}: succeeded");
        assert!(watched.out.contains(&end), "{watched:?}");
    }
    let mut releases = Vec::new();
    for build in [builds[0], builds[2]] {
        let source = get(&service, &format!("build/source-chroot/{build}")).await;
        assert_eq!(source.unwrap()["state"], "succeeded");
        let built = get(&service, &format!("build/built-packages/{build}")).await;
        let package = built.unwrap()[CHROOT]["packages"][0].clone();
        releases.push(package["release"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        releases,
        ["3.deb12.kpr.admin_motd_one", "3.deb12.kpr.admin_motd_two"]
    );
}

/// K01: a new project's repository is valid before anything was built; creating it again is refused in Copr's words.
#[tokio::test]
async fn a_new_project_is_an_empty_signed_repository_at_once() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "empty").unwrap();
    let client = Client::new(&service, service.owner(), "empty").await.unwrap();
    client
        .run(&["--setopt=*.skip_if_unavailable=False", "makecache"])
        .unwrap();
    let again = copr
        .run(&["create", "empty", "--chroot", CHROOT])
        .unwrap()
        .expect_code(1);
    assert!(
        again.err.contains("You already have a project named"),
        "{}",
        again.err
    );
    // Copr's words for each field.
    for (arguments, words) in [
        (["create", "a b", "--chroot", CHROOT], "name: "),
        (["create", "123", "--chroot", CHROOT], "name: "),
        (
            ["create", "other", "--chroot", "nothing-1-x86_64"],
            "chroots: 'nothing-1-x86_64' is not a valid choice for this field",
        ),
    ] {
        let refused = copr.run(&arguments).unwrap().expect_code(1);
        assert!(
            refused.err.contains(words) && refused.out.is_empty(),
            "{refused:?}"
        );
    }
    let chroots = copr.run(&["list-chroots"]).unwrap().expect_code(0);
    assert!(chroots.out.contains(CHROOT), "{}", chroots.out);
    let modified = copr.run(&["modify", "empty", "--description", "Still empty"]);
    assert_eq!(
        modified.unwrap().expect_code(0).out,
        "",
        "copr-cli says nothing here"
    );
    let got = copr.run(&["get", "empty"]).unwrap().expect_code(0);
    assert!(got.out.contains("Still empty"), "{}", got.out);
    let listed = copr.run(&["list"]).unwrap().expect_code(0);
    assert!(listed.out.contains("empty"), "{}", listed.out);
    let deleted = copr.run(&["delete", "empty"]).unwrap().expect_code(0);
    assert_eq!(deleted.out, "Project empty has been deleted.\n");
    let gone = copr.run(&["get", "empty"]).unwrap().expect_code(1);
    assert!(gone.err.contains("admin/empty"), "{gone:?}");
}

/// GNU hello: configure, make and the test suite, minutes on an emulated machine; once.
#[tokio::test]
async fn gnu_hello_builds() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let Some(tarball) = std::env::var_os("KOPER_TEST_HELLO") else {
        panic!("KOPER_TEST_HELLO does not name GNU hello's source tarball; deploy/test fetches it");
    };
    let tarball = std::path::PathBuf::from(tarball);
    let spec =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packages/hello/hello.spec")).unwrap();
    let package = testkit::srpm_of("hello", &spec, tarball.parent()).unwrap();
    project(&copr, "gnu").unwrap();
    let build = submit(&copr, "gnu", package.arg(), &[]).unwrap();
    let ended = crate::support::until(
        &service,
        build,
        |s| matches!(s, "succeeded" | "failed" | "canceled"),
        std::time::Duration::from_secs(1800),
    )
    .await;
    assert_eq!(ended, "succeeded");
    let client = Client::new(&service, service.owner(), "gnu").await.unwrap();
    client.run(&["install", "bash", "hello"]).unwrap();
    assert_eq!(client.chroot("hello").unwrap().trim(), "Hello, world!");
}
