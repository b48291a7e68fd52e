//! Blobs that may be named by nothing. Equal content is stored once for everybody, so nobody knows alone whether somebody
//! else is about to name a blob. Therefore whoever stores one claims it first, also where it is there already; and whoever
//! deletes one says so before. What was claimed stays for the time of grace, in which it has to be named.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::Sha256;

use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::schema::loose_blobs as table;

/// The chore that looks for them.
const CHORE: &str = "blobs";
/// Most that are looked at in one go.
const AT_ONCE: i64 = 100_000;

/// Says that a row of a live project names the blob `l`. Lists of results in the store name others, see
/// [`crate::rpms`] for what they have. A new column that names blobs belongs here; a test looks for such columns.
const NAMED: &str = "EXISTS (SELECT 1 FROM rpms r JOIN repositories o ON o.id = r.repository_id
             JOIN projects p ON p.id = o.project_id WHERE r.sha256 = l.sha256 AND {live})
         OR EXISTS (SELECT 1 FROM builds b JOIN projects p ON p.id = b.project_id WHERE b.srpm_sha256 = l.sha256 AND {live})
         OR EXISTS (SELECT 1 FROM builds b JOIN projects p ON p.id = b.project_id
             WHERE b.source ->> 'sha256' = l.sha256 AND {live})
         OR EXISTS (SELECT 1 FROM project_chroots c JOIN projects p ON p.id = c.project_id
             WHERE c.comps_sha256 = l.sha256 AND {live})
         OR EXISTS (SELECT 1 FROM imported_metadata m JOIN repositories o ON o.id = m.repository_id
             JOIN projects p ON p.id = o.project_id WHERE m.sha256 = l.sha256 AND {live})";
/// A project that is not deleted.
const LIVE: &str = "p.deleted_at IS NULL";
/// The same, or one that is being forked: what was promised while it was there is kept.
const LIVE_OR_FORKED: &str =
    "(p.deleted_at IS NULL OR EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'fork_project'
     AND j.failed_at IS NULL AND (j.payload ->> 'from')::bigint = p.id))";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    sha256: String,
}

/// Claims a blob that is about to be stored, or found to be there, and then named; false when it is being deleted right
/// now.
///
/// # Errors
/// When the query fails.
pub async fn claim(conn: &mut Connection, sha256: &Sha256) -> DbResult<bool> {
    let rows = diesel::sql_query(
        "INSERT INTO loose_blobs AS l (sha256) VALUES ($1)
         ON CONFLICT (sha256) DO UPDATE SET since = NULL WHERE l.deleting_at IS NULL",
    )
    .bind::<Text, _>(sha256.as_str())
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

/// Claims blobs which only lists of results name: nothing has to be looked for if that is never written, since the same
/// is stored again then. False when one is being deleted right now.
///
/// # Errors
/// When the query fails.
pub async fn claim_listed(conn: &mut Connection, blobs: &[Sha256]) -> DbResult<bool> {
    let blobs: Vec<&str> = blobs.iter().map(Sha256::as_str).collect();
    let these = || table::table.filter(table::sha256.eq_any(blobs.clone()));
    diesel::update(these().filter(table::deleting_at.is_null()))
        .set(table::since.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await?;
    // Not in the same statement, which would not see what the first had to wait for.
    let deleting = diesel::select(diesel::dsl::exists(
        these().filter(table::deleting_at.is_not_null()),
    ));
    Ok(!deleting.get_result::<bool>(conn).await?)
}

/// Says of blobs that something which named them is about to go.
///
/// # Errors
/// When the query fails.
pub async fn loosen(conn: &mut Connection, blobs: &[Sha256]) -> DbResult<()> {
    let blobs: Vec<&str> = blobs.iter().map(Sha256::as_str).collect();
    diesel::sql_query("SELECT loosen_blobs($1)")
        .bind::<Array<Text>, _>(blobs)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says of all blobs that the rows of a deleted project name that they may be named by nothing else.
///
/// # Errors
/// When the query fails.
pub async fn loosen_project(conn: &mut Connection, project: i64) -> DbResult<()> {
    diesel::sql_query(
        "SELECT loosen_blobs(ARRAY(
             SELECT r.sha256 FROM rpms r JOIN repositories o ON o.id = r.repository_id WHERE o.project_id = $1
             UNION SELECT srpm_sha256 FROM builds WHERE project_id = $1
             UNION SELECT source ->> 'sha256' FROM builds WHERE project_id = $1
             UNION SELECT comps_sha256 FROM project_chroots WHERE project_id = $1
             UNION SELECT m.sha256 FROM imported_metadata m JOIN repositories o ON o.id = m.repository_id
                 WHERE o.project_id = $1))",
    )
    .bind::<BigInt, _>(project)
    .execute(conn)
    .await?;
    Ok(())
}

/// Enqueues the job that looks for blobs which nothing names, unless that began after `before`, by a clock
/// that was not ahead by a day.
///
/// # Errors
/// When the query fails.
pub async fn look(conn: &mut Connection, before: DateTime<Utc>, now: DateTime<Utc>) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let begun = diesel::sql_query(
            "INSERT INTO chores AS c (name, begun_at) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET begun_at = $2
                 WHERE c.begun_at < $3 OR c.begun_at > $2 + interval '1 day'",
        )
        .bind::<Text, _>(CHORE)
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(before)
        .execute(conn)
        .await?;
        if begun == 1 {
            jobs::enqueue(conn, &Job::RetainBlobs, now).await?;
        }
        Ok(begun == 1)
    })
    .await
}

/// Blobs that are known to be loose since `before`, and that no row names, up to 100 000. Those that a row names are
/// forgotten, and of those that were loosened since the last time it is written down that this is known now.
///
/// # Errors
/// When the query fails.
pub async fn suspects(
    conn: &mut Connection,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DbResult<Vec<String>> {
    let named = format!(
        "DELETE FROM loose_blobs l WHERE l.since <= $1 AND l.deleting_at IS NULL AND ({})",
        NAMED.replace("{live}", LIVE)
    );
    diesel::sql_query(named)
        .bind::<Timestamptz, _>(before)
        .execute(conn)
        .await?;
    diesel::update(table::table.filter(table::since.is_null()))
        .set(table::since.eq(now))
        .execute(conn)
        .await?;
    Ok(table::table
        .filter(table::since.le(before))
        .filter(table::deleting_at.is_null())
        .order(table::sha256)
        .limit(AT_ONCE)
        .select(table::sha256)
        .load(conn)
        .await?)
}

/// Forgets blobs that are listed after all, unless they were loosened again since.
///
/// # Errors
/// When the query fails.
pub async fn are_listed(conn: &mut Connection, blobs: &[String], before: DateTime<Utc>) -> DbResult<()> {
    diesel::delete(
        table::table
            .filter(table::sha256.eq_any(blobs))
            .filter(table::since.le(before))
            .filter(table::deleting_at.is_null()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says of these blobs, which no list has, that they are being deleted from now on, unless a row names one, a promotion is
/// about to read it, or somebody claimed it since `before`. Returns them. Whoever claims one takes turns with this.
///
/// # Errors
/// When the query fails.
pub async fn condemn(
    conn: &mut Connection,
    blobs: &[String],
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DbResult<Vec<String>> {
    let condemned = format!(
        "UPDATE loose_blobs l SET deleting_at = $3 WHERE l.sha256 = ANY ($1) AND l.since <= $2 AND l.deleting_at IS NULL
             AND NOT ({}) AND NOT EXISTS (SELECT 1 FROM promoted_packages q WHERE q.sha256 = l.sha256)
         RETURNING l.sha256",
        NAMED.replace("{live}", LIVE_OR_FORKED)
    );
    let rows: Vec<Row> = diesel::sql_query(condemned)
        .bind::<Array<Text>, _>(blobs)
        .bind::<Timestamptz, _>(before)
        .bind::<Timestamptz, _>(now)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|row| row.sha256).collect())
}

/// Blobs of which it was said that they are being deleted, up to a thousand.
///
/// # Errors
/// When the query fails.
pub async fn condemned(conn: &mut Connection) -> DbResult<Vec<String>> {
    Ok(table::table
        .filter(table::deleting_at.is_not_null())
        .order(table::sha256)
        .limit(1_000)
        .select(table::sha256)
        .load(conn)
        .await?)
}

/// Writes down that blobs which were being deleted are gone.
///
/// # Errors
/// When the query fails.
pub async fn deleted(conn: &mut Connection, blobs: &[String]) -> DbResult<()> {
    diesel::delete(
        table::table
            .filter(table::sha256.eq_any(blobs))
            .filter(table::deleting_at.is_not_null()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these tasks (`tasks.id`) may still need what a builder uploaded for them.
///
/// # Errors
/// When the query fails.
pub async fn at_work(conn: &mut Connection, tasks: &[i64]) -> DbResult<Vec<i64>> {
    use crate::schema::tasks as of;
    Ok(of::table
        .filter(of::id.eq_any(tasks))
        .filter(of::state.eq_any(["waiting", "pending", "running", "publishing"]))
        .select(of::id)
        .load(conn)
        .await?)
}
