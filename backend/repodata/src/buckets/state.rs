//! What is known of buckets, and of files up to each of them.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::slot::Member;
use crate::file_plan::Digest;
use crate::frames::{Compression, Kind, compress_bucket};
use crate::zchunk::Chunk;

/// The constant beginning and end of a file.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
    /// After the head.
    pub(super) state: State,
    pub(super) head_chunk: Chunk,
    pub(super) tail_chunk: Chunk,
}

impl Ends {
    pub(super) fn new(kind: Kind, compression: Compression, level: i32) -> io::Result<Ends> {
        let frame = |text: &str| {
            let frame = compress_bucket(compression, level, text.as_bytes(), 0)?;
            io::Result::Ok(frame.compressed)
        };
        let (head, tail) = (frame(kind.head())?, frame(kind.tail())?);
        let mut state = State::default();
        state.push(&head, kind.head().as_bytes());
        Ok(Ends {
            head_chunk: Chunk::new(&head, kind.head().len() as u64),
            tail_chunk: Chunk::new(&tail, kind.tail().len() as u64),
            head,
            tail,
            state,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) members: Arc<Vec<Member>>,
    pub(super) pieces: Arc<[Piece; 3]>,
}

/// A bucket's part of one file.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) digest: Digest,
    pub(super) chunk: Chunk,
    /// After it.
    pub(super) state: State,
}

/// Everything that was written of a file so far.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) compressed: Sha256,
    pub(super) len: u64,
    pub(super) open: Sha256,
    pub(super) open_len: u64,
}

impl State {
    pub(super) fn push(&mut self, compressed: &[u8], open: &[u8]) {
        self.compressed.update(compressed);
        self.len += compressed.len() as u64;
        self.open.update(open);
        self.open_len += open.len() as u64;
    }
}
