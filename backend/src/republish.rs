//! New snapshots of what is published already: because somebody asked for them, or because the groups of packages
//! changed.

use db::repositories::Audience;
use protocol::ChrootName;

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Cause, Publication};

/// Publishes a project's repositories anew, or those of one chroot. With `release`, users see what a project in devel
/// mode kept for builds.
pub(crate) async fn run(
    context: &Context,
    id: i64,
    chroot: Option<&ChrootName>,
    release: bool,
) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if project.deleted_at.is_some() {
        return Ok(());
    }
    let repositories = db::repositories::of_project(&mut conn, id).await?;
    drop(conn);
    for repository in repositories {
        if chroot.is_some_and(|wanted| *wanted != repository.chroot) {
            continue;
        }
        let publication = Publication {
            project: &project,
            repository: repository.id,
            tasks: &[],
            audience: if release {
                Audience::Everybody
            } else {
                snapshot::audience(&project)
            },
            cause: if release { Cause::Regenerate } else { Cause::Groups },
        };
        snapshot::publish_snapshot(context, &publication).await?;
        context.faults.pass("republish.before_pointer");
        pointer::write(context, &project, repository.id).await?;
    }
    Ok(())
}
