//! The object store's client against the real embedded server.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod objects;
mod presigned;
mod server;
mod uploads;
