//! Metadata files and frames that no snapshot names any more. They are found by comparing what is there with what the
//! `repomd.xml` of every snapshot names, so what a killed publication left goes as well.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::FileName;
use storage::{Listed, RepomdFile, StorageKey, StoragePrefix};

use super::Place;
use crate::context::Context;
use crate::error::JobError;

/// Largest `repomd.xml` that is read, in bytes.
const MAX_REPOMD: u64 = 4 << 20;
/// What is younger may be about to be named.
const YOUNG: TimeDelta = TimeDelta::days(1);
/// Objects that are read or deleted at a time.
const AT_ONCE: usize = 16;

/// Dooms what nothing names, and deletes what is doomed for the time of grace. `ended`: whether snapshots went just now;
/// if not, and nothing is doomed, there is nothing to look for.
///
/// A snapshot that is made meanwhile names what its parent names, which is kept, and what was taken back from the doomed
/// before it was stored, see [`db::doomed`].
pub(super) async fn sweep(
    context: &Context,
    place: Place<'_>,
    ended: bool,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    let id = place.repository.id;
    let mut conn = context.conn().await?;
    if !ended && !db::doomed::any(&mut conn, id).await? {
        return Ok(());
    }
    let kept = db::retention::facts(&mut conn, id).await?;
    drop(conn);
    let kept: BTreeSet<i64> = kept.into_iter().map(|facts| facts.number).collect();
    let oldest = (now - YOUNG).timestamp();
    remove_leftovers(context, place, &kept, oldest).await?;
    let unnamed = unnamed(context, place, &kept, oldest).await?;
    let paths: Vec<String> = unnamed.iter().map(|object| object.path().to_owned()).collect();
    db::doomed::doom(&mut *context.conn().await?, id, &paths, now).await?;
    context.faults.pass("retain.after_doom");
    loop {
        let before = context.retention.start_of_grace(now);
        let condemned = db::doomed::condemn(&mut *context.conn().await?, id, before, now).await?;
        if condemned.is_empty() {
            return Ok(());
        }
        context.faults.pass("retain.before_metadata");
        let names: HashSet<&str> = condemned.iter().map(String::as_str).collect();
        let there = unnamed.iter().filter(|object| names.contains(object.path()));
        delete(context, there.cloned().collect()).await?;
        context.faults.pass("retain.after_metadata");
        db::doomed::deleted(&mut *context.conn().await?, id, &condemned).await?;
        tracing::info!("{} metadata objects of {place} are gone", condemned.len());
    }
}

async fn delete(context: &Context, objects: Vec<Listed>) -> Result<(), JobError> {
    let storage = &context.storage;
    let deletions = stream::iter(objects).map(|object| async move { storage.delete_listed(&object).await });
    Ok(deletions.buffer_unordered(AT_ONCE).try_collect::<()>().await?)
}

/// Objects that were written before `oldest` (seconds since 1970), and that none of these snapshots names.
async fn unnamed(
    context: &Context,
    place: Place<'_>,
    kept: &BTreeSet<i64>,
    oldest: i64,
) -> Result<Vec<Listed>, JobError> {
    let mut files = HashSet::new();
    for number in kept {
        files.extend(files_of(context, place, *number).await?);
    }
    let mut paths: HashSet<String> = files.iter().map(StorageKey::path).collect();
    let storage = &context.storage;
    let plans = stream::iter(files).map(|file| async move { storage.plan(&file).await });
    let mut plans = std::pin::pin!(plans.buffer_unordered(AT_ONCE));
    let mut frames = HashSet::new();
    while let Some(plan) = plans.try_next().await? {
        frames.extend(
            plan.iter()
                .flat_map(|plan| plan.frames())
                .map(|frame| hex::encode(frame.digest)),
        );
    }
    let is_old = |object: &Listed| object.modified.is_some_and(|modified| modified < oldest);
    let mut unnamed = Vec::new();
    let (owner, dir, chroot) = place.names();
    let mut listing = std::pin::pin!(
        context
            .storage
            .list(&StoragePrefix::Metadata { owner, dir, chroot })
    );
    while let Some(object) = listing.try_next().await? {
        if !paths.remove(object.path()) && is_old(&object) {
            unnamed.push(object);
        }
    }
    // What a lost plan names would be taken for forgotten.
    if let Some(file) = paths.into_iter().next() {
        return Err(JobError::fail(format!(
            "{file} of a snapshot that is kept is missing"
        )));
    }
    let (owner, dir, chroot) = place.names();
    let mut listing = std::pin::pin!(
        context
            .storage
            .list(&StoragePrefix::Frames { owner, dir, chroot })
    );
    while let Some(object) = listing.try_next().await? {
        if !frames.contains(object.name()) && is_old(&object) {
            unnamed.push(object);
        }
    }
    Ok(unnamed)
}

/// The metadata files that a snapshot's `repomd.xml` names. One that cannot be read stops everything.
async fn files_of(context: &Context, place: Place<'_>, number: i64) -> Result<Vec<StorageKey>, JobError> {
    let (owner, dir, chroot) = place.names();
    let key = StorageKey::SnapshotFile {
        owner,
        dir,
        chroot,
        number,
        file: RepomdFile::Xml,
    };
    let unreadable = |why: &str| JobError::fail(format!("{key} of a snapshot that is kept {why}"));
    let bytes = context.storage.get(&key, MAX_REPOMD).await?;
    let bytes = bytes.ok_or_else(|| unreadable("is missing"))?;
    let xml = std::str::from_utf8(&bytes).map_err(|_| unreadable("is no text"))?;
    let (_, records) = repodata::read_repomd(xml).map_err(|e| unreadable(&e.to_string()))?;
    let names = records.into_iter().map(|record| {
        let name = record.href.strip_prefix("repodata/");
        let file = name.and_then(|name| name.parse::<FileName>().ok());
        let file = file.ok_or_else(|| unreadable("names something else than metadata files"))?;
        let (owner, dir, chroot) = place.names();
        Ok(StorageKey::Metadata {
            owner,
            dir,
            chroot,
            file,
        })
    });
    names.collect()
}

/// Removes the files of numbers that never became a snapshot, since the publication died.
async fn remove_leftovers(
    context: &Context,
    place: Place<'_>,
    kept: &BTreeSet<i64>,
    oldest: i64,
) -> Result<(), JobError> {
    let (owner, dir, chroot) = place.names();
    let prefix = StoragePrefix::Snapshots { owner, dir, chroot };
    let start = prefix.path();
    let mut listing = std::pin::pin!(context.storage.list(&prefix));
    while let Some(object) = listing.try_next().await? {
        let rest = object.path().strip_prefix(&start);
        let number = rest.and_then(|rest| rest.split('/').next());
        let Some(Ok(number)) = number.map(str::parse::<i64>) else {
            continue;
        };
        // Where all clocks are ahead since a moment ago, what is being published looks forgotten.
        let is_over = kept.last().is_some_and(|newest| number < *newest);
        if is_over && !kept.contains(&number) && object.modified.is_some_and(|modified| modified < oldest) {
            context.storage.delete_listed(&object).await?;
        }
    }
    Ok(())
}
