//! Who runs jobs: this process, in place of the one that worked in the same folder before.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use db::jobs::{self, HolderId};
use tokio::sync::OnceCell;

use crate::error::JobError;

/// Where the number stands.
const FILE: &str = "holder";

/// This process's number, which the database gives when it can be reached first. It is written down in the scratch folder,
/// which belongs to one process at a time: the next one there knows by it which jobs nobody runs any more.
#[derive(Debug)]
pub struct Holder {
    file: PathBuf,
    before: Option<HolderId>,
    number: OnceCell<HolderId>,
}

impl Holder {
    /// Empties the folder but for what the process before says of itself.
    ///
    /// # Errors
    /// When the folder cannot be emptied or made.
    pub async fn enter(scratch_dir: &std::path::Path) -> std::io::Result<Self> {
        let file = scratch_dir.join(FILE);
        // One that cannot be read costs no more than waiting for leases to end.
        let before = fs_err::tokio::read_to_string(&file).await.ok();
        let before = before.and_then(|number| number.trim().parse().ok()).map(HolderId);
        // Whatever else an earlier process left in passing is of no use to anybody.
        if scratch_dir.exists() {
            fs_err::tokio::remove_dir_all(scratch_dir).await?;
        }
        fs_err::tokio::create_dir_all(scratch_dir).await?;
        if let Some(HolderId(before)) = before {
            fs_err::tokio::write(&file, before.to_string()).await?;
        }
        Ok(Self {
            file,
            before,
            number: OnceCell::new(),
        })
    }

    /// The number. The first call sets free what the process before held.
    ///
    /// # Errors
    /// When the database cannot be reached or the number cannot be written down; to be tried again.
    pub async fn number(&self, conn: &mut db::Connection, now: DateTime<Utc>) -> Result<HolderId, JobError> {
        let begin = async || {
            let number = jobs::begin(conn, self.before, now).await?;
            fs_err::tokio::write(&self.file, number.0.to_string()).await?;
            Ok(number)
        };
        self.number.get_or_try_init(begin).await.copied()
    }
}
