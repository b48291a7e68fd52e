//! Settings.

use std::path::PathBuf;

use chrono::TimeDelta;
use db::retention::Policy;
use serde::Deserialize;

use crate::events::EventsConfig;

/// The backend's section of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Jobs that run at the same time.
    pub workers: usize,
    /// Seconds for which a job is one worker's; extended while it runs.
    pub job_lease_s: u32,
    /// Folder for files in passing; each job cleans up after itself.
    pub scratch_dir: PathBuf,
    /// For tests of recovery: when this file holds the name of a step, the process aborts there, once.
    pub fault_file: Option<PathBuf>,
    /// Largest package in bytes that is published.
    pub max_package_bytes: u64,
    /// MiB of compressed metadata that are kept in memory, so that the next package costs no more than itself. A
    /// repository of 10 000 packages has some 9.
    pub metadata_mib: usize,
    /// The message bus; a section of its own.
    #[serde(skip)]
    pub events: EventsConfig,
    /// Days without a build after which the directory of a pull request is removed.
    pub keep_pr_dirs_days: u32,
    /// How much of repositories' past is kept.
    pub retention: Retention,
    /// Whether builders find out if what is published can be installed, where a project does not say.
    pub check_installs: bool,
}

/// How much of repositories' past is kept. What a pointer names, or a build that runs may read, is kept in any case.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// So many of the newest snapshots of each repository are kept.
    pub snapshots: u32,
    /// Those that a pointer named within so many days are kept.
    pub days: u32,
    /// Those that have an address by the commit of a build are kept for so many days.
    pub commit_days: u32,
    /// Hours between the decision that something goes and its end, at least one: whoever is in the middle of it can end.
    pub grace_hours: u32,
    /// Most that a project may set for `snapshots`, but for administrators.
    pub most_snapshots: u32,
    /// The same for `days`.
    pub most_days: u32,
}

impl Retention {
    /// As the database applies it.
    pub fn policy(&self) -> Policy {
        Policy {
            snapshots: self.snapshots,
            days: self.days,
            commit_days: self.commit_days,
            grace: TimeDelta::hours(i64::from(self.grace_hours)),
            most_snapshots: self.most_snapshots,
            most_days: self.most_days,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            snapshots: 20,
            days: 14,
            commit_days: 30,
            grace_hours: 24,
            most_snapshots: 1_000,
            most_days: 3_650,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: 4,
            job_lease_s: 30,
            scratch_dir: PathBuf::from("var/backend"),
            fault_file: None,
            max_package_bytes: 4 << 30,
            metadata_mib: 128,
            events: EventsConfig::default(),
            keep_pr_dirs_days: 40,
            retention: Retention::default(),
            check_installs: true,
        }
    }
}
