//! zchunk: the frames of a metadata file behind a header that lists them, so that a client fetches those it lacks.
//!
//! The format is told in `zchunk_format.txt` of zchunk; where that and the program differ (order of the lead's fields,
//! width of the flags, SHA-512/128), this is what zchunk 1.2 writes and reads.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256, Sha512};

use crate::file_plan::{Digest, FilePlan, FrameStore};
use crate::repomd::Record;

const ID: &[u8] = b"\0ZCK1";
/// Of header and data.
const SHA_256: u64 = 1;
/// Of chunks: the first 16 bytes of SHA-512.
const SHA_512_128: u64 = 3;
const ZSTD: u64 = 2;
/// Bytes of a chunk's checksum.
const CHUNK_CHECKSUM: usize = 16;

/// What the header says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    checksum: [u8; CHUNK_CHECKSUM],
    pub(crate) len: u64,
    /// Bytes before compression.
    pub(crate) open_len: u64,
}

impl Chunk {
    pub(crate) fn new(compressed: &[u8], open_len: u64) -> Chunk {
        let mut checksum = [0; CHUNK_CHECKSUM];
        let whole = Sha512::digest(compressed);
        for (to, from) in checksum.iter_mut().zip(whole) {
            *to = from;
        }
        Chunk {
            checksum,
            len: compressed.len() as u64,
            open_len,
        }
    }
}

/// A number, seven bits a byte, the lowest first; the last byte has its highest bit set.
fn push_number(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push((number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8 | 0x80);
}

/// Everything before the data, and its checksum.
fn header(data: &[u8], chunks: &[Chunk]) -> (Vec<u8>, Digest) {
    let mut index = Vec::new();
    push_number(&mut index, SHA_512_128);
    // The dictionary counts as one, and there is none.
    push_number(&mut index, chunks.len() as u64 + 1);
    let none = Chunk {
        checksum: [0; CHUNK_CHECKSUM],
        len: 0,
        open_len: 0,
    };
    for chunk in std::iter::once(&none).chain(chunks) {
        index.extend_from_slice(&chunk.checksum);
        push_number(&mut index, chunk.len);
        push_number(&mut index, chunk.open_len);
    }
    let mut body = data.to_vec();
    push_number(&mut body, 0);
    push_number(&mut body, ZSTD);
    push_number(&mut body, index.len() as u64);
    body.extend_from_slice(&index);
    // No signatures: that of `repomd.xml` covers this file too.
    push_number(&mut body, 0);
    let mut lead = ID.to_vec();
    push_number(&mut lead, SHA_256);
    push_number(&mut lead, body.len() as u64);
    let checksum: Digest = Sha256::new()
        .chain_update(&lead)
        .chain_update(&body)
        .finalize()
        .into();
    lead.extend_from_slice(&checksum);
    lead.extend_from_slice(&body);
    (lead, checksum)
}

/// A metadata file as zchunk. Its data are the very bytes of the file that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zchunk {
    /// `<sha256>-primary.xml.zck`; its place is `repodata/` of the repository.
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the header, as it says itself, hexadecimal.
    pub header_sha256: String,
    /// What comes before the data.
    pub header: Vec<u8>,
}

impl Zchunk {
    /// Reads all frames once, for the checksum of the whole. `None` for what is not zstd, which the format lacks.
    ///
    /// # Errors
    /// When a frame is missing.
    pub fn of(plan: &FilePlan, store: &impl FrameStore) -> io::Result<Option<Zchunk>> {
        let Some(chunks) = &plan.chunks else {
            return Ok(None);
        };
        let (header, checksum) = header(&plan.digest, chunks);
        let mut whole = Hash(Sha256::new_with_prefix(&header));
        plan.write(store, &mut whole)?;
        let sha256 = hex::encode(whole.0.finalize());
        Ok(Some(Zchunk {
            name: format!("{sha256}-{}.xml.zck", plan.kind.name()),
            sha256,
            size: plan.size + header.len() as u64,
            header_sha256: hex::encode(checksum),
            header,
        }))
    }

    /// Writes the file, a frame at a time.
    ///
    /// # Errors
    /// When a frame is missing or the target fails.
    pub fn write(&self, plan: &FilePlan, store: &impl FrameStore, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.header)?;
        plan.write(store, to)
    }

    /// Its record in `repomd.xml`, which stands beside that of the file that it was made from. `timestamp`: seconds
    /// since 1970.
    pub fn record(&self, plan: &FilePlan, timestamp: i64) -> Record {
        Record {
            kind: format!("{}_zck", plan.kind.name()),
            checksum: self.sha256.clone(),
            href: format!("repodata/{}", self.name),
            size: self.size,
            header: Some((self.header_sha256.clone(), self.header.len() as u64)),
            ..plan.record(timestamp)
        }
    }
}

/// SHA-256 as something that is written to.
struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
