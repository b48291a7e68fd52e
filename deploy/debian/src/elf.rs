//! What a shared library is called and which symbol versions it has, as rpm's own `elfdeps` would say it.
//!
//! Format: System V ABI, and the GNU extension for symbol versioning (`DT_VERDEF`) in the LSB core specification.

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
/// The entry names the file itself, not a version.
const VER_FLG_BASE: u16 = 1;

struct Elf<'a> {
    bytes: &'a [u8],
    /// Address, offset in the file, length in the file.
    segments: Vec<(u64, u64, u64)>,
}

/// Dependency names that a 64-bit little-endian shared library provides; none for anything else.
pub(crate) fn provides(bytes: &[u8]) -> Vec<String> {
    parse(bytes).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<Vec<String>> {
    // Magic, 64 bit, little endian; then e_type ET_DYN.
    if !bytes.starts_with(b"\x7fELF\x02\x01") || u16_at(bytes, 16)? != 3 {
        return None;
    }
    let table = u64_at(bytes, 32)?;
    let (size, count) = (u64::from(u16_at(bytes, 54)?), u64::from(u16_at(bytes, 56)?));
    let mut elf = Elf {
        bytes,
        segments: Vec::new(),
    };
    let mut dynamic = None;
    for number in 0..count {
        let header = slice(bytes, table.checked_add(number * size)?, 56)?;
        let (offset, address, length) = (u64_at(header, 8)?, u64_at(header, 16)?, u64_at(header, 32)?);
        match u32_at(header, 0)? {
            PT_LOAD => elf.segments.push((address, offset, length)),
            PT_DYNAMIC => dynamic = Some((offset, length)),
            _ => {}
        }
    }
    let (start, length) = dynamic?;
    let dynamic = slice(bytes, start, length)?;
    let entry = |tag: u64| {
        let entry = dynamic
            .chunks_exact(16)
            .find(|entry| u64_at(entry, 0) == Some(tag))?;
        u64_at(entry, 8)
    };
    let strings = elf.offset(entry(DT_STRTAB)?)?;
    let soname = elf.text(strings.checked_add(entry(DT_SONAME)?)?)?;
    let mut names = vec![format!("{soname}()(64bit)")];
    if let (Some(at), Some(count)) = (entry(DT_VERDEF), entry(DT_VERDEFNUM)) {
        names.extend(
            elf.versions(elf.offset(at)?, count, strings)?
                .iter()
                .map(|v| format!("{soname}({v})(64bit)")),
        );
    }
    Some(names)
}

impl<'a> Elf<'a> {
    fn offset(&self, address: u64) -> Option<u64> {
        let (start, offset, _) = self
            .segments
            .iter()
            .find(|(start, _, length)| address.checked_sub(*start).is_some_and(|inside| inside < *length))?;
        offset.checked_add(address - start)
    }

    fn text(&self, offset: u64) -> Option<&'a str> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn versions(&self, mut at: u64, count: u64, strings: u64) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        for _ in 0..count.min(4096) {
            let definition = slice(self.bytes, at, 20)?;
            let (first, next) = (u32_at(definition, 12)?, u32_at(definition, 16)?);
            if u16_at(definition, 2)? & VER_FLG_BASE == 0 {
                let name = u32_at(self.bytes, at.checked_add(u64::from(first))?)?;
                names.push(self.text(strings.checked_add(u64::from(name))?)?);
            }
            if next == 0 {
                break;
            }
            at = at.checked_add(u64::from(next))?;
        }
        Some(names)
    }
}

fn slice(bytes: &[u8], at: u64, length: u64) -> Option<&[u8]> {
    let (start, end) = (
        usize::try_from(at).ok()?,
        usize::try_from(at.checked_add(length)?).ok()?,
    );
    bytes.get(start..end)
}

fn array<const N: usize>(bytes: &[u8], at: u64) -> Option<[u8; N]> {
    slice(bytes, at, N as u64)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: u64) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: u64) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: u64) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_tells_its_versions() {
        let bytes = fs_err::read("/lib/x86_64-linux-gnu/libc.so.6").unwrap();
        let names = provides(&bytes);
        assert_eq!(names[0], "libc.so.6()(64bit)");
        assert!(
            names.contains(&"libc.so.6(GLIBC_2.34)(64bit)".to_owned()),
            "{names:?}"
        );
        assert!(!names.contains(&"libc.so.6(libc.so.6)(64bit)".to_owned()));
        // However it is cut or bent, nothing panics.
        for length in [0, 6, 40, 64, 500, 4096, bytes.len() / 2] {
            provides(&bytes[..length]);
        }
        let mut bent = bytes.clone();
        for at in 0..1000 {
            bent[at] ^= 0xff;
            provides(&bent);
            bent[at] ^= 0xff;
        }
    }

    #[test]
    fn other_files_provide_nothing() {
        assert_eq!(provides(b"#!/bin/sh\n"), Vec::<String>::new());
        assert_eq!(
            provides(&fs_err::read("/bin/bash").unwrap()),
            Vec::<String>::new()
        );
    }
}
