//! Result directories of projects: the main one, and those that builds made.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::DirName;

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::jobs::{self, Job};
use crate::read::{Bind, Prepared};

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Name.
    pub name: DirName,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When the newest build was sent there.
    pub last_build_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct Yes {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// Notes that a build goes into a directory. A new one gets empty repositories for all chroots of the project; call it
/// in the transaction that makes the build.
///
/// # Errors
/// [`DbError::BeingRemoved`] while the objects of an earlier directory of this name are still being removed: what the
/// build leaves would go with them. When the query fails.
pub async fn touch(conn: &mut Connection, project: i64, dir: &DirName, now: DateTime<Utc>) -> DbResult<()> {
    // Not on each build of a busy directory: they would wait for each other.
    let row: Option<Yes> = diesel::sql_query(
        "INSERT INTO directories AS d (project_id, name, created_at, last_build_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (project_id, name) DO UPDATE SET last_build_at = $3
             WHERE d.last_build_at IS NULL OR d.last_build_at < $3 - interval '1 minute'
         RETURNING xmax = 0 AS yes",
    )
    .bind::<BigInt, _>(project)
    .bind::<Text, _>(dir.as_str())
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    if row.is_some_and(|row| row.yes) {
        if is_being_removed(conn, project, dir).await? {
            return Err(DbError::BeingRemoved(dir.to_string()));
        }
        make_repositories(conn, project, Some(dir)).await?;
        let directory = Some(dir.clone());
        jobs::enqueue(conn, &Job::SetUpProject { project, directory }, now).await?;
    }
    Ok(())
}

/// Makes the rows of the repositories that a project, or one directory, lacks: one for each directory and enabled chroot.
pub(crate) async fn make_repositories(
    conn: &mut Connection,
    project: i64,
    only: Option<&DirName>,
) -> DbResult<()> {
    diesel::sql_query(
        "INSERT INTO repositories (project_id, dirname, chroot)
         SELECT d.project_id, d.name, c.chroot FROM directories d JOIN project_chroots c USING (project_id)
             WHERE d.project_id = $1 AND c.enabled AND d.name = coalesce($2, d.name) ORDER BY d.name, c.chroot
         ON CONFLICT DO NOTHING",
    )
    .bind::<BigInt, _>(project)
    .bind::<Nullable<Text>, _>(only.map(DirName::as_str))
    .execute(conn)
    .await?;
    Ok(())
}

/// Directories of a project: those with the newest builds first, the main one before all.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, project: i64, limit: i64) -> DbResult<Vec<Directory>> {
    let query = Prepared::<(Text, Timestamptz, Nullable<Timestamptz>)>::new(
        "SELECT name, created_at, last_build_at FROM directories WHERE project_id = ? \
         ORDER BY name LIKE '%:%', last_build_at DESC NULLS LAST, name LIMIT (SELECT ?::bigint)",
        [Bind::from(project), Bind::from(limit)],
    );
    let rows: Vec<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = query.load(conn).await?;
    rows.into_iter()
        .map(|(name, created_at, last_build_at)| {
            Ok(Directory {
                name: parse("directory", &name)?,
                created_at,
                last_build_at,
            })
        })
        .collect()
}

#[derive(QueryableByName)]
struct Idle {
    #[diesel(sql_type = BigInt)]
    project_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    full: String,
}

/// Removes one directory of a pull request without a build since `idle_since`, with its builds and repositories, and
/// enqueues the removal of its objects. Returns its name; `None` when there is no such directory.
///
/// # Errors
/// When the query fails.
pub async fn expire_one(
    conn: &mut Connection,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DbResult<Option<String>> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let idle: Option<Idle> = diesel::sql_query(
            "SELECT d.project_id, d.name, p.owner || '/' || d.name AS full
             FROM directories d JOIN projects p ON p.id = d.project_id
             WHERE d.name LIKE '%:pr:%' AND coalesce(d.last_build_at, d.created_at) < $1 AND p.deleted_at IS NULL
                 AND NOT coalesce((p.settings->>'persistent')::boolean, false)
                 AND NOT EXISTS (SELECT 1 FROM builds b JOIN tasks t ON t.build_id = b.id
                     WHERE b.project_id = d.project_id AND b.dirname = d.name
                         AND t.state IN ('waiting', 'pending', 'running', 'publishing'))
             LIMIT 1 FOR UPDATE OF d SKIP LOCKED",
        )
        .bind::<Timestamptz, _>(idle_since)
        .get_result(conn)
        .await
        .optional()?;
        let Some(Idle { project_id, name, full }) = idle else {
            return Ok(None);
        };
        for query in [
            "DELETE FROM builds WHERE project_id = $1 AND dirname = $2",
            "DELETE FROM repositories WHERE project_id = $1 AND dirname = $2",
            "DELETE FROM directories WHERE project_id = $1 AND name = $2",
        ] {
            diesel::sql_query(query)
                .bind::<BigInt, _>(project_id)
                .bind::<Text, _>(&name)
                .execute(conn)
                .await?;
        }
        let directory = parse("directory", &name)?;
        let job = Job::RemoveDirectory {
            project: project_id,
            directory,
        };
        jobs::enqueue(conn, &job, now).await?;
        let object = format!("directory:{full}");
        let detail = serde_json::json!({ "idle_since": idle_since });
        audit::record(conn, now, "service", "directory.expire", &object, detail).await?;
        Ok(Some(full))
    })
    .await
}

/// Whether the objects of an earlier directory of this name are still being removed.
///
/// # Errors
/// When the query fails.
pub async fn is_being_removed(conn: &mut Connection, project: i64, dir: &DirName) -> DbResult<bool> {
    let answer: Yes = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE kind = 'remove_directory' AND failed_at IS NULL
             AND (payload->>'project')::bigint = $1 AND payload->>'directory' = $2) AS yes",
    )
    .bind::<BigInt, _>(project)
    .bind::<Text, _>(dir.as_str())
    .get_result(conn)
    .await?;
    Ok(answer.yes)
}
