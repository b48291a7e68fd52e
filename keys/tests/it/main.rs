//! A running signer, judged by the tools that its keys and signatures are for.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod rotation;
mod signer;
mod support;
