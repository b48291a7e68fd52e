//! The buildroot: the chroot's read-only image below, the build's scratch disk above.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use protocol::PackageManager;
use protocol::guest::{GuestRepo, Job};

use crate::boot::{disk, exists, mount_at};
use crate::launch::BUILD_UID;

/// The unprivileged user's home, on the scratch disk itself.
pub const HOME: &str = "/builddir";
/// `%_topdir` of the build.
pub const TOPDIR: &str = "/builddir/build";

/// Mounts the disks and makes the buildroot the root directory.
pub fn enter() -> Result<()> {
    let nodev = MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount_at(
        &disk("root")?,
        "/lower",
        "ext4",
        nodev | MsFlags::MS_RDONLY,
        Some("noload"),
    )?;
    mount_at(&disk("scratch")?, "/scratch", "ext4", nodev, Some("nobarrier"))?;
    for dir in ["/scratch/upper", "/scratch/work", "/scratch/home"] {
        fs::create_dir_all(dir).with_context(|| format!("create {dir}"))?;
    }
    mount_at(
        "overlay",
        "/newroot",
        "overlay",
        nodev,
        Some("lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work"),
    )?;
    for (from, to) in [
        ("/scratch/home", HOME),
        ("/proc", "/proc"),
        ("/sys", "/sys"),
        ("/dev", "/dev"),
    ] {
        let target = format!("/newroot{to}");
        fs::create_dir_all(&target).with_context(|| format!("create {target}"))?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(from), target.as_str(), None::<&str>, flags, None::<&str>)
            .with_context(|| format!("bind {from} to {target}"))?;
    }
    nix::unistd::chdir("/newroot").context("enter /newroot")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).context("move /newroot to /")?;
    nix::unistd::chroot(".").context("change the root")?;
    nix::unistd::chdir("/").context("enter the new root")
}

fn append(path: &str, line: &str) -> Result<()> {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    fs::write(path, text).with_context(|| format!("write {path}"))
}

fn own(path: &str) -> Result<()> {
    chown(path, Some(BUILD_UID), Some(BUILD_UID)).with_context(|| format!("give {path} to the build's user"))
}

/// Writes users, host name, resolver, macros and repositories.
pub fn furnish(job: &Job) -> Result<()> {
    furnish_plainly(job.package_manager, &job.repos)?;
    own(HOME)?;
    fs::create_dir_all(TOPDIR).with_context(|| format!("create {TOPDIR}"))?;
    own(TOPDIR)?;
    for dir in ["BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS"] {
        let dir = format!("{TOPDIR}/{dir}");
        fs::create_dir_all(&dir).with_context(|| format!("create {dir}"))?;
        own(&dir)?;
    }
    let macros = format!("{HOME}/.rpmmacros");
    fs::write(&macros, macro_file(job)).with_context(|| format!("write {macros}"))
}

/// The same without anything for a build.
pub fn furnish_plainly(package_manager: PackageManager, repos: &[GuestRepo]) -> Result<()> {
    append(
        "/etc/passwd",
        &format!("mockbuild:x:{BUILD_UID}:{BUILD_UID}::{HOME}:/bin/bash"),
    )?;
    append("/etc/group", &format!("mockbuild:x:{BUILD_UID}:"))?;
    if exists("/etc/shadow") {
        append("/etc/shadow", "mockbuild:!:19000:0:99999:7:::")?;
    }
    for (path, text) in [
        ("/etc/resolv.conf", ""),
        ("/etc/hostname", "koper\n"),
        ("/etc/hosts", "127.0.0.1 localhost koper\n::1 localhost\n"),
    ] {
        // A link would lead out of /etc, or nowhere.
        let _ = fs::remove_file(path);
        fs::write(path, text).with_context(|| format!("write {path}"))?;
    }
    nix::unistd::sethostname("koper").context("set the host name")?;
    for dir in ["/tmp", "/var/tmp"] {
        fs::create_dir_all(dir).with_context(|| format!("create {dir}"))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o1777))
            .with_context(|| format!("open {dir}"))?;
    }
    repositories(package_manager, repos)
}

/// Text as the body of a macro: nothing in it is expanded, and it stays one line.
fn literal(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ")
}

fn macro_file(job: &Job) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let identity = &job.identity;
    let mut text = format!(
        "%_topdir {TOPDIR}\n%dist {}\n%vendor {}\n%packager {}\n%bugurl {}\n",
        literal(&job.dist),
        literal(&identity.vendor),
        literal(&identity.packager),
        literal(&identity.bugurl),
    );
    text.push_str(&format!(
        "%_smp_mflags -j{processors}\n%_smp_build_ncpus {processors}\n%_smp_ncpus_max {processors}\n\
         %_buildhost koper\n%use_source_date_epoch_as_buildtime 1\n%source_date_epoch_from_changelog 1\n\
         %clamp_mtime_to_source_date_epoch 1\n"
    ));
    text
}

fn safe_id(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn repositories(package_manager: PackageManager, repos: &[GuestRepo]) -> Result<()> {
    for dir in ["/etc/yum.repos.d", "/etc/zypp/repos.d"] {
        if Path::new(dir).is_dir() {
            fs::remove_dir_all(dir).with_context(|| format!("empty {dir}"))?;
        }
    }
    let dir = match package_manager {
        PackageManager::Zypper => "/etc/zypp/repos.d",
        PackageManager::Dnf | PackageManager::Dnf5 => "/etc/yum.repos.d",
    };
    fs::create_dir_all(dir).with_context(|| format!("create {dir}"))?;
    fs::create_dir_all("/etc/pki/koper").context("create /etc/pki/koper")?;
    for (number, repo) in repos.iter().enumerate() {
        let id = safe_id(&repo.id);
        let url = repo.baseurl.replace(['\n', '\r'], "");
        let mut text = format!(
            "[{id}]\nname={id}\nbaseurl={url}\nenabled=1\ngpgcheck={}\nrepo_gpgcheck={}\nskip_if_unavailable=0\n",
            u8::from(repo.gpgcheck),
            u8::from(repo.repo_gpgcheck),
        );
        if let Some(priority) = repo.priority {
            text.push_str(&format!("priority={priority}\n"));
        }
        let mut keys = Vec::new();
        for (key_number, key) in repo.gpgkeys.iter().enumerate() {
            let path = format!("/etc/pki/koper/{number}-{key_number}.asc");
            fs::write(&path, key).with_context(|| format!("write {path}"))?;
            keys.push(format!("file://{path}"));
        }
        if !keys.is_empty() {
            text.push_str(&format!("gpgkey={}\n", keys.join("\n       ")));
        }
        let path = format!("{dir}/{number:02}-{id}.repo");
        fs::write(&path, text).with_context(|| format!("write {path}"))?;
    }
    fs::create_dir_all("/etc/dnf").context("create /etc/dnf")?;
    fs::write("/etc/dnf/dnf.conf", DNF_CONF).context("write /etc/dnf/dnf.conf")
}

/// Made for a machine that installs once: nothing is kept, nothing optional is fetched.
pub const DNF_CONF: &str = "[main]\ngpgcheck=1\ninstallonly_limit=0\ninstall_weak_deps=0\nkeepcache=0\ndeltarpm=0\n\
    zchunk=0\ntsflags=nodocs\nplugins=0\nmetadata_expire=never\nretries=3\ntimeout=60\nbest=1\n\
    skip_if_unavailable=0\nassumeyes=1\ndefaultyes=1\nlog_size=0\n";
