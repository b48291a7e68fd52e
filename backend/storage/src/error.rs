//! What can go wrong with the object store.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// A failed operation on an object. The text names both and never holds credentials or a signed URL.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The store did not answer, or answered that it cannot do so now: try again later.
    #[error("{operation} {key}: {reason}")]
    Retryable {
        /// What was tried.
        operation: &'static str,
        /// On which object or prefix.
        key: String,
        /// Why it failed.
        reason: String,
    },
    /// The store refused; trying again does not help.
    #[error("{operation} {key}: {reason}")]
    Final {
        /// What was tried.
        operation: &'static str,
        /// On which object or prefix.
        key: String,
        /// Why it failed.
        reason: String,
    },
    /// The object does not exist.
    #[error("{operation} {key}: there is no such object")]
    NotFound {
        /// What was tried.
        operation: &'static str,
        /// On which object.
        key: String,
    },
    /// The object or stream is larger than the caller allowed.
    #[error("{operation} {key}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was tried.
        operation: &'static str,
        /// On which object.
        key: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The stream that the caller handed in failed: a client that hung up, most likely.
    #[error("{operation} {key}: the incoming stream failed: {reason}")]
    Input {
        /// What was tried.
        operation: &'static str,
        /// On which object.
        key: String,
        /// What the stream said.
        reason: String,
    },
    /// A local file could not be read or written.
    #[error("{operation} {key}: {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which object.
        key: String,
        /// The local file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The settings cannot be used.
    #[error("object store settings: {reason}")]
    Config {
        /// What is wrong with them.
        reason: String,
    },
}

impl StorageError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }

    /// Whether the object is missing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// What was being done to which object; turns causes into errors.
#[derive(Clone)]
pub(crate) struct Doing {
    pub operation: &'static str,
    pub key: String,
}

impl Doing {
    pub fn new(operation: &'static str, key: impl fmt::Display) -> Self {
        Self {
            operation,
            key: key.to_string(),
        }
    }

    pub fn retryable(&self, reason: impl fmt::Display) -> StorageError {
        StorageError::Retryable {
            operation: self.operation,
            key: self.key.clone(),
            reason: reason.to_string(),
        }
    }

    pub fn refused(&self, reason: impl fmt::Display) -> StorageError {
        StorageError::Final {
            operation: self.operation,
            key: self.key.clone(),
            reason: reason.to_string(),
        }
    }

    pub fn not_found(&self) -> StorageError {
        StorageError::NotFound {
            operation: self.operation,
            key: self.key.clone(),
        }
    }

    pub fn too_large(&self, limit: u64) -> StorageError {
        StorageError::TooLarge {
            operation: self.operation,
            key: self.key.clone(),
            limit,
        }
    }

    pub fn input(&self, reason: impl fmt::Display) -> StorageError {
        StorageError::Input {
            operation: self.operation,
            key: self.key.clone(),
            reason: reason.to_string(),
        }
    }

    pub fn file(&self, path: &std::path::Path, source: io::Error) -> StorageError {
        StorageError::File {
            operation: self.operation,
            key: self.key.clone(),
            path: path.to_owned(),
            source,
        }
    }

    /// Sorts a failed request; takes the server's code and message but nothing of the request.
    pub fn sdk<E>(&self, error: SdkError<E, HttpResponse>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = service.err().code().unwrap_or_default();
                if missing(status, code) {
                    return self.not_found();
                }
                let reason = match service.err().message() {
                    Some(message) => format!("the object store answered {status} {code}: {message}"),
                    None => format!("the object store answered {status} {code}"),
                };
                let busy = matches!(
                    code,
                    "SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable"
                );
                match status {
                    408 | 429 | 500..=599 => self.retryable(reason),
                    _ if busy => self.retryable(reason),
                    _ => self.refused(reason),
                }
            }
            SdkError::ConstructionFailure(_) => self.refused(chain(&error)),
            SdkError::DispatchFailure(failure) if failure.is_user() => self.refused(chain(&error)),
            _ => self.retryable(chain(&error)),
        }
    }
}

fn missing(status: u16, code: &str) -> bool {
    // An answer to HEAD has no body and so no code but the one made from the status.
    status == 404 && matches!(code, "" | "NoSuchKey" | "NotFound" | "NoSuchUpload")
}

/// All causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Says whether the server's answer was a precondition that did not hold.
pub(crate) fn is_precondition<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error
        .raw_response()
        .is_some_and(|raw| matches!(raw.status().as_u16(), 409 | 412))
}
