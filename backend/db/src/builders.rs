//! Builders that were seen.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::BuilderName;

use crate::connect::{Connection, DbResult};
use crate::schema::builders;

/// Notes that a builder asked for work.
///
/// # Errors
/// When the query fails.
pub async fn seen(
    conn: &mut Connection,
    name: &BuilderName,
    arches: &[String],
    now: DateTime<Utc>,
) -> DbResult<()> {
    let arches = serde_json::Value::from(arches.to_vec());
    diesel::insert_into(builders::table)
        .values((
            builders::name.eq(name.as_str()),
            builders::last_seen_at.eq(now),
            builders::arches.eq(&arches),
        ))
        .on_conflict(builders::name)
        .do_update()
        .set((builders::last_seen_at.eq(now), builders::arches.eq(&arches)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes why a builder handed a task back.
///
/// # Errors
/// When the query fails.
pub async fn refused(conn: &mut Connection, name: &str, reason: &str) -> DbResult<()> {
    diesel::update(builders::table.find(name))
        .set(builders::refusal.eq(reason))
        .execute(conn)
        .await?;
    Ok(())
}

/// Builders seen since a time.
///
/// # Errors
/// When the query fails.
pub async fn seen_since(conn: &mut Connection, since: DateTime<Utc>) -> DbResult<i64> {
    Ok(builders::table
        .filter(builders::last_seen_at.ge(since))
        .count()
        .get_result(conn)
        .await?)
}
