//! The database: schema, models and queries. The only crate that names diesel.
//!
//! Functions take a connection and return [`DbResult`]; handlers and jobs take one from the [`Pool`]. Nothing here
//! does HTTP, uploads or signing, so that no transaction waits for any of them.

pub mod audit;
pub mod batches;
pub mod blobs;
pub mod builders;
pub mod builds;
pub mod checks;
pub mod chroots;
pub mod commits;
pub mod connect;
pub mod directories;
pub mod doomed;
pub mod events;
pub mod forks;
pub mod gates;
pub mod groups;
pub mod imported;
pub mod jobs;
pub mod keys;
pub mod logs;
pub mod minis;
pub mod notify;
pub mod package_edit;
pub mod permissions;
pub mod pointers;
pub mod project_chroots;
pub mod projects;
pub mod promotions;
pub mod quotas;
pub mod read;
pub mod removals;
pub mod repo_specs;
pub mod repositories;
pub mod retention;
pub mod rights;
pub mod rpms;
mod schema;
pub mod seed;
pub mod snapshot_requests;
pub mod snapshots;
pub mod software;
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod transfer;
pub mod users;
pub mod webhooks;

pub use connect::{Clock, Connection, DbError, DbResult, Pool, SystemClock, migrate, pool};
pub use notify::{Listener, Topic};
