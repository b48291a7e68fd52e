//! What the API and the forms do: typed input, one check of permissions each, typed results. No HTTP here.

mod blobs;
pub mod bootstrap;
pub mod build_repos;
pub mod builds;
pub mod commits;
pub mod export;
pub mod forks;
pub mod gates;
pub mod groups;
pub mod keys;
pub mod minis;
pub mod packages;
pub mod permissions;
pub mod project_chroots;
pub mod project_settings;
pub mod projects;
pub mod quotas;
pub mod repo_specs;
pub mod retention;
pub mod snapshots;
mod source;
pub mod sources;
pub mod tokens;
pub mod webhooks;

pub use builds::{BuildRequest, Plan, Received};
