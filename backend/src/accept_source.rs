//! A source package that a builder fetched: looked into, stored as a blob, and its build's tasks become pending.

use db::builds::Srpm;
use protocol::{ChrootName, FailureKind, TaskId, fnmatch};
use storage::{ResultFile, StorageKey};

use crate::context::Context;
use crate::error::JobError;
use crate::publish_task::tidy;
use crate::{inspect, store_log};

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
        .await
        .map_err(|error| match error {
            storage::StorageError::TooLarge { limit, .. } => JobError::package(
                FailureKind::BadSource,
                format!("{} is larger than {limit} bytes", artifact.name),
            ),
            other => other.into(),
        })?
        .ok_or_else(|| {
            JobError::package(
                FailureKind::BadSource,
                "the source package was announced but not uploaded",
            )
        })?;
    let name = artifact.name.to_string();
    let file = path.clone();
    let (package, facts) = context.compute(move || inspect::source(&file, &name)).await?;
    let blob = StorageKey::Blob(hashed.sha256.clone());
    if context.storage.exists(&blob).await? != Some(hashed.size) {
        // Not a copy of the object, which its builder could have replaced since it was hashed.
        context.storage.put_file(&blob, &path).await?;
    }
    context.faults.pass("accept_source.after_store");
    let listed = ResultFile {
        name: artifact.name.clone(),
        sha256: hashed.sha256.clone(),
        size: hashed.size,
        content_type: "application/x-rpm".to_owned(),
        encoding: None,
        modified: (context.clock)().timestamp(),
    };
    store_log::store(context, &project, &build, &task, vec![listed]).await?;
    let mut conn = context.conn().await?;
    let known = db::package_edit::find(&mut conn, project.id, package.as_str()).await?;
    drop(conn);
    // Chroots that were named count more than the package's denylist.
    let denied = |chroot: &ChrootName| {
        let listed = |p: &db::package_edit::Package| p.denied().any(|d| fnmatch(d, chroot.as_str()));
        !build.options.chroots_named && known.as_ref().is_some_and(listed)
    };
    let skips: Vec<ChrootName> = build
        .tasks
        .iter()
        .filter_map(|t| t.chroot.clone())
        .filter(|c| denied(c) || !facts.arches.builds_for(c.arch()))
        .collect();
    let srpm = Srpm {
        sha256: hashed.sha256,
        file_name: artifact.name.clone(),
        size: i64::try_from(hashed.size).unwrap_or(i64::MAX),
        package,
        version: facts.version,
    };
    let mut conn = context.conn().await?;
    db::builds::accept_source(&mut conn, id, attempt, &srpm, &skips, (context.clock)()).await?;
    drop(conn);
    tidy(context, id, attempt).await
}
