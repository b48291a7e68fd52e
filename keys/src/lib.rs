//! The signer: one OpenPGP key per project, kept wrapped by a master key in a process of its own, and the client
//! that the backend signs with.
//!
//! The signer sees a digest and a statement of intent, never the data, and writes both into an append-only log
//! before a signature leaves it. The signature packet is put together by the [`Client`] ([`packet`]).

mod armor;
mod client;
mod intent;
mod names;
pub mod packet;
mod server;
mod wire;

pub use client::{Client, ClientError};
pub use intent::{Intent, InvalidStatement, What};
pub use names::{
    Algorithm, Fingerprint, InvalidAlgorithm, InvalidFingerprint, InvalidKeyId, InvalidReason, KeyId,
    PublicKey, Revocation, RevocationReason, Secret, export,
};
pub use server::clock::{Clock, SystemClock};
pub use server::error::Error;
pub use server::limit::RateLimit;
pub use server::log::{LogError, LogSummary, verify_log};
pub use server::{ServerConfig, serve};
pub use wire::Health;
