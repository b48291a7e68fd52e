//! What the API and the forms do: typed input, one check of permissions each, typed results. No HTTP here.

pub mod builds;
pub mod groups;
pub mod packages;
pub mod permissions;
pub mod projects;
pub mod repo_specs;
mod source;
pub mod sources;
pub mod tokens;

pub use builds::{BuildRequest, Plan, Received};
