//! How a task ends: limits, and the verdicts that keep "your package is broken" and "our machine is broken" apart.

use serde::{Deserialize, Serialize};

/// What a task may use; part of the claim's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall-clock time of the whole task in seconds.
    pub timeout_s: u64,
    /// Memory of the VM in MiB.
    pub memory_mib: u64,
    /// Virtual processors.
    pub cpus: u32,
    /// Size of the scratch disk in bytes.
    pub disk_bytes: u64,
    /// Bytes of log that are kept; a build that prints more fails.
    pub log_bytes: u64,
    /// Bytes of all artefacts together.
    pub artifact_bytes: u64,
}

impl Default for Limits {
    /// Copr's default time-out (18 000 s), and room for an ordinary package.
    fn default() -> Self {
        Self {
            timeout_s: 18_000,
            memory_mib: 2_048,
            cpus: 2,
            disk_bytes: 10 << 30,
            log_bytes: 64 << 20,
            artifact_bytes: 4 << 30,
        }
    }
}

/// Why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The source could not be fetched or is no source package.
    BadSource,
    /// The spec does not parse.
    BadSpec,
    /// A build requirement cannot be installed.
    MissingDependency,
    /// `rpmbuild` ended with an error.
    BuildFailed,
    /// The task took longer than its limit.
    TimedOut,
    /// The scratch disk is full.
    DiskFull,
    /// The kernel of the VM ran out of memory.
    OutOfMemory,
    /// More log than the limit.
    LogTooLong,
    /// More or larger artefacts than the limit.
    ArtifactsTooLarge,
    /// The guest stopped answering or the VM ended by itself.
    GuestDied,
    /// The result is not what the service publishes: identity, names, architecture, payload.
    BadResult,
    /// A file of the same name, epoch, version, release and architecture is already published.
    DuplicateNevra,
    /// A package of a snapshot cannot be installed, or not be upgraded to; only checks end so.
    Uninstallable,
    /// The builder's own trouble; the task is offered again.
    Builder,
}

impl FailureKind {
    /// Whether the fault is the package's (`true`) or the service's (`false`); the latter is tried again.
    pub fn is_the_packages_fault(self) -> bool {
        !matches!(self, Self::Builder)
    }
}

/// How an attempt ended, as the builder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All artefacts are uploaded.
    Succeeded,
    /// The attempt failed.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// A sentence for the packager that says what to do.
        message: String,
    },
    /// The hub asked to stop.
    Canceled,
}
