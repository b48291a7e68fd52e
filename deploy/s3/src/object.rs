//! The file of one object: its bytes, then a JSON footer that describes them, then twelve bytes that find the footer.
//!
//! Data and description in one file means that one rename replaces both, and that a reader who holds the file open
//! keeps a whole object whatever happens to the name. A multipart upload's parts have the same format.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err::File;
use s3s::dto::{ETag, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::Sums;

/// Last bytes of every object file; the number is the format's version.
const MAGIC: &[u8; 8] = b"KOPERS31";
/// Length of the footer (big endian `u32`) and the magic.
const TRAILER: u64 = 12;
/// How much of the end is read at once: the footer of an object with ordinary metadata fits.
const TAIL: u64 = 4096;

/// Headers that are stored with an object and given back as they came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) user: BTreeMap<String, String>,
}

/// The footer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Bytes of data before the footer.
    pub(crate) size: u64,
    /// Hex MD5 of the data; for a multipart object `<hex MD5 of the parts' MD5s>-<number of parts>`.
    pub(crate) etag: String,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) attributes: Attributes,
    /// Base64 checksums that the client gave (and that were verified).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sums: Sums,
}

impl Meta {
    /// The time of the last change in whole seconds, the resolution of HTTP dates.
    pub(crate) fn last_modified(&self) -> Timestamp {
        Timestamp::from(UNIX_EPOCH + Duration::from_secs(self.modified / 1000))
    }

    pub(crate) fn e_tag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

/// Milliseconds since 1970 of a time.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn damaged(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} is not a whole object file", path.display()),
    )
}

/// Reads the footer of an open object file; the position afterwards is unspecified.
pub(crate) fn read_meta(file: &mut File) -> io::Result<Meta> {
    let length = file.metadata()?.len();
    if length < TRAILER {
        return Err(damaged(file.path()));
    }
    let mut tail = read_end(file, length, length.min(TAIL))?;
    let trailer = tail.split_off(tail.len() - 12);
    let footer = u64::from(u32::from_be_bytes([
        trailer[0], trailer[1], trailer[2], trailer[3],
    ]));
    if trailer[4..] != MAGIC[..] || footer + TRAILER > length {
        return Err(damaged(file.path()));
    }
    if tail.len() as u64 > footer {
        tail.drain(..tail.len() - footer as usize);
    } else if (tail.len() as u64) < footer {
        tail = read_end(file, length - TRAILER, footer)?;
    }
    let meta: Meta = serde_json::from_slice(&tail).map_err(|_| damaged(file.path()))?;
    if meta.size + footer + TRAILER != length {
        return Err(damaged(file.path()));
    }
    Ok(meta)
}

fn read_end(file: &mut File, end: u64, count: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(end - count))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != count {
        return Err(damaged(file.path()));
    }
    Ok(bytes)
}

/// A file in the making; it is removed on drop unless [`TempFile::keep`] took it over.
pub(crate) struct TempFile {
    pub(crate) file: File,
    path: Option<PathBuf>,
}

impl TempFile {
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        let path = directory.join(random_name());
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    /// Appends the footer and waits until the disk has everything.
    pub(crate) fn seal(&mut self, meta: &Meta) -> io::Result<()> {
        let footer = serde_json::to_vec(meta)?;
        let length = u32::try_from(footer.len()).map_err(|_| io::Error::other("metadata is too long"))?;
        self.file
            .write_all(&[&footer[..], &length.to_be_bytes(), MAGIC].concat())?;
        self.file.sync_all()
    }

    /// Renames the file to its lasting place. The caller syncs the directory.
    pub(crate) fn keep(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs_err::rename(path, target)?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs_err::remove_file(path)
        {
            tracing::warn!(%error, "an unfinished file stays until the next start");
        }
    }
}

/// 32 hex digits nobody can guess.
pub(crate) fn random_name() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(size: u64, note: &str) -> Meta {
        let attributes = Attributes {
            user: BTreeMap::from([("note".to_owned(), note.to_owned())]),
            ..Attributes::default()
        };
        Meta {
            size,
            etag: "e".to_owned(),
            modified: 1,
            attributes,
            sums: Sums::new(),
        }
    }

    #[test]
    fn a_footer_is_read_back_whatever_its_length() {
        let dir = tempfile::tempdir().unwrap();
        for note in [String::new(), "n".repeat(4000), "n".repeat(9000)] {
            let mut temp = TempFile::create(dir.path()).unwrap();
            temp.file.write_all(b"data").unwrap();
            temp.seal(&meta(4, &note)).unwrap();
            assert_eq!(read_meta(&mut temp.file).unwrap().attributes.user["note"], note);
        }
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cut_file_is_not_an_object() {
        let dir = tempfile::tempdir().unwrap();
        let mut temp = TempFile::create(dir.path()).unwrap();
        temp.file.write_all(b"data").unwrap();
        temp.seal(&meta(4, "")).unwrap();
        let length = temp.file.metadata().unwrap().len();
        for cut in 0..length {
            temp.file.set_len(cut).unwrap();
            assert!(read_meta(&mut temp.file).is_err());
        }
    }
}
