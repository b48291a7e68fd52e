//! Packages that nothing names go in two phases, as snapshots do: it is written down since when nothing does, and after
//! the time of grace that is judged again, the row goes, and what it leaves is noted for whoever removes it.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::OwnerName;

use super::{Policy, facts, lock, orphans};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::read::{Bind, Prepared};
use crate::repositories::Repository;
use crate::schema::{removed_packages, rpms};

/// Most packages of a repository that go at once; the rest follows the next time.
const AT_ONCE: i64 = 1_000;

/// A package whose row is gone, and whose place in lists of results may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedPackage {
    /// What was `rpms.id`.
    pub id: i64,
    /// SHA-256 of its file.
    pub sha256: String,
    /// SHA-256 and size of the same package with a newer signature, if there is one.
    pub successor: Option<(String, i64)>,
    /// zstd-compressed fragment, which has its address.
    pub primary_xml: Vec<u8>,
    /// Whether another row of the repository has the same file.
    pub shared: bool,
}

/// Writes down which packages nothing names any more, takes that back of those that something names again, and removes the
/// rows of those of which it was known for the time of grace. While builds are being removed, the project is being forked,
/// or its packages are being signed anew, nothing happens: those jobs have read rows.
///
/// # Errors
/// When the query fails.
pub async fn decide_packages(
    conn: &mut Connection,
    repository: &Repository,
    owner: &OwnerName,
    policy: &Policy,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !lock(conn, repository.id).await? || is_busy(conn, repository.project).await? {
            return Ok(());
        }
        let kept: Vec<i64> = facts(conn, repository.id)
            .await?
            .iter()
            .map(|facts| facts.number)
            .collect();
        let orphans = orphans(conn, repository.id, &kept).await?.ids;
        let withdrawn = || {
            rpms::table
                .filter(rpms::repository_id.eq(repository.id))
                .filter(rpms::task_id.is_null())
        };
        diesel::update(
            withdrawn()
                .filter(rpms::orphaned_at.is_not_null())
                .filter(rpms::id.ne_all(&orphans)),
        )
        .set(rpms::orphaned_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await?;
        diesel::update(
            withdrawn()
                .filter(rpms::orphaned_at.is_null())
                .filter(rpms::id.eq_any(&orphans)),
        )
        .set(rpms::orphaned_at.eq(now))
        .execute(conn)
        .await?;
        remove(conn, repository, owner, policy.start_of_grace(now), now).await
    })
    .await
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = BigInt)]
    packages: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

async fn remove(
    conn: &mut Connection,
    repository: &Repository,
    owner: &OwnerName,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let Gone { packages, bytes } = diesel::sql_query(
        "WITH gone AS (
             DELETE FROM rpms WHERE id IN (SELECT id FROM rpms WHERE repository_id = $1 AND task_id IS NULL
                     AND orphaned_at <= $2 ORDER BY id LIMIT $3)
             RETURNING id, repository_id, sha256, size, replaced_by, primary_xml
         ), noted AS (
             INSERT INTO removed_packages (id, repository_id, sha256, successor, primary_xml)
             SELECT id, repository_id, sha256, replaced_by, primary_xml FROM gone
         ) SELECT count(*) AS packages, coalesce(sum(size), 0)::bigint AS bytes FROM gone",
    )
    .bind::<BigInt, _>(repository.id)
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(AT_ONCE)
    .get_result(conn)
    .await?;
    if packages == 0 {
        return Ok(());
    }
    let object = format!("repository:{owner}/{}/{}", repository.dir, repository.chroot);
    let detail = serde_json::json!({"project_id": repository.project, "packages": packages, "bytes": bytes});
    audit::record(conn, now, "service", "package.purge", &object, detail).await
}

/// Whether some job works with rows of a project that nothing names.
async fn is_busy(conn: &mut Connection, project: i64) -> DbResult<bool> {
    let (busy,): (bool,) = Prepared::<(Bool,)>::new(
        "SELECT EXISTS (SELECT 1 FROM removed_builds WHERE project_id = ?)
             OR EXISTS (SELECT 1 FROM jobs WHERE failed_at IS NULL
                 AND (kind = 'fork_project' AND (payload ->> 'from')::bigint = ?
                     OR kind = 'change_key' AND (payload ->> 'project')::bigint = ?))",
        [Bind::from(project), Bind::from(project), Bind::from(project)],
    )
    .get_result(conn)
    .await?;
    Ok(busy)
}

/// Packages of a repository that are gone but for their places in lists, up to `limit`.
///
/// # Errors
/// When the query fails.
pub async fn removed_packages(
    conn: &mut Connection,
    repository: i64,
    limit: i64,
) -> DbResult<Vec<RemovedPackage>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        sha256: String,
        #[diesel(sql_type = Nullable<Text>)]
        newer: Option<String>,
        #[diesel(sql_type = Nullable<BigInt>)]
        size: Option<i64>,
        #[diesel(sql_type = diesel::sql_types::Binary)]
        primary_xml: Vec<u8>,
        #[diesel(sql_type = Bool)]
        shared: bool,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT g.id, g.sha256, n.sha256 AS newer, n.size, g.primary_xml, EXISTS (SELECT 1 FROM rpms r
                 WHERE r.repository_id = g.repository_id AND r.sha256 = g.sha256) AS shared
         FROM removed_packages g LEFT JOIN rpms n ON n.id = g.successor AND n.task_id IS NOT NULL
         WHERE g.repository_id = $1 ORDER BY g.id LIMIT $2",
    )
    .bind::<BigInt, _>(repository)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let removed = |row: Row| RemovedPackage {
        id: row.id,
        sha256: row.sha256,
        successor: row.newer.zip(row.size),
        primary_xml: row.primary_xml,
        shared: row.shared,
    };
    Ok(rows.into_iter().map(removed).collect())
}

/// Forgets packages of which no list has anything any more.
///
/// # Errors
/// When the query fails.
pub async fn forget_packages(conn: &mut Connection, ids: &[i64]) -> DbResult<()> {
    diesel::delete(removed_packages::table.filter(removed_packages::id.eq_any(ids)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what somebody asked of a repository's snapshots before `before`, if it is done.
///
/// # Errors
/// When the query fails.
pub async fn forget_requests(
    conn: &mut Connection,
    repository: i64,
    before: DateTime<Utc>,
) -> DbResult<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM snapshot_requests WHERE repository_id = $1 AND created_at < $2
             AND (snapshot IS NOT NULL OR was_at IS NOT NULL OR refusal IS NOT NULL)",
    )
    .bind::<BigInt, _>(repository)
    .bind::<Timestamptz, _>(before)
    .execute(conn)
    .await?)
}
