//! Snapshots that somebody asked for: a promotion, a merge, packages that are taken back.

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Asked, Cause, Change, Publication};

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(request) = db::snapshot_requests::find(&mut conn, id).await? else {
        return Ok(());
    };
    let Some(repository) = db::repositories::by_id(&mut conn, request.repository).await? else {
        return Ok(());
    };
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    drop(conn);
    let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
        return Ok(());
    };
    if !request.is_done() {
        let publication = Publication {
            project: &project,
            repository: repository.id,
            change: Change {
                tasks: &[],
                added: &request.added,
                removed: &request.removed,
            },
            audience: request.audience(project.settings.devel_mode),
            cause: Cause::Request(request.cause.clone()),
            actor: Some(&request.actor),
            asked: Some(Asked {
                request: id,
                expected: request.expected,
            }),
        };
        snapshot::publish_snapshot(context, &publication).await?;
    }
    context.faults.pass("make_snapshot.before_pointer");
    pointer::run(context, repository.id).await
}
