//! Forks: another project's settings and its newest packages, in a project of one's own.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, ChrootName, TaskId};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::projects::{self, NewProject, Project};
use crate::schema::projects as table;

/// The newest task of each package and chroot whose packages are published in the main directory, and all that brought
/// packages of many sources; `$1` is the project.
const NEWEST: &str = "SELECT DISTINCT ON (b.package_name, single, t.chroot) t.id, t.build_id, t.chroot,
        coalesce(b.package_name, 'import') AS package_name,
        CASE WHEN b.package_name IS NULL THEN b.id END AS single
    FROM builds b JOIN tasks t ON t.build_id = b.id
    WHERE b.project_id = $1 AND b.dirname = (SELECT name FROM projects WHERE id = $1) AND t.kind = 'rpm'
        AND t.state IN ('succeeded', 'forked') AND NOT b.scratch
        AND EXISTS (SELECT 1 FROM rpms r WHERE r.task_id = t.id AND r.since_snapshot IS NOT NULL)
    ORDER BY b.package_name, single, t.chroot, b.id DESC";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many packages a fork of the project has.
///
/// # Errors
/// When the query fails.
pub async fn count(conn: &mut Connection, from: i64) -> DbResult<i64> {
    let query = format!("SELECT count(DISTINCT package_name) AS count FROM ({NEWEST}) newest");
    let row: Count = diesel::sql_query(query)
        .bind::<BigInt, _>(from)
        .get_result(conn)
        .await?;
    Ok(row.count)
}

/// Makes a project with the settings, chroots and packages of another; a job copies the packages' files.
///
/// # Errors
/// As [`projects::create`].
pub async fn create(
    conn: &mut Connection,
    new: &NewProject<'_>,
    from: &Project,
    now: DateTime<Utc>,
) -> DbResult<Project> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let project = projects::create(conn, new, now).await?;
        diesel::update(table::table.find(project.id))
            .set(table::forked_from.eq(from.id))
            .execute(conn)
            .await?;
        diesel::sql_query(
            "UPDATE project_chroots n SET settings = o.settings, comps_name = o.comps_name, comps_sha256 = o.comps_sha256
             FROM project_chroots o WHERE o.project_id = $1 AND n.project_id = $2 AND n.chroot = o.chroot",
        )
        .bind::<BigInt, _>(from.id)
        .bind::<BigInt, _>(project.id)
        .execute(conn)
        .await?;
        update(conn, &project, from, new.actor, now).await?;
        projects::by_id(conn, project.id).await?.ok_or(DbError::NotFound)
    })
    .await
}

/// Brings the packages of another project into an existing one: builds and tasks for those that it lacks, and for those
/// whose copying failed. A job copies their files.
///
/// # Errors
/// When the query fails.
pub async fn update(
    conn: &mut Connection,
    project: &Project,
    from: &Project,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        // Whose webhooks rebuild what is the owner's to say.
        diesel::sql_query(
            "INSERT INTO packages (project_id, name, source_type, source, max_builds, timeout_s, chroot_denylist)
             SELECT $2, name, source_type, source, max_builds, timeout_s, chroot_denylist FROM packages
                 WHERE project_id = $1 ORDER BY id
             ON CONFLICT (project_id, name) DO NOTHING",
        )
        .bind::<BigInt, _>(from.id)
        .bind::<BigInt, _>(project.id)
        .execute(conn)
        .await?;
        adopt(conn, from.id, project, now).await?;
        let job = Job::ForkProject {
            project: project.id,
            from: from.id,
        };
        jobs::set_aside(conn, project.id, Some(job.kind())).await?;
        jobs::enqueue(conn, &job, now).await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        let detail = serde_json::json!({ "from": format!("{}/{}", from.owner, from.name) });
        audit::record(conn, now, actor, "project.fork", &object, detail).await
    })
    .await
}

/// A task of a fork, which waits for its packages.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The new task.
    pub task: TaskId,
    /// Its build.
    pub build: BuildId,
    /// Chroot.
    pub chroot: ChrootName,
    /// The task and the build that it is a copy of; `None` when they were deleted meanwhile.
    pub original: Option<(TaskId, BuildId)>,
}

#[derive(QueryableByName)]
struct PieceRow {
    #[diesel(sql_type = BigInt)]
    task: i64,
    #[diesel(sql_type = BigInt)]
    build: i64,
    #[diesel(sql_type = Text)]
    chroot: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    original_task: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    original_build: Option<i64>,
}

/// Makes builds and tasks for the newest packages of another project that this one lacks. It belongs to the request and
/// not to the job: what somebody deletes before a job is repeated stays deleted.
async fn adopt(conn: &mut Connection, from: i64, to: &Project, now: DateTime<Utc>) -> DbResult<()> {
    // Two forks into one project take turns. Whoever adds rows that refer to it need not wait.
    let _: i64 = table::table
        .find(to.id)
        .select(table::id)
        .for_no_key_update()
        .first(conn)
        .await?;
    let builds = format!(
        "INSERT INTO builds (project_id, dirname, submitter, source_kind, source_url, source, srpm_sha256, srpm_name,
             srpm_size, package_name, package_version, package_id, submitted_at, options, forked_from)
         SELECT $2, $3, b.submitter, b.source_kind, b.source_url, b.source, b.srpm_sha256, b.srpm_name, b.srpm_size,
             b.package_name, b.package_version, (SELECT id FROM packages WHERE project_id = $2 AND name = b.package_name),
             $4, b.options, b.id
         FROM builds b WHERE b.id IN (SELECT build_id FROM ({NEWEST}) newest
             JOIN project_chroots c ON c.project_id = $2 AND c.chroot = newest.chroot AND c.enabled) ORDER BY b.id
         ON CONFLICT (forked_from, project_id) WHERE forked_from IS NOT NULL DO NOTHING"
    );
    diesel::sql_query(builds)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(to.id)
        .bind::<Text, _>(to.name.as_str())
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    // The attempt 0 tells these from what a builder uploaded.
    let tasks = format!(
        "INSERT INTO tasks (build_id, kind, chroot, state, created_at, started_at, result_dir)
         SELECT b.id, 'rpm', newest.chroot, 'publishing', $3, $3,
             lpad(b.id::text, greatest(8, length(b.id::text)), '0') || '-' || newest.package_name
         FROM ({NEWEST}) newest JOIN builds b ON b.forked_from = newest.build_id AND b.project_id = $2
         JOIN project_chroots c ON c.project_id = $2 AND c.chroot = newest.chroot AND c.enabled ORDER BY b.id, newest.chroot
         ON CONFLICT (build_id, kind, chroot) DO UPDATE SET state = 'publishing', ended_at = NULL,
             failure_kind = NULL, failure_message = NULL WHERE tasks.state = 'failed'"
    );
    diesel::sql_query(tasks)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(to.id)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// The tasks of `to` whose packages are still to be copied from `from`, and those whose original nobody knows any more.
///
/// # Errors
/// When the query fails.
pub async fn pieces(conn: &mut Connection, from: i64, to: i64) -> DbResult<Vec<Piece>> {
    let rows: Vec<PieceRow> = diesel::sql_query(
        "SELECT t.id AS task, t.build_id AS build, t.chroot, o.id AS original_task, b.forked_from AS original_build
         FROM builds b JOIN tasks t ON t.build_id = b.id LEFT JOIN builds ob ON ob.id = b.forked_from
         LEFT JOIN tasks o ON o.build_id = b.forked_from AND o.kind = 'rpm' AND o.chroot = t.chroot
         WHERE b.project_id = $2 AND t.kind = 'rpm' AND t.state = 'publishing' AND t.attempt = 0
             AND b.promoted_from IS NULL AND coalesce(ob.project_id, $1) = $1
         ORDER BY t.chroot, t.id",
    )
    .bind::<BigInt, _>(from)
    .bind::<BigInt, _>(to)
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Piece {
                task: TaskId(row.task),
                build: BuildId(row.build),
                chroot: parse("chroot", &row.chroot)?,
                original: row
                    .original_task
                    .zip(row.original_build)
                    .map(|(task, build)| (TaskId(task), BuildId(build))),
            })
        })
        .collect()
}

/// Marks published tasks of a fork or a promotion.
///
/// # Errors
/// When the query fails.
pub async fn done(conn: &mut Connection, tasks: &[i64], now: DateTime<Utc>) -> DbResult<()> {
    diesel::sql_query(
        "UPDATE tasks SET state = 'forked', ended_at = $2 WHERE id = ANY ($1) AND state = 'publishing' AND attempt = 0",
    )
    .bind::<Array<BigInt>, _>(tasks)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    for task in tasks {
        jobs::enqueue(conn, &Job::MiniRepository { task: *task }, now).await?;
    }
    notify(conn, Topic::Progress).await
}
