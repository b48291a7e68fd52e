//! A new project's key, key file and signed empty repositories; also those of chroots that were enabled later, and of
//! directories that builds made.

use db::projects::Project;
use db::repositories::Repository;
use db::snapshots::Audience;
use keys::{Algorithm, KeyId};
use protocol::DirName;

use crate::context::Context;
use crate::error::JobError;
use crate::snapshot::{self, Cause, Change, Publication};
use crate::{pointer, public_key};

/// Sets up a project, or only one directory that a build made.
pub(crate) async fn run(context: &Context, id: i64, only: Option<&DirName>) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(mut project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if project.deleted_at.is_some() {
        return Ok(());
    }
    if db::projects::is_being_removed(&mut conn, &project.owner, &project.name).await? {
        return Err(JobError::retry(
            "an earlier project of this name is still being removed",
        ));
    }
    drop(conn);
    if project.public_key.is_none() {
        make_key(context, &mut project).await?;
    }
    context.faults.pass("set_up_project.after_key");
    context.public_key(&project)?;
    loop {
        let mut conn = context.conn().await?;
        let mut repositories = db::repositories::of_project(&mut conn, id).await?;
        drop(conn);
        let count = repositories.len();
        repositories.retain(|repository| only.is_none_or(|dir| *dir == repository.dir));
        if only.is_some() && repositories.is_empty() {
            // It has ended already.
            return Ok(());
        }
        let main = project.name.clone().into();
        public_key::write(context, &project, &repositories, only.unwrap_or(&main)).await?;
        for repository in repositories {
            if repository.current_snapshot == 0 {
                empty(context, &project, &repository).await?;
            }
            context.faults.pass("set_up_project.before_pointer");
            pointer::write(context, &project, repository.id).await?;
        }
        if only.is_some() {
            return Ok(());
        }
        let mut conn = context.conn().await?;
        // Somebody may have asked for one more meanwhile, and waits for it.
        if db::projects::complete(&mut conn, id, count, (context.clock)()).await? {
            return Ok(());
        }
        if db::projects::by_id(&mut conn, id).await?.is_none() {
            return Ok(());
        }
    }
}

/// Publishes the first snapshot of a repository, without packages: nothing is published in it yet.
pub(crate) async fn empty(
    context: &Context,
    project: &Project,
    repository: &Repository,
) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if db::directories::is_being_removed(&mut conn, project.id, &repository.dir).await? {
        return Err(JobError::retry(
            "an earlier directory of this name is still being removed",
        ));
    }
    drop(conn);
    let publication = Publication {
        project,
        repository: repository.id,
        change: Change::default(),
        // In devel mode another task may have published something for builds meanwhile.
        audience: if project.settings.devel_mode {
            Audience::Users
        } else {
            Audience::Everybody
        },
        cause: Cause::SetUp,
        actor: None,
        asked: None,
    };
    snapshot::publish_snapshot(context, &publication).await?;
    Ok(())
}

async fn make_key(context: &Context, project: &mut Project) -> Result<(), JobError> {
    let id = KeyId::parse(&project.key_id).map_err(JobError::fail)?;
    let url = context.service.project_url(&project.owner, &project.name);
    let host = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split(['/', ':']).next())
        .unwrap_or("localhost");
    let address = format!("{}#{}@{host}", project.owner, project.name);
    // The signer takes user ids of at most 255 characters; the address alone identifies the project.
    let full = format!(
        "{} {}/{} ({url}) <{address}>",
        context.service.name, project.owner, project.name
    );
    let user_id = if full.chars().count() <= 255 {
        full
    } else {
        format!("{} <{address}>", context.service.name)
    };
    let key = context
        .keys
        .create_key(&id, &user_id, Algorithm::default())
        .await?;
    let json = serde_json::to_value(&key).map_err(JobError::fail)?;
    let mut conn = context.conn().await?;
    db::projects::set_public_key(&mut conn, project.id, &json).await?;
    project.public_key = Some(json);
    Ok(())
}
