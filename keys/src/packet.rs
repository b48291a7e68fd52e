//! The OpenPGP v4 signature packet (RFC 9580, 5.2.3; the same bytes as RFC 4880, 5.2.3), put together where the
//! data is: only 32 bytes of digest travel to the signer and only the signature's numbers come back.

use sha2::{Digest, Sha256};

use crate::names::{Algorithm, Fingerprint};

/// "Signature of a binary document" (RFC 9580, 5.2.1.1).
const TYPE_BINARY: u8 = 0x00;
/// SHA-256 in the hash registry (RFC 9580, 9.5).
const HASH_SHA256: u8 = 8;
/// RSA (Encrypt or Sign) in the public-key registry (RFC 9580, 9.1).
const PK_RSA: u8 = 1;
/// `EdDSALegacy`, the only form of Ed25519 for v4 keys that rpm 4.x and gpg 2.2 know (RFC 9580, 9.1).
const PK_EDDSA_LEGACY: u8 = 22;
/// Subpacket types (RFC 9580, 5.2.3.7).
const SUB_CREATED: u8 = 2;
const SUB_ISSUER: u8 = 16;
const SUB_ISSUER_FINGERPRINT: u8 = 33;

/// Numbers from the signer that do not make a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The wrong count of numbers for the algorithm.
    #[error("assemble a signature: {algorithm} needs {expected} numbers, the signer sent {got}")]
    Count {
        /// The key's algorithm.
        algorithm: Algorithm,
        /// How many numbers the algorithm's signatures have.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A number that is empty, zero or longer than the key.
    #[error("assemble a signature: a number of {0} bytes does not fit the key")]
    Size(usize),
}

/// A signature that lacks only its numbers.
#[derive(Debug, Clone)]
pub struct Unsigned {
    algorithm: Algorithm,
    issuer: Fingerprint,
    hashed: Vec<u8>,
    digest: [u8; 32],
}

/// Prepares a binary-document signature over the data that `hasher` was fed, made at `created` (seconds since 1970).
pub fn to_sign(hasher: Sha256, algorithm: Algorithm, issuer: Fingerprint, created: u32) -> Unsigned {
    let mut subpackets = vec![22, SUB_ISSUER_FINGERPRINT, 4];
    subpackets.extend_from_slice(issuer.as_bytes());
    subpackets.extend_from_slice(&[5, SUB_CREATED]);
    subpackets.extend_from_slice(&created.to_be_bytes());

    let pk = match algorithm {
        Algorithm::Rsa4096 => PK_RSA,
        Algorithm::Ed25519 => PK_EDDSA_LEGACY,
    };
    let mut hashed = vec![4, TYPE_BINARY, pk, HASH_SHA256, 0, subpackets.len() as u8];
    hashed.extend_from_slice(&subpackets);

    // The trailer (RFC 9580, 5.2.4): version, 0xff, length of the hashed part.
    let mut hasher = hasher;
    hasher.update(&hashed);
    hasher.update([4, 0xff]);
    hasher.update((hashed.len() as u32).to_be_bytes());
    Unsigned {
        algorithm,
        issuer,
        hashed,
        digest: hasher.finalize().into(),
    }
}

impl Unsigned {
    /// What the signer signs.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The whole packet, from the big-endian numbers: `[s]` for RSA, `[r, s]` for `EdDSA`.
    pub fn assemble(&self, numbers: &[Vec<u8>]) -> Result<Vec<u8>, PacketError> {
        let (expected, longest) = match self.algorithm {
            Algorithm::Rsa4096 => (1, 512),
            Algorithm::Ed25519 => (2, 32),
        };
        if numbers.len() != expected {
            return Err(PacketError::Count {
                algorithm: self.algorithm,
                expected,
                got: numbers.len(),
            });
        }
        let mut body = self.hashed.clone();
        body.extend_from_slice(&[0, 10, 9, SUB_ISSUER]);
        body.extend_from_slice(self.issuer.key_id());
        body.extend_from_slice(&self.digest[..2]);
        for number in numbers {
            push_mpi(&mut body, number, longest)?;
        }
        // The legacy header (RFC 9580, 4.2.2), as gpg writes it: every rpm has met it.
        let mut packet = match u8::try_from(body.len()) {
            Ok(length) => vec![0x88, length],
            Err(_) => {
                let [high, low] = (body.len() as u16).to_be_bytes();
                vec![0x89, high, low]
            }
        };
        packet.append(&mut body);
        Ok(packet)
    }
}

/// Appends a multiprecision integer: the count of bits in two bytes, then the number without leading zeros
/// (RFC 9580, 3.2).
fn push_mpi(body: &mut Vec<u8>, number: &[u8], longest: usize) -> Result<(), PacketError> {
    let start = number.iter().position(|b| *b != 0).unwrap_or(number.len());
    let number = &number[start..];
    let Some(first) = number.first().filter(|_| number.len() <= longest) else {
        return Err(PacketError::Size(number.len()));
    };
    let bits = number.len() as u32 * 8 - first.leading_zeros();
    body.extend_from_slice(&(bits as u16).to_be_bytes());
    body.extend_from_slice(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(algorithm: Algorithm) -> Unsigned {
        to_sign(Sha256::new(), algorithm, Fingerprint::from([7; 20]), 1)
    }

    #[test]
    fn a_number_loses_its_leading_zeros() {
        let mut body = Vec::new();
        push_mpi(&mut body, &[0, 0, 0x01, 0xff], 32).unwrap();
        assert_eq!(body, [0, 9, 0x01, 0xff]);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(
            unsigned(Algorithm::Rsa4096).assemble(&[vec![1; 513]]),
            Err(PacketError::Size(513))
        );
        assert_eq!(
            unsigned(Algorithm::Ed25519).assemble(&[vec![0; 32], vec![1]]),
            Err(PacketError::Size(0))
        );
        let count = unsigned(Algorithm::Ed25519).assemble(&[vec![1]]);
        assert_eq!(
            count,
            Err(PacketError::Count {
                algorithm: Algorithm::Ed25519,
                expected: 2,
                got: 1
            })
        );
    }

    #[test]
    fn the_length_of_an_rsa_packet_takes_two_bytes() {
        let packet = unsigned(Algorithm::Rsa4096).assemble(&[vec![0x80; 512]]).unwrap();
        assert_eq!(packet[0], 0x89);
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[1], packet[2]])),
            packet.len() - 3
        );
        let packet = unsigned(Algorithm::Ed25519)
            .assemble(&[vec![0x80; 32], vec![0x80; 32]])
            .unwrap();
        assert_eq!((packet[0], usize::from(packet[1])), (0x88, packet.len() - 2));
    }
}
