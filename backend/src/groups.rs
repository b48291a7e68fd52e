//! Groups of packages: the file `comps.xml` that a project gives for a chroot, as a part of the metadata.

use bytes::Bytes;
use db::repositories::Repository;
use protocol::{FileName, Sha256};
use repodata::Record;
use storage::StorageKey;

use crate::context::Context;
use crate::error::JobError;

/// More than the frontend takes.
const MAX: u64 = 16 << 20;

/// What goes into the metadata.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    sha256: Sha256,
    /// The file as it was uploaded.
    pub bytes: Bytes,
}

impl Groups {
    /// Those of a repository's chroot, if the project gives any.
    pub async fn of(context: &Context, repository: &Repository) -> Result<Option<Self>, JobError> {
        let mut conn = context.conn().await?;
        let chroot = db::project_chroots::find(&mut conn, repository.project, &repository.chroot).await?;
        drop(conn);
        let Some(comps) = chroot.and_then(|c| c.comps) else {
            return Ok(None);
        };
        let blob = StorageKey::Blob(comps.sha256.clone());
        let bytes = context.storage.get(&blob, MAX).await?;
        let bytes = bytes.ok_or_else(|| JobError::fail(format!("the file {} is gone", comps.name)))?;
        Ok(Some(Self {
            sha256: comps.sha256,
            bytes,
        }))
    }

    /// The file's name below `repodata/`.
    pub fn file_name(&self) -> Result<FileName, JobError> {
        format!("{}-comps.xml", self.sha256)
            .parse()
            .map_err(JobError::fail)
    }

    /// How `repomd.xml` names it.
    pub fn record(&self, timestamp: i64) -> Record {
        Record {
            kind: "group".to_owned(),
            checksum: self.sha256.to_string(),
            open_checksum: None,
            href: format!("repodata/{}-comps.xml", self.sha256),
            timestamp,
            size: self.bytes.len() as u64,
            open_size: None,
            header: None,
        }
    }
}
