//! Packages to upload, made by `rpmbuild`.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Made {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Runs `rpmbuild` on a spec with these lines in its head.
fn rpmbuild(mode: &str, head: &str) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("hello.spec");
    let text = format!(
        "Name: hello\nVersion: 1.0\nRelease: 1\nSummary: Says hello\nLicense: MIT\n{head}\n\
         %description\nHello.\n%files\n"
    );
    std::fs::write(&spec, text).unwrap();
    let output = Command::new("rpmbuild")
        .args([mode, "--nodeps", "--target", "noarch", "-D"])
        .arg(format!("_topdir {}", dir.path().display()))
        .arg(&spec)
        .output()
        .expect("rpmbuild is installed: apt-get install rpm");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = find(dir.path()).expect("rpmbuild made a package");
    Made {
        name: file.file_name().unwrap().to_string_lossy().into_owned(),
        bytes: std::fs::read(file).unwrap(),
    }
}

fn find(dir: &Path) -> Option<PathBuf> {
    std::fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .find_map(|path| {
            if path.is_dir() {
                find(&path)
            } else {
                (path.extension()? == "rpm").then_some(path)
            }
        })
}

pub fn source(head: &str) -> Made {
    rpmbuild("-bs", head)
}

pub fn binary() -> Made {
    rpmbuild("-bb", "BuildArch: noarch")
}
