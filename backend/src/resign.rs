//! New signatures for packages that are published. Only the signature header is made anew.
//!
//! The new file has an address of its own, below the name of its key: snapshots of before name the old one, and whoever
//! reads them still finds it.

use chrono::DateTime;
use db::keys::SignedRpm;
use db::projects::Project;
use db::repositories::Repository;
use db::rpms::NewRpm;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use keys::{Intent, PublicKey};
use protocol::{FileName, TaskId};
use repodata::RpmFile;
use sha2::{Digest as _, Sha256};
use storage::{BuildDir, ResultFile, ResultIndex, StorageKey};

use crate::context::Context;
use crate::error::JobError;
use crate::headers::{self, Blob};
use crate::publish_task::describe;

/// Tasks whose packages are looked at together.
const TASKS: i64 = 32;
/// Packages in one call to the signer, which takes 1000.
const BATCH: usize = 500;
/// Packages that are read at the same time.
const IN_FLIGHT: usize = 4;
/// Longest list of a build's files, in bytes.
const MAX_INDEX: u64 = 16 << 20;

/// A package and its headers.
struct Old {
    row: SignedRpm,
    rpm: RpmFile,
}

struct Work<'a> {
    context: &'a Context,
    project: &'a Project,
    repository: &'a Repository,
    key: PublicKey,
    /// The folder of files with its signatures.
    folder: FileName,
}

/// Signs all packages of a repository with the project's active key that are not. Returns what the administrator has to
/// look at; the other packages are done all the same.
pub(crate) async fn packages(
    context: &Context,
    project: &Project,
    repository: &Repository,
) -> Result<Option<String>, JobError> {
    let key = context.public_key(project)?;
    let folder = key.fingerprint.key_id_hex().parse().map_err(JobError::fail)?;
    let work = Work {
        context,
        project,
        repository,
        key,
        folder,
    };
    let mut lost = None;
    let mut after = 0;
    loop {
        let mut conn = context.conn().await?;
        let rows = db::keys::signed_after(&mut conn, repository.id, after, TASKS).await?;
        drop(conn);
        let Some(last) = rows.last() else {
            return Ok(lost);
        };
        after = last.task;
        work.some(rows, &mut lost).await?;
        context.faults.pass("resign.between");
    }
}

impl Work<'_> {
    async fn some(&self, rows: Vec<SignedRpm>, lost: &mut Option<String>) -> Result<(), JobError> {
        let heads = stream::iter(rows).map(|row| self.head(row)).buffered(IN_FLIGHT);
        let heads: Vec<Result<Option<Old>, String>> = heads.try_collect().await?;
        let mut old = Vec::new();
        for head in heads {
            match head {
                Ok(found) => old.extend(found),
                Err(reason) => *lost = Some(reason),
            }
        }
        let mut replaced = Vec::new();
        while !old.is_empty() {
            let rest = old.split_off(old.len().min(BATCH));
            replaced.extend(self.sign(std::mem::replace(&mut old, rest)).await?);
        }
        if replaced.is_empty() {
            return Ok(());
        }
        self.list(&replaced).await?;
        self.context.faults.pass("resign.before_rows");
        let rows: Vec<(SignedRpm, NewRpm)> = replaced.into_iter().map(|(old, new, _)| (old, new)).collect();
        let mut conn = self.context.conn().await?;
        Ok(db::keys::replace(&mut conn, &rows).await?)
    }

    /// A package's headers, if it is not signed with the key yet; or why it cannot be.
    async fn head(&self, row: SignedRpm) -> Result<Result<Option<Old>, String>, JobError> {
        let read = headers::read(self.context, blob(&row)).await?;
        Ok(read.map(|rpm| (!self.has_signed(&rpm)).then_some(Old { row, rpm })))
    }

    /// Whether a signature names the key: each of ours carries the fingerprint of its issuer.
    fn has_signed(&self, rpm: &RpmFile) -> bool {
        let fingerprint = self.key.fingerprint.as_bytes();
        let all = rpm.signature().as_bytes();
        all.windows(fingerprint.len()).any(|part| part == fingerprint)
    }

    async fn sign(&self, old: Vec<Old>) -> Result<Vec<(SignedRpm, NewRpm, ResultFile)>, JobError> {
        let name = format!("{}/{}", self.project.owner, self.project.name);
        let mut items = Vec::new();
        for Old { row, rpm } in &old {
            let nevra = rpm.nevra().map_err(JobError::fail)?.to_string();
            let intent = Intent::package("backend", name.clone(), nevra, row.unsigned_sha256.clone());
            items.push((Sha256::new_with_prefix(rpm.header().as_bytes()), intent));
        }
        // Not now: what is signed twice has to come out the same.
        let at = DateTime::from_timestamp(self.key.created, 0)
            .ok_or_else(|| JobError::fail("the key's time is out of range"))?;
        let packets = self.context.keys.sign_batch(&self.key, items, at).await?;
        self.context.faults.pass("resign.after_sign");
        stream::iter(old.into_iter().zip(packets))
            .map(|(old, packet)| self.replace(old, packet))
            .buffered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Stores a package with another signature header.
    async fn replace(
        &self,
        Old { row, rpm }: Old,
        packet: Vec<u8>,
    ) -> Result<(SignedRpm, NewRpm, ResultFile), JobError> {
        let file = headers::with_signature(self.context, blob(&row), &rpm, &packet).await?;
        let dir = row
            .result_dir
            .as_ref()
            .ok_or_else(|| JobError::fail(format!("task {} has no result folder", row.task)))?;
        let place = (
            TaskId(row.task),
            self.repository.id,
            format!("{dir}/{}", self.folder),
        );
        let unsigned = row.unsigned_sha256.clone();
        let described = describe(self.context, place, file, unsigned).await;
        // No build waits for this, so nobody but the administrator can be told.
        let (new, file) = described.map_err(|error| match error {
            JobError::Package { message, .. } => JobError::Fail(message),
            other => other,
        })?;
        Ok((row, new, file))
    }

    /// Lists the new files of each build, beside those that an earlier run brought.
    async fn list(&self, replaced: &[(SignedRpm, NewRpm, ResultFile)]) -> Result<(), JobError> {
        for of_task in replaced.chunk_by(|(a, ..), (b, ..)| a.task == b.task) {
            let Some(build_dir) = of_task.first().and_then(|(row, ..)| row.result_dir.as_ref()) else {
                continue;
            };
            let key = StorageKey::SignedIndex {
                owner: self.project.owner.clone(),
                dir: self.repository.dir.clone(),
                chroot: self.repository.chroot.clone(),
                build_dir: build_dir.parse().map_err(JobError::fail)?,
                key: self.folder.clone(),
            };
            let storage = &self.context.storage;
            let earlier: Option<ResultIndex> = storage.get_json(&key, MAX_INDEX).await?;
            let mut files = earlier.map_or_else(Vec::new, |index| index.files);
            files.retain(|file| of_task.iter().all(|(_, _, new)| new.name != file.name));
            files.extend(of_task.iter().map(|(_, _, file)| file.clone()));
            let complete = true;
            storage.put_json(&key, &ResultIndex { files, complete }).await?;
        }
        Ok(())
    }
}

fn blob(row: &SignedRpm) -> Blob<'_> {
    Blob {
        name: &row.file_name,
        sha256: &row.sha256,
    }
}

/// Lets the folders of builds show the packages as they are signed now. What a snapshot of before names there is gone with
/// that: the key that it was signed with is no good any more.
pub(crate) async fn list_anew(
    context: &Context,
    project: &Project,
    repository: &Repository,
) -> Result<(), JobError> {
    let mut after = 0;
    loop {
        let mut conn = context.conn().await?;
        let rows = db::keys::signed_after(&mut conn, repository.id, after, TASKS).await?;
        drop(conn);
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.task;
        for of_task in rows.chunk_by(|a, b| a.task == b.task) {
            let Some(build_dir) = of_task.first().and_then(|row| row.result_dir.as_ref()) else {
                continue;
            };
            list_task(
                context,
                project,
                repository,
                build_dir.parse().map_err(JobError::fail)?,
                of_task,
            )
            .await?;
        }
    }
}

async fn list_task(
    context: &Context,
    project: &Project,
    repository: &Repository,
    build_dir: BuildDir,
    rows: &[SignedRpm],
) -> Result<(), JobError> {
    let key = StorageKey::ResultIndex {
        owner: project.owner.clone(),
        dir: repository.dir.clone(),
        chroot: repository.chroot.clone(),
        build_dir,
    };
    let index: Option<ResultIndex> = context.storage.get_json(&key, MAX_INDEX).await?;
    let Some(mut index) = index else {
        return Ok(());
    };
    let mut changed = false;
    for file in &mut index.files {
        let row = rows.iter().find(|row| row.file_name == file.name.as_str());
        let Some(row) = row.filter(|row| row.sha256 != file.sha256.to_string()) else {
            continue;
        };
        file.sha256 = row.sha256.parse().map_err(JobError::fail)?;
        let blob = StorageKey::Blob(file.sha256.clone());
        // A file that is lost is another job's to report.
        file.size = context.storage.exists(&blob).await?.unwrap_or(file.size);
        file.modified = (context.clock)().timestamp();
        changed = true;
    }
    if changed {
        context.storage.put_json(&key, &index).await?;
    }
    Ok(())
}
