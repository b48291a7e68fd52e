//! Metadata that is not made of packages' headers: groups, modules, advisories, software centres' catalogue.

use std::io;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::frames::{Compression, compress_bucket};
use crate::reader::decompress;
use crate::repomd::Record;

/// Largest such file, in bytes before compression. Fedora's largest, all advisories of a release, has 40 MiB.
const MAX_OPEN: u64 = 256 << 20;

/// Kind of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtraKind {
    /// `comps.xml`.
    Group,
    /// `modules.yaml`.
    Modules,
    /// `updateinfo.xml`.
    UpdateInfo,
    /// The catalogue of [`crate::appstream_xml`].
    AppStream,
}

impl ExtraKind {
    /// The `type` of its record, and its file's name.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            ExtraKind::Group => ("group", "comps.xml"),
            ExtraKind::Modules => ("modules", "modules.yaml"),
            ExtraKind::UpdateInfo => ("updateinfo", "updateinfo.xml"),
            ExtraKind::AppStream => ("appstream", "appstream.xml"),
        }
    }
}

/// Why a file is not taken.
#[derive(Debug, Error)]
pub enum ExtraError {
    /// It is of another kind.
    #[error("this is no {name}: {why}")]
    Kind {
        /// What it should be.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It is compressed and cannot be read.
    #[error("cannot decompress {name}; plain text, gzip and zstd are read, up to {} MiB", MAX_OPEN >> 20)]
    Decompress {
        /// What it should be.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Compressing failed.
    #[error("cannot compress metadata")]
    Compress(#[from] io::Error),
}

/// A file of this kind that is ready to be published, below `repodata/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraFile {
    /// `<sha256>-comps.xml.gz`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    kind: String,
    sha256: String,
    open: Option<(String, u64)>,
}

impl ExtraFile {
    /// Its record in `repomd.xml`. `timestamp`: seconds since 1970.
    pub fn record(&self, timestamp: i64) -> Record {
        let open = self.open.clone();
        let (open_checksum, open_size) = open
            .map(|(sum, size)| (Some(sum), Some(size)))
            .unwrap_or_default();
        Record {
            kind: self.kind.clone(),
            checksum: self.sha256.clone(),
            open_checksum,
            href: format!("repodata/{}", self.name),
            timestamp,
            size: self.bytes.len() as u64,
            open_size,
            header: None,
        }
    }
}

/// Files and records for a file as somebody gave it, plain or compressed by gzip or zstd; what it says is not changed.
/// Groups are there plain as well, as all versions of `createrepo_c` have them: yum reads no others. The catalogue is
/// always compressed by gzip, which is all that some software centres read.
///
/// # Errors
/// When the file is of another kind than it should be.
pub fn extra_files(
    kind: ExtraKind,
    given: &[u8],
    compression: Compression,
) -> Result<Vec<ExtraFile>, ExtraError> {
    let (record, name) = kind.names();
    let unpacked;
    let open = match given {
        [0x1f, 0x8b, ..] => {
            unpacked = unpack(name, Compression::Gzip, given)?;
            &unpacked
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            unpacked = unpack(name, Compression::Zstd, given)?;
            &unpacked
        }
        plain => plain,
    };
    check(kind, open)?;
    let file = |kind: &str, extension: &str, bytes: Vec<u8>, open: Option<(String, u64)>| {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        ExtraFile {
            name: format!("{sha256}-{name}{extension}"),
            bytes,
            kind: kind.to_owned(),
            sha256,
            open,
        }
    };
    let compressed = |kind: &str, compression: Compression| {
        let bytes = compress_bucket(compression, compression.default_level(), open, 0)?.compressed;
        let of_open = (hex::encode(Sha256::digest(open)), open.len() as u64);
        let extension = format!(".{}", compression.extension());
        io::Result::Ok(file(kind, &extension, bytes, Some(of_open)))
    };
    Ok(match kind {
        ExtraKind::Group => vec![
            file(record, "", open.to_vec(), None),
            compressed("group_gz", Compression::Gzip)?,
        ],
        ExtraKind::AppStream => vec![compressed(record, Compression::Gzip)?],
        ExtraKind::Modules | ExtraKind::UpdateInfo => vec![compressed(record, compression)?],
    })
}

fn unpack(name: &'static str, compression: Compression, given: &[u8]) -> Result<Vec<u8>, ExtraError> {
    decompress(compression, given, MAX_OPEN).map_err(|source| ExtraError::Decompress { name, source })
}

/// Whether a file is what it is given as, as far as a mistake of the file's name would show.
fn check(kind: ExtraKind, open: &[u8]) -> Result<(), ExtraError> {
    let (_, name) = kind.names();
    let refuse = |why: &str| {
        let why = why.to_owned();
        Err(ExtraError::Kind { name, why })
    };
    let Ok(text) = std::str::from_utf8(open) else {
        return refuse("it is not UTF-8 text (or compressed in another way than by gzip and zstd)");
    };
    let root = match kind {
        ExtraKind::Group => "comps",
        ExtraKind::UpdateInfo => "updates",
        ExtraKind::AppStream => "components",
        ExtraKind::Modules => {
            let is_document = |line: &str| line.starts_with("document: modulemd");
            return match text.lines().any(is_document) {
                true => Ok(()),
                false => refuse("no line of it begins with 'document: modulemd'"),
            };
        }
    };
    match root_of(text) {
        Err(error) => refuse(&format!("it is not well-formed XML ({error})")),
        Ok(Some(found)) if found == root => Ok(()),
        Ok(found) => refuse(&format!(
            "its outermost element is <{}>, not <{root}>",
            found.unwrap_or_default()
        )),
    }
}

/// The name of the outermost element of a document that is read to its end.
fn root_of(text: &str) -> Result<Option<String>, quick_xml::Error> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut root, mut depth) = (None, 0u64);
    loop {
        match reader.read_event()? {
            Event::Eof if depth > 0 => {
                let unclosed = quick_xml::errors::IllFormedError::MissingEndTag(root.unwrap_or_default());
                return Err(unclosed.into());
            }
            Event::Eof => return Ok(root),
            Event::Start(start) => {
                root.get_or_insert_with(|| start.local_name().as_ref().to_owned());
                depth += 1;
            }
            Event::Empty(start) => {
                root.get_or_insert_with(|| start.local_name().as_ref().to_owned());
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
}
