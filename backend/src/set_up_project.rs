//! A new project's key, key file and signed empty repositories; also those of chroots that were enabled later.

use db::projects::Project;
use keys::{Algorithm, KeyId};
use storage::StorageKey;

use crate::context::Context;
use crate::error::JobError;
use crate::pointer;
use crate::snapshot::{self, Cause};

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
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
    let key = context.public_key(&project)?;
    let file = StorageKey::PublicKey {
        owner: project.owner.clone(),
        dir: project.name.clone().into(),
    };
    context.storage.put(&file, key.public_key_armored.clone()).await?;
    let mut conn = context.conn().await?;
    let repositories = db::repositories::of_project(&mut conn, id).await?;
    drop(conn);
    for repository in repositories {
        if repository.current_snapshot == 0 {
            snapshot::publish_snapshot(context, &project, repository.id, None, &Cause::SetUp).await?;
        }
        context.faults.pass("set_up_project.before_pointer");
        pointer::write(context, &project, repository.id).await?;
    }
    let mut conn = context.conn().await?;
    db::projects::set_ready(&mut conn, id, Ok((context.clock)())).await?;
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
