//! The pointer objects in the store, written from the database's: `latest`, which users see, `devel`, which builds of a
//! project in devel mode see, and those that somebody made.

use std::collections::HashSet;

use chrono::SecondsFormat;
use db::projects::Project;
use db::repositories::Repository;
use futures_util::TryStreamExt as _;
use protocol::PointerName;
use storage::{Pointer, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;

/// Writes the objects that say which snapshot a repository serves, and looks afterwards whether the database still
/// says the same. Two writers can overtake each other between reading and writing, but each leaves only when what it
/// read last is what it wrote last, so the last word is always the database's.
///
/// # Errors
/// When database or store fail.
pub async fn write(context: &Context, project: &Project, repository: i64) -> Result<(), JobError> {
    let mut written = None;
    loop {
        let mut conn = context.conn().await?;
        let Some(now) = db::repositories::by_id(&mut conn, repository).await? else {
            return Ok(());
        };
        if written == Some(now.generation) {
            return Ok(db::pointers::follow(&mut conn, repository, (context.clock)()).await?);
        }
        drop(conn);
        for (name, snapshot) in built_in(project, &now) {
            put(context, project, &now, name, snapshot).await?;
        }
        written = Some(now.generation);
    }
}

/// Writes all pointers of a repository, and removes the objects of those that are gone; missing rows are success.
pub(crate) async fn run(context: &Context, repository: i64) -> Result<(), JobError> {
    let mut written = None;
    loop {
        let mut conn = context.conn().await?;
        let Some(now) = db::repositories::by_id(&mut conn, repository).await? else {
            return Ok(());
        };
        let pointers = db::pointers::of_repository(&mut conn, repository).await?;
        let consistent = PointerName::consistent();
        let is_at = db::pointers::find(&mut conn, repository, &consistent).await?;
        let project = db::projects::by_id(&mut conn, now.project).await?;
        let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
            return Ok(());
        };
        if written == Some(now.generation) {
            return Ok(db::pointers::follow(&mut conn, repository, (context.clock)()).await?);
        }
        drop(conn);
        let own = pointers.into_iter().filter(|pointer| !pointer.name.is_built_in());
        let mut all = built_in(&project, &now);
        all.extend(own.map(|pointer| (pointer.name, pointer.snapshot)));
        all.extend(is_at.map(|snapshot| (consistent, snapshot)));
        let names: HashSet<PointerName> = all.iter().map(|(name, _)| name.clone()).collect();
        for (name, snapshot) in all {
            put(context, &project, &now, name, snapshot).await?;
            context.faults.pass("write_pointers.after_one");
        }
        context.faults.pass("write_pointers.before_removal");
        remove_others(context, &project, &now, &names).await?;
        context.faults.pass("write_pointers.before_end");
        written = Some(now.generation);
    }
}

/// Those that each publication moves, with their snapshots.
fn built_in(project: &Project, repository: &Repository) -> Vec<(PointerName, i64)> {
    let (users, builds) = (repository.current_snapshot, repository.seen_by_builds());
    let mut pointers = Vec::new();
    if users > 0 {
        pointers.push((PointerName::latest(), users));
    }
    if builds > 0 && (builds != users || project.settings.devel_mode) {
        pointers.push((PointerName::devel(), builds));
    }
    pointers
}

async fn put(
    context: &Context,
    project: &Project,
    repository: &Repository,
    name: PointerName,
    snapshot: i64,
) -> Result<(), JobError> {
    let moved_at = (context.clock)().to_rfc3339_opts(SecondsFormat::Millis, true);
    let key = key(project, repository, name);
    Ok(context
        .storage
        .put_json(&key, &Pointer { snapshot, moved_at })
        .await?)
}

fn key(project: &Project, repository: &Repository, name: PointerName) -> StorageKey {
    StorageKey::Pointer {
        owner: project.owner.clone(),
        dir: repository.dir.clone(),
        chroot: repository.chroot.clone(),
        name,
    }
}

async fn remove_others(
    context: &Context,
    project: &Project,
    repository: &Repository,
    names: &HashSet<PointerName>,
) -> Result<(), JobError> {
    let prefix = StoragePrefix::Pointers {
        owner: project.owner.clone(),
        dir: repository.dir.clone(),
        chroot: repository.chroot.clone(),
    };
    let there: Vec<_> = context.storage.list(&prefix).try_collect().await?;
    for object in there {
        let name = object.name().strip_suffix(".json");
        let name: Option<PointerName> = name.and_then(|name| name.parse().ok());
        // Outside devel mode nothing says that nobody reads `devel` any more, and it does no harm.
        if let Some(name) = name.filter(|name| !name.is_built_in() && !names.contains(name)) {
            context.storage.delete(&key(project, repository, name)).await?;
        }
    }
    Ok(())
}
