//! One header structure: a checked index over a data store.
//!
//! Strict on purpose, as rpm is since 4.14: whatever two parsers could read differently (overlapping data, a tag
//! twice, an index that disagrees with its region) is refused, so that what is checked here is what a client sees.

use std::borrow::Cow;
use std::ffi::CStr;
use std::io::{self, Read};

use thiserror::Error;

use crate::tag;
use crate::xml::latin1_or_utf8;

/// Start of every header structure; the last byte is the format's version.
pub(crate) const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// Magic, four reserved bytes, number of entries, size of the store.
pub(crate) const INTRO_LEN: usize = 16;
/// One index entry: tag, type, offset, count.
pub(crate) const ENTRY_LEN: usize = 16;
/// rpm takes at most 64 Ki tags in a main header.
const MAX_ENTRIES: u32 = 65_535;
/// rpm takes at most 32 tags in a signature header.
const MAX_SIGNATURE_ENTRIES: u32 = 32;
/// Bound on one store. rpm allows 256 MiB for main headers; the largest known real one is below 40 MiB.
const MAX_STORE: u32 = 64 << 20;
/// Bound on the strings of one tag: more than three times the files of the largest known package. Without it, a small
/// header of empty strings would become gigabytes once they are read.
const MAX_STRINGS: u32 = 1 << 20;
/// Tags below this one belong to the structure itself.
const FIRST_TAG: u32 = 100;

/// Why bytes are not an RPM package that can be used.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// The lead does not start with rpm's magic.
    #[error("not an RPM package: {0}")]
    NotAnRpm(&'static str),
    /// The file ends too early.
    #[error("the file is truncated in its {part}: {expected} bytes are needed, {got} are there")]
    Truncated {
        /// Where it ends.
        part: Part,
        /// Bytes that this part needs.
        expected: u64,
        /// Bytes that were there.
        got: u64,
    },
    /// An index entry or the region is wrong.
    #[error("the {part} is damaged: {reason}")]
    BadIndex {
        /// Which structure.
        part: Part,
        /// What is wrong with it.
        reason: String,
    },
    /// More than any real package needs.
    #[error("the {part} claims {what} {claimed}, the limit is {limit}")]
    TooLarge {
        /// Which structure.
        part: Part,
        /// What is too large.
        what: &'static str,
        /// What the header says.
        claimed: u32,
        /// What is taken.
        limit: u32,
    },
    /// A tag that no package lacks is missing or of another type.
    #[error("the header has no usable {0}")]
    MissingTag(&'static str),
    /// Name, version, release or architecture holds what rpm would never write.
    #[error("the package's {what} {value:?} is not valid: {reason}")]
    BadName {
        /// Which part of the name.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Reading failed.
    #[error("cannot read the package's {part}")]
    Io {
        /// Where.
        part: Part,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Part of an RPM file, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first 96 bytes.
    Lead,
    /// The signature header.
    Signature,
    /// The main header.
    Header,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Lead => "lead",
            Part::Signature => "signature header",
            Part::Header => "header",
        })
    }
}

/// Data types of rpm's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Type {
    Char = 1,
    Int8 = 2,
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    String = 6,
    Bin = 7,
    StringArray = 8,
    I18nString = 9,
}

impl Type {
    fn from_number(number: u32) -> Option<Type> {
        use Type::*;
        [
            Char,
            Int8,
            Int16,
            Int32,
            Int64,
            String,
            Bin,
            StringArray,
            I18nString,
        ]
        .into_iter()
        .find(|known| *known as u32 == number)
    }

    /// Bytes of one value; none for strings, whose length is in the data.
    fn width(self) -> Option<usize> {
        match self {
            Type::Char | Type::Int8 | Type::Bin => Some(1),
            Type::Int16 => Some(2),
            Type::Int32 => Some(4),
            Type::Int64 => Some(8),
            Type::String | Type::StringArray | Type::I18nString => None,
        }
    }

    /// Alignment of the data within the store.
    pub(crate) fn alignment(self) -> usize {
        self.width().unwrap_or(1)
    }
}

/// One checked index entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) tag: u32,
    pub(crate) kind: Type,
    pub(crate) count: u32,
    /// Start of the data within the store.
    start: usize,
    /// End of the data within the store.
    end: usize,
}

/// A parsed header structure, with the bytes that it was read from.
#[derive(Clone, Debug)]
pub struct Header {
    bytes: Vec<u8>,
    store: usize,
    /// Sorted by tag, each tag once, without the region's own entry.
    entries: Vec<Entry>,
}

impl Header {
    /// Reads one structure. `available`: bytes that the file can still hold, so that a lying length costs nothing.
    pub(crate) fn read(reader: &mut impl Read, part: Part, available: u64) -> Result<Header, HeaderError> {
        let mut bytes = read_exactly(reader, part, INTRO_LEN as u64, available)?;
        if bytes[..4] != MAGIC {
            return Err(bad(
                part,
                "it does not start with the magic of a header".to_owned(),
            ));
        }
        let (entries, store) = (be32(&bytes, 8), be32(&bytes, 12));
        let max_entries = if part == Part::Signature {
            MAX_SIGNATURE_ENTRIES
        } else {
            MAX_ENTRIES
        };
        for (what, claimed, limit) in [
            ("a number of tags of", entries, max_entries),
            ("a size in bytes of", store, MAX_STORE),
        ] {
            if claimed > limit {
                return Err(HeaderError::TooLarge {
                    part,
                    what,
                    claimed,
                    limit,
                });
            }
        }
        if entries == 0 || store < ENTRY_LEN as u32 {
            return Err(bad(part, "it is empty".to_owned()));
        }
        let rest = u64::from(entries) * ENTRY_LEN as u64 + u64::from(store);
        let body = read_exactly(reader, part, rest, available.saturating_sub(INTRO_LEN as u64))?;
        bytes.extend_from_slice(&body);
        Header::index(bytes, part, entries as usize)
    }

    fn index(bytes: Vec<u8>, part: Part, count: usize) -> Result<Header, HeaderError> {
        let store_start = INTRO_LEN + count * ENTRY_LEN;
        let store = &bytes[store_start..];
        let (covered, trailer) = check_region(&bytes[INTRO_LEN..store_start], store, part, count)?;
        let mut entries = Vec::with_capacity(count - 1);
        let mut previous_end = 0;
        for (number, raw) in bytes[INTRO_LEN..store_start]
            .chunks_exact(ENTRY_LEN)
            .enumerate()
            .skip(1)
        {
            let entry = check_entry(raw, store).map_err(|why| bad(part, format!("tag {number}: {why}")))?;
            if entry.start < previous_end {
                return Err(bad(
                    part,
                    format!("the data of tag {} overlaps that of another tag", entry.tag),
                ));
            }
            let (from, to) = if number < covered {
                (0, trailer)
            } else {
                (trailer + ENTRY_LEN, store.len())
            };
            if entry.start < from || entry.end > to {
                return Err(bad(
                    part,
                    format!("the data of tag {} crosses the region's border", entry.tag),
                ));
            }
            previous_end = entry.end;
            entries.push(entry);
        }
        entries.sort_by_key(|entry| entry.tag);
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].tag == pair[1].tag) {
            return Err(bad(part, format!("tag {} occurs twice", pair[0].tag)));
        }
        Ok(Header {
            store: store_start,
            bytes,
            entries,
        })
    }

    /// The whole structure as it is in the file, from magic to the end of the store, without padding. A header
    /// signature covers exactly these bytes of the main header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn data(&self, entry: &Entry) -> &[u8] {
        &self.bytes[self.store + entry.start..self.store + entry.end]
    }

    fn find(&self, tag: u32) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&tag, |entry| entry.tag).ok()?;
        self.entries.get(at)
    }

    /// Whether the tag is there, of whatever type.
    pub fn contains(&self, tag: u32) -> bool {
        self.find(tag).is_some()
    }

    /// A string, or the first of several (of a translated one: the C locale's). Bytes that are not UTF-8 are read
    /// as Latin-1, as `createrepo_c` does. None if the tag is absent or no string.
    pub fn string(&self, tag: u32) -> Option<Cow<'_, str>> {
        self.raw_strings(tag)?.next().map(latin1_or_utf8)
    }

    /// All strings of a tag, read as by [`Header::string`].
    pub fn strings(&self, tag: u32) -> Option<Vec<Cow<'_, str>>> {
        Some(self.raw_strings(tag)?.map(latin1_or_utf8).collect())
    }

    /// All strings of a tag as bytes, without their final NULs.
    pub fn raw_strings(&self, tag: u32) -> Option<impl Iterator<Item = &[u8]>> {
        let entry = self.find(tag)?;
        let is_text = matches!(entry.kind, Type::String | Type::StringArray | Type::I18nString);
        let data = self.data(entry).strip_suffix(&[0])?;
        is_text.then(|| data.split(|byte| *byte == 0))
    }

    /// 16-bit numbers. None if absent or of another type.
    pub fn u16s(&self, tag: u32) -> Option<Vec<u16>> {
        let data = self.typed(tag, Type::Int16)?;
        Some(
            data.as_chunks()
                .0
                .iter()
                .map(|raw| u16::from_be_bytes(*raw))
                .collect(),
        )
    }

    /// 32-bit numbers. None if absent or of another type.
    pub fn u32s(&self, tag: u32) -> Option<Vec<u32>> {
        let data = self.typed(tag, Type::Int32)?;
        Some(
            data.as_chunks()
                .0
                .iter()
                .map(|raw| u32::from_be_bytes(*raw))
                .collect(),
        )
    }

    /// 64-bit numbers. None if absent or of another type.
    pub fn u64s(&self, tag: u32) -> Option<Vec<u64>> {
        let data = self.typed(tag, Type::Int64)?;
        Some(
            data.as_chunks()
                .0
                .iter()
                .map(|raw| u64::from_be_bytes(*raw))
                .collect(),
        )
    }

    /// Sizes of all files in bytes, of whatever width they are.
    pub(crate) fn file_sizes(&self) -> Option<Vec<u64>> {
        self.u64s(tag::LONG_FILE_SIZES).or_else(|| {
            let sizes = self.u32s(tag::FILE_SIZES)?;
            Some(sizes.into_iter().map(u64::from).collect())
        })
    }

    /// The first number of a tag, whatever its width.
    pub fn number(&self, tag: u32) -> Option<u64> {
        let entry = self.find(tag)?;
        let width = match entry.kind {
            Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 => entry.kind.width()?,
            _ => return None,
        };
        let first = self.data(entry).get(..width)?;
        Some(first.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Binary data. None if absent or of another type.
    pub fn bin(&self, tag: u32) -> Option<&[u8]> {
        self.typed(tag, Type::Bin)
    }

    fn typed(&self, tag: u32, kind: Type) -> Option<&[u8]> {
        let entry = self.find(tag)?;
        (entry.kind == kind).then(|| self.data(entry))
    }
}

fn bad(part: Part, reason: String) -> HeaderError {
    HeaderError::BadIndex { part, reason }
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |raw| u32::from_be_bytes(*raw))
}

/// Reads `expected` bytes; memory grows only with what really arrives.
pub(crate) fn read_exactly(
    reader: &mut impl Read,
    part: Part,
    expected: u64,
    available: u64,
) -> Result<Vec<u8>, HeaderError> {
    if expected > available {
        return Err(HeaderError::Truncated {
            part,
            expected,
            got: available,
        });
    }
    let mut bytes = Vec::new();
    reader
        .take(expected)
        .read_to_end(&mut bytes)
        .map_err(|source| HeaderError::Io { part, source })?;
    if bytes.len() as u64 != expected {
        return Err(HeaderError::Truncated {
            part,
            expected,
            got: bytes.len() as u64,
        });
    }
    Ok(bytes)
}

/// Checks the first entry, which marks the region that signatures cover, and its trailer in the store.
/// Returns how many tags (with its own) the region holds, and where the trailer starts.
fn check_region(index: &[u8], store: &[u8], part: Part, count: usize) -> Result<(usize, usize), HeaderError> {
    let region_tag = if part == Part::Signature {
        tag::HEADER_SIGNATURES
    } else {
        tag::HEADER_IMMUTABLE
    };
    let fail = |reason: &str| Err(bad(part, format!("region: {reason}")));
    if be32(index, 0) != region_tag {
        return fail("the first tag is not the region's (packages older than rpm 4.0 are not taken)");
    }
    if be32(index, 4) != Type::Bin as u32 || be32(index, 12) != ENTRY_LEN as u32 {
        return fail("its entry has another type or size");
    }
    let offset = be32(index, 8) as usize;
    let Some(trailer) = offset
        .checked_add(ENTRY_LEN)
        .and_then(|end| store.get(offset..end))
    else {
        return fail("its trailer lies outside of the data");
    };
    if be32(trailer, 0) != region_tag
        || be32(trailer, 4) != Type::Bin as u32
        || be32(trailer, 12) != ENTRY_LEN as u32
    {
        return fail("its trailer is of another kind");
    }
    let covered = 0u32.wrapping_sub(be32(trailer, 8)) as usize;
    if covered == 0 || !covered.is_multiple_of(ENTRY_LEN) || covered / ENTRY_LEN > count {
        return fail("its trailer names a wrong number of tags");
    }
    // Only a signature header may hold tags beside its region; what a main header holds must all be signed.
    if part == Part::Header && (covered / ENTRY_LEN != count || offset + ENTRY_LEN != store.len()) {
        return fail("it does not cover the whole header");
    }
    Ok((covered / ENTRY_LEN, offset))
}

fn check_entry(raw: &[u8], store: &[u8]) -> Result<Entry, String> {
    let (tag, kind, start, count) = (be32(raw, 0), be32(raw, 4), be32(raw, 8) as usize, be32(raw, 12));
    if tag < FIRST_TAG {
        return Err(format!("number {tag} is reserved"));
    }
    let kind = Type::from_number(kind).ok_or_else(|| format!("{tag} has the unknown data type {kind}"))?;
    if !start.is_multiple_of(kind.alignment()) {
        return Err(format!("the data of {tag} is not aligned"));
    }
    let data = store.get(start..).filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| format!("the data of {tag} lies outside of the header"))?;
    if count == 0 || count as usize > data.len() || (kind == Type::String && count != 1) {
        return Err(format!("{tag} claims {count} values"));
    }
    if kind.width().is_none() && count > MAX_STRINGS {
        return Err(format!(
            "{tag} claims {count} strings, the limit is {MAX_STRINGS}"
        ));
    }
    let len = match kind.width() {
        Some(width) => Some(width * count as usize).filter(|len| *len <= data.len()),
        None => end_of_strings(data, count as usize),
    };
    let len = len.ok_or_else(|| format!("the data of {tag} runs over the end of the header"))?;
    Ok(Entry {
        tag,
        kind,
        count,
        start,
        end: start + len,
    })
}

/// Length of `count` NUL-terminated strings at the start of `data`.
fn end_of_strings(data: &[u8], count: usize) -> Option<usize> {
    let mut end = 0;
    for _ in 0..count {
        end += CStr::from_bytes_until_nul(data.get(end..)?).ok()?.count_bytes() + 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests;
