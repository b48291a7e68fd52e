//! Snapshots that somebody asked for: a promotion, a merge, packages that are taken back.

use db::projects::Project;
use db::repositories::Repository;
use db::snapshot_requests::Request;

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Asked, Cause, Change, Publication};

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let Some((request, project, repository)) = find(context, id).await? else {
        return Ok(());
    };
    make(context, &request, &project, &[]).await?;
    context.faults.pass("make_snapshot.before_pointer");
    pointer::run(context, repository.id).await
}

/// A request of a project that there is.
pub(crate) async fn find(
    context: &Context,
    id: i64,
) -> Result<Option<(Request, Project, Repository)>, JobError> {
    let mut conn = context.conn().await?;
    let Some(request) = db::snapshot_requests::find(&mut conn, id).await? else {
        return Ok(None);
    };
    let Some(repository) = db::repositories::by_id(&mut conn, request.repository).await? else {
        return Ok(None);
    };
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    let project = project.filter(|project| project.deleted_at.is_none());
    Ok(project.map(|project| (request, project, repository)))
}

/// Makes what is asked for, with the packages of tasks besides, unless that is done or refused.
pub(crate) async fn make(
    context: &Context,
    request: &Request,
    project: &Project,
    tasks: &[i64],
) -> Result<(), JobError> {
    if request.is_done() {
        return Ok(());
    }
    let publication = Publication {
        project,
        repository: request.repository,
        change: Change {
            tasks,
            added: &request.added,
            removed: &request.removed,
        },
        audience: request.audience(project.settings.devel_mode),
        cause: Cause::Request(request.cause.clone()),
        actor: Some(&request.actor),
        asked: Some(Asked {
            request: request.id,
            expected: request.expected,
        }),
    };
    snapshot::publish_snapshot(context, &publication).await?;
    Ok(())
}
