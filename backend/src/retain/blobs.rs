//! Blobs that nothing names, and uploads that nobody came back for.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::{Sha256, TaskId};
use storage::{Listed, ResultIndex, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::remove_builds::MAX_INDEX;

/// No upload takes longer.
const LONGEST_UPLOAD: TimeDelta = TimeDelta::days(2);
/// Objects that are read or deleted at a time.
const AT_ONCE: usize = 16;
/// Objects whose tasks are asked for together.
const PAGE: usize = 500;

/// Deletes blobs of which it is known for the time of grace that they may be named by nothing, and that neither a row nor
/// a list of results names.
pub(crate) async fn run(context: &Context) -> Result<(), JobError> {
    delete_condemned(context).await?;
    let now = super::now(context).await?;
    let before = context.retention.start_of_grace(now);
    db::software::forget(&mut *context.conn().await?, before).await?;
    let suspects = db::blobs::suspects(&mut *context.conn().await?, before, now).await?;
    if !suspects.is_empty() {
        let mut unlisted: HashSet<String> = suspects.iter().cloned().collect();
        let start = StoragePrefix::Repositories;
        strike_listed(context, &start, &mut unlisted).await?;
        let (unlisted, listed): (Vec<String>, Vec<String>) =
            suspects.into_iter().partition(|sha256| unlisted.contains(sha256));
        let mut conn = context.conn().await?;
        db::blobs::are_listed(&mut conn, &listed, before).await?;
        drop(conn);
        context.faults.pass("retain_blobs.before_condemn");
        for some in unlisted.chunks(1_000) {
            db::blobs::condemn(&mut *context.conn().await?, some, before, now).await?;
            delete_condemned(context).await?;
        }
    }
    remove_uploads(context, now).await
}

/// Strikes out what the lists below a prefix name, as long as there is something to strike.
async fn strike_listed(
    context: &Context,
    prefix: &StoragePrefix,
    unlisted: &mut HashSet<String>,
) -> Result<(), JobError> {
    let mut lists = std::pin::pin!(lists(context, prefix));
    while let Some(index) = lists.try_next().await? {
        for file in index.files {
            unlisted.remove(file.sha256.as_str());
        }
        if unlisted.is_empty() {
            break;
        }
    }
    Ok(())
}

/// The lists of results below a prefix.
fn lists(
    context: &Context,
    prefix: &StoragePrefix,
) -> impl futures_util::Stream<Item = Result<ResultIndex, JobError>> + Send + use<> {
    let storage = context.storage.clone();
    let listing = context.storage.list(prefix);
    listing
        .try_filter_map(|object| async move { Ok(StorageKey::index(object.path())) })
        .map(move |key| {
            let storage = storage.clone();
            async move {
                let index = storage.get_json::<ResultIndex>(&key?, MAX_INDEX).await?;
                Ok(index.unwrap_or_default())
            }
        })
        .buffer_unordered(AT_ONCE)
}

/// Says of all that the lists below a prefix name that these are about to go.
pub(crate) async fn loosen(context: &Context, prefix: &StoragePrefix) -> Result<(), JobError> {
    let mut lists = std::pin::pin!(lists(context, prefix).ready_chunks(PAGE));
    while let Some(some) = lists.next().await {
        let some = some.into_iter().collect::<Result<Vec<ResultIndex>, JobError>>()?;
        let files = some.into_iter().flat_map(|index| index.files);
        let blobs: BTreeSet<Sha256> = files.map(|file| file.sha256).collect();
        let blobs: Vec<Sha256> = blobs.into_iter().collect();
        db::blobs::loosen(&mut *context.conn().await?, &blobs).await?;
    }
    Ok(())
}

async fn delete_condemned(context: &Context) -> Result<(), JobError> {
    loop {
        let condemned = db::blobs::condemned(&mut *context.conn().await?).await?;
        if condemned.is_empty() {
            return Ok(());
        }
        context.faults.pass("retain_blobs.before_objects");
        let keys: Vec<StorageKey> = condemned
            .iter()
            .map(|sha256| sha256.parse().map(StorageKey::Blob).map_err(JobError::fail))
            .collect::<Result<_, _>>()?;
        let storage = &context.storage;
        stream::iter(keys)
            .map(|key| async move { storage.delete(&key).await })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        context.faults.pass("retain_blobs.after_objects");
        db::blobs::deleted(&mut *context.conn().await?, &condemned).await?;
        tracing::info!("{} files are gone that nothing named any more", condemned.len());
    }
}

/// Removes what was uploaded for nothing: by users whose request broke off, and by builders for tasks that have ended.
async fn remove_uploads(context: &Context, now: DateTime<Utc>) -> Result<(), JobError> {
    let oldest = (now - LONGEST_UPLOAD).timestamp();
    let is_old = |object: &Listed| object.modified.is_some_and(|modified| modified < oldest);
    let mut incoming = std::pin::pin!(context.storage.list(&StoragePrefix::Incoming));
    while let Some(object) = incoming.try_next().await? {
        if is_old(&object) {
            context.storage.delete_listed(&object).await?;
        }
    }
    let mut uploads = std::pin::pin!(
        context
            .storage
            .list(&StoragePrefix::Quarantine)
            .ready_chunks(PAGE)
    );
    while let Some(some) = uploads.next().await {
        let some = some.into_iter().collect::<Result<Vec<Listed>, _>>()?;
        let some: Vec<(i64, Listed)> = some
            .into_iter()
            .filter(is_old)
            .filter_map(|object| Some((task_of(&object)?.0, object)))
            .collect();
        let tasks: Vec<i64> = some.iter().map(|(task, _)| *task).collect();
        let busy = db::blobs::at_work(&mut *context.conn().await?, &tasks).await?;
        for (_, object) in some.iter().filter(|(task, _)| !busy.contains(task)) {
            context.storage.delete_listed(object).await?;
        }
    }
    Ok(())
}

fn task_of(object: &Listed) -> Option<TaskId> {
    let rest = object.path().strip_prefix(&StoragePrefix::Quarantine.path())?;
    rest.split('/').next()?.parse().ok()
}
