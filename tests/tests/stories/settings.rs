//! What a project sets for a chroot, on its way into a real machine.

use testkit::{CHROOT, Client, Copr, Service, srpm_of};

use crate::support::{end, project, submit};

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
    let log = crate::support::log(&service, build).await.unwrap();
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
