//! What of a repository's past nothing protects goes, in two phases: it is marked, and removed when nothing protects it
//! after a time of grace either. Each step can be repeated; the database knows what is under way.

pub(crate) mod blobs;
mod metadata;
mod packages;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use db::projects::Project;
use db::repositories::Repository;
use protocol::{ChrootName, DirName, OwnerName};
use storage::StoragePrefix;

use crate::context::Context;
use crate::error::JobError;

/// How often each repository is looked at.
const LOOK: TimeDelta = TimeDelta::hours(6);
/// How often blobs are looked at, all together.
const LOOK_AT_BLOBS: TimeDelta = TimeDelta::hours(23);
/// Clocks that differ by more are to be set.
const SKEW: TimeDelta = TimeDelta::minutes(5);
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
    db::blobs::look(&mut conn, now - LOOK_AT_BLOBS, now).await?;
    Ok(db::retention::look(&mut conn, &context.retention, now - LOOK, AT_ONCE, now).await?)
}

/// The time by which something is old enough to go: that of the earlier of two clocks, ours and the store's. What is
/// written carries the store's time, or that of a backend on another machine; by one that is ahead, all of it would look
/// forgotten.
async fn now(context: &Context) -> Result<DateTime<Utc>, JobError> {
    let ours = (context.clock)();
    let theirs = context.storage.now().await?;
    let theirs = theirs.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let Some(theirs) = theirs else { return Ok(ours) };
    if ours - theirs > SKEW {
        tracing::warn!(
            "the clock of this machine is ahead of the object store's by {} s: what goes is judged by the store's; set the clocks",
            (ours - theirs).num_seconds()
        );
    }
    Ok(ours.min(theirs))
}

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let now = now(context).await?;
    let mut conn = context.conn().await?;
    let Some(repository) = db::repositories::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
        return Ok(());
    };
    let policy = &context.retention.of(&project.settings);
    let place = Place {
        project: &project,
        repository: &repository,
    };
    db::retention::decide(&mut conn, &repository, &project.owner, policy, now).await?;
    let ended = db::retention::going(&mut conn, id).await?;
    drop(conn);
    context.faults.pass("retain.after_mark");
    remove_snapshots(context, place, &ended).await?;
    metadata::sweep(context, place, !ended.is_empty(), now).await?;
    let mut conn = context.conn().await?;
    // Until here another try would begin with them.
    db::retention::gone(&mut conn, id, &ended).await?;
    db::retention::decide_packages(&mut conn, &repository, &project.owner, policy, now).await?;
    db::retention::forget_requests(&mut conn, id, policy.forgotten_before(now)).await?;
    drop(conn);
    packages::sweep(context, place).await
}

/// The repository that is looked after.
#[derive(Clone, Copy)]
struct Place<'a> {
    project: &'a Project,
    repository: &'a Repository,
}

impl Place<'_> {
    /// Whose, in which directory, for which chroot: as keys and prefixes have it.
    fn names(&self) -> (OwnerName, DirName, ChrootName) {
        let Repository { dir, chroot, .. } = self.repository;
        (self.project.owner.clone(), dir.clone(), chroot.clone())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repository { dir, chroot, .. } = self.repository;
        write!(f, "{}/{dir}/{chroot}", self.project.owner)
    }
}

/// Removes the files of snapshots that have ended.
async fn remove_snapshots(context: &Context, place: Place<'_>, ended: &[i64]) -> Result<(), JobError> {
    if ended.is_empty() {
        return Ok(());
    }
    context.faults.pass("retain.before_snapshots");
    for number in ended {
        remove_snapshot(context, place, *number).await?;
    }
    context.faults.pass("retain.after_snapshots");
    tracing::info!("{} snapshots of {place} are gone", ended.len());
    Ok(())
}

async fn remove_snapshot(context: &Context, place: Place<'_>, number: i64) -> Result<(), JobError> {
    let (owner, dir, chroot) = place.names();
    let prefix = StoragePrefix::Snapshot {
        owner,
        dir,
        chroot,
        number,
    };
    context.storage.delete_prefix(&prefix).await?;
    Ok(())
}
