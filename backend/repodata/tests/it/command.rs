//! The command line.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{dnf, package, packages, run, text, try_run};

fn repodata() -> Command {
    Command::new(env!("CARGO_BIN_EXE_repodata"))
}

/// A folder with all fixture packages, some of them further below.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let below = folder.path().join("more/below");
    fs_err::create_dir_all(&below).unwrap();
    for (n, path) in packages().iter().enumerate() {
        let to = if n % 2 == 0 { &below } else { folder.path() };
        run(Command::new("cp").arg("-p").arg(path).arg(to));
    }
    folder
}

fn create(folder: &Path, compression: &str) -> String {
    run(repodata()
        .args(["create", "--timestamp=1700000000", "--compression", compression])
        .arg(folder))
}

#[test]
fn a_folder_becomes_a_repository_that_dnf_installs_from() {
    for compression in ["zstd", "gzip"] {
        let (folder, root) = (folder(), TempDir::new().unwrap());
        assert_eq!(create(folder.path(), compression), "9 packages\n");
        run(repodata().arg("check").arg(folder.path()));
        run(dnf(root.path(), folder.path()).args(["--nogpgcheck", "install", "gamma"]));
        assert!(root.path().join("usr/share/gamma/file").exists());
    }
}

#[test]
fn zchunk_files_stand_beside_the_others() {
    let folder = folder();
    run(repodata().args(["create", "--zchunk"]).arg(folder.path()));
    let said = run(repodata().arg("check").arg(folder.path()));
    assert_eq!(said.lines().count(), 6, "{said}");
    let whole = |ending: &str| {
        said.lines()
            .filter(|l| l.ends_with(&format!(".xml.{ending} is whole")))
            .count()
    };
    assert_eq!((whole("zst"), whole("zck")), (3, 3), "{said}");
}

#[test]
fn made_again_it_is_the_same() {
    let folder = folder();
    create(folder.path(), "zstd");
    let repomd = || fs_err::read_to_string(folder.path().join("repodata/repomd.xml")).unwrap();
    let before = repomd();
    create(folder.path(), "zstd");
    assert_eq!(before, repomd());
    let left: Vec<_> = fs_err::read_dir(folder.path().join("repodata"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(!folder.path().join(".repodata.old").exists());
}

#[test]
fn a_package_is_shown_as_the_metadata_says_it() {
    for (part, element) in [
        ("primary", "<name>beta</name>"),
        ("filelists", "name=\"beta\""),
        ("other", "name=\"beta\""),
    ] {
        let shown = run(repodata()
            .args(["show", "--part", part])
            .arg(package("beta-", "noarch.rpm")));
        assert!(
            shown.starts_with("<package") && shown.contains(element),
            "{shown}"
        );
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = folder();
    let broken = folder.path().join("broken.rpm");
    fs_err::write(&broken, "no package").unwrap();
    let refused = try_run(repodata().arg("create").arg(folder.path()));
    assert!(!refused.status.success());
    assert!(text(&refused).contains("broken.rpm"), "{}", text(&refused));
    assert!(!folder.path().join("repodata").exists());
    fs_err::remove_file(&broken).unwrap();

    create(folder.path(), "gzip");
    let damaged = fs_err::read_dir(folder.path().join("repodata"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains("filelists"))
        .unwrap();
    let mut bytes = fs_err::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&damaged, bytes).unwrap();
    let refused = try_run(repodata().arg("check").arg(folder.path()));
    assert!(!refused.status.success());
    let said = text(&refused);
    assert!(said.contains("filelists") && said.contains("checksum"), "{said}");
}
