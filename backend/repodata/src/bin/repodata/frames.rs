//! Compressed frames as files of a folder.

use std::io;
use std::path::PathBuf;

use repodata::{Digest, FrameStore};

/// Compressed frames as files of a folder.
pub struct FrameFolder(pub PathBuf);

impl FrameFolder {
    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(hex::encode(digest))
    }
}

impl FrameStore for FrameFolder {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        fs_err::write(self.path(digest), compressed)
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        fs_err::read(self.path(digest))
    }
}
