//! Promotions into another repository: its packages are signed with the project's own key and published in one snapshot,
//! all of them or none.

use db::projects::Project;
use db::promotions::Piece;
use db::repositories::Repository;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::{FailureKind, TaskId};
use storage::BuildDir;

use crate::context::Context;
use crate::copies::{self, Folder};
use crate::error::JobError;
use crate::publish_task::duplicate;
use crate::settle::end_tasks;
use crate::{make_snapshot, pointer};

/// Builds that are copied at the same time.
const IN_FLIGHT: usize = 4;

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let Some((request, project, repository)) = make_snapshot::find(context, id).await? else {
        return Ok(());
    };
    let mut conn = context.conn().await?;
    let pieces = db::promotions::pieces(&mut conn, id).await?;
    drop(conn);
    let tasks: Vec<i64> = pieces.iter().map(|piece| piece.task.0).collect();
    if !request.is_done() {
        let copies = stream::iter(pieces).map(|piece| copy(context, &project, &repository, piece));
        copies
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<()>>()
            .await?;
        context.faults.pass("promote.before_snapshot");
        make_snapshot::make(context, &request, &project, &tasks).await?;
    }
    context.faults.pass("promote.before_pointer");
    pointer::run(context, repository.id).await?;
    context.faults.pass("promote.before_end");
    end(context, id, &tasks).await
}

/// Ends the tasks, as what came of the request says.
async fn end(context: &Context, id: i64, tasks: &[i64]) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let now = (context.clock)();
    let Some(request) = db::snapshot_requests::find(&mut conn, id).await? else {
        return Ok(());
    };
    if request.snapshot.is_none() {
        let why = "the pointer was moved by somebody else meanwhile; nothing was promoted, so look at it and ask again";
        let tasks: Vec<(TaskId, i32)> = tasks.iter().map(|task| (TaskId(*task), 0)).collect();
        end_tasks(&mut conn, &tasks, (FailureKind::BadResult, why), now).await?;
    }
    // Of those that have failed nothing changes.
    Ok(db::promotions::done(&mut conn, id, tasks, now).await?)
}

/// Signs and stores the packages of one build, and writes their rows.
async fn copy(
    context: &Context,
    to: &Project,
    repository: &Repository,
    piece: Piece,
) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    // The rows come last, so everything else is there as well.
    if db::rpms::published_in(&mut conn, piece.task.0).await?.is_some()
        || db::rpms::unpublished(&mut conn, &[piece.task.0]).await?
    {
        return Ok(());
    }
    drop(conn);
    let (original, copy) = folders(to, repository, &piece)?;
    let place = (piece.task, repository.id, piece.result_dir.clone());
    let (rows, listed) = copies::sign(context, to, &piece.files, place, piece.created_at).await?;
    context.faults.pass("promote.after_store");
    copies::list(context, (&original, &copy), listed, piece.created_at).await?;
    context.faults.pass("promote.before_rows");
    let mut conn = context.conn().await?;
    db::rpms::insert(&mut conn, piece.task.0, &rows, to.settings.same_nevra())
        .await
        .map_err(|e| duplicate(e, false))
}

/// Where the results of the original build are, and where those of the copy go.
fn folders(to: &Project, repository: &Repository, piece: &Piece) -> Result<(Folder, Folder), JobError> {
    let build: BuildDir = piece.result_dir.parse().map_err(JobError::fail)?;
    let origin = &piece.origin;
    let owner = origin
        .project
        .split_once('/')
        .map_or(origin.project.as_str(), |(owner, _)| owner);
    let original = Folder {
        owner: owner.parse().map_err(JobError::fail)?,
        dir: origin.dir.parse().map_err(JobError::fail)?,
        chroot: origin.chroot.parse().map_err(JobError::fail)?,
        build: BuildDir {
            build: protocol::BuildId(origin.build),
            package: build.package.clone(),
        },
    };
    let copy = Folder {
        owner: to.owner.clone(),
        dir: repository.dir.clone(),
        chroot: repository.chroot.clone(),
        build,
    };
    Ok((original, copy))
}
