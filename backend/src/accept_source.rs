//! A source package that a builder fetched: looked into, stored as a blob, and its build's tasks become pending.

use std::path::PathBuf;

use db::builds::{Build, Srpm};
use db::tasks::TaskRow;
use protocol::{ChrootName, FailureKind, FileName, PackageName, TaskId, fnmatch};
use repodata::SourceFacts;
use storage::{Hashed, ResultFile, StorageError, StorageKey};

use crate::context::Context;
use crate::error::JobError;
use crate::publish_task::tidy;
use crate::{blob, inspect, store_log};

pub(crate) async fn run(context: &Context, id: TaskId, attempt: i32) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if !db::tasks::is_publishing(&mut conn, id, attempt).await? {
        drop(conn);
        return tidy(context, id, attempt).await;
    }
    let Some(task) = db::tasks::find(&mut conn, id).await? else {
        return Ok(());
    };
    let Some((build, project)) = db::builds::find_with_project(&mut conn, task.build).await? else {
        let (kind, message) = (FailureKind::BadSource, "the project was deleted");
        db::tasks::fail_publishing(&mut conn, id, attempt, kind, message, (context.clock)()).await?;
        return Ok(());
    };
    drop(conn);
    let scratch = tempfile::Builder::new()
        .prefix("source-")
        .tempdir_in(&context.scratch_dir)?;
    let fetched = fetch(context, &task, scratch.path().join("source.rpm")).await?;
    let listed = store(context, &fetched).await?;
    context.faults.pass("accept_source.after_store");
    store_log::store(context, &project, &build, &task, vec![listed]).await?;
    let skips = skips(context, project.id, &build, &fetched).await?;
    let srpm = Srpm {
        sha256: fetched.hashed.sha256,
        file_name: fetched.name,
        size: i64::try_from(fetched.hashed.size).unwrap_or(i64::MAX),
        package: fetched.package,
        version: fetched.facts.version,
    };
    let mut conn = context.conn().await?;
    db::builds::accept_source(&mut conn, id, attempt, &srpm, &skips, (context.clock)()).await?;
    drop(conn);
    tidy(context, id, attempt).await
}

/// A source package that was looked into.
struct Fetched {
    path: PathBuf,
    name: FileName,
    hashed: Hashed,
    package: PackageName,
    facts: SourceFacts,
}

/// Gets what the builder uploaded as `path` and looks into it.
async fn fetch(context: &Context, task: &TaskRow, path: PathBuf) -> Result<Fetched, JobError> {
    let bad = |message: String| JobError::package(FailureKind::BadSource, message);
    let [artifact] = task.manifest.as_slice() else {
        return Err(bad(
            "the source part has to make exactly one source package".to_owned()
        ));
    };
    let quarantine = StorageKey::Quarantine {
        task: task.id,
        attempt: task.attempt,
        index: 0,
    };
    let found = context
        .storage
        .get_to_file(&quarantine, &path, context.max_package_bytes)
        .await
        .map_err(|error| match error {
            StorageError::TooLarge { limit, .. } => {
                bad(format!("{} is larger than {limit} bytes", artifact.name))
            }
            other => other.into(),
        })?;
    let hashed = found.ok_or_else(|| bad("the source package was announced but not uploaded".to_owned()))?;
    let (file, name) = (path.clone(), artifact.name.to_string());
    let (package, facts) = context.compute(move || inspect::source(&file, &name)).await?;
    Ok(Fetched {
        path,
        name: artifact.name.clone(),
        hashed,
        package,
        facts,
    })
}

/// Stores the file as a blob, and says how it is listed.
async fn store(context: &Context, fetched: &Fetched) -> Result<ResultFile, JobError> {
    let Fetched { hashed, name, .. } = fetched;
    // Not a copy of the object, which its builder could have replaced since it was hashed.
    blob::put_file(context, &hashed.sha256, hashed.size, &fetched.path).await?;
    Ok(ResultFile {
        name: name.clone(),
        sha256: hashed.sha256.clone(),
        size: hashed.size,
        content_type: "application/x-rpm".to_owned(),
        encoding: None,
        modified: (context.clock)().timestamp(),
    })
}

/// Chroots that the source package or its package's denylist excludes. Chroots that were named count more than that list.
async fn skips(
    context: &Context,
    project: i64,
    build: &Build,
    fetched: &Fetched,
) -> Result<Vec<ChrootName>, JobError> {
    let mut conn = context.conn().await?;
    let known = db::package_edit::find(&mut conn, project, fetched.package.as_str()).await?;
    let denied = |chroot: &ChrootName| {
        let listed = |p: &db::package_edit::Package| p.denied().any(|d| fnmatch(d, chroot.as_str()));
        !build.options.chroots_named && known.as_ref().is_some_and(listed)
    };
    let chroots = build.tasks.iter().filter_map(|t| t.chroot.clone());
    Ok(chroots
        .filter(|c| denied(c) || !fetched.facts.arches.builds_for(c.arch()))
        .collect())
}
