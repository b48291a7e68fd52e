//! The server through real clients: `aws-sdk-s3`, plain HTTP with presigned URLs, and a child process that is killed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditional;
mod durability;
mod listing;
mod multipart;
mod objects;
mod plain;
mod server;
mod support;
