//! Looks into what a builder uploaded and believes none of it.

use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use protocol::builder_api::{Artifact, Identity};
use protocol::{ChrootName, FailureKind, PackageName};
use repodata::{Nevra, RpmFile, SourceFacts, tag};

use crate::error::JobError;
use crate::software;

fn bad(message: String) -> JobError {
    JobError::package(FailureKind::BadResult, message)
}

/// What a package has to be.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    /// Identity that it has to carry; `None` for a package that was built elsewhere.
    pub identity: Option<Identity>,
    /// URL of the project's page, the other allowed `BugURL`.
    pub project_url: String,
    /// Target.
    pub chroot: ChrootName,
    /// Name of the source package; `None` where packages of many sources came at once.
    pub package: Option<PackageName>,
}

/// A file that passed.
pub(crate) struct Inspected {
    pub rpm: RpmFile,
    pub nevra: Nevra,
    /// What it has for the catalogue of software.
    pub software: Option<Vec<u8>>,
}

/// Parses a file and checks payload, name, architecture and identity.
pub(crate) fn rpm(path: &Path, artifact: &Artifact, expected: &Expectation) -> Result<Inspected, JobError> {
    let name = &artifact.name;
    let file = fs_err::File::open(path)?;
    let size = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let rpm = RpmFile::read_headers(&mut reader, size).map_err(|e| bad(format!("{name}: {e}")))?;
    let verified = repodata::verify_payload(&rpm, &mut reader).map_err(|e| bad(format!("{name}: {e}")))?;
    if verified.payload_digest.is_none() {
        // A signature of the header covers the payload by its digest, and no client would notice another payload.
        return Err(bad(format!(
            "{name} has no digest of its payload, as packages of RPM before 4.14, so a signature would not cover what it \
             installs; build it again with a newer rpmbuild"
        )));
    }
    let nevra = rpm.nevra().map_err(|e| bad(format!("{name}: {e}")))?;
    if nevra.file_name() != name.as_str() {
        return Err(bad(format!(
            "{name} holds the package {nevra}, so it should be called {}",
            nevra.file_name()
        )));
    }
    architecture(&rpm, &nevra, expected)?;
    if let Some(want) = &expected.identity {
        identity(&rpm, &nevra, want, &expected.project_url)?;
    } else if rpm.is_source() {
        return Err(bad(format!("{nevra} is a source package; it has to be built")));
    }
    if let Some(package) = &expected.package {
        source_package(&rpm, &nevra, package)?;
    }
    reader.seek(SeekFrom::Start(rpm.header_end()))?;
    let software = software::of_package(&rpm, &mut reader, name.as_str())?;
    Ok(Inspected { rpm, nevra, software })
}

fn architecture(rpm: &RpmFile, nevra: &Nevra, expected: &Expectation) -> Result<(), JobError> {
    let arch = expected.chroot.arch();
    let fits = if rpm.is_source() {
        matches!(nevra.arch.as_str(), "src" | "nosrc")
    } else {
        expected.chroot.takes_arch(&nevra.arch)
    };
    if fits {
        Ok(())
    } else {
        Err(bad(format!(
            "{nevra} was built for {}, but the chroot {} is for {arch}",
            nevra.arch, expected.chroot
        )))
    }
}

fn identity(rpm: &RpmFile, nevra: &Nevra, want: &Identity, project_url: &str) -> Result<(), JobError> {
    if !want.repotag.is_in(&nevra.release) {
        return Err(bad(format!(
            "the release of {nevra} lacks '.{}'; use 'Release: 1%{{?dist}}' in the spec and do not redefine %dist",
            want.repotag
        )));
    }
    let is = |number, what: &str, allowed: &[&str]| {
        let text = rpm.header().string(number).unwrap_or_default();
        if allowed.contains(&text.as_ref()) {
            return Ok(());
        }
        Err(bad(format!(
            "{what} of {nevra} is '{text}', not '{}'; remove {what} from the spec",
            allowed[0]
        )))
    };
    is(tag::VENDOR, "Vendor", &[&want.vendor])?;
    is(tag::PACKAGER, "Packager", &[&want.packager])?;
    is(tag::BUG_URL, "BugURL", &[&want.bugurl, project_url])
}

fn source_package(rpm: &RpmFile, nevra: &Nevra, package: &PackageName) -> Result<(), JobError> {
    if rpm.is_source() {
        if nevra.name != package.as_str() {
            return Err(bad(format!(
                "the source package is {}, not {package}",
                nevra.name
            )));
        }
        return Ok(());
    }
    let source = rpm.header().string(tag::SOURCE_RPM).unwrap_or_default();
    if !source.starts_with(&format!("{package}-")) {
        return Err(bad(format!(
            "{nevra} says that it was built from '{source}', not from {package}"
        )));
    }
    Ok(())
}

/// Parses a source package from outside.
pub(crate) fn source(path: &Path, name: &str) -> Result<(PackageName, SourceFacts), JobError> {
    let refuse = |message: String| JobError::package(FailureKind::BadSource, message);
    let file = fs_err::File::open(path)?;
    let size = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let rpm = RpmFile::read_headers(&mut reader, size).map_err(|e| refuse(format!("{name}: {e}")))?;
    if !rpm.is_source() {
        return Err(refuse(format!(
            "{name} is a binary package; submit the source package (.src.rpm)"
        )));
    }
    reader.seek(SeekFrom::Start(rpm.header_end()))?;
    repodata::verify_payload(&rpm, &mut reader.by_ref()).map_err(|e| refuse(format!("{name}: {e}")))?;
    let facts = SourceFacts::of(&rpm).map_err(|e| refuse(format!("{name}: {e}")))?;
    let package = facts.name.parse().map_err(|e| refuse(format!("{name}: {e}")))?;
    Ok((package, facts))
}
