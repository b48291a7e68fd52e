//! Source packages, made by the real `rpmbuild`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// A source package in a folder of its own.
pub struct Srpm {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Srpm {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, as an argument.
    pub fn arg(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }
}

/// Makes a source package of `tests/packages/<name>`.
///
/// # Errors
/// When `rpmbuild` fails.
pub fn srpm(name: &str) -> anyhow::Result<Srpm> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packages")
        .join(name);
    let spec = fs_err::read_to_string(folder.join(format!("{name}.spec")))?;
    srpm_of(name, &spec, Some(&folder))
}

/// Makes a source package of a spec's text; sources come from `folder`.
///
/// # Errors
/// When `rpmbuild` fails.
pub fn srpm_of(name: &str, spec: &str, folder: Option<&Path>) -> anyhow::Result<Srpm> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join(format!("{name}.spec"));
    fs_err::write(&path, spec)?;
    let define = |key: &str, value: &Path| format!("{key} {}", value.display());
    let output = Command::new("rpmbuild")
        .args([
            "-bs",
            "--nodeps",
            "--define",
            "dist %{nil}",
            "--define",
            &define("_topdir", dir.path()),
        ])
        .args(["--define", &define("_srcrpmdir", dir.path())])
        .args(["--define", &define("_sourcedir", folder.unwrap_or(dir.path()))])
        .arg(&path)
        .env("HOME", dir.path())
        .output()
        .context("running rpmbuild")?;
    anyhow::ensure!(
        output.status.success(),
        "rpmbuild -bs: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut found = fs_err::read_dir(dir.path())?.flatten().map(|e| e.path());
    let path = found
        .find(|p| p.to_string_lossy().ends_with(".src.rpm"))
        .context("rpmbuild made no SRPM")?;
    Ok(Srpm { path, _dir: dir })
}
