//! Puts an OpenPGP signature over the main header into the signature header.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use thiserror::Error;

use crate::header::{ENTRY_LEN, Type};
use crate::layout::{Tag, lay_out};
use crate::rpm_file::{LEAD_LEN, RpmFile};
use crate::tag;

/// Signatures that a new one replaces.
const OLD_SIGNATURES: [u32; 10] = [
    tag::SIG_DSA,
    tag::SIG_RSA,
    tag::SIG_OPENPGP,
    tag::SIG_PGP,
    tag::SIG_GPG,
    tag::SIG_PGP5,
    // Of single files, by IMA and fs-verity: those of whoever built the package are no business of its new signer.
    tag::SIG_FILES,
    tag::SIG_FILES_LENGTH,
    tag::SIG_VERITY,
    tag::SIG_VERITY_ALGORITHM,
];
/// The largest known packets (post-quantum ones) have less than 64 KiB; RSA-4096 has about 560 bytes.
const MAX_PACKET: usize = 64 << 10;

/// Why a signature cannot be put into a package.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Not one whole binary OpenPGP signature packet.
    #[error("this is no OpenPGP signature packet: {0}")]
    NotASignature(&'static str),
    /// rpm 4 verifies version 4 only; version 3 is refused by current clients.
    #[error("OpenPGP signatures of version {0} are not put into packages, only those of version 4")]
    Version(u8),
    /// Not a signature over data.
    #[error("a signature of type 0x{0:02x} does not cover binary data")]
    Kind(u8),
    /// An algorithm for which rpm 4 has no tag.
    #[error("rpm knows no signatures by OpenPGP's public key algorithm {0}")]
    Algorithm(u8),
}

/// A signature header that replaces the one of the package.
#[derive(Clone, Debug)]
pub struct SignedHeader {
    /// The signature header with its padding. The signed file is `rpm.lead()`, these bytes, the main header as it
    /// was, the payload as it was.
    pub bytes: Vec<u8>,
    /// Offset of the main header in the signed file.
    pub header_start: u64,
    /// By how many bytes the file grows; 0 if the reserved space sufficed.
    pub size_change: i64,
}

/// Makes the signature header of the signed package. `packet` is one binary OpenPGP version 4 signature over
/// exactly `rpm.header().as_bytes()`. Signatures that are there already are dropped, digests and sizes stay. Space
/// comes from what rpmbuild reserved for this, so that the file keeps its size whenever possible.
pub fn add_signature(rpm: &RpmFile, packet: &[u8]) -> Result<SignedHeader, SignatureError> {
    let signature_tag = signature_tag(packet)?;
    let old = rpm.signature();
    let mut filler = None;
    let mut tags: Vec<Tag> = Vec::new();
    for entry in old.entries() {
        if [tag::SIG_RESERVED, tag::SIG_RESERVED_SPACE].contains(&entry.tag) {
            filler = Some(entry.tag);
        } else if !OLD_SIGNATURES.contains(&entry.tag) {
            tags.push(Tag {
                tag: entry.tag,
                kind: entry.kind,
                count: entry.count,
                data: old.data(entry).to_vec(),
            });
        }
    }
    tags.push(Tag::bin(signature_tag, packet.to_vec()));
    if rpm
        .header()
        .number(tag::RPM_FORMAT)
        .is_some_and(|format| format >= 6)
    {
        // Where rpm 6 looks first; rpm 4 needs the other one.
        let mut data = BASE64_STANDARD.encode(packet).into_bytes();
        data.push(0);
        tags.push(Tag {
            tag: tag::SIG_OPENPGP,
            kind: Type::StringArray,
            count: 1,
            data,
        });
    }
    let target = old.as_bytes().len();
    let mut bytes = fill(tags, target, filler);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let header_start = LEAD_LEN + bytes.len() as u64;
    let size_change = header_start as i64 - rpm.header_start() as i64;
    Ok(SignedHeader {
        bytes,
        header_start,
        size_change,
    })
}

/// Lays the tags out so that the structure has `target` bytes if a filler makes that possible, else as they are.
fn fill(mut tags: Vec<Tag>, target: usize, old_filler: Option<u32>) -> Vec<u8> {
    let plain = lay_out(tag::HEADER_SIGNATURES, &mut tags);
    let padded = plain.len().next_multiple_of(8);
    if plain.len() == target || (old_filler.is_none() && padded == target.next_multiple_of(8)) {
        return plain;
    }
    let filler = old_filler.unwrap_or(tag::SIG_RESERVED_SPACE);
    // An entry of its own and at least one byte of data.
    let Some(room) = target
        .checked_sub(plain.len() + ENTRY_LEN)
        .filter(|room| *room > 0)
    else {
        return plain;
    };
    // Alignment of data behind the filler may take up to seven bytes of it.
    for len in (room.saturating_sub(7).max(1)..=room).rev() {
        tags.push(Tag::bin(filler, vec![0; len]));
        let filled = lay_out(tag::HEADER_SIGNATURES, &mut tags);
        if filled.len() == target {
            return filled;
        }
        tags.retain(|tag| tag.tag != filler);
    }
    plain
}

/// The tag for a signature packet (RFC 4880, sections 4.2 and 5.2.3).
fn signature_tag(packet: &[u8]) -> Result<u32, SignatureError> {
    let body = packet_body(packet)?;
    let &[version, kind, algorithm, ..] = body else {
        return Err(SignatureError::NotASignature("it is too short"));
    };
    if version != 4 {
        return Err(SignatureError::Version(version));
    }
    if kind != 0 {
        return Err(SignatureError::Kind(kind));
    }
    match algorithm {
        1 | 3 => Ok(tag::SIG_RSA),
        // DSA, ECDSA, EdDSA: rpm keeps all that is not RSA under the tag that once was DSA's.
        17 | 19 | 22 => Ok(tag::SIG_DSA),
        other => Err(SignatureError::Algorithm(other)),
    }
}

fn packet_body(packet: &[u8]) -> Result<&[u8], SignatureError> {
    let fail = |why| Err(SignatureError::NotASignature(why));
    let Some((&first, rest)) = packet.split_first() else {
        return fail("it is empty");
    };
    if packet.len() > MAX_PACKET {
        return fail("it is too long");
    }
    if first & 0x80 == 0 {
        return fail("it is not binary (is it ASCII-armoured?)");
    }
    let (kind, len, body) = match (first & 0x40 != 0, first & 3, rest) {
        (true, _, &[len @ 0..192, ref body @ ..]) => (first & 0x3f, usize::from(len), body),
        (true, _, &[high @ 192..224, low, ref body @ ..]) => (
            first & 0x3f,
            ((usize::from(high) - 192) << 8) + usize::from(low) + 192,
            body,
        ),
        (true, _, &[255, a, b, c, d, ref body @ ..]) => {
            (first & 0x3f, u32::from_be_bytes([a, b, c, d]) as usize, body)
        }
        (false, 0, &[len, ref body @ ..]) => ((first >> 2) & 0xf, usize::from(len), body),
        (false, 1, &[a, b, ref body @ ..]) => {
            ((first >> 2) & 0xf, usize::from(u16::from_be_bytes([a, b])), body)
        }
        (false, 2, &[a, b, c, d, ref body @ ..]) => (
            (first >> 2) & 0xf,
            u32::from_be_bytes([a, b, c, d]) as usize,
            body,
        ),
        _ => return fail("its length is not given in a usable way"),
    };
    if kind != 2 {
        return fail("it is a packet of another kind");
    }
    if len != body.len() {
        return fail("it is not one whole packet");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_packets_apart() {
        let packet = |version, kind, algorithm| vec![0x88, 5, version, kind, algorithm, 8, 0];
        assert_eq!(signature_tag(&packet(4, 0, 1)), Ok(tag::SIG_RSA));
        assert_eq!(signature_tag(&packet(4, 0, 22)), Ok(tag::SIG_DSA));
        assert_eq!(signature_tag(&packet(3, 0, 1)), Err(SignatureError::Version(3)));
        assert_eq!(
            signature_tag(&packet(4, 0x13, 1)),
            Err(SignatureError::Kind(0x13))
        );
        assert_eq!(
            signature_tag(&packet(4, 0, 99)),
            Err(SignatureError::Algorithm(99))
        );
        assert_eq!(signature_tag(&[0xc2, 5, 4, 0, 1, 8, 0]), Ok(tag::SIG_RSA));
        assert_eq!(
            signature_tag(&[0xc2, 192, 0]),
            Err(SignatureError::NotASignature("it is not one whole packet"))
        );
        let armoured = signature_tag(b"-----BEGIN PGP SIGNATURE-----");
        assert!(matches!(armoured, Err(SignatureError::NotASignature(_))));
        assert!(signature_tag(&[]).is_err() && signature_tag(&[0x88]).is_err());
        let two = [packet(4, 0, 1), packet(4, 0, 1)].concat();
        assert!(matches!(
            signature_tag(&two),
            Err(SignatureError::NotASignature(_))
        ));
    }
}
