//! The pages over HTTP, on a real database and the embedded object store.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod accounts;
mod builds;
mod feeds;
mod house;
mod keys;
mod lists;
mod live_log;
mod packages;
mod people;
mod projects;
mod repo_files;
mod snapshots;
mod strangers;
