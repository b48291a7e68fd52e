//! ASCII armour for signatures and certificates (RFC 4880, 6; with the CRC-24 that rpm's reader insists on).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Wraps a binary signature packet in ASCII armour.
pub fn armor(signature: &[u8]) -> String {
    wrap("SIGNATURE", signature)
}

/// Wraps packets in ASCII armour of a kind (`SIGNATURE`, `PUBLIC KEY BLOCK`), without any header lines.
pub(crate) fn wrap(kind: &str, packets: &[u8]) -> String {
    let encoded = STANDARD.encode(packets);
    let mut out = format!("-----BEGIN PGP {kind}-----\n\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        // base64 is ASCII: every index is a character boundary.
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push('=');
    out.push_str(&STANDARD.encode(&crc24(packets).to_be_bytes()[1..]));
    out.push_str(&format!("\n-----END PGP {kind}-----\n"));
    out
}

/// The checksum of RFC 4880, 6.1.
fn crc24(data: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for byte in data {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_catalogued_value() {
        // "CRC-24/OPENPGP" check value for the ASCII digits 1 to 9.
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
    }

    #[test]
    fn lines_are_64_columns() {
        let text = armor(&[0; 100]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "");
        assert_eq!(lines[2].len(), 64);
        assert!(lines.iter().all(|line| line.len() <= 64));
    }
}
