//! Looks for files in a package's payload: a compressed cpio archive of the format `newc`, or rpm's own one, which has
//! nothing of a file but its number in the header.

use std::io::{self, Read};

const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];
/// Bytes of an entry's fixed part: the magic and 13 numbers of eight hexadecimal digits.
const HEAD: usize = 110;
/// rpm's own format: this, and the number in eight hexadecimal digits.
const BARE_MAGIC: &[u8] = b"07070X";
const BARE_HEAD: usize = 14;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Longest name that is believed, in bytes.
const MAX_NAME: u64 = 4_096;
/// Most decompressed bytes that are looked through.
const MAX_OPEN: u64 = 8 << 30;
/// Most bytes that are taken out of one payload.
const MAX_FOUND: u64 = 16 << 20;

/// Files as the header lists them: whole path, and bytes in the archive.
pub(crate) type Listed = Vec<(Vec<u8>, u64)>;

/// A file out of a payload: its whole path, and what it holds.
pub(crate) type Found = (Vec<u8>, Vec<u8>);

/// The spec file in a source package's payload, which `payload` yields from its first byte. `None` where there is none,
/// where it is larger than `limit` bytes, and where the payload is compressed in another way than gzip and zstd.
///
/// # Errors
/// When the payload cannot be read or is no archive.
pub fn find_spec(payload: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(archive) = open(payload)? else {
        return Ok(None);
    };
    find(archive, limit, |name| {
        let name = name.strip_prefix(b"./").unwrap_or(name);
        name.ends_with(b".spec") && !name.contains(&b'/')
    })
}

/// The files of a payload whose path is wanted and that are no larger than `limit` bytes; not all of them where they are
/// larger together than any package's. `None` where the payload is
/// compressed in another way than gzip and zstd. `listed` tells the files of an archive without names.
pub(crate) fn read_files(
    payload: impl Read,
    listed: &Listed,
    limit: u64,
    wanted: impl Fn(&[u8]) -> bool,
) -> io::Result<Option<Vec<Found>>> {
    let Some(archive) = open(payload)? else {
        return Ok(None);
    };
    let mut found = Vec::new();
    let mut room = MAX_FOUND;
    let is_read = walk(archive, listed, |name, size, content| {
        let path = name.strip_prefix(b".").unwrap_or(name);
        if size > 0 && size <= limit && wanted(path) {
            match room.checked_sub(size) {
                Some(left) => room = left,
                None => return Ok(true),
            }
            found.push((path.to_owned(), read_whole(content, size)?));
        }
        Ok(false)
    })?;
    Ok(is_read.then_some(found))
}

/// The archive in a payload; none if that is compressed in a way that is not known here.
fn open<'a>(mut payload: impl Read + 'a) -> io::Result<Option<impl Read + 'a>> {
    // By what it is and not by what the header says, which leaves out the most usual cases.
    let mut start = [0; 4];
    payload.read_exact(&mut start)?;
    let payload = io::Cursor::new(start).chain(payload);
    let archive: Box<dyn Read + 'a> = match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(payload)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(payload)?),
        _ if MAGIC[0].starts_with(&start) || BARE_MAGIC.starts_with(&start) => Box::new(payload),
        _ => return Ok(None),
    };
    Ok(Some(archive.take(MAX_OPEN)))
}

fn find(archive: impl Read, limit: u64, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<Vec<u8>>> {
    let mut found = None;
    walk(archive, &Listed::new(), |name, size, content| {
        if !wanted(name) {
            return Ok(false);
        }
        if size <= limit {
            found = Some(read_whole(content, size)?);
        }
        Ok(true)
    })?;
    Ok(found)
}

fn read_whole(content: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    content.take(size).read_to_end(&mut whole)?;
    if (whole.len() as u64) < size {
        return Err(malformed("less than it announces"));
    }
    Ok(whole)
}

/// Shows each entry's name, size and content, until `visit` says that it has seen enough. Whether the archive is of a
/// known kind.
fn walk(
    mut archive: impl Read,
    listed: &Listed,
    mut visit: impl FnMut(&[u8], u64, &mut dyn Read) -> io::Result<bool>,
) -> io::Result<bool> {
    loop {
        let mut head = [0; HEAD];
        archive.read_exact(&mut head[..BARE_HEAD])?;
        let entry = match &head[..6] {
            BARE_MAGIC => bare_entry(&mut archive, &head, listed)?,
            magic if MAGIC.contains(&magic) => named_entry(&mut archive, &mut head)?,
            _ => return Ok(false),
        };
        let Some((name, size)) = entry else {
            return Ok(true);
        };
        let mut content = archive.by_ref().take(size.next_multiple_of(4));
        if visit(&name, size, &mut content)? {
            return Ok(true);
        }
        io::copy(&mut content, &mut io::sink())?;
        if content.limit() > 0 {
            return Err(malformed("less than it announces"));
        }
    }
}

/// Reads the rest of an entry's head; its name and size, or None at the end of the archive.
fn named_entry(archive: &mut impl Read, head: &mut [u8; HEAD]) -> io::Result<Option<(Vec<u8>, u64)>> {
    archive.read_exact(&mut head[BARE_HEAD..])?;
    let size = number(head, 6)?;
    let name_size = number(head, 11)?;
    if name_size == 0 || name_size > MAX_NAME {
        return Err(malformed("a name of impossible length"));
    }
    // Name and content each end at a multiple of four bytes.
    let padded = (HEAD as u64 + name_size).next_multiple_of(4) - HEAD as u64;
    let mut name = Vec::new();
    archive.by_ref().take(padded).read_to_end(&mut name)?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    Ok((name != TRAILER).then_some((name, size)))
}

fn bare_entry(
    archive: &mut impl Read,
    head: &[u8; HEAD],
    listed: &Listed,
) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut padding = [0; BARE_HEAD.next_multiple_of(4) - BARE_HEAD];
    archive.read_exact(&mut padding)?;
    let file = usize::try_from(number(head, 0)?)
        .ok()
        .and_then(|file| listed.get(file));
    let (path, size) = file.ok_or_else(|| malformed("a file that the header does not list"))?;
    Ok(Some((path.clone(), *size)))
}

/// The number at an index of the fixed part.
fn number(head: &[u8; HEAD], index: usize) -> io::Result<u64> {
    let at = 6 + 8 * index;
    head.get(at..at + 8)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| malformed("something else than a number"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the payload holds {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        for index in 0..13 {
            let value = match index {
                6 => content.len(),
                11 => name.len() + 1,
                _ => 0,
            };
            bytes.extend(format!("{value:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn spec(archive: &[u8], limit: u64) -> io::Result<Option<Vec<u8>>> {
        find(archive, limit, |name| name.ends_with(b".spec"))
    }

    #[test]
    fn a_file_is_found_behind_others() {
        let archive = [
            entry("a.tar.gz", b"12345"),
            entry("hello.spec", b"Name: hello\n"),
            entry("TRAILER!!!", b""),
        ]
        .concat();
        assert_eq!(spec(&archive, 100).unwrap().unwrap(), b"Name: hello\n");
        assert_eq!(spec(&archive, 5).unwrap(), None);
        let none = [entry("a.tar.gz", b"12345"), entry("TRAILER!!!", b"")].concat();
        assert_eq!(spec(&none, 100).unwrap(), None);
    }

    #[test]
    fn hostile_archives_are_errors_and_nothing_worse() {
        let good = [entry("a", b"12345"), entry("hello.spec", b"Name: hello\n")].concat();
        for length in 0..good.len() {
            let found = spec(&good[..length], 100);
            assert!(
                !matches!(found, Ok(Some(content)) if content != b"Name: hello\n"),
                "{length}"
            );
        }
        let mut endless = entry("a.spec", b"");
        endless[6 + 8 * 11..6 + 8 * 12].copy_from_slice(b"ffffffff");
        assert!(spec(&endless, 100).is_err());
        let mut signed = entry("a.spec", b"");
        signed[6 + 8 * 6..6 + 8 * 7].copy_from_slice(b"-0000001");
        assert!(spec(&signed, 100).is_err());
        assert_eq!(spec(&[b'x'; 200], 100).unwrap(), None);
    }
}
