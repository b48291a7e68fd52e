//! Failures that become the build's verdict.

use protocol::FailureKind;

/// A verdict with the sentence that the packager reads.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, and to what.
    pub message: String,
}

/// A failure as an error value.
pub fn fail(kind: FailureKind, message: impl Into<String>) -> anyhow::Error {
    Failure {
        kind,
        message: message.into(),
    }
    .into()
}

/// The verdict inside an error; anything that was not judged where it happened is the builder's own trouble.
pub fn classify(error: anyhow::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(other) => Failure {
            kind: FailureKind::Builder,
            message: format!("the agent failed: {other:#}"),
        },
    }
}
