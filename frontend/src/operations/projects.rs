//! Making, changing and deleting projects.

use std::time::Duration;

use db::projects::{self, NewProject, Project, ProjectSettings};
use db::{DbError, Topic};
use protocol::{ChrootName, OwnerName, ProjectName};
use tokio::time::Instant;
use url::Url;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::project_settings;

/// Finds a live project by names from outside.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_project(app: &App, owner: &str, name: &str) -> Result<Project, Error> {
    let (owner_name, project_name) = names(owner, name)?;
    let mut conn = app.conn().await?;
    projects::find(&mut conn, &owner_name, &project_name)
        .await?
        .ok_or_else(|| missing_project(owner, name))
}

/// Names of a project from outside.
///
/// # Errors
/// [`Error::NotFound`] for what no project can be called.
pub(crate) fn names(owner: &str, name: &str) -> Result<(OwnerName, ProjectName), Error> {
    let parsed = owner.parse().ok().zip(name.parse().ok());
    parsed.ok_or_else(|| missing_project(owner, name))
}

/// There is no live project of that name.
pub(crate) fn missing_project(owner: &str, name: &str) -> Error {
    Error::NotFound(format!(
        "Project {}/{} does not exist.",
        shown(owner),
        shown(name)
    ))
}

/// A text from outside, short and without control characters, for an error message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Makes a project and waits until its key and its empty repositories exist.
///
/// # Errors
/// 403 for another's name space, 400 for bad input or a name that is taken (unless `exist_ok`, which gives the
/// existing project), 503 when the set-up takes longer than `ready_wait_s`; it goes on by itself then.
pub async fn create_project(
    app: &App,
    actor: &Actor,
    owner: &OwnerName,
    name: &ProjectName,
    chroots: &[ChrootName],
    settings: ProjectSettings,
    exist_ok: bool,
) -> Result<Project, Error> {
    actor.may_create_for(owner)?;
    let user = actor.signed_in()?;
    let taken = || Error::Invalid(format!("name: You already have a project named '{name}'."));
    let existing = projects::find(&mut *app.conn().await?, owner, name).await?;
    let created = match existing {
        Some(project) if exist_ok => project,
        Some(_) => return Err(taken()),
        None => {
            project_settings::check(app, actor, None, &settings).await?;
            check_chroots(app, chroots, &[]).await?;
            let key_id = format!("project-{:032x}", rand::random::<u128>());
            let new = NewProject {
                owner,
                name,
                created_by: user.id,
                actor: actor.name(),
                settings: &settings,
                chroots,
                key_id: &key_id,
            };
            let now = app.now();
            match projects::create(&mut *app.conn().await?, &new, now).await {
                Err(DbError::Duplicate(constraint)) if constraint == "projects_live_name" => {
                    // Somebody was faster, between the look and the insertion.
                    let other = projects::find(&mut *app.conn().await?, owner, name).await?;
                    other.filter(|_| exist_ok).ok_or_else(taken)?
                }
                other => other?,
            }
        }
    };
    wait_until_ready(app, created).await
}

/// What is to change of a project.
#[derive(Debug, Clone)]
pub struct ProjectEdit<'a> {
    /// All texts and switches, also those that stay.
    pub settings: ProjectSettings,
    /// The new set of chroots.
    pub chroots: Option<&'a [ChrootName]>,
    /// A temporary project's days count from now, also when their number stays.
    pub renew: bool,
}

/// Changes a project's settings, and its set of chroots if one is given; waits for new repositories.
///
/// # Errors
/// 403 for anybody but owner and administrators, 400 for bad input, 503 as [`create_project`].
pub async fn edit_project(
    app: &App,
    actor: &Actor,
    project: &Project,
    edit: ProjectEdit<'_>,
) -> Result<Project, Error> {
    actor.may_edit(project)?;
    let settings = &edit.settings;
    project_settings::check(app, actor, Some(&project.settings), settings).await?;
    if let Some(chroots) = edit.chroots {
        let enabled = projects::chroots(&mut *app.conn().await?, project.id).await?;
        check_chroots(app, chroots, &enabled).await?;
    }
    let now = app.now();
    let edit = projects::Edit {
        settings,
        chroots: edit.chroots,
        renew: edit.renew,
    };
    let set_up = projects::edit(&mut *app.conn().await?, project, &edit, actor.name(), now).await?;
    let edited = reload(app, project).await?;
    if set_up {
        wait_until_ready(app, edited).await
    } else {
        Ok(edited)
    }
}

/// Publishes a project's repositories anew, in the background; users then also see what a project in devel mode kept
/// for builds.
///
/// # Errors
/// 403 for anybody but owner and administrators.
pub async fn regenerate(app: &App, actor: &Actor, project: &Project) -> Result<(), Error> {
    actor.may_edit(project)?;
    let now = app.now();
    Ok(projects::regenerate(&mut *app.conn().await?, project, actor.name(), now).await?)
}

/// Deletes a project: its builds are canceled at once, its objects are removed in the background.
///
/// # Errors
/// 403 for anybody but owner and administrators, and for persistent projects.
pub async fn delete_project(app: &App, actor: &Actor, project: &Project) -> Result<(), Error> {
    actor.may_delete(project)?;
    if project.settings.persistent {
        actor.may_administer("delete persistent projects")?;
    }
    let now = app.now();
    Ok(projects::delete(&mut *app.conn().await?, project, actor.name(), now).await?)
}

pub(super) async fn reload(app: &App, project: &Project) -> Result<Project, Error> {
    projects::by_id(&mut *app.conn().await?, project.id)
        .await?
        .filter(|p| p.deleted_at.is_none())
        .ok_or_else(|| {
            Error::NotFound(format!(
                "Project {}/{} does not exist.",
                project.owner, project.name
            ))
        })
}

/// Waits until key and repositories are there. The connection goes back to the pool between two looks.
pub(super) async fn wait_until_ready(app: &App, mut project: Project) -> Result<Project, Error> {
    let deadline = Instant::now() + Duration::from_secs(app.config.ready_wait_s);
    let mut hints = app.listener.subscribe(Topic::Progress);
    loop {
        project = reload(app, &project).await?;
        if project.ready_at.is_some() {
            return Ok(project);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let why = project
                .setup_error
                .map_or(String::new(), |e| format!(" The last try failed: {e}."));
            return Err(Error::NotReady(format!(
                "Project {}/{} is stored, but making its key and repositories takes longer than {} s; it goes on by itself.{why}",
                project.owner, project.name, app.config.ready_wait_s
            )));
        }
        tokio::select! {
            () = hints.wait(left.min(Duration::from_secs(2))) => {}
            () = app.stopped() => {
                return Err(Error::NotReady("The service is being restarted; the project goes on being made.".to_owned()));
            }
        }
    }
}

/// Every chroot has to exist and be active, or be enabled already.
async fn check_chroots(app: &App, chroots: &[ChrootName], enabled: &[ChrootName]) -> Result<(), Error> {
    if chroots.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected".to_owned(),
        ));
    }
    let active = db::chroots::list(&mut *app.conn().await?, true).await?;
    let unknown: Vec<String> = chroots
        .iter()
        .filter(|c| !enabled.contains(c) && !active.iter().any(|a| a.definition.name == **c))
        .map(|c| format!("chroots: '{c}' is not a valid choice for this field"))
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(unknown.join("\n")))
    }
}

/// Whether a text is an `http` or `https` URL with a host.
pub(crate) fn is_web_url(text: &str) -> bool {
    text.len() <= 2_000
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
