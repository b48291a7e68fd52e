//! The object store behind one enum of keys; the only crate that names `aws_sdk_s3`.
//!
//! Three kinds of object live there: content-addressed blobs, immutable snapshots of repositories, and small
//! pointers that move. Names inside keys are newtypes of `protocol`, so that no key can leave its prefix.

mod config;
mod document;
mod error;
mod key;
mod listing;
mod mini;
mod plan;
mod prefix;
mod presign;
mod probe;
mod read;
mod splice;
mod upload;

use aws_sdk_s3::Client;

pub use config::{Config, Secret};
pub use document::{DistroCurrent, Encoding, Pointer, ResultFile, ResultIndex};
pub use error::StorageError;
pub use key::{BuildDir, DistroPath, RepomdFile, StorageKey};
pub use listing::Listed;
pub use mini::Mini;
pub use plan::{Piece, Plan, PlanError, PlanFrame};
pub use prefix::StoragePrefix;
pub use probe::Capabilities;
pub use read::{Object, ObjectStream};
pub use splice::Tail;
pub use upload::Hashed;

/// A bucket of an S3 server. Clones share one connection pool.
#[derive(Clone, Debug)]
pub struct Storage {
    client: Client,
    /// Signs URLs for the address that builders reach.
    presigner: Client,
    bucket: String,
}

impl Storage {
    /// Prepares the client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When an endpoint or the bucket's name is not usable.
    pub fn new(config: &Config) -> Result<Self, StorageError> {
        let client = config.client(&config.endpoint)?;
        let presigner = match &config.presign_endpoint {
            Some(endpoint) => config.client(endpoint)?,
            None => client.clone(),
        };
        if config.bucket.is_empty() || config.bucket.contains('/') {
            return Err(StorageError::Config {
                reason: format!("'{}' is not a bucket name", config.bucket),
            });
        }
        Ok(Self {
            client,
            presigner,
            bucket: config.bucket.clone(),
        })
    }
}
