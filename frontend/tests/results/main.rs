//! The result gateway over HTTP, on the real embedded object store.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod house;
mod outage;
mod planned;
mod repository;
mod results;
