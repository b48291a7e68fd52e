//! Signs packages: the signer gets digests, and only the signature header of the file is written anew.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use db::projects::Project;
use repodata::RpmFile;
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::error::JobError;

/// Most signatures of one call.
const BATCH: usize = 1_000;

/// A package that waits for its signature.
#[derive(Debug)]
pub struct Unsigned {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of what was uploaded, for the signer's log, in hexadecimal digits.
    pub sha256: String,
    /// Its headers.
    pub rpm: RpmFile,
    /// Name, epoch, version, release and architecture, for the signer's log.
    pub nevra: String,
}

/// A signed package in a file of its own.
#[derive(Debug)]
pub struct Signed {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its headers.
    pub rpm: RpmFile,
}

/// Signs all packages in as few calls to the signer as it allows; the results stand beside the originals as `<name>.signed`. The same
/// packages with the same time `at` give the same bytes, so that a repeated or a doubled run changes nothing.
///
/// # Errors
/// When the signer refuses or cannot be reached, or a file cannot be read or written.
pub async fn packages(
    context: &Context,
    project: &Project,
    unsigned: Vec<Unsigned>,
    at: DateTime<Utc>,
) -> Result<Vec<Signed>, JobError> {
    let key = context.public_key(project)?;
    let name = format!("{}/{}", project.owner, project.name);
    let mut items = unsigned
        .iter()
        .map(|u| {
            let hasher = Sha256::new_with_prefix(u.rpm.header().as_bytes());
            (
                hasher,
                keys::Intent::package("backend", name.clone(), u.nevra.clone(), u.sha256.clone()),
            )
        })
        .collect::<Vec<_>>()
        .into_iter();
    let mut packets = Vec::with_capacity(unsigned.len());
    while items.len() > 0 {
        let some = items.by_ref().take(BATCH).collect();
        packets.extend(context.keys.sign_batch(&key, some, at).await?);
    }
    context
        .compute(move || {
            unsigned
                .into_iter()
                .zip(packets)
                .map(|(u, packet)| write_signed(u, &packet))
                .collect()
        })
        .await
}

fn write_signed(unsigned: Unsigned, packet: &[u8]) -> Result<Signed, JobError> {
    let head = repodata::add_signature(&unsigned.rpm, packet).map_err(JobError::fail)?;
    let path = unsigned.path.with_extension("signed");
    let mut out = Hashing {
        inner: fs_err::File::create(&path)?,
        hasher: Sha256::new(),
        size: 0,
    };
    out.write_all(unsigned.rpm.lead())?;
    out.write_all(&head.bytes)?;
    out.write_all(unsigned.rpm.header().as_bytes())?;
    let mut original = fs_err::File::open(&unsigned.path)?;
    original.seek(SeekFrom::Start(unsigned.rpm.header_end()))?;
    io::copy(&mut original, &mut out)?;
    let (size, sha256) = (out.size, hex::encode(out.hasher.finalize()));
    let rpm = read(&path, size)?;
    Ok(Signed {
        path,
        sha256,
        size,
        rpm,
    })
}

fn read(path: &Path, size: u64) -> Result<RpmFile, JobError> {
    let mut file = io::BufReader::new(fs_err::File::open(path)?);
    RpmFile::read_headers(&mut file, size).map_err(|e| {
        JobError::fail(format!(
            "the signed package {} cannot be read back: {e}",
            path.display()
        ))
    })
}

struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
