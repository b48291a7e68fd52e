//! Ending builds: canceling and deleting them.

use db::builds::{self, Build};
use db::projects::Project;
use protocol::BuildId;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;

/// Most builds that one request deletes.
const MAX_DELETED: usize = 1_000;

/// Cancels what is left of a build, at once.
///
/// # Errors
/// 403 when the actor may not, 409 when nothing is left to cancel.
pub async fn cancel_build(app: &App, actor: &Actor, build: &Build, project: &Project) -> Result<(), Error> {
    actor.may_cancel(project, build)?;
    let now = app.now();
    if builds::cancel(&mut *app.conn().await?, build, actor.name(), now).await? {
        Ok(())
    } else {
        Err(Error::Conflict(format!(
            "Cannot cancel build {}: it is {} already",
            build.id,
            build.state()
        )))
    }
}

/// Deletes a build at any state, at once: what runs of it is canceled, and its packages leave their repositories with
/// the next snapshot, which a job makes.
///
/// # Errors
/// 403 when the actor may not, or when the project is persistent.
pub async fn delete_build(app: &App, actor: &Actor, build: &Build, project: &Project) -> Result<(), Error> {
    actor.may_edit(project).map_err(|error| match error {
        Error::Forbidden(_) => Error::Forbidden(format!(
            "User '{}' doesn't have permissions to delete build {}",
            actor.name(),
            build.id
        )),
        other => other,
    })?;
    if project.settings.persistent {
        return Err(Error::Forbidden(format!(
            "User '{}' can not delete a persistent build {}",
            actor.name(),
            build.id
        )));
    }
    let now = app.now();
    builds::delete(&mut *app.conn().await?, &[build.id], actor.name(), now).await?;
    Ok(())
}

/// Deletes finished builds, all or none.
///
/// # Errors
/// 400 that names the builds that the actor may not delete, that still run, and that do not exist.
pub async fn delete_builds(app: &App, actor: &Actor, ids: &[i64]) -> Result<(), Error> {
    actor.signed_in()?;
    if ids.is_empty() || ids.len() > MAX_DELETED {
        return Err(Error::Invalid(format!(
            "builds: Give 1 to {MAX_DELETED} numbers of builds"
        )));
    }
    let found = builds::find_many(&mut *app.conn().await?, ids).await?;
    let (mut forbidden, mut running) = (Vec::new(), Vec::new());
    for (build, project) in &found {
        if project.settings.persistent || actor.may_edit(project).is_err() {
            forbidden.push(build.id);
        } else if !build.is_final() {
            running.push(build.id);
        }
    }
    let mut unknown: Vec<BuildId> = ids
        .iter()
        .map(|id| BuildId(*id))
        .filter(|id| !found.iter().any(|(build, _)| build.id == *id))
        .collect();
    unknown.sort();
    unknown.dedup();
    let lines: Vec<String> = [
        ("You don't have permissions to delete build(s) {}.", &forbidden),
        ("Build(s) {} are still running.", &running),
        ("Build(s) {} don't exist.", &unknown),
    ]
    .iter()
    .filter(|(_, ids)| !ids.is_empty())
    .map(|(text, ids)| {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        text.replace("{}", &ids.join(", "))
    })
    .collect();
    if !lines.is_empty() {
        return Err(Error::Invalid(lines.join("\n")));
    }
    let ids: Vec<BuildId> = found.iter().map(|(build, _)| build.id).collect();
    let now = app.now();
    builds::delete(&mut *app.conn().await?, &ids, actor.name(), now).await?;
    Ok(())
}
