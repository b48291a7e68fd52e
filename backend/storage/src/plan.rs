//! Metadata files that are stored in pieces.
//!
//! The object under such a file's name is a plan: what the file begins and ends with, and the frames between, which are
//! objects of their own and shared by all files of the repository that hold them. What begins with anything else than
//! [`MAGIC`] is the file itself.
//!
//! A plan is [`MAGIC`], the length of the head, the head, the number of frames, the SHA-256 and the length of each, the
//! length of the tail, the tail. Numbers have 32 bits, the lowest byte first.

use bytes::{Buf as _, Bytes};
use protocol::{ChrootName, DirName, OwnerName, Sha256};
use thiserror::Error;

use crate::{Storage, StorageError, StorageKey};

/// Format and version. No gzip, zstd, zchunk or XML file begins like this.
const MAGIC: &[u8] = b"\x89koper-plan-1\n";
/// Bytes of a frame's entry.
const ENTRY: usize = 32 + 4;
/// Bytes of the largest plan: enough for 100 000 frames.
const MAX: u64 = 4 << 20;

/// Why an object is no plan that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlanError {
    /// It ends too early.
    #[error("a plan of a metadata file is cut off")]
    Short,
    /// It goes on after its end.
    #[error("a plan of a metadata file has something behind its end")]
    Long,
    /// Nothing is ever written without content.
    #[error("a plan of a metadata file names an empty frame")]
    Empty,
    /// It cannot be written.
    #[error("a plan of a metadata file has more frames or larger ones than it can name")]
    TooLarge,
}

/// An object that is a part of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlanFrame {
    /// SHA-256 of its bytes, which is its name.
    pub digest: [u8; 32],
    /// Bytes.
    pub size: u32,
}

impl PlanFrame {
    /// Where it is, in its repository.
    pub fn key(&self, (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName)) -> StorageKey {
        StorageKey::Frame {
            owner: owner.clone(),
            dir: dir.clone(),
            chroot: chroot.clone(),
            sha256: Sha256::from_bytes(&self.digest),
        }
    }
}

/// How a file is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    head: Bytes,
    frames: Vec<PlanFrame>,
    tail: Bytes,
    /// Where each frame ends in the file.
    ends: Vec<u64>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes of a frame: the first, and the one after the last.
    Frame(PlanFrame, u32, u32),
}

impl Plan {
    /// A file of these parts.
    ///
    /// # Errors
    /// When a frame is empty.
    pub fn new(
        head: impl Into<Bytes>,
        frames: Vec<PlanFrame>,
        tail: impl Into<Bytes>,
    ) -> Result<Self, PlanError> {
        let (head, tail) = (head.into(), tail.into());
        let mut at = head.len() as u64;
        let mut ends = Vec::with_capacity(frames.len());
        for frame in &frames {
            if frame.size == 0 {
                return Err(PlanError::Empty);
            }
            at += u64::from(frame.size);
            ends.push(at);
        }
        Ok(Self {
            head,
            frames,
            tail,
            ends,
        })
    }

    /// Reads an object that is stored under a metadata file's name; `None` if it is the file itself.
    ///
    /// # Errors
    /// When it begins as a plan and is none.
    pub fn parse(object: &Bytes) -> Result<Option<Self>, PlanError> {
        if !object.starts_with(MAGIC) {
            return Ok(None);
        }
        let mut rest = object.slice(MAGIC.len()..);
        let head = counted(&mut rest, 1)?;
        let mut list = counted(&mut rest, ENTRY)?;
        let mut frames = Vec::with_capacity(list.len() / ENTRY);
        while list.has_remaining() {
            let mut digest = [0; 32];
            list.try_copy_to_slice(&mut digest)
                .map_err(|_| PlanError::Short)?;
            let size = list.try_get_u32_le().map_err(|_| PlanError::Short)?;
            frames.push(PlanFrame { digest, size });
        }
        let tail = counted(&mut rest, 1)?;
        if rest.is_empty() {
            Self::new(head, frames, tail).map(Some)
        } else {
            Err(PlanError::Long)
        }
    }

    /// The object.
    ///
    /// # Errors
    /// When it would be too large to be read.
    pub fn to_bytes(&self) -> Result<Bytes, PlanError> {
        let length = self.head.len() + self.tail.len() + ENTRY * self.frames.len();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 12 + length);
        let number = |of: usize| u32::try_from(of).map_err(|_| PlanError::TooLarge);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&number(self.head.len())?.to_le_bytes());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&number(self.frames.len())?.to_le_bytes());
        for frame in &self.frames {
            bytes.extend_from_slice(&frame.digest);
            bytes.extend_from_slice(&frame.size.to_le_bytes());
        }
        bytes.extend_from_slice(&number(self.tail.len())?.to_le_bytes());
        bytes.extend_from_slice(&self.tail);
        if bytes.len() as u64 > MAX {
            return Err(PlanError::TooLarge);
        }
        Ok(bytes.into())
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.frames_end() + self.tail.len() as u64
    }

    /// The objects that the file cannot be served without.
    pub fn frames(&self) -> &[PlanFrame] {
        &self.frames
    }

    fn frames_end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(self.head.len() as u64)
    }

    /// The file's bytes from `first` to before `last`, in pieces of at most `most` bytes of a frame.
    pub fn pieces(&self, first: u64, last: u64, most: u32) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let within = |bytes: &Bytes, start: u64| {
            let at = |place: u64| {
                let place = usize::try_from(place.saturating_sub(start)).unwrap_or(usize::MAX);
                place.min(bytes.len())
            };
            let (from, to) = (at(first), at(last));
            (from < to).then(|| Piece::Bytes(bytes.slice(from..to)))
        };
        pieces.extend(within(&self.head, 0));
        let begin = self.ends.partition_point(|end| *end <= first);
        for (frame, end) in self.frames.iter().zip(&self.ends).skip(begin) {
            let start = end - u64::from(frame.size);
            if start >= last {
                break;
            }
            // Both lie inside the frame, so they fit.
            let inside = |place: u64| {
                u32::try_from(place.saturating_sub(start))
                    .unwrap_or(u32::MAX)
                    .min(frame.size)
            };
            let (mut from, to) = (inside(first), inside(last));
            while from < to {
                let until = to.min(from.saturating_add(most.max(1)));
                pieces.push(Piece::Frame(*frame, from, until));
                from = until;
            }
        }
        pieces.extend(within(&self.tail, self.frames_end()));
        pieces
    }
}

/// A number, and so many entries of `size` bytes.
fn counted(rest: &mut Bytes, size: usize) -> Result<Bytes, PlanError> {
    let count = rest.try_get_u32_le().map_err(|_| PlanError::Short)?;
    let length = usize::try_from(count).ok().and_then(|n| n.checked_mul(size));
    match length {
        Some(length) if length <= rest.len() => Ok(rest.split_to(length)),
        _ => Err(PlanError::Short),
    }
}

impl Storage {
    /// How a metadata file is put together; `None` if it is stored whole, or not at all. The frames of the plans of all
    /// files that are named by a `repomd.xml` are what must not be deleted with it, and that may be named at any moment is
    /// a frame that was written in the last day.
    ///
    /// # Errors
    /// When the store does not answer or refuses, or has a damaged plan.
    pub async fn plan(&self, key: &StorageKey) -> Result<Option<Plan>, StorageError> {
        match self.get(key, MAX).await {
            Ok(Some(bytes)) => {
                Plan::parse(&bytes).map_err(|error| crate::error::Doing::new("parsing", key).refused(error))
            }
            Ok(None) | Err(StorageError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let frames = [3, 10, 1].map(|size| PlanFrame {
            digest: [size as u8; 32],
            size,
        });
        Plan::new("head", frames.to_vec(), "tail").unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let written = plan().to_bytes().unwrap();
        assert_eq!(Plan::parse(&written), Ok(Some(plan())));
        assert_eq!((plan().size(), plan().frames().len()), (22, 3));
        let empty = Plan::new("", Vec::new(), "").unwrap();
        assert_eq!(Plan::parse(&empty.to_bytes().unwrap()), Ok(Some(empty.clone())));
        assert!(empty.pieces(0, 0, 1).is_empty());
        for file in ["", "<xml/>", "\u{1f}\u{8b}", "\u{89}koper-plan-2\n"] {
            assert_eq!(Plan::parse(&Bytes::from(file)), Ok(None));
        }
    }

    #[test]
    fn nothing_that_is_cut_or_changed_breaks_the_reader() {
        let written = plan().to_bytes().unwrap();
        for length in MAGIC.len()..written.len() {
            assert_eq!(Plan::parse(&written.slice(..length)), Err(PlanError::Short));
        }
        let long = Bytes::from([&written[..], b"x"].concat());
        assert_eq!(Plan::parse(&long), Err(PlanError::Long));
        for at in MAGIC.len()..written.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = written.to_vec();
                changed[at] = value;
                if let Ok(Some(plan)) = Plan::parse(&changed.into()) {
                    let pieces = plan.pieces(0, u64::MAX, u32::MAX);
                    assert!(pieces.len() <= plan.frames().len() + 2);
                }
            }
        }
        let mut empty = plan().frames;
        empty[1].size = 0;
        assert_eq!(Plan::new("", empty, ""), Err(PlanError::Empty));
    }

    #[test]
    fn every_range_has_its_pieces() {
        let plan = plan();
        let whole = b"headaaabbbbbbbbbbctail";
        for first in 0..=whole.len() {
            for last in first..=whole.len() {
                for most in [1, 2, 4, 100] {
                    let mut bytes = Vec::new();
                    for piece in plan.pieces(first as u64, last as u64, most) {
                        match piece {
                            Piece::Bytes(some) => bytes.extend_from_slice(&some),
                            Piece::Frame(frame, from, to) => {
                                assert!(from < to && to <= frame.size && to - from <= most);
                                let letter = [(3, b'a'), (10, b'b'), (1, b'c')]
                                    .iter()
                                    .find(|(size, _)| *size == frame.size)
                                    .unwrap()
                                    .1;
                                bytes.extend(std::iter::repeat_n(letter, (to - from) as usize));
                            }
                        }
                    }
                    assert_eq!(bytes, whole[first..last], "{first}-{last} by {most}");
                }
            }
        }
    }
}
