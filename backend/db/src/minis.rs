//! Small repositories: of what a build made in a chroot, and of what the builds of a batch made in a repository. Which
//! packages they have follows from the builds; the rows say what was made of that and is served.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName};
use diesel_async::RunQueryDsl as _;
use protocol::{BuildId, ChrootName, DirName, OwnerName};

use crate::connect::{Connection, DbResult, parse};
use crate::read::{Bind, Prepared};
use crate::schema::mini_repositories;

/// Whose packages a small repository has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those of a build in a chroot (`tasks.id`).
    Task(i64),
    /// Those of a batch (`batches.id`).
    Batch(i64),
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Served {
    /// Which revision.
    pub revision: i64,
    /// Fingerprint of the key that signed it.
    pub fingerprint: String,
    /// `rpms.id` of its packages, ascending.
    pub content: Vec<i64>,
}

/// What a small repository becomes.
#[derive(Debug, Clone)]
pub struct NewRevision<'a> {
    /// `repositories.id`.
    pub repository: i64,
    /// Its folder, below the repository's.
    pub name: &'a str,
    /// Whose packages.
    pub of: Of,
    /// The revision that has to be served; `None` for none.
    pub before: Option<i64>,
    /// What is to be served.
    pub served: &'a Served,
}

/// What is served of a small repository.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, repository: i64, name: &str) -> DbResult<Option<Served>> {
    Ok(mini_repositories::table
        .find((repository, name))
        .select((
            mini_repositories::revision,
            mini_repositories::fingerprint,
            mini_repositories::content,
        ))
        .first(conn)
        .await
        .optional()?)
}

/// `rpms.id` of the packages of builds that succeeded, ascending. Of two with the same name, epoch, version, release and
/// architecture, which only scratch builds make, the newer.
///
/// # Errors
/// When the query fails.
pub async fn packages(conn: &mut Connection, repository: i64, of: Of) -> DbResult<Vec<i64>> {
    let (chosen, id) = match of {
        Of::Task(id) => ("t.id = ?", id),
        Of::Batch(id) => ("t.build_id IN (SELECT id FROM builds WHERE batch_id = ?)", id),
    };
    let rows: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        format!(
            "SELECT id FROM (SELECT DISTINCT ON (r.name, r.epoch, r.version, r.release, r.arch) r.id
                 FROM tasks t JOIN rpms r ON r.task_id = t.id
                 WHERE {chosen} AND r.repository_id = ? AND t.state IN ('succeeded', 'forked')
                     AND (r.since_snapshot IS NOT NULL OR r.scratch)
                 ORDER BY r.name, r.epoch, r.version, r.release, r.arch, r.id DESC) newest ORDER BY id"
        ),
        [Bind::from(id), Bind::from(repository)],
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Repositories that have packages of a batch's builds, or had, with their projects: `repositories.id`, `projects.id`.
///
/// # Errors
/// When the query fails.
pub async fn of_batch(conn: &mut Connection, batch: i64) -> DbResult<Vec<(i64, i64)>> {
    let query = Prepared::<(BigInt, BigInt)>::new(
        "SELECT id, project_id FROM repositories WHERE id IN (
             SELECT r.repository_id FROM builds b JOIN tasks t ON t.build_id = b.id JOIN rpms r ON r.task_id = t.id
             WHERE b.batch_id = ?
             UNION SELECT repository_id FROM mini_repositories WHERE batch_id = ?) ORDER BY id",
        [Bind::from(batch), Bind::from(batch)],
    );
    Ok(query.load(conn).await?)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Takes a number for a new revision, which nobody else gets.
///
/// # Errors
/// When the query fails.
pub async fn reserve(conn: &mut Connection) -> DbResult<i64> {
    let row: Number = diesel::sql_query("SELECT nextval('mini_revisions') AS number")
        .get_result(conn)
        .await?;
    Ok(row.number)
}

/// Serves a revision, if what it was made after is still served, the packages are still there, and the key is still the
/// project's active one; false if not, and nothing has changed.
///
/// # Errors
/// When the query fails.
pub async fn serve(conn: &mut Connection, new: &NewRevision<'_>, now: DateTime<Utc>) -> DbResult<bool> {
    let (task, batch) = match new.of {
        Of::Task(id) => (Some(id), None),
        Of::Batch(id) => (None, Some(id)),
    };
    // A build that is being deleted keeps its task until then; one that is gone leaves no row.
    let rows = diesel::sql_query(
        "INSERT INTO mini_repositories (repository_id, name, task_id, batch_id, revision, fingerprint, content, made_at)
         SELECT $1, $2, t.id, $4, $5, $6, $7, $8 FROM repositories r
             JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
                 AND p.public_key ->> 'fingerprint' = $6
             LEFT JOIN tasks t ON t.id = $3
         WHERE r.id = $1 AND ($3 IS NULL OR t.id IS NOT NULL)
             AND ($9 = 0 OR EXISTS (SELECT FROM mini_repositories m WHERE m.repository_id = $1 AND m.name = $2))
         ON CONFLICT (repository_id, name) DO UPDATE SET revision = EXCLUDED.revision, fingerprint = EXCLUDED.fingerprint,
             content = EXCLUDED.content, made_at = EXCLUDED.made_at WHERE mini_repositories.revision = $9",
    )
    .bind::<BigInt, _>(new.repository)
    .bind::<Text, _>(new.name)
    .bind::<diesel::sql_types::Nullable<BigInt>, _>(task)
    .bind::<diesel::sql_types::Nullable<BigInt>, _>(batch)
    .bind::<BigInt, _>(new.served.revision)
    .bind::<Text, _>(&new.served.fingerprint)
    .bind::<Array<BigInt>, _>(&new.served.content)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(new.before.unwrap_or(0))
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

/// Serves nothing any more, if that revision is still served.
///
/// # Errors
/// When the query fails.
pub async fn remove(conn: &mut Connection, repository: i64, name: &str, revision: i64) -> DbResult<()> {
    diesel::delete(
        mini_repositories::table
            .find((repository, name))
            .filter(mini_repositories::revision.eq(revision)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` small repositories of a repository that another key signed, by name.
///
/// # Errors
/// When the query fails.
pub async fn signed_otherwise(
    conn: &mut Connection,
    repository: i64,
    fingerprint: &str,
    limit: i64,
) -> DbResult<Vec<(String, Of)>> {
    let rows: Vec<(String, Option<i64>, Option<i64>)> = mini_repositories::table
        .filter(mini_repositories::repository_id.eq(repository))
        .filter(mini_repositories::fingerprint.ne(fingerprint))
        .order(mini_repositories::name)
        .limit(limit)
        .select((
            mini_repositories::name,
            mini_repositories::task_id,
            mini_repositories::batch_id,
        ))
        .load(conn)
        .await?;
    let of = |(name, task, batch): (String, Option<i64>, Option<i64>)| {
        let of = task.map(Of::Task).or(batch.map(Of::Batch))?;
        Some((name, of))
    };
    Ok(rows.into_iter().filter_map(of).collect())
}

/// A small repository, as pages and the API show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Owner of its project.
    pub owner: OwnerName,
    /// Its directory.
    pub dir: DirName,
    /// Its chroot.
    pub chroot: ChrootName,
    /// Its folder, below the repository's.
    pub name: String,
    /// Which revision is served.
    pub revision: i64,
    /// Number of packages.
    pub packages: i64,
    /// Since when.
    pub made_at: DateTime<Utc>,
}

/// Owner, directory, chroot, folder, revision, number of packages, since when.
type ShownRow = (String, String, String, String, i64, i64, DateTime<Utc>);

async fn shown(conn: &mut Connection, which: &str, id: i64) -> DbResult<Vec<Shown>> {
    let rows: Vec<ShownRow> = Prepared::<(Text, Text, Text, Text, BigInt, BigInt, Timestamptz)>::new(
        format!(
            "SELECT p.owner, r.dirname, r.chroot, m.name, m.revision, cardinality(m.content)::bigint, m.made_at
             FROM mini_repositories m JOIN repositories r ON r.id = m.repository_id
                 JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
             WHERE {which} ORDER BY p.owner, r.dirname, r.chroot"
        ),
        [Bind::from(id)],
    )
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|(owner, dir, chroot, name, revision, packages, made_at)| {
            Ok(Shown {
                owner: parse("project owner", &owner)?,
                dir: parse("directory", &dir)?,
                chroot: parse("chroot", &chroot)?,
                name,
                revision,
                packages,
                made_at,
            })
        })
        .collect()
}

/// The small repositories of a build, by chroot.
///
/// # Errors
/// When the query fails.
pub async fn shown_of_build(conn: &mut Connection, build: BuildId) -> DbResult<Vec<Shown>> {
    let which = "m.task_id IN (SELECT id FROM tasks WHERE build_id = ?)";
    shown(conn, which, build.0).await
}

/// The small repositories of a batch, by directory and chroot.
///
/// # Errors
/// When the query fails.
pub async fn shown_of_batch(conn: &mut Connection, batch: i64) -> DbResult<Vec<Shown>> {
    shown(conn, "m.batch_id = ?", batch).await
}
