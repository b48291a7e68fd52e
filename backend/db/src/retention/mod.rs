//! What of the past goes, in two phases: what nothing protects is marked, and goes when it is still so after a time in
//! which every client that is in the middle of it comes to an end.

mod orphans;
mod packages;
mod plan;
mod policy;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, DirName, OwnerName};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::read::{Bind, Prepared};
use crate::repositories::Repository;
use crate::schema::{repositories, snapshots};

pub use orphans::{Orphans, orphans};
pub use packages::{RemovedPackage, decide_packages, forget_packages, forget_requests, removed_packages};
pub use plan::{Going, GoingPackage, Plan, next_repository, plan};
pub use policy::{Facts, Policy, Uses, Verdict};

/// Most snapshots of a repository that are marked or go at once; the rest follows the next time.
const AT_ONCE: usize = 500;

#[derive(QueryableByName)]
struct Looked {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    project_id: i64,
    #[diesel(sql_type = Bool)]
    work: bool,
}

/// Looks at up to `limit` repositories that nobody looked at since `before`, or somebody whose clock was ahead by a day, those
/// that wait longest first, and enqueues a job for each where something may go. Returns how many were looked at.
///
/// # Errors
/// When the query fails.
pub async fn look(
    conn: &mut Connection,
    policy: &Policy,
    before: DateTime<Utc>,
    limit: i64,
    now: DateTime<Utc>,
) -> DbResult<usize> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let looked: Vec<Looked> = diesel::sql_query(
            "WITH old AS (
                 SELECT id FROM repositories WHERE looked_at IS NULL OR looked_at < $1 OR looked_at > $3 + interval '1 day'
                 ORDER BY looked_at NULLS FIRST LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
             )
             UPDATE repositories r SET looked_at = $3 FROM old WHERE r.id = old.id
             RETURNING r.id, r.project_id, EXISTS (SELECT 1 FROM projects p WHERE p.id = r.project_id AND p.deleted_at IS NULL)
                 AND (EXISTS (SELECT 1 FROM snapshots s WHERE s.repository_id = r.id AND s.purge_at IS NOT NULL)
                     OR EXISTS (SELECT 1 FROM snapshots s WHERE s.repository_id = r.id AND s.purged_at IS NULL OFFSET coalesce(
                         (SELECT (p.settings ->> 'keep_snapshots')::bigint FROM projects p WHERE p.id = r.project_id), $4))
                     OR EXISTS (SELECT 1 FROM doomed_objects d WHERE d.repository_id = r.id)
                     OR EXISTS (SELECT 1 FROM removed_packages g WHERE g.repository_id = r.id)
                     OR EXISTS (SELECT 1 FROM snapshot_requests q WHERE q.repository_id = r.id AND q.created_at < $5)
                     OR EXISTS (SELECT 1 FROM rpms WHERE repository_id = r.id AND task_id IS NULL)) AS work",
        )
        .bind::<Timestamptz, _>(before)
        .bind::<BigInt, _>(limit)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(i64::from(policy.snapshots))
        .bind::<Timestamptz, _>(policy.forgotten_before(now))
        .load(conn)
        .await?;
        for looked in looked.iter().filter(|looked| looked.work) {
            let job = Job::Retain { project: looked.project_id, repository: looked.id };
            jobs::enqueue(conn, &job, now).await?;
        }
        Ok(looked.len())
    })
    .await
}

#[derive(QueryableByName)]
struct FactsRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    left_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    purge_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Text)]
    cause: String,
    #[diesel(sql_type = Bool)]
    of_commit: bool,
}

/// Snapshots of a repository whose files are there, by number.
///
/// # Errors
/// When the query fails.
pub async fn facts(conn: &mut Connection, repository: i64) -> DbResult<Vec<Facts>> {
    let rows: Vec<FactsRow> = diesel::sql_query(
        "SELECT s.number, s.created_at, s.purge_at, s.cause, (SELECT max(m.moved_at) FROM pointer_moves m
             WHERE m.repository_id = s.repository_id AND m.from_snapshot = s.number) AS left_at,
             EXISTS (SELECT 1 FROM commit_snapshots c WHERE c.repository_id = s.repository_id AND c.snapshot = s.number)
                 AS of_commit
         FROM snapshots s WHERE s.repository_id = $1 AND s.purged_at IS NULL ORDER BY s.number",
    )
    .bind::<BigInt, _>(repository)
    .load(conn)
    .await?;
    let facts = |row: FactsRow| Facts {
        number: row.number,
        created_at: row.created_at,
        left_at: row.left_at,
        purge_at: row.purge_at,
        cause: row.cause,
        of_commit: row.of_commit,
    };
    Ok(rows.into_iter().map(facts).collect())
}

/// What uses a repository's snapshots: all its pointers, what releases start from, open requests, checks that run, and
/// builds anywhere, since any of them may read any repository.
///
/// # Errors
/// When the query fails.
pub async fn uses(conn: &mut Connection, repository: i64) -> DbResult<Uses> {
    let named: Vec<(Option<i64>,)> = Prepared::<(Nullable<BigInt>,)>::new(
        "SELECT unnest(ARRAY[current_snapshot, devel_snapshot, released_snapshot]) FROM repositories WHERE id = ?
         UNION SELECT snapshot FROM pointers WHERE repository_id = ?
         UNION SELECT expected FROM snapshot_requests WHERE repository_id = ? AND snapshot IS NULL AND was_at IS NULL
             AND refusal IS NULL
         UNION SELECT unnest(ARRAY[s.number, s.parent]) FROM checks c JOIN snapshots s
             ON s.repository_id = c.repository_id AND s.number = c.snapshot
             WHERE c.repository_id = ? AND c.state = 'running'",
        [repository; 4].map(Bind::from),
    )
    .load(conn)
    .await?;
    let oldest: (Option<DateTime<Utc>>,) = Prepared::<(Nullable<Timestamptz>,)>::new(
        "SELECT min(coalesce(started_at, created_at)) FROM tasks WHERE state IN ('running', 'publishing')",
        [],
    )
    .get_result(conn)
    .await?;
    Ok(Uses {
        named: named
            .into_iter()
            .filter_map(|(number,)| number)
            .collect::<BTreeSet<i64>>(),
        oldest_build: oldest.0,
    })
}

/// Takes turns with whoever publishes in a repository or moves its pointers, to the end of the transaction; false when it
/// is gone.
async fn lock(conn: &mut Connection, repository: i64) -> DbResult<bool> {
    let there: Option<i64> = repositories::table
        .find(repository)
        .select(repositories::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(there.is_some())
}

/// Judges a repository's snapshots and writes that down: marks those that nothing protects, spares those that something
/// protects again, and ends those whose time has come, with a line of the history. Their files go after that, see
/// [`going`]. Whoever moves a pointer takes turns with this.
///
/// # Errors
/// When the query fails.
pub async fn decide(
    conn: &mut Connection,
    repository: &Repository,
    owner: &OwnerName,
    policy: &Policy,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !lock(conn, repository.id).await? {
            return Ok(());
        }
        let facts = facts(conn, repository.id).await?;
        let uses = uses(conn, repository.id).await?;
        let Verdict {
            mut due,
            mut mark,
            spare,
            ..
        } = policy.judge(&facts, &uses, now);
        // The oldest first.
        due.reverse();
        mark.reverse();
        due.truncate(AT_ONCE);
        mark.truncate(AT_ONCE);
        let of = |numbers: &[i64]| {
            snapshots::table
                .filter(snapshots::repository_id.eq(repository.id))
                .filter(snapshots::number.eq_any(numbers.to_vec()))
        };
        let never = None::<DateTime<Utc>>;
        for (numbers, purge_at) in [(&spare, never), (&mark, Some(policy.end_of_grace(now)))] {
            if !numbers.is_empty() {
                diesel::update(of(numbers))
                    .set(snapshots::purge_at.eq(purge_at))
                    .execute(conn)
                    .await?;
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        diesel::update(of(&due))
            .set(snapshots::purged_at.eq(now))
            .execute(conn)
            .await?;
        let object = format!("repository:{owner}/{}/{}", repository.dir, repository.chroot);
        let detail = serde_json::json!({
            "project_id": repository.project, "snapshots": due, "keep_snapshots": policy.snapshots,
            "keep_days": policy.days, "keep_commit_days": policy.commit_days,
        });
        audit::record(conn, now, "service", "snapshot.purge", &object, detail).await
    })
    .await
}

/// Numbers of snapshots that have ended and whose files may still be there.
///
/// # Errors
/// When the query fails.
pub async fn going(conn: &mut Connection, repository: i64) -> DbResult<Vec<i64>> {
    Ok(snapshots::table
        .filter(snapshots::repository_id.eq(repository))
        .filter(snapshots::purge_at.is_not_null())
        .filter(snapshots::purged_at.is_not_null())
        .order(snapshots::number)
        .select(snapshots::number)
        .load(conn)
        .await?)
}

/// Writes down that the files of these snapshots are gone.
///
/// # Errors
/// When the query fails.
pub async fn gone(conn: &mut Connection, repository: i64, numbers: &[i64]) -> DbResult<()> {
    diesel::update(
        snapshots::table
            .filter(snapshots::repository_id.eq(repository))
            .filter(snapshots::number.eq_any(numbers))
            .filter(snapshots::purged_at.is_not_null()),
    )
    .set(snapshots::purge_at.eq(None::<DateTime<Utc>>))
    .execute(conn)
    .await?;
    Ok(())
}

/// A time, if there is one.
type When = Option<DateTime<Utc>>;

/// Whether a snapshot can be given to somebody: `None` when there is none of that number, else when it went. One that is
/// marked is no longer. The caller has locked the repository.
pub(crate) async fn take(
    conn: &mut Connection,
    repository: i64,
    number: i64,
) -> DbResult<Option<Option<DateTime<Utc>>>> {
    let row: Option<(When, When)> = snapshots::table
        .find((repository, number))
        .select((snapshots::purge_at, snapshots::purged_at))
        .first(conn)
        .await
        .optional()?;
    let Some((purge_at, purged_at)) = row else {
        return Ok(None);
    };
    if purge_at.is_some() && purged_at.is_none() {
        diesel::update(snapshots::table.find((repository, number)))
            .set(snapshots::purge_at.eq(None::<DateTime<Utc>>))
            .execute(conn)
            .await?;
    }
    Ok(Some(purged_at))
}

/// When a snapshot of a live project's repository went; `None` when it is there, or never was.
///
/// # Errors
/// When the query fails.
pub async fn purged_at(
    conn: &mut Connection,
    (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName),
    number: i64,
) -> DbResult<Option<DateTime<Utc>>> {
    let project = dir.project();
    let row: Option<(Option<DateTime<Utc>>,)> = Prepared::<(Nullable<Timestamptz>,)>::new(
        "SELECT s.purged_at FROM projects p
             JOIN repositories r ON r.project_id = p.id AND r.dirname = ? AND r.chroot = ?
             JOIN snapshots s ON s.repository_id = r.id AND s.number = ?
         WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL",
        [
            Bind::from(dir.as_str()),
            Bind::from(chroot.as_str()),
            Bind::from(number),
            Bind::from(owner.as_str()),
            Bind::from(project.as_str()),
        ],
    )
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.and_then(|(at,)| at))
}

/// What is stored of packages and sources, in the whole service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Stored {
    /// Bytes, counted for each that names them.
    #[diesel(sql_type = BigInt)]
    pub named_bytes: i64,
    /// Bytes as they are on disk: the same content once.
    #[diesel(sql_type = BigInt)]
    pub stored_bytes: i64,
    /// Of the latter, bytes of packages that are kept for snapshots only: their builds are deleted, or they have newer
    /// signatures.
    #[diesel(sql_type = BigInt)]
    pub past_bytes: i64,
    /// Of these, bytes of those that no snapshot has any more, and that go after the time of grace.
    #[diesel(sql_type = BigInt)]
    pub going_bytes: i64,
    /// Snapshots whose files are there.
    #[diesel(sql_type = BigInt)]
    pub snapshots: i64,
    /// Those of them that are about to go.
    #[diesel(sql_type = BigInt)]
    pub marked: i64,
    /// Blobs that may be named by nothing.
    #[diesel(sql_type = BigInt)]
    pub loose: i64,
}

/// Adds up everything; it takes a while in a large service.
///
/// # Errors
/// When the query fails.
pub async fn stored(conn: &mut Connection) -> DbResult<Stored> {
    Ok(diesel::sql_query(
        "WITH files AS (
             SELECT sha256, size FROM rpms UNION ALL
             SELECT srpm_sha256, srpm_size FROM builds WHERE srpm_sha256 IS NOT NULL
         ), once AS (SELECT sum(size) AS named, max(size) AS size FROM files GROUP BY sha256),
         past AS (
             SELECT max(size) AS size, bool_and(orphaned_at IS NOT NULL) AS going FROM rpms r
             WHERE task_id IS NULL AND NOT EXISTS (SELECT 1 FROM rpms o WHERE o.sha256 = r.sha256 AND o.task_id IS NOT NULL)
             GROUP BY sha256
         )
         SELECT coalesce(sum(named), 0)::bigint AS named_bytes, coalesce(sum(size), 0)::bigint AS stored_bytes,
             (SELECT coalesce(sum(size), 0)::bigint FROM past) AS past_bytes,
             (SELECT coalesce(sum(size), 0)::bigint FROM past WHERE going) AS going_bytes,
             (SELECT count(*) FROM snapshots WHERE purged_at IS NULL) AS snapshots,
             (SELECT count(*) FROM snapshots WHERE purged_at IS NULL AND purge_at IS NOT NULL) AS marked,
             (SELECT count(*) FROM loose_blobs) AS loose
         FROM once",
    )
    .get_result(conn)
    .await?)
}
