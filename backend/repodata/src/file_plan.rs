//! A metadata file whose frames are kept somewhere.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::frames::Kind;
use crate::repomd::Record;
use crate::zchunk::Chunk;

/// A SHA-256.
pub type Digest = [u8; 32];

/// Where compressed frames are kept, by the SHA-256 of their bytes. Frames are never changed, and one that is named by
/// several repositories or snapshots needs to be there once.
pub trait FrameStore {
    /// Keeps a frame; one that is there already may be left as it is.
    ///
    /// # Errors
    /// When it could not be kept.
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()>;

    /// A frame that was kept.
    ///
    /// # Errors
    /// When it cannot be read, or is not there.
    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>>;
}

/// Frames in memory.
impl FrameStore for HashMap<Digest, Vec<u8>> {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        self.insert(*digest, compressed.to_vec());
        Ok(())
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        HashMap::get(self, digest).cloned().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("frame {} is missing", hex::encode(digest)),
            )
        })
    }
}

/// A metadata file that is not written yet: frames of a [`FrameStore`] between two that are the same in all
/// repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Which of the three.
    pub kind: Kind,
    /// `<sha256>-primary.xml.zst`; its place is `repodata/` of the repository.
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 before compression, hexadecimal.
    pub open_sha256: String,
    /// Bytes before compression.
    pub open_size: u64,
    /// Its first bytes.
    pub head: Vec<u8>,
    /// What follows.
    pub frames: Vec<Digest>,
    /// Bytes of each of them.
    pub frame_sizes: Vec<u64>,
    /// Its last bytes.
    pub tail: Vec<u8>,
    pub(crate) digest: Digest,
    /// All frames as zchunk lists them, where it can.
    pub(crate) chunks: Option<Vec<Chunk>>,
}

impl FilePlan {
    /// Its record in `repomd.xml`. `timestamp`: seconds since 1970.
    pub fn record(&self, timestamp: i64) -> Record {
        Record {
            kind: self.kind.name().to_owned(),
            checksum: self.sha256.clone(),
            open_checksum: Some(self.open_sha256.clone()),
            href: format!("repodata/{}", self.name),
            timestamp,
            size: self.size,
            open_size: Some(self.open_size),
            header: None,
        }
    }

    /// Writes the file, a frame at a time.
    ///
    /// # Errors
    /// When a frame is missing or the target fails.
    pub fn write(&self, store: &impl FrameStore, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.head)?;
        for frame in &self.frames {
            to.write_all(&store.get(frame)?)?;
        }
        to.write_all(&self.tail)
    }
}
