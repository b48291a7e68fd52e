//! What metadata says about a file.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use fs_err::File;
use repodata::{AppStream, Package, PackageFile, RpmFile, verify_payload};
use sha2::{Digest as _, Sha256};

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Hashes what is read.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// A package that is what it says, and where its payload is.
pub struct Described {
    pub package: Package,
    rpm: RpmFile,
    file: File,
}

/// Reads a package once, from beginning to end, checks and describes it.
pub fn describe(path: &Path, location_href: String) -> anyhow::Result<Described> {
    let wrong = || path.display().to_string();
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let hash = Sha256::new();
    let mut reader = Hashed {
        inner: BufReader::with_capacity(PIECE, file),
        hash,
    };
    let rpm = RpmFile::read_headers(&mut reader, metadata.len()).with_context(wrong)?;
    verify_payload(&rpm, &mut reader).with_context(wrong)?;
    let mtime = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let place = PackageFile {
        sha256_hex: hex::encode(reader.hash.finalize()),
        size: metadata.len(),
        mtime: i64::try_from(mtime.as_secs())?,
        location_href,
        location_base: None,
    };
    let package = Package::from_rpm(&rpm, place).with_context(wrong)?;
    let file = reader.inner.into_inner();
    Ok(Described { package, rpm, file })
}

impl Described {
    /// What it has for software centres. `path`: the package, for messages.
    pub fn appstream(mut self, path: &Path) -> anyhow::Result<AppStream> {
        let wrong = || path.display().to_string();
        self.file.seek(SeekFrom::Start(self.rpm.header_end()))?;
        AppStream::of(&self.rpm, BufReader::with_capacity(PIECE, self.file)).with_context(wrong)
    }
}
