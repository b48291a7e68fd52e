//! What owners may use, and what they use. An owner here is who *holds* projects: what is given away is the new holder's
//! burden from then on.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable,
    QueryableByName, Selectable, SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{OwnerName, ProjectName};
use serde::Serialize;

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, to_json};
use crate::schema::quotas;

/// Days over which processor time and downloads are counted.
pub const DAYS: i32 = 30;
/// Owner of the row that the claim reads the service's limits from; no user or group has this name.
const SERVICE: &str = "";

/// Limits of an owner, or the service's. In an owner's, `None` is the service's, and what is below 0 is no limit.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Queryable, Selectable, Insertable, AsChangeset,
)]
#[diesel(table_name = quotas)]
#[diesel(treat_none_as_null = true)]
pub struct Limits {
    /// Parts of builds (chroots) that run at the same time.
    pub concurrent_builds: Option<i32>,
    /// Builds that wait for a machine.
    pub queued_builds: Option<i32>,
    /// Seconds of build machines times their processors, over [`DAYS`].
    pub cpu_seconds: Option<i64>,
    /// Bytes of published and source packages.
    pub stored_bytes: Option<i64>,
    /// Bytes that others downloaded, over [`DAYS`].
    pub served_bytes: Option<i64>,
}

/// What an owner uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Usage {
    /// See [`Limits`].
    #[diesel(sql_type = BigInt)]
    pub concurrent_builds: i64,
    /// See [`Limits`].
    #[diesel(sql_type = BigInt)]
    pub queued_builds: i64,
    /// See [`Limits`].
    #[diesel(sql_type = BigInt)]
    pub cpu_seconds: i64,
    /// See [`Limits`]; `None` where it was not asked for.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub stored_bytes: Option<i64>,
    /// See [`Limits`].
    #[diesel(sql_type = BigInt)]
    pub served_bytes: i64,
}

/// The limits that an owner has of their own.
///
/// # Errors
/// When the query fails.
pub async fn limits(conn: &mut Connection, owner: &OwnerName) -> DbResult<Limits> {
    let found = quotas::table
        .find(owner.as_str())
        .select(Limits::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Gives an owner limits of their own, in place of those they had.
///
/// # Errors
/// When the query fails.
pub async fn set_limits(
    conn: &mut Connection,
    owner: &OwnerName,
    limits: &Limits,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let old = self::limits(conn, owner).await?;
        put(conn, owner.as_str(), limits).await?;
        let detail = serde_json::json!({"old": to_json("limits", &old)?, "new": to_json("limits", limits)?});
        audit::record(conn, now, actor, "quota.set", &format!("quota:{owner}"), detail).await
    })
    .await
}

async fn put(conn: &mut Connection, owner: &str, limits: &Limits) -> DbResult<()> {
    diesel::insert_into(quotas::table)
        .values((quotas::owner.eq(owner), limits))
        .on_conflict(quotas::owner)
        .do_update()
        .set(limits)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down the service's limits, and how many processors a build machine has.
///
/// # Errors
/// When the query fails.
pub async fn set_service(conn: &mut Connection, limits: &Limits, cpus: u32) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        put(conn, SERVICE, limits).await?;
        diesel::update(quotas::table.find(SERVICE))
            .set(quotas::machine_cpus.eq(i32::try_from(cpus).unwrap_or(i32::MAX)))
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

/// What an owner uses. What they store is looked for only on demand: it is the sum over all their packages.
///
/// # Errors
/// When the query fails.
pub async fn usage(conn: &mut Connection, owner: &OwnerName, stored: bool) -> DbResult<Usage> {
    let sql = if stored {
        "(SELECT coalesce(sum(r.size), 0)::bigint FROM mine m JOIN repositories p ON p.project_id = m.id
              JOIN rpms r ON r.repository_id = p.id)
         + (SELECT coalesce(sum(b.srpm_size), 0)::bigint FROM mine m JOIN builds b ON b.project_id = m.id)"
    } else {
        "NULL::bigint"
    };
    Ok(diesel::sql_query(format!(
        "WITH mine AS MATERIALIZED (SELECT id FROM projects WHERE holder = $1 AND deleted_at IS NULL),
             used AS (SELECT coalesce(sum(cpu_seconds), 0)::bigint AS cpu, coalesce(sum(served_bytes), 0)::bigint AS served
                 FROM usage WHERE owner = $1 AND day > (now() AT TIME ZONE 'UTC')::date - $2::integer)
         SELECT (SELECT count(*) FROM tasks t JOIN builds b ON b.id = t.build_id
                 WHERE t.state = 'running' AND b.project_id IN (SELECT id FROM mine)) AS concurrent_builds,
             (SELECT count(*) FROM mine m JOIN builds b ON b.project_id = m.id AND b.state = 'pending') AS queued_builds,
             used.cpu AS cpu_seconds, {sql} AS stored_bytes, used.served AS served_bytes
         FROM used"
    ))
    .bind::<Text, _>(owner.as_str())
    .bind::<Integer, _>(DAYS)
    .get_result(conn)
    .await?)
}

/// Bytes of the files of an owner's packages and sources, the same content once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Files {
    /// Of those that nobody else's projects have.
    #[diesel(sql_type = BigInt)]
    pub own_bytes: i64,
    /// Of those that projects of others have as well; they are stored once for all.
    #[diesel(sql_type = BigInt)]
    pub shared_bytes: i64,
}

/// Which files an owner's projects have, and who else has them.
///
/// # Errors
/// When the query fails.
pub async fn files(conn: &mut Connection, owner: &OwnerName) -> DbResult<Files> {
    Ok(diesel::sql_query(
        "WITH mine AS MATERIALIZED (SELECT id FROM projects WHERE holder = $1 AND deleted_at IS NULL),
             named AS (
                 SELECT r.sha256, r.size FROM mine m JOIN repositories p ON p.project_id = m.id
                     JOIN rpms r ON r.repository_id = p.id
                 UNION ALL
                 SELECT b.srpm_sha256, b.srpm_size FROM mine m JOIN builds b ON b.project_id = m.id
                 WHERE b.srpm_sha256 IS NOT NULL
             ), files AS (SELECT sha256, max(size) AS size FROM named GROUP BY sha256),
             told AS (
                 SELECT f.size,
                     EXISTS (SELECT 1 FROM rpms r JOIN repositories p ON p.id = r.repository_id
                             JOIN projects o ON o.id = p.project_id
                         WHERE r.sha256 = f.sha256 AND o.holder <> $1 AND o.deleted_at IS NULL)
                     OR EXISTS (SELECT 1 FROM builds b JOIN projects o ON o.id = b.project_id
                         WHERE b.srpm_sha256 = f.sha256 AND o.holder <> $1 AND o.deleted_at IS NULL) AS shared
                 FROM files f
             )
         SELECT coalesce(sum(size) FILTER (WHERE NOT shared), 0)::bigint AS own_bytes,
             coalesce(sum(size) FILTER (WHERE shared), 0)::bigint AS shared_bytes
         FROM told",
    )
    .bind::<Text, _>(owner.as_str())
    .get_result(conn)
    .await?)
}

/// Counts downloads of a project's files for whoever holds it; what belongs to no project counts for nobody.
///
/// # Errors
/// When the query fails.
pub async fn served(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    bytes: i64,
) -> DbResult<()> {
    diesel::sql_query(
        "INSERT INTO usage (owner, day, served_bytes)
             SELECT holder, (now() AT TIME ZONE 'UTC')::date, $3 FROM projects
             WHERE owner = $1 AND name = $2 AND deleted_at IS NULL
         ON CONFLICT (owner, day) DO UPDATE SET served_bytes = usage.served_bytes + EXCLUDED.served_bytes",
    )
    .bind::<Text, _>(owner.as_str())
    .bind::<Text, _>(project.as_str())
    .bind::<BigInt, _>(bytes)
    .execute(conn)
    .await?;
    Ok(())
}
