//! The source package: from its disk to an unpacked spec.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::chown;

use anyhow::{Context, Result};
use protocol::FailureKind::BadSource;
use protocol::guest::Job;

use crate::boot::disk;
use crate::failure::fail;
use crate::launch::{BUILD_UID, Jail};
use crate::process::{capture, complaint};
use crate::root::{HOME, TOPDIR};

/// Copies the source package from its disk; the path is the unprivileged user's.
fn copy(job: &Job) -> Result<String> {
    let device = disk("srpm")?;
    let file = File::open(&device).with_context(|| format!("open {device}"))?;
    let path = format!("{HOME}/{}", job.srpm_name);
    let mut target = File::create(&path).with_context(|| format!("create {path}"))?;
    let copied =
        std::io::copy(&mut file.take(job.srpm_size), &mut target).context("copy the source package")?;
    if copied != job.srpm_size {
        return Err(fail(
            BadSource,
            format!("{} is shorter than announced", job.srpm_name),
        ));
    }
    chown(&path, Some(BUILD_UID), Some(BUILD_UID))
        .with_context(|| format!("give {path} to the build's user"))?;
    Ok(path)
}

/// Tells a source package from other files by the lead that every RPM begins with: the magic number, and the type
/// in bytes 6 and 7, 0 for binary and 1 for source packages (rpm's lib/rpmlead.h).
fn check_lead(name: &str, lead: &[u8]) -> Result<()> {
    let (magic, kind) = (lead.get(..4), lead.get(6..8));
    if magic != Some(&[0xed, 0xab, 0xee, 0xdb]) {
        return Err(fail(BadSource, format!("{name} is no RPM package")));
    }
    if kind != Some(&[0, 1]) {
        let text = format!("{name} is a binary package; submit the source package (.src.rpm)");
        return Err(fail(BadSource, text));
    }
    Ok(())
}

/// Unpacks the source package and returns the path of its only spec.
pub fn unpack(job: &Job) -> Result<String> {
    let path = copy(job)?;
    let mut lead = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(96).read_to_end(&mut lead))
        .with_context(|| format!("read {path}"))?;
    check_lead(job.srpm_name.as_str(), &lead)?;
    let unpacked = capture(Jail::User, &["rpm", "-i", "--nosignature", &path])?;
    if unpacked.code != 0 {
        let text = format!(
            "{} cannot be unpacked: {}",
            job.srpm_name,
            complaint(&unpacked.stderr)
        );
        return Err(fail(BadSource, text));
    }
    let dir = format!("{TOPDIR}/SPECS");
    let mut specs = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("list {dir}"))? {
        let name = entry.with_context(|| format!("list {dir}"))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name.ends_with(".spec") {
            specs.push(format!("{dir}/{name}"));
        }
    }
    match specs.as_slice() {
        [spec] => Ok(spec.clone()),
        [] => Err(fail(BadSource, format!("{} holds no spec file", job.srpm_name))),
        _ => Err(fail(
            BadSource,
            format!("{} holds more than one spec file", job.srpm_name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::classify;

    #[test]
    fn only_source_packages_have_the_right_lead() {
        let lead = |kind: u8| [0xed, 0xab, 0xee, 0xdb, 3, 0, 0, kind, 0, 0];
        assert!(check_lead("a.src.rpm", &lead(1)).is_ok());
        let binary = classify(check_lead("a.src.rpm", &lead(0)).unwrap_err());
        assert_eq!(binary.kind, BadSource);
        assert!(binary.message.contains("binary"));
        for junk in [&b""[..], b"PK\x03\x04", &[0xed, 0xab, 0xee, 0xdb]] {
            assert_eq!(classify(check_lead("a", junk).unwrap_err()).kind, BadSource);
        }
    }
}
