//! The JSON bodies that client and server exchange.

use serde::{Deserialize, Serialize};

use crate::intent::Intent;
use crate::names::{Algorithm, Fingerprint, KeyId, PublicKey, RevocationReason};

/// Most signatures in one batch.
pub(crate) const MAX_BATCH: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    pub key: KeyId,
    pub user_id: String,
    #[serde(default)]
    pub algorithm: Algorithm,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyReply {
    #[serde(flatten)]
    pub public: PublicKey,
    pub key_id_hex: String,
}

/// All keys of a name, oldest first; the last one is the active one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeysReply {
    pub keys: Vec<PublicKey>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateKey {
    /// The key that the new one follows: asking again for the same gives the same new one.
    pub after: Fingerprint,
    /// That of the key before, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    pub requester: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeKey {
    pub fingerprint: Fingerprint,
    pub reason: RevocationReason,
    pub message: String,
    pub requester: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtendKeys {
    pub requester: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOne {
    pub key: KeyId,
    /// Which of the name's keys; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    pub digest_sha256: String,
    pub intent: Intent,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignBatch {
    pub key: KeyId,
    /// Which of the name's keys; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    pub items: Vec<SignItem>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignItem {
    pub digest_sha256: String,
    pub intent: Intent,
}

/// The numbers of one signature, in hexadecimal digits, big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    /// `rsa` or `eddsa`.
    pub algorithm: String,
    /// `[s]` for RSA, `[r, s]` for `EdDSA`.
    pub mpis: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BatchReply {
    pub signatures: Vec<Numbers>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorReply {
    pub error: String,
}

/// The signer's condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// RSA keys that wait for a project.
    pub pooled_rsa_keys: usize,
    /// Entries in the log of signatures.
    pub log_entries: u64,
    /// SHA-256 of the log's last entry: whoever keeps it can tell later that no entry was cut off or changed.
    pub log_head: String,
}
