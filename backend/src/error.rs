//! How a job ends badly. Whether to try again is chosen where the error happens.

use protocol::FailureKind;

/// What the signer says of a revoked key.
const GONE: u16 = 410;

/// A job that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Our trouble, and probably passing: the job runs again later.
    #[error("{0}")]
    Retry(String),
    /// Our trouble, and trying again will not help: the administrator has to look.
    #[error("{0}")]
    Fail(String),
    /// The package's trouble: the build fails with this sentence.
    #[error("{message}")]
    Package {
        /// Kind of the failure.
        kind: FailureKind,
        /// A sentence for the packager.
        message: String,
    },
}

impl JobError {
    /// The package's fault, with a sentence for the packager.
    pub fn package(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Package {
            kind,
            message: message.into(),
        }
    }

    /// Passing trouble.
    pub fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry(error.to_string())
    }

    /// Lasting trouble.
    pub fn fail(error: impl std::fmt::Display) -> Self {
        Self::Fail(error.to_string())
    }
}

/// What a packager reads of lasting trouble of ours.
pub(crate) fn lasting(reason: &str) -> String {
    format!("the service could not publish this: {reason}; tell the administrator")
}

impl From<db::DbError> for JobError {
    fn from(error: db::DbError) -> Self {
        if matches!(error, db::DbError::Corrupt { .. }) {
            Self::fail(error)
        } else {
            Self::retry(error)
        }
    }
}

impl From<storage::StorageError> for JobError {
    fn from(error: storage::StorageError) -> Self {
        // A store that refuses may be repaired by the administrator: nothing is lost by asking again.
        Self::retry(error)
    }
}

impl From<keys::ClientError> for JobError {
    fn from(error: keys::ClientError) -> Self {
        // A key that was revoked since it was looked up: the next run finds the one that follows it.
        if error.is_retryable() || error.status() == Some(GONE) {
            Self::retry(error)
        } else {
            Self::fail(error)
        }
    }
}

impl From<std::io::Error> for JobError {
    fn from(error: std::io::Error) -> Self {
        Self::retry(error)
    }
}
