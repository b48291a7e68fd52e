//! An ended attempt's log becomes an object, listed beside the build's packages.

use std::io::Write as _;

use db::builds::Build;
use db::projects::Project;
use db::tasks::TaskRow;
use protocol::{Sha256, TaskId};
use sha2::Digest as _;
use storage::{BuildDir, Encoding, ResultFile, ResultIndex, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::{blob, result_files};

/// The name under which Copr's users look for it.
const LOG_NAME: &str = "builder-live.log.gz";

pub(crate) async fn run(context: &Context, id: TaskId, attempt: i32) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(task) = db::tasks::find(&mut conn, id).await? else {
        return Ok(());
    };
    let found = db::builds::find_with_project(&mut conn, task.build).await?;
    drop(conn);
    if let Some((build, project)) = found {
        // The log may have become an object already, by a run that died before it could say so: that object stays.
        let mut conn = context.conn().await?;
        let empty = db::logs::length(&mut conn, id, attempt).await? == 0;
        drop(conn);
        let stored = match index(&project, &build, &task) {
            Some(key) if empty => context.storage.exists(&key).await?.is_some(),
            _ => false,
        };
        if task.attempt == attempt && task.state.is_final() && !stored {
            store(context, &project, &build, &task, Vec::new()).await?;
        }
    }
    // After the last attempt also what earlier ones left, whose builders vanished.
    let rest = if task.attempt == attempt && task.state.is_final() {
        StoragePrefix::Task { task: id }
    } else {
        StoragePrefix::Attempt { task: id, attempt }
    };
    context.storage.delete_prefix(&rest).await?;
    let mut conn = context.conn().await?;
    db::logs::remove(&mut conn, id.0, attempt).await?;
    Ok(())
}

/// Writes the index of a task's result folder: the given files and the log.
pub(crate) async fn store(
    context: &Context,
    project: &Project,
    build: &Build,
    task: &TaskRow,
    mut files: Vec<ResultFile>,
) -> Result<(), JobError> {
    // A task that ended before its source was known has no folder, and nobody ran it.
    let Some(key) = index(project, build, task) else {
        return Ok(());
    };
    files.push(put_log(context, task).await?);
    if task.chroot.is_some() {
        files.push(result_files::build_info(context, build, task).await?);
    }
    let index = ResultIndex {
        files,
        complete: true,
    };
    context.storage.put_json(&key, &index).await?;
    Ok(())
}

fn index(project: &Project, build: &Build, task: &TaskRow) -> Option<StorageKey> {
    match (&task.chroot, build.listed_as()) {
        (Some(chroot), Some(package)) => Some(StorageKey::ResultIndex {
            owner: project.owner.clone(),
            dir: build.dir.clone(),
            chroot: chroot.clone(),
            build_dir: BuildDir {
                build: build.id,
                package,
            },
        }),
        (Some(_), None) => None,
        (None, _) => Some(StorageKey::SourceIndex {
            owner: project.owner.clone(),
            dir: build.dir.clone(),
            build: build.id,
        }),
    }
}

async fn put_log(context: &Context, task: &TaskRow) -> Result<ResultFile, JobError> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut offset = 0;
    let mut conn = context.conn().await?;
    loop {
        let bytes = db::logs::read(&mut conn, task.id, task.attempt, offset).await?;
        if bytes.is_empty() {
            break;
        }
        gz.write_all(&bytes)?;
        offset += bytes.len() as u64;
    }
    drop(conn);
    if let Some((_, message)) = &task.failure {
        writeln!(gz, "\nkoper: {message}")?;
    }
    let bytes = gz.finish()?;
    let sha256: [u8; 32] = sha2::Sha256::digest(&bytes).into();
    let sha256 = Sha256::from_bytes(&sha256);
    let size = bytes.len() as u64;
    blob::put_listed(context, &sha256, bytes).await?;
    Ok(ResultFile {
        name: LOG_NAME.parse().map_err(JobError::fail)?,
        sha256,
        size,
        content_type: "text/plain; charset=utf-8".to_owned(),
        encoding: Some(Encoding::Gzip),
        modified: (context.clock)().timestamp(),
    })
}
