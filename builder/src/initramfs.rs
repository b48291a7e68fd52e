//! The initial file system: the agent, the modules it needs, nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Modules that a VM needs, if the kernel has them as modules; the rest follows from their dependencies.
const WANTED: [&str; 8] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "virtio_rng",
    "ext4",
    "crc32c_generic",
    "overlay",
];

/// An archive in cpio's "new ASCII" format, which the kernel unpacks (see its
/// Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, rdev: (u32, u32), body: &[u8]) -> Result<()> {
        let size =
            u32::try_from(body.len()).with_context(|| format!("{name} is too large for an initramfs"))?;
        let name_size = u32::try_from(name.len() + 1).context("name too long")?;
        self.entries += 1;
        let links = 1;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            rdev.0,
            rdev.1,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(body);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Adds a directory; its parents come first.
    pub fn dir(&mut self, name: &str) -> Result<()> {
        self.entry(name, 0o040_755, (0, 0), &[])
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, mode: u32, body: &[u8]) -> Result<()> {
        self.entry(name, 0o100_000 | mode, (0, 0), body)
    }

    /// Adds a character device.
    pub fn device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(name, 0o020_600, (major, minor), &[])
    }

    /// The finished archive.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Module names without dependencies of those that are files below a directory.
fn find_modules(dir: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find_modules(&path, found)?;
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some((stem, "" | ".xz" | ".zst" | ".gz")) = name.split_once(".ko") {
            found.insert(plain(stem), path);
        }
    }
    Ok(())
}

/// The modules that a module's own `.modinfo` section names (`depends=a,b`).
fn depends(module: &[u8]) -> Vec<String> {
    let field = b"depends=";
    let start = module.windows(field.len()).position(|window| window == field);
    let rest = start
        .and_then(|start| module.get(start + field.len()..))
        .unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    String::from_utf8_lossy(rest.get(..end).unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(plain)
        .collect()
}

struct Modules {
    files: BTreeMap<String, PathBuf>,
    builtin: String,
    /// Names and contents, dependencies first.
    loaded: Vec<(String, Vec<u8>)>,
}

impl Modules {
    fn load(&mut self, name: &str, chain: usize) -> Result<()> {
        if chain > 32 {
            bail!("kernel module {name} depends on itself");
        }
        if self.loaded.iter().any(|(loaded, _)| loaded == name) || self.is_builtin(name) {
            return Ok(());
        }
        let path = self
            .files
            .get(name)
            .with_context(|| format!("the kernel has no module {name}"))?;
        if path.extension().is_none_or(|extension| extension != "ko") {
            bail!(
                "kernel module {} is compressed; use a kernel with plain modules",
                path.display()
            );
        }
        let body = fs_err::read(path)?;
        for dependency in depends(&body) {
            self.load(&dependency, chain + 1)?;
        }
        self.loaded.push((name.to_owned(), body));
        Ok(())
    }

    fn is_builtin(&self, name: &str) -> bool {
        self.builtin
            .lines()
            .filter_map(|line| line.rsplit('/').next()?.strip_suffix(".ko"))
            .any(|builtin| plain(builtin) == name)
    }
}

/// Makes the archive from the agent's binary and a kernel's modules (`lib/modules/<release>`).
pub fn build(guest: &Path, modules: &Path) -> Result<Vec<u8>> {
    let mut files = BTreeMap::new();
    find_modules(&modules.join("kernel"), &mut files)?;
    let builtin = fs_err::read_to_string(modules.join("modules.builtin"))?;
    let mut set = Modules {
        files,
        builtin,
        loaded: Vec::new(),
    };
    for name in WANTED {
        set.load(name, 0)?;
    }
    let mut archive = Archive::default();
    for dir in ["dev", "proc", "sys", "modules"] {
        archive.dir(dir)?;
    }
    archive.device("dev/console", 5, 1)?;
    archive.device("dev/null", 1, 3)?;
    archive.file("init", 0o755, &fs_err::read(guest)?)?;
    let mut list = String::new();
    for (name, body) in &set.loaded {
        archive.file(&format!("modules/{name}.ko"), 0o644, body)?;
        list.push_str(&format!("/modules/{name}.ko\n"));
    }
    archive.file("modules.list", 0o644, list.as_bytes())?;
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_itself_reads_the_archive() {
        let mut archive = Archive::default();
        archive.dir("dev").unwrap();
        archive.device("dev/null", 1, 3).unwrap();
        archive.file("init", 0o755, b"#!/bin/sh\n").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("a"), &bytes).unwrap();
        let listing = std::process::Command::new("cpio")
            .args(["-itv", "--quiet", "-F"])
            .arg(dir.path().join("a"))
            .output()
            .unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        assert!(
            listing.contains("-rwxr-xr-x") && listing.contains("init"),
            "{listing}"
        );
        assert!(
            listing.contains("drwxr-xr-x") && listing.contains("crw-------"),
            "{listing}"
        );
        assert_eq!(listing.lines().count(), 3, "{listing}");
    }

    #[test]
    fn modules_come_after_what_they_need() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("kernel/x");
        fs_err::create_dir_all(&kernel).unwrap();
        for (name, needs) in [("a", "b-b,c"), ("b-b", "c"), ("c", "")] {
            let body = format!("\u{7f}ELF\0license=GPL\0depends={needs}\0name={name}\0");
            fs_err::write(kernel.join(format!("{name}.ko")), body).unwrap();
        }
        let mut files = BTreeMap::new();
        find_modules(&dir.path().join("kernel"), &mut files).unwrap();
        let mut set = Modules {
            files,
            builtin: "kernel/fs/d-d.ko\n".to_owned(),
            loaded: Vec::new(),
        };
        set.load("a", 0).unwrap();
        set.load("d_d", 0).unwrap();
        let order: Vec<&str> = set.loaded.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["c", "b_b", "a"]);
        assert!(set.load("nosuch", 0).is_err());
    }
}
