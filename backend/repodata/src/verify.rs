//! Whether a package is what its own headers say.

use std::collections::HashSet;
use std::io::{self, Read};

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sha3::Sha3_256;
use thiserror::Error;

use crate::header::Header;
use crate::package::{GHOST, MODE_TYPE};
use crate::rpm_file::RpmFile;
use crate::tag;

const MODE_REGULAR: u16 = 0o100_000;

/// Why a package is not what its headers say.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The main header was changed after the signature header was made.
    #[error("the header's {algorithm} is {actual}, the signature header says {declared}")]
    HeaderDigest {
        /// Hash algorithm.
        algorithm: &'static str,
        /// What the signature header says.
        declared: String,
        /// What it is.
        actual: String,
    },
    /// Header and payload are not as long as declared.
    #[error("header and payload are {actual} bytes, the signature header says {declared}")]
    Size {
        /// What the signature header says.
        declared: u64,
        /// What it is.
        actual: u64,
    },
    /// The payload that was read is not what the file size left for it.
    #[error(
        "the payload is {actual} bytes, {expected} were expected: the file is truncated or has more behind it"
    )]
    PayloadSize {
        /// What the file size leaves.
        expected: u64,
        /// What was read.
        actual: u64,
    },
    /// The payload was changed.
    #[error("the payload's {algorithm} is {actual}, the header says {declared}")]
    PayloadDigest {
        /// Hash algorithm.
        algorithm: &'static str,
        /// What the header says.
        declared: String,
        /// What it is.
        actual: String,
    },
    /// A digest is there that nothing can check.
    #[error("the header names a payload digest of the unknown algorithm {0}")]
    UnknownAlgorithm(u64),
    /// The files that the header lists do not fit into the archive that the signature header declares.
    #[error("the header lists files of {files} bytes, but an archive of {archive} bytes")]
    FileSizes {
        /// Sum of all sizes, hard links counted once; saturated.
        files: u64,
        /// Declared size of the uncompressed archive.
        archive: u64,
    },
    /// The installed size is less than the sizes of the files.
    #[error("the header lists files of {files} bytes, but an installed size of {installed} bytes")]
    InstalledSize {
        /// Sum of all sizes, hard links counted once; saturated.
        files: u64,
        /// Declared size.
        installed: u64,
    },
    /// Reading failed.
    #[error("cannot read the package's payload")]
    Io(#[from] io::Error),
}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Bytes of compressed payload.
    pub payload_size: u64,
    /// The strongest digest of the main header that was compared; None if the package has none.
    pub header_digest: Option<&'static str>,
    /// The digest of the payload that was compared; None if the package (made by rpm before 4.14) has none.
    pub payload_digest: Option<&'static str>,
}

/// Checks all that needs no payload: digests of the main header, and the declared sizes against `rpm.file_size()`
/// and against each other.
pub fn verify_headers(rpm: &RpmFile) -> Result<(), VerifyError> {
    let bytes = rpm.header().as_bytes();
    check_header_digest(rpm, tag::SIG_SHA3_256, "SHA3-256", || {
        hex::encode(Sha3_256::digest(bytes))
    })?;
    check_header_digest(rpm, tag::SIG_SHA256, "SHA-256", || {
        hex::encode(Sha256::digest(bytes))
    })?;
    check_header_digest(rpm, tag::SIG_SHA1, "SHA-1", || hex::encode(Sha1::digest(bytes)))?;
    let actual = rpm.file_size().saturating_sub(rpm.header_start());
    for tag in [tag::SIG_LONG_SIZE, tag::SIG_SIZE] {
        match rpm.signature().number(tag) {
            Some(declared) if declared != actual => return Err(VerifyError::Size { declared, actual }),
            _ => {}
        }
    }
    if let Some(expected) = rpm.header().number(tag::PAYLOAD_SIZE) {
        let actual = rpm.file_size().saturating_sub(rpm.header_end());
        if actual != expected {
            return Err(VerifyError::PayloadSize { expected, actual });
        }
    }
    let files = sum_of_files(rpm.header());
    let archive = [tag::SIG_LONG_ARCHIVE_SIZE, tag::SIG_PAYLOAD_SIZE];
    let archive = archive.iter().find_map(|tag| rpm.signature().number(*tag));
    match archive.or_else(|| rpm.header().number(tag::PAYLOAD_SIZE_ALT)) {
        Some(archive) if files > archive => return Err(VerifyError::FileSizes { files, archive }),
        _ => {}
    }
    match [tag::LONG_SIZE, tag::SIZE]
        .iter()
        .find_map(|tag| rpm.header().number(*tag))
    {
        Some(installed) if files > installed => Err(VerifyError::InstalledSize { files, installed }),
        _ => Ok(()),
    }
}

/// Checks everything: as [`verify_headers`], and length and digest of the payload, which `payload` yields to its
/// end. Reads in pieces; memory does not depend on the payload's size.
pub fn verify_payload(rpm: &RpmFile, payload: &mut impl Read) -> Result<Verified, VerifyError> {
    verify_headers(rpm)?;
    let mut hashers = declared_digests(rpm.header())?;
    let expected = rpm.file_size().saturating_sub(rpm.header_end());
    let mut actual: u64 = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match payload.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        actual += read as u64;
        // An endless payload must not keep us here.
        if actual > expected {
            break;
        }
        for (hasher, _) in &mut hashers {
            hasher.update(&buffer[..read]);
        }
    }
    if actual != expected {
        return Err(VerifyError::PayloadSize { expected, actual });
    }
    let mut payload_digest = None;
    for (hasher, declared) in hashers {
        let (algorithm, actual) = hasher.finish();
        if actual != declared {
            return Err(VerifyError::PayloadDigest {
                algorithm,
                declared,
                actual,
            });
        }
        payload_digest = Some(algorithm);
    }
    let header_digest = [
        (tag::SIG_SHA3_256, "SHA3-256"),
        (tag::SIG_SHA256, "SHA-256"),
        (tag::SIG_SHA1, "SHA-1"),
    ];
    let header_digest = header_digest
        .iter()
        .find(|(tag, _)| rpm.signature().contains(*tag));
    Ok(Verified {
        payload_size: actual,
        header_digest: header_digest.map(|(_, name)| *name),
        payload_digest,
    })
}

fn check_header_digest(
    rpm: &RpmFile,
    tag: u32,
    algorithm: &'static str,
    digest: impl FnOnce() -> String,
) -> Result<(), VerifyError> {
    if !rpm.signature().contains(tag) {
        return Ok(());
    }
    let declared = rpm.signature().string(tag).unwrap_or_default().to_lowercase();
    let actual = digest();
    if declared != actual {
        return Err(VerifyError::HeaderDigest {
            algorithm,
            declared,
            actual,
        });
    }
    Ok(())
}

/// Bytes of all regular files that the archive holds. Hard links have the same inode; rpmbuild stores them once.
fn sum_of_files(header: &Header) -> u64 {
    let sizes = header.file_sizes();
    let modes = header.u16s(tag::FILE_MODES).unwrap_or_default();
    let flags = header.u32s(tag::FILE_FLAGS).unwrap_or_default();
    let inodes = header.u32s(tag::FILE_INODES).unwrap_or_default();
    let mut seen = HashSet::new();
    let mut sum: u64 = 0;
    for (at, size) in sizes.unwrap_or_default().into_iter().enumerate() {
        let regular = modes.get(at).is_some_and(|mode| mode & MODE_TYPE == MODE_REGULAR);
        let ghost = flags.get(at).is_some_and(|flags| flags & GHOST != 0);
        let again = inodes
            .get(at)
            .is_some_and(|inode| *inode != 0 && !seen.insert(*inode));
        if regular && !ghost && !again {
            sum = sum.saturating_add(size);
        }
    }
    sum
}

/// What the header says the payload's digests are, the strongest last, and what will tell.
fn declared_digests(header: &Header) -> Result<Vec<(Hasher, String)>, VerifyError> {
    let declared = |tag| header.string(tag).map(|digest| digest.to_lowercase());
    let mut hashers = Vec::new();
    if let Some(digest) = declared(tag::PAYLOAD_DIGEST) {
        let algorithm = header.number(tag::PAYLOAD_DIGEST_ALGO).unwrap_or(8);
        hashers.push((Hasher::new(algorithm)?, digest));
    }
    if let Some(digest) = declared(tag::PAYLOAD_SHA512) {
        hashers.push((Hasher::Sha512(Sha512::new()), digest));
    }
    if let Some(digest) = declared(tag::PAYLOAD_SHA3_256) {
        hashers.push((Hasher::Sha3_256(Sha3_256::new()), digest));
    }
    Ok(hashers)
}

/// Hashes that rpm uses for payloads.
enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Sha3_256(Sha3_256),
}

impl Hasher {
    /// By OpenPGP's numbers.
    fn new(algorithm: u64) -> Result<Hasher, VerifyError> {
        match algorithm {
            8 => Ok(Hasher::Sha256(Sha256::new())),
            9 => Ok(Hasher::Sha384(Sha384::new())),
            10 => Ok(Hasher::Sha512(Sha512::new())),
            other => Err(VerifyError::UnknownAlgorithm(other)),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(data),
            Hasher::Sha384(hasher) => hasher.update(data),
            Hasher::Sha512(hasher) => hasher.update(data),
            Hasher::Sha3_256(hasher) => hasher.update(data),
        }
    }

    fn finish(self) -> (&'static str, String) {
        match self {
            Hasher::Sha256(hasher) => ("SHA-256", hex::encode(hasher.finalize())),
            Hasher::Sha384(hasher) => ("SHA-384", hex::encode(hasher.finalize())),
            Hasher::Sha512(hasher) => ("SHA-512", hex::encode(hasher.finalize())),
            Hasher::Sha3_256(hasher) => ("SHA3-256", hex::encode(hasher.finalize())),
        }
    }
}
