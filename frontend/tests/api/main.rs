//! APIv3 and the builder API over real HTTP, PostgreSQL and S3.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod access;
mod audit;
mod bad_input;
mod builders;
mod builds;
mod checks;
mod clients;
mod general;
mod groups;
mod house;
mod keys;
mod monitor;
mod openapi;
mod package_edit;
mod packages;
mod permissions;
mod projects;
mod quotas;
mod retention;
mod schemathesis;
mod scopes;
mod speed;
mod tokens;
mod transfer;
mod uploads;
mod webhooks;
mod wire;
