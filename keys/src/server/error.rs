//! What can go wrong in the signer.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::intent::InvalidStatement;
use crate::names::{Fingerprint, KeyId};
use crate::server::log::LogError;

/// A failure of the signer. No variant carries secret material.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the text names the file.
    #[error("{operation}: {source}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The address is reachable from other machines.
    #[error("listen on {0}: the signer listens on loopback addresses only")]
    NotLoopback(SocketAddr),
    /// No token, or one that can be guessed.
    #[error("start the signer: the bearer token must have at least 16 characters")]
    WeakToken,
    /// Another signer works on the same folder.
    #[error("lock {0}: another signer uses this folder")]
    Locked(PathBuf),
    /// The master key can be read by others.
    #[error("read {path}: mode {mode:03o} lets others read the master key; run chmod 600 on it")]
    MasterExposed {
        /// The master key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no master key.
    #[error("read {0}: not a master key of 64 hexadecimal digits")]
    MasterMalformed(PathBuf),
    /// There are wrapped keys, but not the key that opens them.
    #[error("read {0}: the master key is gone, but wrapped keys are there; restore it from a backup")]
    MasterMissing(PathBuf),
    /// A stored key does not open: another master key, or a changed file.
    #[error("unwrap {0}: wrong master key, or the file was changed")]
    Unwrap(String),
    /// A stored key is not readable.
    #[error("read {path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The log of signatures is damaged.
    #[error("open the log of signatures: {0}")]
    Log(#[from] LogError),
    /// The system gave no random bytes.
    #[error("{0}: the system gave no random bytes")]
    NoRandomness(&'static str),
    /// An OpenPGP operation failed.
    #[error("{operation}: {reason}")]
    OpenPgp {
        /// What was attempted.
        operation: &'static str,
        /// The library's reason.
        reason: String,
    },
    /// A worker thread died.
    #[error("{0}: a worker thread stopped")]
    Worker(&'static str),
    /// There is no such key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
    /// The name has no key of this fingerprint.
    #[error("{0} has no key {1}")]
    UnknownFingerprint(KeyId, Fingerprint),
    /// The key was revoked.
    #[error("key {0} ({1}) is revoked and signs nothing more")]
    Revoked(KeyId, Fingerprint),
    /// The name is taken by a key of another algorithm.
    #[error("key {0} exists with another algorithm")]
    OtherAlgorithm(KeyId),
    /// A field of a request breaks a rule.
    #[error("{0}")]
    Statement(#[from] InvalidStatement),
    /// A batch of no items, or of too many.
    #[error("a batch has 1 to {0} items")]
    BatchSize(usize),
    /// Too many signatures with one key.
    #[error("key {key}: too many signatures, come back in {retry_after_s} s")]
    Limited {
        /// The key.
        key: KeyId,
        /// Seconds until the request fits.
        retry_after_s: u64,
    },
}

impl Error {
    pub(crate) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}
