//! New snapshots of what is published already: because somebody asked for them, or because the groups of packages
//! changed.

use db::jobs::Job;
use db::snapshots::Audience;
use protocol::ChrootName;

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Cause, Change, Publication};

/// Enqueues a job for each repository of a project, or of one chroot, so that trouble with one keeps no other back and
/// repeats nothing.
pub(crate) async fn spread(
    context: &Context,
    project: i64,
    chroot: Option<&ChrootName>,
    release: bool,
) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    for repository in db::repositories::of_project(&mut conn, project).await? {
        if chroot.is_some_and(|wanted| *wanted != repository.chroot) {
            continue;
        }
        let job = Job::Republish {
            project,
            chroot: None,
            repository: Some(repository.id),
            release,
        };
        db::jobs::enqueue(&mut conn, &job, (context.clock)()).await?;
    }
    Ok(())
}

/// Publishes a repository anew. With `release`, users see what a project in devel mode kept for builds.
pub(crate) async fn run(context: &Context, id: i64, repository: i64, release: bool) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if project.deleted_at.is_some() {
        return Ok(());
    }
    drop(conn);
    let publication = Publication {
        project: &project,
        repository,
        change: Change::default(),
        audience: if release {
            Audience::Everybody
        } else {
            snapshot::audience(&project)
        },
        cause: if release { Cause::Regenerate } else { Cause::Groups },
        actor: None,
        asked: None,
    };
    snapshot::publish_snapshot(context, &publication).await?;
    context.faults.pass("republish.before_pointer");
    pointer::write(context, &project, repository).await
}
