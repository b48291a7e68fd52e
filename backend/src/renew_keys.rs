//! Keys that expire, long before they do. The certificate gets a later end, and so does what new machines import; but
//! neither dnf 4 nor rpm before 6 updates a key that a machine has. Therefore the active key is followed by a new one as
//! well, which they import by themselves.

use chrono::TimeDelta;
use keys::{KeyId, PublicKey};
use serde_json::Value;

use crate::context::Context;
use crate::error::JobError;
use crate::public_key;

/// When to ask the signer, which decides: it extends keys that have less than a year, or less than half of their life.
const DAYS_BEFORE: i64 = 366;

/// Enqueues a job for each project that has a key which comes near its end. Returns how many there are.
///
/// # Errors
/// When the database cannot be reached.
pub async fn renew_keys(context: &Context) -> Result<usize, JobError> {
    let now = (context.clock)();
    let mut conn = context.conn().await?;
    Ok(db::keys::renew(&mut conn, now + TimeDelta::days(DAYS_BEFORE), now).await?)
}

/// Puts off the end of a project's keys.
pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if project.deleted_at.is_some() {
        return Ok(());
    }
    drop(conn);
    let before = context.public_key(&project)?;
    let name = KeyId::parse(&project.key_id).map_err(JobError::fail)?;
    let known = public_key::all(context, &project).await?;
    let keys = context.keys.extend_keys(&name, "backend").await?;
    if keys == known {
        return Ok(());
    }
    let active = keys.iter().find(|key| key.fingerprint == before.fingerprint);
    let active = active.ok_or_else(|| JobError::fail("the signer lacks the project's active key"))?;
    let follow = (active.expires != before.expires).then(|| before.fingerprint.to_string());
    let mut conn = context.conn().await?;
    db::keys::renewed(
        &mut conn,
        &project,
        (&rows(&keys)?, &value(active)?),
        follow.as_deref(),
        (context.clock)(),
    )
    .await?;
    let repositories = db::repositories::of_project(&mut conn, id).await?;
    drop(conn);
    let main = project.name.clone().into();
    public_key::write(context, &project, &repositories, &main).await
}

/// Keys as the database keeps them.
pub(crate) fn rows(keys: &[PublicKey]) -> Result<Vec<(String, Value)>, JobError> {
    keys.iter()
        .map(|key| Ok((key.fingerprint.to_string(), value(key)?)))
        .collect()
}

pub(crate) fn value(key: &PublicKey) -> Result<Value, JobError> {
    serde_json::to_value(key).map_err(JobError::fail)
}
