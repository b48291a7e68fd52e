//! A fork's packages: those of the original, signed with the fork's own key, published as one snapshot per chroot.
//! Everything else about them, also their release with the original's repotag, stays as it was built.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::forks::Piece;
use db::projects::Project;
use db::rpms::{PublishedFile, SameNevra};
use protocol::{ChrootName, FailureKind, TaskId};
use repodata::RpmFile;
use storage::{BuildDir, ResultFile, ResultIndex, StorageKey};

use crate::context::Context;
use crate::error::{JobError, lasting};
use crate::pointer;
use crate::publish_task::{duplicate, store, too_large};
use crate::settle::end_tasks;
use crate::sign::{self, Unsigned};
use crate::snapshot::{self, Cause, Change, Publication};

/// Longest list of a build's files, in bytes.
const MAX_INDEX: u64 = 16 << 20;

pub(crate) async fn run(context: &Context, id: i64, from: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(to) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    // Also a deleted one: what was promised while it was there is kept, and its files are.
    let Some(from) = db::projects::by_id(&mut conn, from).await? else {
        return Ok(());
    };
    if to.deleted_at.is_some() {
        return Ok(());
    }
    context.public_key(&to)?;
    let pieces = db::forks::pieces(&mut conn, from.id, to.id).await?;
    drop(conn);
    context.faults.pass("fork_project.after_rows");
    let mut chroots: BTreeMap<ChrootName, Vec<TaskId>> = BTreeMap::new();
    let mut lost = None;
    for piece in pieces {
        match copy(context, &from, &to, &piece).await {
            Ok(()) => chroots.entry(piece.chroot).or_default().push(piece.task),
            Err(error) => lost = give_up(context, &[piece.task], error).await?.or(lost),
        }
    }
    context.faults.pass("fork_project.after_store");
    for (chroot, tasks) in chroots {
        if let Err(error) = publish(context, &from, &to, &chroot, &tasks).await {
            lost = give_up(context, &tasks, error).await?.or(lost);
        }
    }
    lost.map_or(Ok(()), |reason| Err(JobError::Fail(reason)))
}

/// Fails tasks whose packages cannot be copied, so that the others go on; passing trouble is the whole job's. Returns
/// what the administrator has to look at.
async fn give_up(context: &Context, tasks: &[TaskId], error: JobError) -> Result<Option<String>, JobError> {
    let (kind, message, reason) = match error {
        JobError::Retry(_) => return Err(error),
        JobError::Package { kind, message } => (kind, message, None),
        JobError::Fail(reason) => (FailureKind::Builder, lasting(&reason), Some(reason)),
    };
    let tasks: Vec<(TaskId, i32)> = tasks.iter().map(|task| (*task, 0)).collect();
    let mut conn = context.conn().await?;
    end_tasks(&mut conn, &tasks, (kind, &message), (context.clock)()).await?;
    Ok(reason)
}

async fn publish(
    context: &Context,
    from: &Project,
    to: &Project,
    chroot: &ChrootName,
    tasks: &[TaskId],
) -> Result<(), JobError> {
    let tasks: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let mut conn = context.conn().await?;
    let dir = to.name.clone().into();
    let repository = db::repositories::ensure(&mut conn, to.id, &dir, chroot).await?;
    let waiting = db::rpms::unpublished(&mut conn, &tasks).await?;
    drop(conn);
    if waiting {
        let publication = Publication {
            project: to,
            repository: repository.id,
            change: Change::of_tasks(&tasks),
            audience: snapshot::audience(to),
            cause: Cause::Fork(format!("{}/{}", from.owner, from.name)),
            actor: None,
            asked: None,
        };
        snapshot::publish_snapshot(context, &publication).await?;
    }
    context.faults.pass("fork_project.before_pointer");
    pointer::write(context, to, repository.id).await?;
    let mut conn = context.conn().await?;
    db::forks::done(&mut conn, &tasks, (context.clock)()).await?;
    Ok(())
}

/// Signs and stores the packages of one task, and writes their rows.
async fn copy(context: &Context, from: &Project, to: &Project, piece: &Piece) -> Result<(), JobError> {
    let gone = || {
        JobError::package(
            FailureKind::BadResult,
            "the original of this build was deleted before it was copied",
        )
    };
    let mut conn = context.conn().await?;
    // The rows come last, so everything else is there as well.
    if db::rpms::published_in(&mut conn, piece.task.0).await?.is_some()
        || db::rpms::unpublished(&mut conn, &[piece.task.0]).await?
    {
        return Ok(());
    }
    let (original, original_build) = piece.original.ok_or_else(gone)?;
    let files = db::rpms::published_files(&mut conn, original.0).await?;
    let task = db::tasks::find(&mut conn, piece.task).await?.ok_or_else(gone)?;
    let build = db::builds::find(&mut conn, piece.build).await?.ok_or_else(gone)?;
    let dir = to.name.clone().into();
    let repository = db::repositories::ensure(&mut conn, to.id, &dir, &piece.chroot).await?;
    drop(conn);
    let package = build
        .package
        .clone()
        .ok_or_else(|| JobError::fail(format!("build {} has no package", build.id)))?;
    if files.is_empty() {
        return Err(gone());
    }
    let scratch = tempfile::Builder::new()
        .prefix("fork-")
        .tempdir_in(&context.scratch_dir)?;
    let mut unsigned = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let path = scratch.path().join(format!("{number}.rpm"));
        unsigned.push(fetch(context, file, path).await?);
    }
    let uploaded: Vec<String> = files.into_iter().map(|f| f.unsigned_sha256).collect();
    let signed = sign::packages(context, to, unsigned, task.created_at).await?;
    let result_dir = BuildDir {
        build: build.id,
        package: package.clone(),
    };
    let (mut rows, mut listed) = (Vec::new(), Vec::new());
    for (signed, uploaded) in signed.into_iter().zip(uploaded) {
        let place = (task.id, repository.id, result_dir.to_string());
        let (row, file) = store(context, place, signed, uploaded).await?;
        rows.push(row);
        listed.push(file);
    }
    let places = Places {
        from,
        to,
        original: BuildDir {
            build: original_build,
            package,
        },
        copy: result_dir,
    };
    places
        .list(context, &piece.chroot, listed, task.created_at)
        .await?;
    let mut conn = context.conn().await?;
    db::rpms::insert(&mut conn, task.id.0, &rows, SameNevra::Refuse)
        .await
        .map_err(|e| duplicate(e, &rows))
}

async fn fetch(
    context: &Context,
    file: &PublishedFile,
    path: std::path::PathBuf,
) -> Result<Unsigned, JobError> {
    let blob = StorageKey::Blob(file.sha256.parse().map_err(JobError::fail)?);
    let found = context
        .storage
        .get_to_file(&blob, &path, context.max_package_bytes)
        .await
        .map_err(|error| too_large(error, &file.file_name))?;
    let hashed = found.ok_or_else(|| JobError::fail(format!("the file {} is gone", file.file_name)))?;
    let (read, name) = (path.clone(), file.file_name.clone());
    let rpm = context
        .compute(move || {
            let mut reader = std::io::BufReader::new(fs_err::File::open(&read)?);
            RpmFile::read_headers(&mut reader, hashed.size)
                .map_err(|e| JobError::fail(format!("{name} cannot be read back: {e}")))
        })
        .await?;
    let nevra = rpm.nevra().map_err(JobError::fail)?;
    Ok(Unsigned {
        path,
        sha256: file.unsigned_sha256.clone(),
        rpm,
        nevra: nevra.to_string(),
    })
}

/// Where the listings of a build and its copy are.
struct Places<'a> {
    from: &'a Project,
    to: &'a Project,
    original: BuildDir,
    copy: BuildDir,
}

impl Places<'_> {
    /// Lists the signed packages with the original's logs, and the source package.
    async fn list(
        &self,
        context: &Context,
        chroot: &ChrootName,
        mut files: Vec<ResultFile>,
        at: DateTime<Utc>,
    ) -> Result<(), JobError> {
        let index = |project: &Project, build_dir: &BuildDir| StorageKey::ResultIndex {
            owner: project.owner.clone(),
            dir: project.name.clone().into(),
            chroot: chroot.clone(),
            build_dir: build_dir.clone(),
        };
        let source = |project: &Project, build_dir: &BuildDir| StorageKey::SourceIndex {
            owner: project.owner.clone(),
            dir: project.name.clone().into(),
            build: build_dir.build,
        };
        let storage = &context.storage;
        let old: Option<ResultIndex> = storage
            .get_json(&index(self.from, &self.original), MAX_INDEX)
            .await?;
        let kept = old.into_iter().flat_map(|old| old.files);
        let kept: Vec<ResultFile> = kept.filter(|f| !f.name.as_str().ends_with(".rpm")).collect();
        files.extend(kept);
        for file in &mut files {
            file.modified = file.modified.max(at.timestamp());
        }
        let complete = ResultIndex {
            files,
            complete: true,
        };
        storage.put_json(&index(self.to, &self.copy), &complete).await?;
        let old: Option<ResultIndex> = storage
            .get_json(&source(self.from, &self.original), MAX_INDEX)
            .await?;
        if let Some(old) = old {
            storage.put_json(&source(self.to, &self.copy), &old).await?;
        }
        Ok(())
    }
}
