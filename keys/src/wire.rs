//! The JSON bodies that client and server exchange.

use serde::{Deserialize, Serialize};

use crate::intent::Intent;
use crate::names::{Algorithm, KeyId, PublicKey};

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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOne {
    pub key: KeyId,
    pub digest_sha256: String,
    pub intent: Intent,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignBatch {
    pub key: KeyId,
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
