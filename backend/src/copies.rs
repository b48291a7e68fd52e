//! Packages that stand for those of another repository: signed anew for their project, listed with the logs of the
//! originals. Everything else about them stays as it was built.

use chrono::{DateTime, Utc};
use db::projects::Project;
use db::rpms::{NewRpm, PublishedFile};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use keys::Intent;
use protocol::{ChrootName, DirName, OwnerName, TaskId};
use repodata::RpmFile;
use sha2::{Digest as _, Sha256};
use storage::{BuildDir, ResultFile, ResultIndex, StorageKey};

use crate::context::Context;
use crate::error::JobError;
use crate::headers::{self, Blob};
use crate::publish_task::describe;

/// Longest list of a build's files, in bytes.
const MAX_INDEX: u64 = 16 << 20;
/// Packages in one call to the signer, which takes 1000.
const BATCH: usize = 500;
/// Packages that are read at the same time.
const IN_FLIGHT: usize = 4;

fn blob(file: &PublishedFile) -> Blob<'_> {
    Blob {
        name: &file.file_name,
        sha256: &file.sha256,
    }
}

/// Signs packages for a project and stores them; what database and listing say about them. The place is a task, its
/// repository, and its result folder. With the same time `at` the same packages give the same bytes.
pub(crate) async fn sign(
    context: &Context,
    to: &Project,
    files: &[PublishedFile],
    (task, repository, dir): (TaskId, i64, String),
    at: DateTime<Utc>,
) -> Result<(Vec<NewRpm>, Vec<ResultFile>), JobError> {
    let key = context.public_key(to)?;
    let project = format!("{}/{}", to.owner, to.name);
    let mut all = (Vec::new(), Vec::new());
    for some in files.chunks(BATCH) {
        let heads = stream::iter(some.to_vec()).map(|file| head(context, file));
        let heads: Vec<Head> = heads.buffered(IN_FLIGHT).try_collect().await?;
        let mut items = Vec::new();
        for Head { file, rpm } in &heads {
            let nevra = rpm.nevra().map_err(JobError::fail)?.to_string();
            let intent = Intent::package("backend", project.clone(), nevra, file.unsigned_sha256.clone());
            items.push((Sha256::new_with_prefix(rpm.header().as_bytes()), intent));
        }
        let packets = context.keys.sign_batch(&key, items, at).await?;
        let stored = stream::iter(heads.into_iter().zip(packets))
            .map(|(head, packet)| store(context, (task, repository, dir.clone()), head, packet));
        let stored: Vec<_> = stored.buffered(IN_FLIGHT).try_collect().await?;
        all.extend(stored);
    }
    Ok(all)
}

/// A package and its headers.
struct Head {
    file: PublishedFile,
    rpm: RpmFile,
}

async fn head(context: &Context, file: PublishedFile) -> Result<Head, JobError> {
    let rpm = headers::read(context, blob(&file)).await?;
    let rpm = rpm.map_err(JobError::Fail)?;
    Ok(Head { file, rpm })
}

async fn store(
    context: &Context,
    place: (TaskId, i64, String),
    Head { file, rpm }: Head,
    packet: Vec<u8>,
) -> Result<(NewRpm, ResultFile), JobError> {
    let signed = headers::with_signature(context, blob(&file), &rpm, &packet).await?;
    describe(context, place, signed, file.unsigned_sha256).await
}

/// Where the results of a build are.
pub(crate) struct Folder {
    pub owner: OwnerName,
    pub dir: DirName,
    pub chroot: ChrootName,
    pub build: BuildDir,
}

impl Folder {
    fn results(&self) -> StorageKey {
        StorageKey::ResultIndex {
            owner: self.owner.clone(),
            dir: self.dir.clone(),
            chroot: self.chroot.clone(),
            build_dir: self.build.clone(),
        }
    }

    fn source(&self) -> StorageKey {
        StorageKey::SourceIndex {
            owner: self.owner.clone(),
            dir: self.dir.clone(),
            build: self.build.build,
        }
    }
}

/// Lists signed packages with the original's logs, and the source package.
pub(crate) async fn list(
    context: &Context,
    (from, to): (&Folder, &Folder),
    mut files: Vec<ResultFile>,
    at: DateTime<Utc>,
) -> Result<(), JobError> {
    let storage = &context.storage;
    let old: Option<ResultIndex> = storage.get_json(&from.results(), MAX_INDEX).await?;
    let kept = old.into_iter().flat_map(|old| old.files);
    let kept: Vec<ResultFile> = kept.filter(|f| !f.name.as_str().ends_with(".rpm")).collect();
    claim(context, &kept).await?;
    files.extend(kept);
    for file in &mut files {
        file.modified = file.modified.max(at.timestamp());
    }
    let complete = ResultIndex {
        files,
        complete: true,
    };
    storage.put_json(&to.results(), &complete).await?;
    let old: Option<ResultIndex> = storage.get_json(&from.source(), MAX_INDEX).await?;
    if let Some(old) = old {
        claim(context, &old.files).await?;
        storage.put_json(&to.source(), &old).await?;
    }
    Ok(())
}

/// What another list names is named by one more.
async fn claim(context: &Context, files: &[ResultFile]) -> Result<(), JobError> {
    let blobs: Vec<protocol::Sha256> = files.iter().map(|file| file.sha256.clone()).collect();
    crate::blob::claim_listed(context, &blobs).await
}
