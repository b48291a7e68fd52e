//! The JSON objects of the store, written by the publisher and read by the result gateway.

use protocol::{FileName, Sha256};
use serde::{Deserialize, Serialize};

/// A movable name of a snapshot: `pointers/<name>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Number of the snapshot, from 1 in each repository.
    pub snapshot: i64,
    /// When it was moved there, RFC 3339.
    pub moved_at: String,
}

/// The files of one build directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResultIndex {
    /// In the order of a listing.
    pub files: Vec<ResultFile>,
    /// Whether the build has ended; the object never changes again then, and may be cached.
    #[serde(default)]
    pub complete: bool,
}

/// One file of a build directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Its name.
    pub name: FileName,
    /// SHA-256 of the blob as stored.
    pub sha256: Sha256,
    /// Size in bytes of the blob as stored.
    pub size: u64,
    /// Media type of the content without its encoding.
    pub content_type: String,
    /// How the blob is encoded.
    #[serde(default)]
    pub encoding: Option<Encoding>,
    /// Last modification, seconds since 1970.
    pub modified: i64,
}

/// How a blob is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
}

/// Which self-made repository of a chroot is served: `distro/<chroot>/current.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistroCurrent {
    /// The recipe's hash, the directory of its files.
    pub hash: FileName,
}
