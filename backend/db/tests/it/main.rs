//! Queries against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod batches;
mod blobs;
mod changes;
mod checks;
mod deletion;
mod directories;
mod events;
mod gates;
mod jobs;
mod keys;
mod locks;
mod migrations;
mod newest;
mod plans;
mod quotas;
mod repositories;
mod retention;
mod snapshots;
mod states;
mod support;
mod tasks;
mod tokens;
mod users;
