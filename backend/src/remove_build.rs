//! What a deleted build left: first its repositories get snapshots without it, then its indexes go. Blobs stay, since
//! other builds may name the same content.

use db::repositories::Audience;
use protocol::{BuildId, ChrootName, DirName, PackageName, TaskId};
use storage::{BuildDir, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Cause, Publication};

/// What the job says; the rows are gone.
pub(crate) struct Remains<'a> {
    pub project: i64,
    pub build: i64,
    pub dirname: &'a str,
    pub package: Option<&'a str>,
    pub chroots: &'a [String],
    pub repositories: &'a [i64],
    pub tasks: &'a [i64],
}

pub(crate) async fn run(context: &Context, remains: &Remains<'_>) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, remains.project).await? else {
        return Ok(());
    };
    // Another job looks after all that a deleted project left.
    if project.deleted_at.is_some() {
        return Ok(());
    }
    // One that publishes a task of it has read the rows, and may still write an index.
    if db::jobs::is_at_work_on(&mut conn, remains.tasks, (context.clock)()).await? {
        return Err(JobError::retry(format!(
            "jobs of the deleted build {} are still under way",
            remains.build
        )));
    }
    drop(conn);
    let build = BuildId(remains.build);
    for repository in remains.repositories {
        // Builds and users lose it, and users of a project in devel mode get nothing by that.
        let audiences: &[_] = if project.settings.devel_mode {
            &[Audience::Builds, Audience::Users]
        } else {
            &[Audience::Everybody]
        };
        for audience in audiences {
            let publication = Publication {
                project: &project,
                repository: *repository,
                tasks: &[],
                audience: *audience,
                cause: Cause::Removal(build),
            };
            snapshot::publish_snapshot(context, &publication).await?;
        }
        context.faults.pass("remove_build.before_pointer");
        pointer::write(context, &project, *repository).await?;
    }
    context.faults.pass("remove_build.before_objects");
    let dir: DirName = remains.dirname.parse().map_err(JobError::fail)?;
    if let Some(package) = remains.package {
        let package: PackageName = package.parse().map_err(JobError::fail)?;
        for chroot in remains.chroots {
            let chroot: ChrootName = chroot.parse().map_err(JobError::fail)?;
            let key = StorageKey::ResultIndex {
                owner: project.owner.clone(),
                dir: dir.clone(),
                chroot,
                build_dir: BuildDir {
                    build,
                    package: package.clone(),
                },
            };
            context.storage.delete(&key).await?;
        }
    }
    let source = StorageKey::SourceIndex {
        owner: project.owner.clone(),
        dir,
        build,
    };
    context.storage.delete(&source).await?;
    for task in remains.tasks {
        let prefix = StoragePrefix::Task { task: TaskId(*task) };
        context.storage.delete_prefix(&prefix).await?;
    }
    Ok(())
}
