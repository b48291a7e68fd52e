//! Metadata that follows its packages: buckets that are compressed again only when one of their own packages comes or
//! goes, and the state of both checksums after each, so that what lies before a change is not even read.

mod carry;
mod packed;
mod slot;
mod state;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::file_plan::{Digest, FilePlan, FrameStore};
use crate::frames::{Compression, Compressor, Kind};
use crate::reader::decompress;
use crate::repository::{BUCKET_SIZE, Fragments};
use crate::zchunk::Chunk;

pub(crate) use packed::{Packed, Packing};
use slot::{Open, Slot};
use state::{Bucket, Ends, Piece};

/// Why packages were not changed; then none was.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The same file twice would be one package for some clients and two for others.
    #[error("package {name} ({pkgid}) is in the repository twice")]
    Duplicate {
        /// Its name.
        name: String,
        /// SHA-256 of its file.
        pkgid: String,
    },
    /// A package is named by the SHA-256 of its file.
    #[error("'{0}' is no hexadecimal SHA-256")]
    NoDigest(String),
    /// A frame could not be kept, read or compressed.
    #[error("cannot read or write a frame of metadata")]
    Frame(#[from] io::Error),
}

/// What a change cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Packages that were there and are not any more.
    pub removed: usize,
    /// Buckets that were compressed.
    pub compressed: usize,
    /// Buckets that were read for their checksum only, because they lie behind a change.
    pub hashed: usize,
}

/// The packages of a repository, in buckets. Holds neither XML nor compressed bytes: some 60 bytes for each package. A
/// clone is cheap, and a snapshot.
#[derive(Clone, Debug)]
pub struct Buckets {
    compression: Compression,
    level: i32,
    size: usize,
    ends: Arc<[Ends; 3]>,
    list: Vec<Bucket>,
}

impl Buckets {
    /// No packages.
    ///
    /// # Errors
    /// When the constant parts cannot be compressed.
    pub fn new(compression: Compression) -> io::Result<Buckets> {
        let level = compression.default_level();
        let [primary, filelists, other] = Kind::ALL.map(|kind| Ends::new(kind, compression, level));
        Ok(Buckets {
            compression,
            level,
            size: BUCKET_SIZE,
            ends: Arc::new([primary?, filelists?, other?]),
            list: Vec::new(),
        })
    }

    /// Packages that are compressed together, at least one. Those that are full already stay as they are.
    #[must_use]
    pub fn bucket_size(mut self, packages: usize) -> Buckets {
        self.size = packages.max(1);
        self
    }

    /// Packages.
    pub fn len(&self) -> usize {
        self.list.iter().map(|bucket| bucket.members.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// SHA-256 of each package's file, in the order of the metadata.
    pub fn packages(&self) -> impl Iterator<Item = &Digest> {
        self.list
            .iter()
            .flat_map(|bucket| bucket.members.iter().map(|member| &member.pkgid))
    }

    /// Takes packages away, named by the hexadecimal SHA-256 of their files, and adds others at the end. One that is
    /// not there to be taken away is none the less gone. An addition costs one bucket; a removal its bucket, and the
    /// checksum of what lies behind it.
    ///
    /// # Errors
    /// When a package would be there twice, or frames fail; then nothing has changed.
    pub fn change<S: AsRef<str>>(
        &mut self,
        store: &mut (impl FrameStore + Sync),
        removed: &[S],
        added: &[Fragments],
    ) -> Result<Changed, ChangeError> {
        let removed: HashSet<Digest> = removed
            .iter()
            .map(|id| digest(id.as_ref()))
            .collect::<Result<_, _>>()?;
        self.check(&removed, added)?;
        let before = self.len();
        let mut slots = self.without(store, &removed)?;
        let left: usize = slots.iter().map(Slot::len).sum();
        self.append(store, &mut slots, added)?;
        let mut changed = Changed {
            removed: before - left,
            ..Changed::default()
        };
        self.list = self.settle(store, slots, &mut changed)?;
        Ok(changed)
    }

    fn check(&self, removed: &HashSet<Digest>, added: &[Fragments]) -> Result<(), ChangeError> {
        let duplicate = |one: &Fragments| ChangeError::Duplicate {
            name: one.name.clone(),
            pkgid: one.pkgid.clone(),
        };
        let mut new = HashMap::with_capacity(added.len());
        for one in added {
            if new.insert(digest(&one.pkgid)?, one).is_some() {
                return Err(duplicate(one));
            }
        }
        // Nearly all packages are told apart from the new ones by two bytes.
        let mut perhaps = vec![false; 1 << 16];
        for id in new.keys() {
            perhaps[ending(id)] = true;
        }
        let there = self.packages().filter(|id| perhaps[ending(id)]);
        let there = there.filter(|id| !removed.contains(*id));
        match there.filter_map(|id| new.get(id)).next() {
            Some(one) => Err(duplicate(one)),
            None => Ok(()),
        }
    }

    /// All buckets without some packages. What has become small joins the one behind it, so that buckets do not
    /// become ever smaller.
    fn without(&self, store: &impl FrameStore, removed: &HashSet<Digest>) -> io::Result<Vec<Slot>> {
        let mut slots: Vec<Slot> = Vec::with_capacity(self.list.len() + 1);
        for bucket in &self.list {
            let touched = !removed.is_empty() && bucket.members.iter().any(|m| removed.contains(&m.pkgid));
            let slot = if touched {
                Slot::Open(self.open(store, bucket, removed)?)
            } else {
                Slot::Kept(bucket.clone())
            };
            if slot.len() == 0 {
                continue;
            }
            let Some(Slot::Open(last)) = slots.last_mut() else {
                slots.push(slot);
                continue;
            };
            let small = 2 * last.members.len() < self.size;
            if !small || last.members.len() + slot.len() > self.size {
                slots.push(slot);
                continue;
            }
            last.join(match slot {
                Slot::Open(open) => open,
                Slot::Kept(bucket) => self.open(store, &bucket, removed)?,
            });
        }
        Ok(slots)
    }

    fn append(&self, store: &impl FrameStore, slots: &mut Vec<Slot>, added: &[Fragments]) -> io::Result<()> {
        let mut rest = added;
        while !rest.is_empty() {
            let room = slots
                .last()
                .map_or(0, |last| self.size.saturating_sub(last.len()));
            let mut open = match slots.pop_if(|_| room > 0) {
                Some(Slot::Open(open)) => open,
                Some(Slot::Kept(bucket)) => self.open(store, &bucket, &HashSet::new())?,
                None => Open::default(),
            };
            let (now, later) = rest.split_at(rest.len().min(self.size - open.members.len()));
            for one in now {
                open.add(one)?;
            }
            slots.push(Slot::Open(open));
            rest = later;
        }
        Ok(())
    }

    /// Compresses what is open, and carries the checksums on from the first change.
    fn settle(
        &self,
        store: &mut (impl FrameStore + Sync),
        slots: Vec<Slot>,
        changed: &mut Changed,
    ) -> io::Result<Vec<Bucket>> {
        let mut list: Vec<Bucket> = Vec::with_capacity(slots.len());
        // Those that lie behind a change, and before the next one.
        let mut behind: Vec<Bucket> = Vec::new();
        // Until something differs, the old states are right.
        let mut same = true;
        let mut compressor = Compressor::new(self.compression, self.level)?;
        for (at, slot) in slots.into_iter().enumerate() {
            same &= match (&slot, self.list.get(at)) {
                (Slot::Kept(bucket), Some(old)) => Arc::ptr_eq(&bucket.pieces, &old.pieces),
                _ => false,
            };
            match slot {
                Slot::Kept(bucket) if same => list.push(bucket),
                Slot::Kept(bucket) => behind.push(bucket),
                Slot::Open(open) => {
                    changed.hashed += self.carry(store, &mut list, std::mem::take(&mut behind))?;
                    changed.compressed += 1;
                    let packed = Packed::new(open, &mut compressor)?;
                    list.push(self.place(store, packed, list.last())?);
                }
            }
        }
        changed.hashed += self.carry(store, &mut list, behind)?;
        Ok(list)
    }

    /// Puts a compressed bucket behind another one.
    fn place(
        &self,
        store: &mut impl FrameStore,
        packed: Packed,
        before: Option<&Bucket>,
    ) -> io::Result<Bucket> {
        let mut make = |n: usize| {
            let frame = &packed.frames[n];
            let digest = Sha256::digest(&frame.compressed).into();
            store.put(&digest, &frame.compressed)?;
            let mut state = before
                .map_or(&self.ends[n].state, |bucket| &bucket.pieces[n].state)
                .clone();
            state.push(&frame.compressed, &packed.text[n]);
            io::Result::Ok(Piece {
                digest,
                chunk: Chunk::new(&frame.compressed, frame.open_len),
                state,
            })
        };
        let pieces = Arc::new([make(0)?, make(1)?, make(2)?]);
        let members = Arc::new(packed.members);
        Ok(Bucket { members, pieces })
    }

    /// Adds a bucket at the end, whatever room there is in the one before it. That no package of it is there already,
    /// the caller knows.
    pub(crate) fn push(&mut self, store: &mut impl FrameStore, packed: Packed) -> io::Result<()> {
        let bucket = self.place(store, packed, self.list.last())?;
        self.list.push(bucket);
        Ok(())
    }

    /// What buckets are compressed with, and how many packages are in one.
    pub(crate) fn packing(&self) -> (Compression, i32, usize) {
        (self.compression, self.level, self.size)
    }

    /// A frame and what it holds. Metadata is signed, so what a disk made of a frame must not come into it.
    fn load(&self, store: &impl FrameStore, piece: &Piece) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let compressed = store.get(&piece.digest)?;
        if Digest::from(Sha256::digest(&compressed)) != piece.digest {
            return Err(broken(&piece.digest));
        }
        let open = decompress(self.compression, &compressed, piece.chunk.open_len)?;
        if open.len() as u64 != piece.chunk.open_len {
            return Err(broken(&piece.digest));
        }
        Ok((compressed, open))
    }

    /// A bucket's content without some packages.
    fn open(&self, store: &impl FrameStore, bucket: &Bucket, removed: &HashSet<Digest>) -> io::Result<Open> {
        let mut open = Open::default();
        for (n, piece) in bucket.pieces.iter().enumerate() {
            let (_, text) = self.load(store, piece)?;
            let mut rest = text.as_slice();
            for member in bucket.members.iter() {
                let (one, later) = rest
                    .split_at_checked(member.lengths[n] as usize)
                    .ok_or_else(|| broken(&piece.digest))?;
                if !removed.contains(&member.pkgid) {
                    open.text[n].extend_from_slice(one);
                }
                rest = later;
            }
            if !rest.is_empty() {
                return Err(broken(&piece.digest));
            }
        }
        let kept = bucket.members.iter().filter(|m| !removed.contains(&m.pkgid));
        open.members = kept.copied().collect();
        Ok(open)
    }

    /// The three files, to be put together from frames.
    pub fn files(&self) -> [FilePlan; 3] {
        let plan = |n: usize, kind: Kind| {
            let ends = &self.ends[n];
            let mut state = self
                .list
                .last()
                .map_or(&ends.state, |bucket| &bucket.pieces[n].state)
                .clone();
            state.push(&ends.tail, kind.tail().as_bytes());
            let digest: Digest = state.compressed.finalize().into();
            let sha256 = hex::encode(digest);
            let pieces = || self.list.iter().map(|bucket| &bucket.pieces[n]);
            let chunks = || {
                let between = pieces().map(|piece| piece.chunk);
                let all = std::iter::once(ends.head_chunk).chain(between);
                all.chain([ends.tail_chunk]).collect()
            };
            FilePlan {
                kind,
                digest,
                chunks: (self.compression == Compression::Zstd).then(chunks),
                name: format!("{sha256}-{}.xml.{}", kind.name(), self.compression.extension()),
                sha256,
                size: state.len,
                open_sha256: hex::encode(state.open.finalize()),
                open_size: state.open_len,
                head: ends.head.clone(),
                frames: pieces().map(|piece| piece.digest).collect(),
                frame_sizes: pieces().map(|piece| piece.chunk.len).collect(),
                tail: ends.tail.clone(),
            }
        };
        let [primary, filelists, other] = Kind::ALL;
        [plan(0, primary), plan(1, filelists), plan(2, other)]
    }
}

/// The last two bytes.
fn ending(digest: &Digest) -> usize {
    usize::from(u16::from_be_bytes([digest[30], digest[31]]))
}

fn digest(hexadecimal: &str) -> Result<Digest, ChangeError> {
    let mut digest = [0; 32];
    match hex::decode_to_slice(hexadecimal, &mut digest) {
        Ok(()) => Ok(digest),
        Err(_) => Err(ChangeError::NoDigest(hexadecimal.to_owned())),
    }
}

fn broken(frame: &Digest) -> io::Error {
    let why = format!("frame {} of the metadata is damaged", hex::encode(frame));
    io::Error::new(io::ErrorKind::InvalidData, why)
}
