//! How a piece of work ends when it does not succeed.

use protocol::FailureKind;

/// Why an attempt stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It has a verdict.
    Failed {
        /// Its kind.
        kind: FailureKind,
        /// For the packager.
        message: String,
    },
    /// The hub asked to stop.
    Canceled,
    /// The lease is no longer ours: nothing more may be said about the task.
    Dropped,
    /// This builder is being stopped.
    Shutdown,
}

/// A verdict as an error.
pub fn fail(kind: FailureKind, message: impl Into<String>) -> End {
    End::Failed {
        kind,
        message: message.into(),
    }
}

impl From<anyhow::Error> for End {
    /// Trouble that nobody judged where it happened is the builder's own.
    fn from(error: anyhow::Error) -> Self {
        fail(FailureKind::Builder, format!("{error:#}"))
    }
}
