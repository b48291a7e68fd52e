//! Forking a project.

use db::DbError;
use db::projects::{self, NewProject, Project, ProjectSettings};
use protocol::{OwnerName, ProjectName};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::wait_until_ready;
use crate::operations::{project_settings, quotas};

/// Most packages of a project that is forked (Copr's number).
const MAX_PACKAGES: i64 = 1_000;

/// Copies a project, or brings its packages into an existing one, which takes `confirm`. The key is there when this
/// returns; the packages follow.
///
/// # Errors
/// 403 for another's name space, 429 where its holder's space or time is used up, 400 for the project itself, for one that exists without `confirm`, and for more than
/// 1000 packages; 503 as [`crate::operations::projects::create_project`].
pub async fn fork_project(
    app: &App,
    actor: &Actor,
    from: &Project,
    owner: &OwnerName,
    name: &ProjectName,
    confirm: bool,
) -> Result<Project, Error> {
    actor.may_create_for(owner)?;
    if (&from.owner, &from.name) == (owner, name) {
        return Err(Error::Invalid(format!(
            "Source project should not be same as destination: {owner}/{name}"
        )));
    }
    let count = db::forks::count(&mut *app.conn().await?, from.id).await?;
    if count > MAX_PACKAGES {
        return Err(Error::Invalid(format!(
            "{}/{} has {count} packages, and only projects of up to {MAX_PACKAGES} packages can be forked",
            from.owner, from.name
        )));
    }
    let existing = projects::find(&mut *app.conn().await?, owner, name).await?;
    match existing {
        Some(to) => {
            actor.may_edit(&to)?;
            if !confirm {
                return Err(exists(&to));
            }
            quotas::check(app, &to.holder, 0).await?;
            let now = app.now();
            db::forks::update(&mut *app.conn().await?, &to, from, actor.name(), now).await?;
            wait_until_ready(app, to).await
        }
        None => {
            quotas::check(app, owner, 0).await?;
            make(app, actor, from, owner, name).await
        }
    }
}

fn exists(to: &Project) -> Error {
    Error::Invalid(format!(
        "You are about to fork into existing project: {}/{}\nPlease use --confirm if you really want to do this",
        to.owner, to.name
    ))
}

async fn make(
    app: &App,
    actor: &Actor,
    from: &Project,
    owner: &OwnerName,
    name: &ProjectName,
) -> Result<Project, Error> {
    let user = actor.signed_in()?;
    let settings = settings(&from.settings);
    project_settings::check(app, actor, Some(&settings), &settings).await?;
    let active = db::chroots::list(&mut *app.conn().await?, true).await?;
    let mut chroots = projects::chroots(&mut *app.conn().await?, from.id).await?;
    chroots.retain(|chroot| active.iter().any(|a| a.definition.name == *chroot));
    if chroots.is_empty() {
        return Err(Error::Invalid(format!(
            "{}/{} has no chroot that is still active, so there is nothing to fork",
            from.owner, from.name
        )));
    }
    let key_id = format!("project-{:032x}", rand::random::<u128>());
    let new = NewProject {
        owner,
        name,
        created_by: user.id,
        actor: actor.name(),
        settings: &settings,
        chroots: &chroots,
        key_id: &key_id,
    };
    let now = app.now();
    let made = db::forks::create(&mut *app.conn().await?, &new, from, now).await;
    let made = match made {
        // Somebody was faster, between the look and the insertion.
        Err(DbError::Duplicate(constraint)) if constraint == "projects_live_name" => {
            let other = projects::find(&mut *app.conn().await?, owner, name).await?;
            return Err(exists(&other.ok_or(DbError::NotFound)?));
        }
        other => other?,
    };
    wait_until_ready(app, made).await
}

/// What a fork takes over. The rest is for the original's owner and administrators to say.
fn settings(from: &ProjectSettings) -> ProjectSettings {
    let default = ProjectSettings::default();
    ProjectSettings {
        persistent: default.persistent,
        auto_prune: default.auto_prune,
        contact: default.contact,
        ..from.clone()
    }
}
