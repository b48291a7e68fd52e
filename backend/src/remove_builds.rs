//! What deleted builds left: first their repositories get snapshots without them, one each however many builds went,
//! then their lists of results go. Packages stay where they are, for snapshots that name them and for clients that are about
//! to fetch them; of blobs it is only said that they are not named here any more, since other builds may name the same content.

use std::collections::BTreeMap;

use db::projects::Project;
use db::removals::RemovedBuild;
use db::snapshots::Audience;
use protocol::{BuildId, Sha256, TaskId};
use storage::{BuildDir, Mini, ResultIndex, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Cause, Change, Publication};

/// Longest list of a build's files, in bytes.
pub(crate) const MAX_INDEX: u64 = 16 << 20;

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    let removed = db::removals::of_project(&mut conn, id).await?;
    // Another job looks after all that a deleted project left.
    if project.deleted_at.is_some() {
        let builds: Vec<BuildId> = removed.iter().map(|r| r.build).collect();
        return Ok(db::removals::forget(&mut conn, &builds).await?);
    }
    // One that publishes a task of a build has read the rows, and may still write an index.
    let (mut ready, mut busy) = (Vec::new(), Vec::new());
    for build in removed {
        if db::jobs::is_at_work_on(&mut conn, &build.tasks, (context.clock)()).await? {
            busy.push(build.build.to_string());
        } else {
            ready.push(build);
        }
    }
    drop(conn);
    publish_without(context, &project, &ready).await?;
    // Of what is gone nothing is failing any more.
    let mut conn = context.conn().await?;
    for repository in db::repositories::of_project(&mut conn, project.id).await? {
        db::pointers::follow(&mut conn, repository.id, (context.clock)()).await?;
    }
    drop(conn);
    context.faults.pass("remove_builds.before_objects");
    for build in &ready {
        remove_objects(context, &project, build).await?;
    }
    let builds: Vec<BuildId> = ready.iter().map(|r| r.build).collect();
    db::removals::forget(&mut *context.conn().await?, &builds).await?;
    if busy.is_empty() {
        return Ok(());
    }
    Err(JobError::retry(format!(
        "jobs of deleted builds are still under way: {}",
        busy.join(", ")
    )))
}

/// Makes a new snapshot of each repository that had packages of the builds.
async fn publish_without(
    context: &Context,
    project: &Project,
    removed: &[RemovedBuild],
) -> Result<(), JobError> {
    // Those of a directory that has expired are gone.
    let repositories = db::repositories::of_project(&mut *context.conn().await?, project.id).await?;
    let mut causes: BTreeMap<i64, Cause> = BTreeMap::new();
    for build in removed {
        for repository in &build.repositories {
            match causes.get_mut(repository) {
                Some(Cause::Removal(_, more)) => *more += 1,
                _ => {
                    causes.insert(*repository, Cause::Removal(build.build, 0));
                }
            }
        }
    }
    // Builds and users lose them, and users of a project in devel mode get nothing by that.
    let audiences: &[_] = if project.settings.devel_mode {
        &[Audience::Builds, Audience::Users]
    } else {
        &[Audience::Everybody]
    };
    for repository in repositories {
        let Some(cause) = causes.remove(&repository.id) else {
            continue;
        };
        for audience in audiences {
            let publication = Publication {
                project,
                repository: repository.id,
                change: Change::default(),
                audience: audience.clone(),
                cause: cause.clone(),
                actor: None,
                asked: None,
            };
            snapshot::publish_snapshot(context, &publication).await?;
        }
        context.faults.pass("remove_builds.before_pointer");
        pointer::write(context, project, repository.id).await?;
    }
    Ok(())
}

async fn remove_objects(
    context: &Context,
    project: &Project,
    removed: &RemovedBuild,
) -> Result<(), JobError> {
    let owner = &project.owner;
    if let Some(package) = &removed.package {
        let build_dir = BuildDir {
            build: removed.build,
            package: package.clone(),
        };
        for chroot in &removed.chroots {
            let key = StorageKey::ResultIndex {
                owner: owner.clone(),
                dir: removed.dir.clone(),
                chroot: chroot.clone(),
                build_dir: build_dir.clone(),
            };
            let index = context.storage.get_json::<ResultIndex>(&key, MAX_INDEX).await?;
            if let Some(index) = index {
                loosen(context, &index).await?;
                if !removed.repositories.is_empty() {
                    keep_packages(context, &key, index).await?;
                }
            }
            context.storage.delete(&key).await?;
            let mini = StoragePrefix::Mini {
                owner: owner.clone(),
                dir: removed.dir.clone(),
                chroot: chroot.clone(),
                mini: Mini::Build(build_dir.clone()),
            };
            context.storage.delete_prefix(&mini).await?;
        }
    }
    let source = StorageKey::SourceIndex {
        owner: owner.clone(),
        dir: removed.dir.clone(),
        build: removed.build,
    };
    if let Some(index) = context.storage.get_json(&source, MAX_INDEX).await? {
        loosen(context, &index).await?;
    }
    context.storage.delete(&source).await?;
    for task in &removed.tasks {
        let prefix = StoragePrefix::Task { task: TaskId(*task) };
        context.storage.delete_prefix(&prefix).await?;
    }
    Ok(())
}

/// Other builds may name the same content.
async fn loosen(context: &Context, index: &ResultIndex) -> Result<(), JobError> {
    let blobs: Vec<Sha256> = index.files.iter().map(|file| file.sha256.clone()).collect();
    Ok(db::blobs::loosen(&mut *context.conn().await?, &blobs).await?)
}

/// Writes down where the packages of a build are that snapshots still name, in place of its list of results.
async fn keep_packages(context: &Context, key: &StorageKey, index: ResultIndex) -> Result<(), JobError> {
    let Some(withdrawn) = key.withdrawn() else {
        return Ok(());
    };
    let packages = index.files.into_iter();
    let files: Vec<_> = packages
        .filter(|file| file.name.as_str().ends_with(".rpm"))
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    let index = ResultIndex {
        files,
        complete: true,
    };
    Ok(context.storage.put_json(&withdrawn, &index).await?)
}
