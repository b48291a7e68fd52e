//! A source package that a builder fetched: looked into, stored as a blob, and its build's tasks become pending.

use db::builds::Srpm;
use protocol::{ChrootName, FailureKind, TaskId};
use storage::{StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::{inspect, store_log};

pub(crate) async fn run(context: &Context, id: TaskId, attempt: i32) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if !db::tasks::is_publishing(&mut conn, id, attempt).await? {
        return Ok(());
    }
    let Some(task) = db::tasks::find(&mut conn, id).await? else {
        return Ok(());
    };
    let Some((build, project)) = db::builds::find_with_project(&mut conn, task.build).await? else {
        return Ok(());
    };
    drop(conn);
    let [artifact] = task.manifest.as_slice() else {
        return Err(JobError::package(
            FailureKind::BadSource,
            "the source part has to make exactly one source package",
        ));
    };
    let scratch = tempfile::Builder::new()
        .prefix("source-")
        .tempdir_in(&context.scratch_dir)?;
    let path = scratch.path().join("source.rpm");
    let quarantine = StorageKey::Quarantine {
        task: id,
        attempt,
        index: 0,
    };
    let hashed = context
        .storage
        .get_to_file(&quarantine, &path, context.max_package_bytes)
        .await?
        .ok_or_else(|| {
            JobError::package(
                FailureKind::BadSource,
                "the source package was announced but not uploaded",
            )
        })?;
    let name = artifact.name.to_string();
    let source = context.compute(move || inspect::source(&path, &name)).await?;
    let blob = StorageKey::Blob(hashed.sha256.clone());
    if context.storage.exists(&blob).await? != Some(hashed.size) {
        context.storage.copy(&quarantine, &blob).await?;
    }
    context.faults.pass("accept_source.after_store");
    store_log::store(context, &project, &build, &task, Vec::new()).await?;
    let skips: Vec<ChrootName> = build
        .tasks
        .iter()
        .filter_map(|t| t.chroot.clone())
        .filter(|c| source.skips(c.arch()))
        .collect();
    let srpm = Srpm {
        sha256: hashed.sha256,
        file_name: artifact.name.clone(),
        size: i64::try_from(hashed.size).unwrap_or(i64::MAX),
        package: source.package,
        version: source.version,
    };
    let mut conn = context.conn().await?;
    db::builds::accept_source(&mut conn, id, attempt, &srpm, &skips, (context.clock)()).await?;
    db::logs::remove(&mut conn, id.0, attempt).await?;
    drop(conn);
    context
        .storage
        .delete_prefix(&StoragePrefix::Task { task: id })
        .await?;
    Ok(())
}
