//! Promotions into other repositories: packages of one's snapshot, signed anew, in builds that stand for the original ones.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, ChrootName, DirName, TaskId};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, to_json};
use crate::forks;
use crate::jobs::{self, Job};
use crate::projects::Project;
use crate::read::{Bind, Prepared};
use crate::rpms::PublishedFile;
use crate::snapshot_requests::{self, NewRequest};

/// Where a build's packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `owner/name` of the project.
    pub project: String,
    /// Its directory.
    pub dir: String,
    /// The chroot there.
    pub chroot: String,
    /// The snapshot that had them.
    pub snapshot: i64,
    /// The build that made them.
    pub build: i64,
}

/// A package that shall go into another repository, and what it meets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// `rpms.id`, as it is signed now.
    pub id: i64,
    /// File name.
    pub file_name: String,
    /// Its build; `None` when that was deleted.
    pub build: Option<i64>,
    /// `rpms.id` of the same package there, from an earlier promotion.
    pub there: Option<i64>,
    /// Whether another package there has its name, epoch, version, release and architecture.
    pub meets_other: bool,
}

/// Number, file name, build, the same there, whether it meets another.
type CandidateRow = (i64, String, Option<i64>, Option<i64>, bool);

/// What packages (`rpms.id`) of one repository meet in another, by number.
///
/// # Errors
/// When the query fails.
pub async fn candidates(conn: &mut Connection, ids: &[i64], repository: i64) -> DbResult<Vec<Candidate>> {
    let same = "FROM rpms o WHERE o.repository_id = ? AND o.name = n.name AND o.epoch = n.epoch AND o.version = n.version
        AND o.release = n.release AND o.arch = n.arch AND NOT o.scratch AND o.task_id IS NOT NULL";
    let rows: Vec<CandidateRow> =
        Prepared::<(BigInt, Text, Nullable<BigInt>, Nullable<BigInt>, Bool)>::new(
            format!(
                "SELECT n.id, n.file_name, t.build_id,
                     (SELECT max(o.id) {same} AND o.since_snapshot IS NOT NULL AND o.unsigned_sha256 = n.unsigned_sha256),
                     EXISTS (SELECT {same} AND o.unsigned_sha256 <> n.unsigned_sha256)
                 FROM (SELECT DISTINCT coalesce(replaced_by, id) AS id FROM rpms WHERE id = ANY (?)) asked
                 JOIN rpms n ON n.id = asked.id LEFT JOIN tasks t ON t.id = n.task_id ORDER BY n.id"
            ),
            [
                Bind::from(repository),
                Bind::from(repository),
                Bind::Numbers(ids),
            ],
        )
        .load(conn)
        .await?;
    let candidate = |(id, file_name, build, there, meets_other)| Candidate {
        id,
        file_name,
        build,
        there,
        meets_other,
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// A promotion that somebody asks for.
#[derive(Debug, Clone)]
pub struct NewPromotion<'a> {
    /// The snapshot that shall come of it; what is `added` there is in the repository already.
    pub request: NewRequest<'a>,
    /// The project that gets the packages.
    pub project: &'a Project,
    /// Its directory.
    pub dir: &'a DirName,
    /// Its chroot.
    pub chroot: &'a ChrootName,
    /// `users.id` of who asks.
    pub submitter: i64,
    /// Where the packages are; its `build` says nothing.
    pub origin: &'a Origin,
    /// What the history of changes calls that, `repository:<owner>/<dir>/<chroot>`.
    pub origin_object: &'a str,
    /// `rpms.id` of packages to copy, whose builds are there.
    pub copied: &'a [i64],
}

/// Writes a promotion down: the request, builds that stand for the original ones, and the job that does it. Returns the
/// request's number.
///
/// # Errors
/// As [`crate::directories::touch`].
pub async fn create(conn: &mut Connection, new: &NewPromotion<'_>, now: DateTime<Utc>) -> DbResult<i64> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let id = snapshot_requests::insert(conn, &new.request, now).await?;
        crate::directories::touch(conn, new.project.id, new.dir, now).await?;
        let builds = insert_builds(conn, new, now).await?;
        insert_tasks(conn, new, &builds, now).await?;
        insert_packages(conn, id, new.copied, &builds).await?;
        let NewRequest {
            pointer,
            expected,
            added,
            removed,
            actor,
            cause,
            action,
            object,
            ..
        } = new.request;
        let Origin { snapshot, .. } = new.origin;
        let detail = serde_json::json!({
            "request": id, "pointer": pointer, "expected": expected, "added": added.len() + new.copied.len(),
            "removed": removed.len(), "cause": cause, "from": new.origin_object, "from_snapshot": snapshot,
        });
        audit::record(conn, now, actor, action, object, detail).await?;
        let detail = serde_json::json!({
            "request": id, "snapshot": snapshot, "packages": added.len() + new.copied.len(), "to": object,
            "pointer": pointer, "cause": cause,
        });
        let given = format!("{action}d");
        audit::record(conn, now, actor, &given, new.origin_object, detail).await?;
        jobs::enqueue(conn, &Job::Promote { request: id }, now).await?;
        Ok(id)
    })
    .await
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

async fn insert_builds(
    conn: &mut Connection,
    new: &NewPromotion<'_>,
    now: DateTime<Utc>,
) -> DbResult<Vec<i64>> {
    let originals = "(SELECT t.build_id FROM rpms r JOIN tasks t ON t.id = r.task_id WHERE r.id = ANY ($1))";
    diesel::sql_query(format!(
        "INSERT INTO packages (project_id, name) SELECT DISTINCT $2, b.package_name FROM builds b
             WHERE b.id IN {originals} AND b.package_name IS NOT NULL ORDER BY b.package_name
         ON CONFLICT DO NOTHING"
    ))
    .bind::<Array<BigInt>, _>(new.copied)
    .bind::<BigInt, _>(new.project.id)
    .execute(conn)
    .await?;
    let builds: Vec<Id> = diesel::sql_query(format!(
        "INSERT INTO builds (project_id, dirname, submitter, source_kind, source_url, source, srpm_sha256, srpm_name,
             srpm_size, package_name, package_version, package_id, submitted_at, options, promoted_from)
         SELECT $2, $3, $4, b.source_kind, b.source_url, b.source, b.srpm_sha256, b.srpm_name, b.srpm_size, b.package_name,
             b.package_version, (SELECT id FROM packages WHERE project_id = $2 AND name = b.package_name), $5, b.options,
             $6 || jsonb_build_object('build', b.id)
         FROM builds b WHERE b.id IN {originals} ORDER BY b.id RETURNING id"
    ))
    .bind::<Array<BigInt>, _>(new.copied)
    .bind::<BigInt, _>(new.project.id)
    .bind::<Text, _>(new.dir.as_str())
    .bind::<BigInt, _>(new.submitter)
    .bind::<Timestamptz, _>(now)
    .bind::<Jsonb, _>(to_json("origin of a build", new.origin)?)
    .load(conn)
    .await?;
    Ok(builds.into_iter().map(|row| row.id).collect())
}

/// The attempt 0 tells them from what a builder uploaded. What brought packages of many sources has no name of its own.
async fn insert_tasks(
    conn: &mut Connection,
    new: &NewPromotion<'_>,
    builds: &[i64],
    now: DateTime<Utc>,
) -> DbResult<()> {
    diesel::sql_query(
        "INSERT INTO tasks (build_id, kind, chroot, state, created_at, started_at, result_dir)
         SELECT b.id, 'rpm', $2, 'publishing', $3, $3,
             lpad(b.id::text, greatest(8, length(b.id::text)), '0') || '-' || coalesce(b.package_name, 'import')
         FROM builds b WHERE b.id = ANY ($1) ORDER BY b.id",
    )
    .bind::<Array<BigInt>, _>(builds)
    .bind::<Text, _>(new.chroot.as_str())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Names and digests are kept, since the original's rows may go before the job comes to them.
async fn insert_packages(
    conn: &mut Connection,
    request: i64,
    copied: &[i64],
    builds: &[i64],
) -> DbResult<()> {
    let rows = diesel::sql_query(
        "INSERT INTO promoted_packages (request_id, task_id, file_name, sha256, unsigned_sha256)
         SELECT $1, n.id, r.file_name, r.sha256, r.unsigned_sha256
         FROM rpms r JOIN tasks t ON t.id = r.task_id
             JOIN builds b ON b.id = ANY ($3) AND (b.promoted_from ->> 'build')::bigint = t.build_id
             JOIN tasks n ON n.build_id = b.id
         WHERE r.id = ANY ($2) ORDER BY r.id",
    )
    .bind::<BigInt, _>(request)
    .bind::<Array<BigInt>, _>(copied)
    .bind::<Array<BigInt>, _>(builds)
    .execute(conn)
    .await?;
    // A build was deleted since somebody looked; nothing is promoted by halves.
    if rows == copied.len() {
        Ok(())
    } else {
        Err(DbError::NotFound)
    }
}

/// A task of a promotion whose packages are still to be signed and published.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The task.
    pub task: TaskId,
    /// Its build.
    pub build: BuildId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// The folder of its results.
    pub result_dir: String,
    /// Where the packages come from.
    pub origin: Origin,
    /// What is copied.
    pub files: Vec<PublishedFile>,
}

#[derive(QueryableByName)]
struct PieceRow {
    #[diesel(sql_type = BigInt)]
    task: i64,
    #[diesel(sql_type = BigInt)]
    build: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    result_dir: String,
    #[diesel(sql_type = Jsonb)]
    promoted_from: serde_json::Value,
    #[diesel(sql_type = Text)]
    file_name: String,
    #[diesel(sql_type = Text)]
    sha256: String,
    #[diesel(sql_type = Text)]
    unsigned_sha256: String,
}

/// What is left of a promotion, by task.
///
/// # Errors
/// When the query fails.
pub async fn pieces(conn: &mut Connection, request: i64) -> DbResult<Vec<Piece>> {
    let rows: Vec<PieceRow> = diesel::sql_query(
        "SELECT t.id AS task, t.build_id AS build, t.created_at, t.result_dir, b.promoted_from, p.file_name, p.sha256,
             p.unsigned_sha256
         FROM promoted_packages p JOIN tasks t ON t.id = p.task_id JOIN builds b ON b.id = t.build_id
         WHERE p.request_id = $1 AND t.state = 'publishing' AND t.attempt = 0 ORDER BY t.id, p.id",
    )
    .bind::<BigInt, _>(request)
    .load(conn)
    .await?;
    let mut pieces: Vec<Piece> = Vec::new();
    for row in rows {
        let file = PublishedFile {
            file_name: row.file_name,
            sha256: row.sha256,
            unsigned_sha256: row.unsigned_sha256,
        };
        match pieces.last_mut().filter(|piece| piece.task.0 == row.task) {
            Some(piece) => piece.files.push(file),
            None => pieces.push(Piece {
                task: TaskId(row.task),
                build: BuildId(row.build),
                created_at: row.created_at,
                result_dir: row.result_dir,
                origin: from_json("origin of a build", row.promoted_from)?,
                files: vec![file],
            }),
        }
    }
    Ok(pieces)
}

/// Ends a promotion's tasks, whose packages are published, and forgets what was to be copied.
///
/// # Errors
/// When the query fails.
pub async fn done(conn: &mut Connection, request: i64, tasks: &[i64], now: DateTime<Utc>) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        forks::done(conn, tasks, now).await?;
        diesel::sql_query("DELETE FROM promoted_packages WHERE request_id = $1")
            .bind::<BigInt, _>(request)
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}
