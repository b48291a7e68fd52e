//! Repositories by commit: which snapshot first had the packages of a build of a commit.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::{BuildId, ChrootName, CommitId, DirName, OwnerName};

use crate::connect::{Connection, DbResult, parse};
use crate::read::{Bind, Prepared};
use crate::schema::commit_snapshots;
use crate::snapshots::NewSnapshot;
use crate::tasks::TaskState;

/// Writes down which commits a new snapshot brings, in the transaction that gives it to somebody. A build whose packages come
/// again, because they were signed anew or promoted, keeps the snapshot that had them first.
pub(crate) async fn record(conn: &mut Connection, new: &NewSnapshot<'_>) -> DbResult<()> {
    if new.added.is_empty() {
        return Ok(());
    }
    let _: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        "INSERT INTO commit_snapshots (repository_id, build_id, commit, snapshot)
         SELECT DISTINCT r.repository_id, b.id, b.commit, ?::bigint FROM rpms r JOIN tasks t ON t.id = r.task_id
             JOIN builds b ON b.id = t.build_id WHERE r.id = ANY (?) AND b.commit IS NOT NULL
         ON CONFLICT DO NOTHING RETURNING build_id",
        [Bind::from(new.number), Bind::Numbers(new.added)],
    )
    .load(conn)
    .await?;
    Ok(())
}

/// The repository of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The newest build of it that is published there.
    pub build: BuildId,
    /// The snapshot that had its packages first.
    pub snapshot: i64,
    /// When that went.
    pub purged_at: Option<DateTime<Utc>>,
}

/// Where a commit leads in a live project's directory and chroot; `None` where no build of it is published there.
///
/// # Errors
/// When the query fails.
pub async fn find(
    conn: &mut Connection,
    (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName),
    commit: &CommitId,
) -> DbResult<Option<Found>> {
    let project = dir.project();
    let row: Option<(i64, i64, Option<DateTime<Utc>>)> =
        Prepared::<(BigInt, BigInt, Nullable<Timestamptz>)>::new(
            "SELECT c.build_id, c.snapshot, s.purged_at FROM projects p
                 JOIN repositories r ON r.project_id = p.id AND r.dirname = ? AND r.chroot = ?
                 JOIN commit_snapshots c ON c.repository_id = r.id AND c.commit = ?
                 JOIN snapshots s ON s.repository_id = r.id AND s.number = c.snapshot
             WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL ORDER BY c.build_id DESC LIMIT 1",
            [
                Bind::from(dir.as_str()),
                Bind::from(chroot.as_str()),
                Bind::from(commit.as_str()),
                Bind::from(owner.as_str()),
                Bind::from(project.as_str()),
            ],
        )
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(|(build, snapshot, purged_at)| Found {
        build: BuildId(build),
        snapshot,
        purged_at,
    }))
}

/// The newest build of a commit in a live project's directory and chroot, and what came of it.
///
/// # Errors
/// When the query fails.
pub async fn newest_build(
    conn: &mut Connection,
    (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName),
    commit: &CommitId,
) -> DbResult<Option<(BuildId, TaskState)>> {
    let project = dir.project();
    let row: Option<(i64, String)> = Prepared::<(BigInt, Text)>::new(
        "SELECT b.id, t.state FROM projects p
             JOIN builds b ON b.project_id = p.id AND b.commit = ? AND b.dirname = ?
             JOIN tasks t ON t.build_id = b.id AND t.kind = 'rpm' AND t.chroot = ?
         WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL ORDER BY b.id DESC LIMIT 1",
        [
            Bind::from(commit.as_str()),
            Bind::from(dir.as_str()),
            Bind::from(chroot.as_str()),
            Bind::from(owner.as_str()),
            Bind::from(project.as_str()),
        ],
    )
    .get_result(conn)
    .await
    .optional()?;
    row.map(|(build, state)| Ok((BuildId(build), parse("state of a task", &state)?)))
        .transpose()
}

/// Commits that some snapshots of a repository are the first to have: the snapshot, the build, the commit, newest build first.
///
/// # Errors
/// When the query fails.
pub async fn of_snapshots(
    conn: &mut Connection,
    repository: i64,
    snapshots: &[i64],
) -> DbResult<Vec<(i64, BuildId, CommitId)>> {
    let rows: Vec<(i64, i64, String)> = commit_snapshots::table
        .filter(commit_snapshots::repository_id.eq(repository))
        .filter(commit_snapshots::snapshot.eq_any(snapshots))
        .order(commit_snapshots::build_id.desc())
        .select((
            commit_snapshots::snapshot,
            commit_snapshots::build_id,
            commit_snapshots::commit,
        ))
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(snapshot, build, commit)| Ok((snapshot, BuildId(build), parse("commit", &commit)?)))
        .collect()
}

/// Chroots in which the packages of a build of a commit are in a snapshot that is there, by name.
///
/// # Errors
/// When the query fails.
pub async fn chroots_of(conn: &mut Connection, build: BuildId) -> DbResult<Vec<ChrootName>> {
    let rows: Vec<(String,)> = Prepared::<(Text,)>::new(
        "SELECT r.chroot FROM builds b JOIN repositories r ON r.project_id = b.project_id AND r.dirname = b.dirname
             JOIN commit_snapshots c ON c.repository_id = r.id AND c.build_id = b.id
             JOIN snapshots s ON s.repository_id = r.id AND s.number = c.snapshot AND s.purged_at IS NULL
         WHERE b.id = ? ORDER BY r.chroot",
        [Bind::from(build.0)],
    )
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|(chroot,)| parse("chroot", &chroot))
        .collect()
}
