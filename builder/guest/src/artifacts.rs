//! What the build made, on its way to the host.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use protocol::FailureKind::{ArtifactsTooLarge, BadResult};
use protocol::FileName;
use protocol::builder_api::MAX_ARTIFACTS;
use protocol::guest::FromGuest;

use crate::channel::Channel;
use crate::failure::fail;

/// Bytes per frame.
const CHUNK: usize = 256 << 10;

struct Artifact {
    path: PathBuf,
    name: FileName,
    size: u64,
}

/// Collects `*.rpm` below a directory, at most one level of architecture directories deep.
fn collect(dir: &Path, depth: u32, found: &mut Vec<Artifact>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry.with_context(|| format!("list {}", dir.display()))?.path();
        let meta = path
            .symlink_metadata()
            .with_context(|| format!("look at {}", path.display()))?;
        if meta.is_dir() && depth > 0 {
            collect(&path, depth - 1, found)?;
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.ends_with(".rpm") {
            continue;
        }
        if !meta.is_file() {
            return Err(fail(
                BadResult,
                format!("the build left {name}, which is no regular file"),
            ));
        }
        let name = name
            .parse::<FileName>()
            .map_err(|error| fail(BadResult, error.to_string()))?;
        found.push(Artifact {
            path,
            name,
            size: meta.len(),
        });
    }
    Ok(())
}

/// All packages below `topdir`, checked against the limits.
fn list(topdir: &Path, limit: u64) -> Result<Vec<Artifact>> {
    let mut found = Vec::new();
    collect(&topdir.join("RPMS"), 1, &mut found)?;
    collect(&topdir.join("SRPMS"), 0, &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() {
        return Err(fail(BadResult, "the build ended well and left no package"));
    }
    if found.len() > MAX_ARTIFACTS {
        let text = format!(
            "the build made {} packages, more than {MAX_ARTIFACTS}",
            found.len()
        );
        return Err(fail(ArtifactsTooLarge, text));
    }
    let size: u64 = found.iter().map(|artifact| artifact.size).sum();
    if size > limit {
        let text = format!("the build's packages take {size} bytes, more than the limit of {limit}");
        return Err(fail(ArtifactsTooLarge, text));
    }
    Ok(found)
}

fn send_one(channel: &Channel, artifact: &Artifact) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(&artifact.path)
        .with_context(|| format!("open {}", artifact.path.display()))?;
    channel.send(&FromGuest::File {
        name: artifact.name.clone(),
        size: artifact.size,
    })?;
    let mut file = file.take(artifact.size);
    let mut buffer = vec![0; CHUNK];
    let mut sent = 0;
    loop {
        let read = file
            .read(&mut buffer)
            .with_context(|| format!("read {}", artifact.path.display()))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        channel.data(bytes)?;
        sent += bytes.len() as u64;
    }
    anyhow::ensure!(
        sent == artifact.size,
        "{} shrank while it was sent",
        artifact.name
    );
    Ok(())
}

/// Sends all packages to the host.
pub fn send(channel: &Channel, topdir: &Path, limit: u64) -> Result<()> {
    let artifacts = list(topdir, limit)?;
    channel.send(&FromGuest::Built {
        files: u32::try_from(artifacts.len()).context("too many files")?,
    })?;
    artifacts
        .iter()
        .try_for_each(|artifact| send_one(channel, artifact))?;
    channel.send(&FromGuest::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::classify;

    fn tree(files: &[(&str, usize)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["RPMS/x86_64", "SRPMS"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        for (path, size) in files {
            fs::write(dir.path().join(path), vec![0; *size]).unwrap();
        }
        dir
    }

    #[test]
    fn packages_are_found_and_other_files_are_not() {
        let dir = tree(&[
            ("RPMS/x86_64/a-1-1.x86_64.rpm", 3),
            ("SRPMS/a-1-1.src.rpm", 4),
            ("RPMS/x", 1),
        ]);
        let names: Vec<String> = list(dir.path(), 7)
            .unwrap()
            .iter()
            .map(|a| a.name.to_string())
            .collect();
        assert_eq!(names, ["a-1-1.src.rpm", "a-1-1.x86_64.rpm"]);
        assert_eq!(
            classify(list(dir.path(), 6).err().unwrap()).kind,
            ArtifactsTooLarge
        );
    }

    #[test]
    fn links_and_empty_results_are_refused() {
        let dir = tree(&[]);
        assert_eq!(classify(list(dir.path(), 6).err().unwrap()).kind, BadResult);
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("RPMS/x86_64/a.rpm")).unwrap();
        assert_eq!(classify(list(dir.path(), 6).err().unwrap()).kind, BadResult);
    }
}
