//! What of a repository's past nothing protects goes, in two phases: it is marked, and removed when nothing protects it
//! after a time of grace either. Each step can be repeated; the database knows what is under way.

use chrono::TimeDelta;
use db::projects::Project;
use db::repositories::Repository;
use storage::StoragePrefix;

use crate::context::Context;
use crate::error::JobError;

/// How often each repository is looked at.
const LOOK: TimeDelta = TimeDelta::hours(6);
/// Repositories that are looked at in one go.
const AT_ONCE: i64 = 100;

/// Looks at the repositories that nobody looked at for some hours, a hundred at most, and has a job look after each where
/// something may go. Any number of backends may do this at the same time. Returns how many were looked at.
///
/// # Errors
/// When the database cannot be reached; the rest is looked at the next time.
pub async fn look_after(context: &Context) -> Result<usize, JobError> {
    let now = (context.clock)();
    let mut conn = context.conn().await?;
    Ok(db::retention::look(&mut conn, &context.retention, now - LOOK, AT_ONCE, now).await?)
}

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(repository) = db::repositories::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
        return Ok(());
    };
    let (policy, now) = (&context.retention, (context.clock)());
    db::retention::decide(&mut conn, &repository, &project.owner, policy, now).await?;
    drop(conn);
    remove_snapshots(context, &project, &repository).await
}

/// Removes the files of snapshots that have ended.
async fn remove_snapshots(
    context: &Context,
    project: &Project,
    repository: &Repository,
) -> Result<(), JobError> {
    let going = db::retention::going(&mut *context.conn().await?, repository.id).await?;
    if going.is_empty() {
        return Ok(());
    }
    context.faults.pass("retain.before_snapshots");
    for number in &going {
        let prefix = StoragePrefix::Snapshot {
            owner: project.owner.clone(),
            dir: repository.dir.clone(),
            chroot: repository.chroot.clone(),
            number: *number,
        };
        context.storage.delete_prefix(&prefix).await?;
    }
    context.faults.pass("retain.after_snapshots");
    db::retention::gone(&mut *context.conn().await?, repository.id, &going).await?;
    tracing::info!(
        "{} snapshots of {}/{}/{} are gone",
        going.len(),
        project.owner,
        repository.dir,
        repository.chroot
    );
    Ok(())
}
