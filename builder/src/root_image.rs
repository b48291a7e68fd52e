//! Root images: a distribution's packages in a file system that VMs mount read-only.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use protocol::{ChrootDefinition, RepositorySource};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::address::Guard;
use crate::kernel::host_command;
use crate::mirrors;

/// Images of one chroot that stay: the one in use, and the one that running VMs may still have.
const KEPT: usize = 2;

/// Where images live.
pub struct Images {
    dir: PathBuf,
    building: tokio::sync::Mutex<()>,
}

impl Images {
    /// Images below `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            building: tokio::sync::Mutex::new(()),
        }
    }

    /// The image of a chroot as its repositories are now; made when there is none.
    pub async fn ensure(&self, chroot: &ChrootDefinition) -> Result<PathBuf> {
        let key = key(chroot).await?;
        let path = self.dir.join(format!("{}-{key}.ext4", chroot.name));
        if path.exists() {
            return Ok(path);
        }
        let _alone = self.building.lock().await;
        fs_err::create_dir_all(&self.dir)?;
        let _machine = lock_file(self.dir.join("lock")).await?;
        if path.exists() {
            return Ok(path);
        }
        self.build(chroot, &path)
            .await
            .with_context(|| format!("make the root image of {}", chroot.name))?;
        self.remove_old(chroot, &path);
        Ok(path)
    }

    async fn build(&self, chroot: &ChrootDefinition, path: &Path) -> Result<()> {
        let work = self.dir.join(format!("{}.part", chroot.name));
        let _ = fs_err::remove_dir_all(&work);
        let root = work.join("root");
        for dir in ["root", "home", "repos", "log"] {
            fs_err::create_dir_all(work.join(dir))?;
        }
        tracing::info!(chroot = %chroot.name, "installing the root image");
        fs_err::write(
            work.join("home/.rpmmacros"),
            format!("%_dbpath {}\n", rpm_database(chroot)),
        )?;
        for repo in &chroot.repos {
            let file = work
                .join("repos")
                .join(format!("{}.repo", repo.id.replace('/', "_")));
            fs_err::write(file, repo_file(repo, chroot))?;
        }
        let mut dnf = Command::new("dnf");
        dnf.env("HOME", work.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .args(["-y", "--noplugins", "--nodocs"])
            .arg(format!("--installroot={}", root.display()))
            .arg(format!("--releasever={}", chroot.name.version()))
            .arg(format!("--forcearch={}", chroot.name.arch()));
        for option in [
            "install_weak_deps=0",
            "tsflags=nodocs",
            "keepcache=0",
            "zchunk=0",
            "deltarpm=0",
        ] {
            dnf.arg(format!("--setopt={option}"));
        }
        dnf.arg(format!("--setopt=reposdir={}", work.join("repos").display()))
            .arg(format!("--setopt=cachedir={}", self.dir.join("cache").display()))
            .arg(format!("--setopt=logdir={}", work.join("log").display()))
            .arg("install")
            .args(&chroot.buildroot.packages);
        host_command(&mut dnf).await?;
        let _ = fs_err::remove_dir_all(root.join("var/cache/dnf"));
        tracing::info!(chroot = %chroot.name, "writing the root image");
        let part = work.join("image");
        make_image(&root, &part).await?;
        fs_err::rename(&part, path)?;
        fs_err::remove_dir_all(&work)?;
        Ok(())
    }

    /// Removes older images of the chroot. A running VM keeps its own open, so nothing breaks.
    fn remove_old(&self, chroot: &ChrootDefinition, newest: &Path) {
        let prefix = format!("{}-", chroot.name);
        let mut images: Vec<(std::time::SystemTime, PathBuf)> = fs_err::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_string_lossy().into_owned();
                let ours = name.strip_prefix(&prefix)?.strip_suffix(".ext4")?.len() == 64;
                (ours && path != newest).then_some(())?;
                Some((path.metadata().ok()?.modified().ok()?, path))
            })
            .collect();
        images.sort();
        let surplus = (images.len() + 1).saturating_sub(KEPT);
        for (_, path) in images.iter().take(surplus) {
            if let Err(error) = fs_err::remove_file(path) {
                tracing::warn!(%error, "an old root image stays");
            }
        }
    }
}

async fn lock_file(path: PathBuf) -> Result<std::fs::File> {
    tokio::task::spawn_blocking(move || -> Result<std::fs::File> {
        let (file, path) = fs_err::File::create(path)?.into_parts();
        file.lock().with_context(|| format!("lock {}", path.display()))?;
        Ok(file)
    })
    .await
    .context("wait for the lock of the root images")?
}

/// rpm's database below the root, which the host's rpm would put elsewhere.
fn rpm_database(chroot: &ChrootDefinition) -> &'static str {
    let os = chroot.name.os();
    if os.starts_with("fedora") || os.starts_with("opensuse") {
        "/usr/lib/sysimage/rpm"
    } else {
        "/var/lib/rpm"
    }
}

fn repo_file(repo: &RepositorySource, chroot: &ChrootDefinition) -> String {
    let line = |text: &str| mirrors::expand(text, &chroot.name).replace(['\n', '\r'], "");
    let mut text = format!("[{}]\nname={}\nenabled=1\n", line(&repo.id), line(&repo.name));
    for (key, value) in [
        ("baseurl", &repo.baseurl),
        ("metalink", &repo.metalink),
        ("mirrorlist", &repo.mirrorlist),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{key}={}\n", line(value)));
        }
    }
    text.push_str(&format!(
        "gpgcheck={}\nrepo_gpgcheck={}\nskip_if_unavailable=0\nmetadata_expire=0\n",
        u8::from(repo.gpgcheck),
        u8::from(repo.repo_gpgcheck)
    ));
    if !repo.gpgkey.is_empty() {
        let keys: Vec<String> = repo.gpgkey.iter().map(|key| line(key)).collect();
        text.push_str(&format!("gpgkey={}\n", keys.join(" ")));
    }
    text
}

/// What an image depends on: the definition, and what its repositories hold now.
async fn key(chroot: &ChrootDefinition) -> Result<String> {
    let guard = Guard {
        private: true,
        trusted: Vec::new(),
    };
    let client = guard.client().context("make an HTTP client")?;
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(chroot).context("write the chroot as JSON")?);
    for repo in &chroot.repos {
        let base = mirrors::base(&client, &guard, repo, &chroot.name).await?;
        let url = base.join("repodata/repomd.xml").context("name repomd.xml")?;
        hash.update(mirrors::text(&client, &guard, &url).await?);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Bytes and entries of a tree.
fn measure(dir: &Path) -> Result<(u64, u64)> {
    let (mut bytes, mut entries) = (0, 0);
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs_err::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            entries += 1;
            // Blocks of 4 KiB, as the image will have them.
            bytes += meta.len().next_multiple_of(4096);
            if meta.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok((bytes, entries))
}

async fn make_image(root: &Path, image: &Path) -> Result<()> {
    let tree = root.to_owned();
    let (bytes, entries) = tokio::task::spawn_blocking(move || measure(&tree))
        .await
        .context("measure the root")??;
    // It is mounted read-only: a tenth for the file system's own structures, no journal, no reserve.
    let inodes = entries + entries / 10 + 1_024;
    let size = bytes + bytes / 10 + inodes * 256 + (32 << 20);
    fs_err::File::create(image)?.set_len(size)?;
    host_command(
        Command::new("mkfs.ext4")
            .args([
                "-q",
                "-F",
                "-O",
                "^has_journal",
                "-m",
                "0",
                "-b",
                "4096",
                "-E",
                "root_owner=0:0",
            ])
            .args(["-N", &inodes.to_string()])
            .arg("-d")
            .arg(root)
            .arg(image),
    )
    .await
    .map(|_| ())
}

/// Makes an empty scratch disk of `size` bytes; it takes room only as it is written to.
pub async fn make_scratch(path: &Path, size: u64) -> Result<()> {
    fs_err::File::create(path)?.set_len(size)?;
    host_command(
        Command::new("mkfs.ext4")
            .args([
                "-q",
                "-F",
                "-O",
                "^has_journal",
                "-m",
                "0",
                "-E",
                "lazy_itable_init=1,nodiscard,root_owner=0:0",
            ])
            .arg(path),
    )
    .await
    .map(|_| ())
}
