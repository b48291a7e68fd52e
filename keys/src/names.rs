//! The names and values that cross the wire, each parsed once.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

/// A value that must not be printed: a bearer token. `Debug` shows `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret as it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Reads a secret from a file, without the surrounding white space.
    pub fn from_file(path: &Path) -> std::io::Result<Self> {
        let text = fs_err::read_to_string(path)?;
        Ok(Self(text.trim().to_owned()))
    }

    /// A fresh secret of 256 random bits, in 64 hexadecimal digits. Fails when the system gives no randomness.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| std::io::Error::other("generate a secret: the system gave no random bytes"))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// The secret itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The hub's name of a key: 1 to 64 of `[a-z0-9-]`. It is also the idempotency key of creation and a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// A string that is no [`KeyId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key name is 1 to 64 characters of a-z, 0-9 and -")]
pub struct InvalidKeyId;

impl KeyId {
    /// Parses a key name.
    pub fn parse(name: &str) -> Result<Self, InvalidKeyId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;
    fn from_str(name: &str) -> Result<Self, InvalidKeyId> {
        Self::parse(name)
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;
    fn try_from(name: String) -> Result<Self, InvalidKeyId> {
        Self::parse(&name)
    }
}

impl From<KeyId> for String {
    fn from(key: KeyId) -> Self {
        key.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// RSA of 4096 bits: what every rpm from 4.14 on verifies.
    #[default]
    Rsa4096,
    /// Ed25519 in the form of OpenPGP v4 (`EdDSALegacy`, algorithm 22), for repositories whose clients verify it.
    Ed25519,
}

impl Algorithm {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa4096 => "rsa4096",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string that names no [`Algorithm`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an algorithm is rsa4096 or ed25519")]
pub struct InvalidAlgorithm;

impl FromStr for Algorithm {
    type Err = InvalidAlgorithm;
    fn from_str(name: &str) -> Result<Self, InvalidAlgorithm> {
        match name {
            "rsa4096" => Ok(Self::Rsa4096),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(InvalidAlgorithm),
        }
    }
}

/// The fingerprint of a v4 key: 20 bytes, shown as 40 upper-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 20]);

/// A string that is no v4 [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 40 hexadecimal digits")]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// The fingerprint's 20 bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The OpenPGP key id: the last 8 bytes of the fingerprint (RFC 9580, 5.5.4.2), in 16 upper-case digits.
    pub fn key_id_hex(&self) -> String {
        hex::encode_upper(self.key_id())
    }

    pub(crate) fn key_id(&self) -> &[u8] {
        &self.0[12..]
    }
}

impl From<[u8; 20]> for Fingerprint {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidFingerprint)?;
        Ok(Self(bytes))
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

/// The public half of a key, as the signer hands it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The hub's name of the key.
    pub key: KeyId,
    /// What kind of key it is.
    pub algorithm: Algorithm,
    /// Its OpenPGP v4 fingerprint.
    pub fingerprint: Fingerprint,
    /// The user id it certifies.
    pub user_id: String,
    /// When it was made: seconds since 1970.
    pub created: i64,
    /// The certificate, ASCII-armoured, with the revocation if there is one. What `pubkey.gpg` serves is made of these by
    /// [`crate::export`].
    pub public_key_armored: String,
    /// When it expires: seconds since 1970; `None` when never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Why and since when it signs nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// The end of a key before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When: seconds since 1970.
    pub at: i64,
    /// What for.
    pub reason: RevocationReason,
    /// A sentence for people, which the certificate carries.
    pub message: String,
}

/// Why a key is revoked (RFC 9580, 5.2.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevocationReason {
    /// Somebody else has it, or may have: nothing that it ever signed is to be trusted.
    Compromised,
    /// Another key took its place; what it signed before stays good.
    Superseded,
    /// It is used no more; what it signed before stays good.
    Retired,
}

impl RevocationReason {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string that names no [`RevocationReason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reason is compromised, superseded or retired")]
pub struct InvalidReason;

impl FromStr for RevocationReason {
    type Err = InvalidReason;
    fn from_str(name: &str) -> Result<Self, InvalidReason> {
        match name {
            "compromised" => Ok(Self::Compromised),
            "superseded" => Ok(Self::Superseded),
            "retired" => Ok(Self::Retired),
            _ => Err(InvalidReason),
        }
    }
}

/// What machines import: the certificates of all keys (in any order) that are not revoked, newest first.
///
/// Revoked ones are left out on purpose. rpm up to 4.18 with its own OpenPGP parser, and dnf 4 with it, do not look at
/// revocations: they would import the certificate and trust the key.
pub fn export(keys: &[PublicKey]) -> String {
    let mut good: Vec<&PublicKey> = keys.iter().filter(|key| key.revoked.is_none()).collect();
    good.sort_by_key(|key| std::cmp::Reverse((key.created, key.fingerprint.0)));
    good.into_iter()
        .map(|key| key.public_key_armored.as_str())
        .collect()
}
