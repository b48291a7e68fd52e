//! From the kernel's first call to a usable machine.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

/// Mounts a file system, making its mount point.
pub fn mount_at(source: &str, target: &str, kind: &str, flags: MsFlags, data: Option<&str>) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create mount point {target}"))?;
    mount(Some(source), target, Some(kind), flags, data)
        .with_context(|| format!("mount {source} as {kind} at {target}"))
}

/// Mounts what the kernel offers as files.
pub fn mount_kernel_filesystems() -> Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("proc", "/proc", "proc", safe, None)?;
    mount_at("sysfs", "/sys", "sysfs", safe, None)?;
    mount_at(
        "devtmpfs",
        "/dev",
        "devtmpfs",
        MsFlags::MS_NOSUID,
        Some("mode=0755"),
    )?;
    mount_at(
        "devpts",
        "/dev/pts",
        "devpts",
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some("gid=5,mode=620,ptmxmode=666"),
    )?;
    mount_at(
        "tmpfs",
        "/dev/shm",
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        // The kernel may have made them already.
        let _ = std::os::unix::fs::symlink(target, link);
    }
    Ok(())
}

/// Loads the modules that `/modules.list` names, in its order.
pub fn load_modules() -> Result<()> {
    let list = fs::read_to_string("/modules.list").context("read /modules.list")?;
    for path in list.lines().filter(|line| !line.is_empty()) {
        let file = fs::File::open(path).with_context(|| format!("open module {path}"))?;
        match finit_module(file.as_fd(), c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("load module {path}")),
        }
    }
    Ok(())
}

/// Keeps the kernel from choosing the agent when memory is short.
pub fn protect_from_oom() {
    // Without it the build still is the likelier victim, so a failure is no reason to stop.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

/// The block device that QEMU was given a serial number for.
pub fn disk(serial: &str) -> Result<String> {
    for entry in fs::read_dir("/sys/block").context("list /sys/block")? {
        let entry = entry.context("list /sys/block")?;
        let found = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        if found.trim() == serial {
            return Ok(format!("/dev/{}", entry.file_name().to_string_lossy()));
        }
    }
    anyhow::bail!("the VM has no disk with serial '{serial}'")
}

/// Sets the clock to `now`, in seconds since the epoch.
pub fn set_clock(now: u64) -> Result<()> {
    let seconds = i64::try_from(now).context("the job's time does not fit")?;
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, 0)).context("set the clock")
}

/// Turns the machine off.
pub fn power_off() {
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("koper-agent: power off: {error}");
}

/// Whether a path exists, following no link.
pub fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}
