//! Objects of repositories' metadata that no snapshot names any more. Whoever stores one of that name again takes it back
//! first, and whoever deletes one says so before: so nobody deletes what was just stored.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::schema::doomed_objects as table;

/// Takes objects back that somebody is about to store; false when one of them is being deleted right now. What is doomed
/// after this call stays for the time of grace.
///
/// # Errors
/// When the query fails.
pub async fn rescue(conn: &mut Connection, repository: i64, paths: &[String]) -> DbResult<bool> {
    let these = || {
        table::table
            .filter(table::repository_id.eq(repository))
            .filter(table::path.eq_any(paths))
    };
    // Hardly ever is one of them doomed, and every publication asks.
    let doomed = diesel::select(diesel::dsl::exists(these()));
    if !doomed.get_result::<bool>(conn).await? {
        return Ok(true);
    }
    diesel::delete(these().filter(table::deleting_at.is_null()))
        .execute(conn)
        .await?;
    // Not in the same statement, which would not see what the first had to wait for.
    let deleting: i64 = these().count().get_result(conn).await?;
    Ok(deleting == 0)
}

/// Whether objects of a repository are doomed.
///
/// # Errors
/// When the query fails.
pub async fn any(conn: &mut Connection, repository: i64) -> DbResult<bool> {
    let doomed = table::table.filter(table::repository_id.eq(repository));
    Ok(diesel::select(diesel::dsl::exists(doomed))
        .get_result(conn)
        .await?)
}

/// How many objects of a repository are doomed.
///
/// # Errors
/// When the query fails.
pub async fn count(conn: &mut Connection, repository: i64) -> DbResult<i64> {
    let doomed = table::table.filter(table::repository_id.eq(repository));
    Ok(doomed.count().get_result(conn).await?)
}

/// Writes down that nothing names these objects, unless that is known, and takes back what is named again: all others.
/// Those that are being deleted stay what they are.
///
/// # Errors
/// When the query fails.
pub async fn doom(
    conn: &mut Connection,
    repository: i64,
    unnamed: &[String],
    now: DateTime<Utc>,
) -> DbResult<()> {
    diesel::sql_query(
        "WITH named AS (DELETE FROM doomed_objects WHERE repository_id = $1 AND deleting_at IS NULL AND path <> ALL ($2))
         INSERT INTO doomed_objects (repository_id, path, since) SELECT $1, unnest($2), $3 ON CONFLICT DO NOTHING",
    )
    .bind::<BigInt, _>(repository)
    .bind::<Array<Text>, _>(unnamed)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Says of the objects that were doomed before `before` that they are being deleted from now on. Returns them, and those
/// of which that was said before, in the order of their names, a thousand at most. Whoever stores one takes turns with
/// this.
///
/// # Errors
/// When the query fails.
pub async fn condemn(
    conn: &mut Connection,
    repository: i64,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DbResult<Vec<String>> {
    diesel::sql_query(
        "UPDATE doomed_objects SET deleting_at = $3 WHERE repository_id = $1 AND deleting_at IS NULL AND path IN (
             SELECT path FROM doomed_objects WHERE repository_id = $1 AND since <= $2 AND deleting_at IS NULL
             ORDER BY path LIMIT 1000 FOR UPDATE)",
    )
    .bind::<BigInt, _>(repository)
    .bind::<Timestamptz, _>(before)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(table::table
        .filter(table::repository_id.eq(repository))
        .filter(table::deleting_at.is_not_null())
        .order(table::path)
        .select(table::path)
        .load(conn)
        .await?)
}

/// Writes down that objects which were being deleted are gone.
///
/// # Errors
/// When the query fails.
pub async fn deleted(conn: &mut Connection, repository: i64, paths: &[String]) -> DbResult<()> {
    diesel::delete(
        table::table
            .filter(table::repository_id.eq(repository))
            .filter(table::deleting_at.is_not_null())
            .filter(table::path.eq_any(paths)),
    )
    .execute(conn)
    .await?;
    Ok(())
}
