//! What a project's set-up comes to.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::schema::projects;

/// Stores the public key.
///
/// # Errors
/// When the query fails.
pub async fn set_public_key(conn: &mut Connection, project: i64, key: &serde_json::Value) -> DbResult<()> {
    diesel::update(projects::table.find(project))
        .set(projects::public_key.eq(key))
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks the set-up complete, or notes why it does not get on; what was complete before stays so.
///
/// # Errors
/// When the query fails.
pub async fn set_ready(
    conn: &mut Connection,
    project: i64,
    result: Result<DateTime<Utc>, &str>,
) -> DbResult<()> {
    let row = diesel::update(projects::table.find(project));
    match result {
        Ok(at) => {
            row.set((
                projects::ready_at.eq(at),
                projects::setup_error.eq(None::<String>),
            ))
            .execute(conn)
            .await?
        }
        Err(reason) => row.set(projects::setup_error.eq(reason)).execute(conn).await?,
    };
    crate::notify::notify(conn, crate::notify::Topic::Progress).await
}

/// Marks the set-up complete if the project has no more repositories than the `complete` ones, else changes nothing.
/// So a set-up that looked before another repository was asked for cannot speak for it.
///
/// # Errors
/// When the query fails.
pub async fn complete(
    conn: &mut Connection,
    project: i64,
    complete: usize,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let rows = diesel::sql_query(
        "UPDATE projects SET ready_at = $2, setup_error = NULL
         WHERE id = $1 AND (SELECT count(*) FROM repositories WHERE project_id = $1) = $3",
    )
    .bind::<diesel::sql_types::BigInt, _>(project)
    .bind::<diesel::sql_types::Timestamptz, _>(now)
    .bind::<diesel::sql_types::BigInt, _>(i64::try_from(complete).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    crate::notify::notify(conn, crate::notify::Topic::Progress).await?;
    Ok(rows == 1)
}
