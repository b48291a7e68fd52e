//! What a project sets for a chroot, on its way into a real machine.

use testkit::{CHROOT, Client, Copr, Service, srpm_of};

use crate::support::{FileServer, end, log, project, submit};

/// Builds only with `--with extra`, only without `gui`, and only where `tree` is installed, which it does not ask for.
const SPEC: &str = "%bcond_with extra
%bcond_without gui
Name: picky
Version: 1.0
Release: 1%{?dist}
Summary: Builds only as its chroot is set
License: MIT
BuildArch: noarch
%description
A text.
%build
test -x /usr/bin/tree
%if %{without extra}
echo 'not built --with extra'; exit 1
%endif
%if %{with gui}
echo 'not built --without gui'; exit 1
%endif
%install
mkdir -p %{buildroot}/opt
echo picky > %{buildroot}/opt/picky
%files
/opt/picky
";

/// Scenarios 5 and 16: options and packages of the chroot reach the build, whose packages appear in the directory that
/// it was sent to, and nowhere else.
#[tokio::test]
async fn settings_of_a_chroot_reach_a_build_in_a_directory() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "picky").unwrap();
    let target = format!("picky/{CHROOT}");
    let edit = [
        "edit-chroot",
        &target,
        "--packages",
        "tree",
        "--rpmbuild-with",
        "extra",
        "--rpmbuild-without",
        "gui",
    ];
    copr.run(&edit).unwrap().expect_code(0);
    let package = srpm_of("picky", SPEC, None).unwrap();
    let build = submit(&copr, "picky:pr:1", package.arg(), &[]).unwrap();
    let state = end(&service, build).await;
    let log = log(&service, build).await.unwrap();
    assert_eq!(state, "succeeded", "{log}");
    let main = Client::new(&service, service.owner(), "picky").await.unwrap();
    assert!(
        main.run(&["install", "picky"]).is_err(),
        "the main directory has it"
    );
    let client = Client::new(&service, service.owner(), "picky:pr:1")
        .await
        .unwrap();
    client.run(&["install", "picky"]).unwrap();
    assert_eq!(
        fs_err::read_to_string(client.root().join("opt/picky"))
            .unwrap()
            .trim(),
        "picky"
    );
}

/// A `noarch` package whose `%build` is given, and which installs a file of its name that says hello.
fn talker(name: &str, head: &str, build: &str) -> String {
    format!(
        "Name: {name}\nVersion: 1.0\nRelease: 1%{{?dist}}\nSummary: Talks\nLicense: MIT\nBuildArch: noarch\n{head}\
         %description\nTalks.\n%build\n{build}\n%install\nmkdir -p %{{buildroot}}/opt\n\
         echo hello from {name} > %{{buildroot}}/opt/{name}\n%files\n/opt/{name}\n"
    )
}

/// `enable_net` and repositories: a build reaches a server while its project lets it and not otherwise, and a build
/// requirement comes from another project of the service, named as `copr://owner/project`.
#[tokio::test]
async fn a_build_uses_the_network_and_another_projects_packages_where_it_may() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("words"), "words of the server\n").unwrap();
    let server = FileServer::start(folder.path());
    // Python heeds the proxy of its surroundings, which stands for the network in a build.
    let ask = format!(
        "python3 -c 'from urllib.request import urlopen; print(urlopen(\"{}/words\", timeout=100).read().decode())'",
        server.url
    );

    project(&copr, "lender").unwrap();
    let spec = talker(
        "lent",
        "",
        &format!("export http_proxy=http://10.0.2.100:80\nif {ask}; then exit 1; fi"),
    );
    let package = srpm_of("lent", &spec, None).unwrap();
    let first = submit(&copr, "lender", package.arg(), &[]).unwrap();
    let state = end(&service, first).await;
    let said = log(&service, first).await.unwrap();
    assert_eq!(state, "succeeded", "{said}");
    assert!(
        said.contains("urlopen error") && !said.contains("words of the server"),
        "{said}"
    );

    let create = ["create", "borrower", "--chroot", CHROOT, "--enable-net", "on"];
    let create = [&create[..], &["--repo", "copr://admin/lender"]].concat();
    copr.run(&create).unwrap().expect_code(0);
    let spec = talker(
        "borrower",
        "BuildRequires: lent\n",
        &format!("cat /opt/lent\n{ask}"),
    );
    let package = srpm_of("borrower", &spec, None).unwrap();
    let second = submit(&copr, "borrower", package.arg(), &[]).unwrap();
    let state = end(&service, second).await;
    let said = log(&service, second).await.unwrap();
    assert_eq!(state, "succeeded", "{said}");
    assert!(
        said.contains("\nwords of the server\n") && said.contains("\nhello from lent\n"),
        "{said}"
    );
}
