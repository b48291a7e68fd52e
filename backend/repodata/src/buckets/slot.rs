//! Buckets while they change.

use std::io;

use super::digest;
use super::state::Bucket;
use crate::file_plan::Digest;
use crate::frames::Kind;
use crate::repository::Fragments;

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) pkgid: Digest,
    /// Bytes of its fragments, in the order of [`Kind::ALL`].
    pub(super) lengths: [u32; 3],
}

/// A bucket on its way into new metadata.
pub(super) enum Slot {
    /// As it was.
    Kept(Bucket),
    /// To be compressed.
    Open(Open),
}

/// A bucket's content.
#[derive(Default)]
pub(super) struct Open {
    pub(super) members: Vec<Member>,
    pub(super) text: [Vec<u8>; 3],
}

impl Slot {
    pub(super) fn len(&self) -> usize {
        match self {
            Slot::Kept(bucket) => bucket.members.len(),
            Slot::Open(open) => open.members.len(),
        }
    }
}

impl Open {
    pub(super) fn add(&mut self, one: &Fragments) -> io::Result<()> {
        let mut lengths = [0; 3];
        for ((length, text), kind) in lengths.iter_mut().zip(&mut self.text).zip(Kind::ALL) {
            let fragment = one.get(kind);
            *length = u32::try_from(fragment.len())
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a fragment of 4 GiB"))?;
            text.extend_from_slice(fragment.as_bytes());
        }
        let pkgid = digest(&one.pkgid).map_err(io::Error::other)?;
        self.members.push(Member { pkgid, lengths });
        Ok(())
    }

    pub(super) fn join(&mut self, other: Open) {
        self.members.extend(other.members);
        for (text, more) in self.text.iter_mut().zip(other.text) {
            text.extend(more);
        }
    }
}
