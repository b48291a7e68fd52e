//! K24, pain 11 of the contract: packages that were built elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

/// Runs a program and returns what it printed.
pub fn program(name: &str, arguments: &[&str], home: &Path) -> String {
    let output = Command::new(name)
        .args(arguments)
        .env("GNUPGHOME", home)
        .env("HOME", home)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    text(&output.stdout)
}

/// A package that is signed with a key that nobody here knows; its file.
fn foreign(dir: &Path) -> PathBuf {
    let spec = dir.join("visitor.spec");
    fs_err::write(
        &spec,
        "Name: visitor\nVersion: 1.0\nRelease: 1\nSummary: From elsewhere\nLicense: MIT\nBuildArch: noarch\n\
         Vendor: Somebody else\n%description\nFrom elsewhere.\n%install\nmkdir -p %{buildroot}/opt\n\
         echo elsewhere > %{buildroot}/opt/visitor\n%files\n/opt/visitor\n",
    )
    .unwrap();
    let top = format!("_topdir {}", dir.display());
    program("rpmbuild", &["-bb", "-D", &top, spec.to_str().unwrap()], dir);
    let file = dir.join("RPMS/noarch/visitor-1.0-1.noarch.rpm");
    let who = "Stranger <stranger@example.org>";
    let key = [
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        who,
        "rsa2048",
    ];
    program("gpg", &key, dir);
    let name = format!("_gpg_name {who}");
    // Debian's rpm has no path for it.
    let gpg = "__gpg /usr/bin/gpg";
    let path = file.to_str().unwrap();
    program("rpmsign", &["--addsign", "-D", &name, "-D", gpg, path], dir);
    program("gpgconf", &["--kill", "gpg-agent"], dir);
    file
}

/// Time and key of a package's signature.
fn signature(file: &Path) -> String {
    let format = "%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|SIGPGP?{%{SIGPGP:pgpsig}}:{none}|}|";
    let home = file.parent().unwrap();
    program("rpm", &["-qp", "--qf", format, file.to_str().unwrap()], home)
}

/// It is published without a builder, with the project's signature and no other, marked as not built here, and installs
/// with both signature checks.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_package_is_signed_anew() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    run(&alice, &["create", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let dir = tempfile::tempdir().unwrap();
    let file = foreign(dir.path());
    let theirs = signature(&file);
    assert!(theirs.contains("Key ID"), "{theirs}");
    let path = file.to_str().unwrap();
    let upload = ["uploadrpm", "--nowait", "--chroot", CHROOT, "tools", path];
    let id = run(&alice, &upload).await.expect_code(0).build();
    let id = protocol::BuildId(i64::try_from(id).unwrap());
    let build = house.wait(id, |build| build.is_final()).await;
    assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);

    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("visitor").await;
    assert_eq!(machine.reads("visitor"), "elsewhere");
    let place = format!("{}/alice/tools/{CHROOT}/{:08}-visitor", house.results_url, id.0);
    let download = async |name: &str| {
        let answer = reqwest::get(format!("{place}/{name}")).await.unwrap();
        answer.error_for_status().unwrap().bytes().await.unwrap()
    };
    let info = download("build.info").await;
    assert!(String::from_utf8_lossy(&info).contains("origin=unverified-origin"));
    let published = dir.path().join("published.rpm");
    fs_err::write(&published, download("visitor-1.0-1.noarch.rpm").await).unwrap();
    let ours = signature(&published);
    assert!(ours.contains("Key ID") && ours != theirs, "{ours}");

    // The repository has it now.
    let again = run(&alice, &upload).await.expect_code(1);
    assert!(again.err.contains("already"), "{again:?}");
}
