//! A fork's packages: those of the original, signed with the fork's own key, published as one snapshot per chroot.
//! Everything else about them, also their release with the original's repotag, stays as it was built.

use std::collections::BTreeMap;

use db::forks::Piece;
use db::projects::Project;
use protocol::{ChrootName, FailureKind, TaskId};
use storage::BuildDir;

use crate::context::Context;
use crate::copies::{self, Folder};
use crate::error::{JobError, lasting};
use crate::pointer;
use crate::publish_task::duplicate;
use crate::settle::end_tasks;
use crate::snapshot::{self, Cause, Change, Publication};

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
    let named = build.package.clone().or_else(|| build.listed_as());
    let package = named.ok_or_else(|| JobError::fail(format!("build {} has no package", build.id)))?;
    if files.is_empty() {
        return Err(gone());
    }
    let folder = |project: &Project, build| Folder {
        owner: project.owner.clone(),
        dir: project.name.clone().into(),
        chroot: piece.chroot.clone(),
        build: BuildDir {
            build,
            package: package.clone(),
        },
    };
    let (original, copy) = (folder(from, original_build), folder(to, build.id));
    let place = (task.id, repository.id, copy.build.to_string());
    let (rows, listed) = copies::sign(context, to, &files, place, task.created_at).await?;
    copies::list(context, (&original, &copy), listed, task.created_at).await?;
    let mut conn = context.conn().await?;
    db::rpms::insert(&mut conn, task.id.0, &rows, to.settings.same_nevra())
        .await
        .map_err(|e| duplicate(e, false))
}
