//! Why `rpmbuild` failed: the package, the disk, or the memory.

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;
use protocol::FailureKind::{BuildFailed, DiskFull, OutOfMemory};

use crate::failure::fail;
use crate::process::complaint;
use crate::root::HOME;

/// How often the kernel has killed for lack of memory.
pub fn oom_kills() -> u64 {
    std::fs::read_to_string("/proc/vmstat")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn disk_is_full() -> Result<bool> {
    let stat = statvfs(HOME).with_context(|| format!("look at the disk of {HOME}"))?;
    let full = |free: u64, all: u64| free.saturating_mul(100) < all;
    Ok(full(stat.blocks_available(), stat.blocks()) || full(stat.files_available(), stat.files()))
}

/// The stage that rpm names in `error: Bad exit status from /var/tmp/rpm-tmp.x (%build)`.
fn stage(tail: &str) -> Option<&str> {
    let line = tail
        .lines()
        .rev()
        .find(|line| line.contains("Bad exit status from "))?;
    line.rsplit_once('(')?.1.strip_suffix(')')
}

fn summary(code: i32, tail: &str) -> String {
    let has_errors = tail.lines().any(|line| line.starts_with("error:"));
    let errors = if has_errors {
        complaint(tail)
    } else {
        String::new()
    };
    match (stage(tail), errors.is_empty()) {
        (Some(stage), _) => format!("rpmbuild failed in {stage}: {errors}"),
        (None, false) => format!("rpmbuild failed: {errors}"),
        (None, true) => format!("rpmbuild ended with exit code {code}"),
    }
}

/// The verdict on an `rpmbuild` that ended with `code`; `ooms` is the kernel's count from before it.
pub fn judge(code: i32, tail: &str, ooms: u64) -> Result<anyhow::Error> {
    // A failed command often removes its files, so the disk may have room again; the message stays in the log.
    if disk_is_full()? || tail.contains("No space left on device") {
        return Ok(fail(
            DiskFull,
            "the build's disk is full: the package needs more room than a build gets",
        ));
    }
    if oom_kills() > ooms {
        return Ok(fail(
            OutOfMemory,
            "the build ran out of memory and was killed: use fewer parallel jobs or ask for a larger machine",
        ));
    }
    Ok(fail(BuildFailed, summary(code, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_named() {
        let tail = "make: *** [all] Error 1\nerror: Bad exit status from /var/tmp/rpm-tmp.Ab (%build)\n\nRPM build errors:\n    Bad exit status from /var/tmp/rpm-tmp.Ab (%build)\n";
        let text = summary(1, tail);
        assert!(
            text.starts_with("rpmbuild failed in %build: Bad exit status from /var/tmp/rpm-tmp.Ab"),
            "{text}"
        );
    }

    #[test]
    fn other_ends_have_a_sentence_too() {
        assert_eq!(summary(137, "killed"), "rpmbuild ended with exit code 137");
        assert_eq!(
            summary(1, "error: File not found: /x"),
            "rpmbuild failed: File not found: /x"
        );
    }
}
