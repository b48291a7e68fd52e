//! Everything that happens by itself: it verifies, signs and publishes what builders upload, makes keys and empty
//! repositories for new projects, offers lost work again, and stores logs. It opens no port.
//!
//! Work arrives as jobs in the database; each step of a job can be repeated, so that a backend killed between any two
//! of them loses nothing: the job's lease ends and another run continues.

mod accept_source;
mod blob;
mod change_key;
mod config;
mod context;
mod copies;
mod error;
pub mod events;
mod expire;
mod extras;
mod fault;
mod fork_project;
mod groups;
mod headers;
mod holder;
mod inspect;
mod make_snapshot;
mod members;
mod metadata;
mod mini;
mod pointer;
mod promote;
mod public_key;
mod publish_task;
mod release;
mod remove_builds;
mod remove_directory;
mod remove_project;
mod renew_keys;
mod republish;
mod resign;
mod result_files;
mod retain;
mod run;
mod set_up_project;
mod settle;
mod sign;
mod snapshot;
mod software;
mod store_log;
mod store_snapshot;

pub use config::{Config, Retention};
pub use context::Context;
pub use error::JobError;
pub use expire::expire;
pub use fault::Faults;
pub use metadata::Metadata;
pub use pointer::write as write_pointer;
pub use publish_task::pack_fragment;
pub use release::release;
pub use renew_keys::renew_keys;
pub use retain::look_after;
pub use run::{Parts, run};
pub use sign::{Signed, Unsigned, packages as sign_packages};
pub use snapshot::{Asked, Cause, Change, Publication, publish_snapshot};
