//! What happens to builds as a whole.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, ChrootName, TaskId};

use super::create::ensure_package;
use super::{Build, Srpm, result_dir};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::{builds, rpms, tasks};

/// Takes the source package that a source task made: its build's waiting tasks become pending, or skipped where
/// `skips` says so. Nothing happens when the task is no longer being looked into.
///
/// # Errors
/// When the query fails.
pub async fn accept_source(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    srpm: &Srpm,
    skips: &[ChrootName],
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !crate::tasks::is_publishing(conn, task, attempt).await? {
            return Ok(());
        }
        let Some(row) = crate::tasks::find(conn, task).await? else {
            return Ok(());
        };
        crate::tasks::lock_build(conn, row.build).await?;
        let skips: Vec<&str> = skips.iter().map(ChrootName::as_str).collect();
        let waiting = tasks::table
            .filter(tasks::build_id.eq(row.build.0))
            .filter(tasks::state.eq("waiting"));
        diesel::update(waiting.filter(tasks::chroot.eq_any(&skips)))
            .set((tasks::state.eq("skipped"), tasks::ended_at.eq(now)))
            .execute(conn)
            .await?;
        diesel::update(waiting)
            .set((
                tasks::state.eq("pending"),
                tasks::result_dir.eq(result_dir(row.build, &srpm.package)),
            ))
            .execute(conn)
            .await?;
        set_srpm(conn, row.build, srpm).await?;
        crate::tasks::succeed(conn, task, attempt, now).await?;
        notify(conn, Topic::Tasks).await
    })
    .await
}

async fn set_srpm(conn: &mut Connection, build: BuildId, srpm: &Srpm) -> DbResult<()> {
    let project: i64 = builds::table
        .find(build.0)
        .select(builds::project_id)
        .first(conn)
        .await?;
    let package = ensure_package(conn, project, &srpm.package).await?;
    diesel::update(builds::table.find(build.0))
        .set((
            builds::srpm_sha256.eq(srpm.sha256.as_str()),
            builds::srpm_name.eq(srpm.file_name.as_str()),
            builds::srpm_size.eq(srpm.size),
            builds::package_name.eq(srpm.package.as_str()),
            builds::package_version.eq(&srpm.version),
            builds::package_id.eq(package),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Cancels what can still be canceled of a build; false when there is nothing.
///
/// # Errors
/// When the query fails.
pub async fn cancel(conn: &mut Connection, build: &Build, actor: &str, now: DateTime<Utc>) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if crate::tasks::cancel_build(conn, build.id, now).await? == 0 {
            return Ok(false);
        }
        diesel::update(builds::table.find(build.id.0))
            .set(builds::canceled_at.eq(now))
            .execute(conn)
            .await?;
        audit::record(
            conn,
            now,
            actor,
            "build.cancel",
            &format!("build:{}", build.id),
            serde_json::json!({}),
        )
        .await?;
        Ok(true)
    })
    .await
}

/// Deletes builds with all that is known of them, at whatever state they are. What they published is left to jobs, one a
/// build, which make snapshots without it and then remove the objects.
///
/// # Errors
/// When the query fails.
pub async fn delete(conn: &mut Connection, ids: &[BuildId], actor: &str, now: DateTime<Utc>) -> DbResult<()> {
    let mut ids: Vec<BuildId> = ids.to_vec();
    ids.sort();
    conn.transaction::<_, DbError, _>(async |conn| {
        for id in &ids {
            delete_one(conn, *id, actor, now).await?;
        }
        notify(conn, Topic::Progress).await
    })
    .await
}

async fn delete_one(conn: &mut Connection, id: BuildId, actor: &str, now: DateTime<Utc>) -> DbResult<()> {
    // The tasks first, as everywhere.
    crate::tasks::lock_build(conn, id).await?;
    let row: Option<(i64, String, Option<String>)> = builds::table
        .find(id.0)
        .select((builds::project_id, builds::dirname, builds::package_name))
        .for_update()
        .first(conn)
        .await
        .optional()?;
    let Some((project, dirname, package)) = row else {
        return Ok(());
    };
    // Whoever follows the build's events sees its end.
    if crate::tasks::cancel_build(conn, id, now).await? > 0 {
        diesel::update(builds::table.find(id.0))
            .set(builds::canceled_at.eq(now))
            .execute(conn)
            .await?;
    }
    let of_build: Vec<(i64, Option<String>)> = tasks::table
        .filter(tasks::build_id.eq(id.0))
        .select((tasks::id, tasks::chroot))
        .load(conn)
        .await?;
    let numbers: Vec<i64> = of_build.iter().map(|(task, _)| *task).collect();
    let repositories: Vec<i64> = rpms::table
        .filter(rpms::task_id.eq_any(&numbers))
        .filter(rpms::scratch.eq(false))
        .select(rpms::repository_id)
        .distinct()
        .load(conn)
        .await?;
    let job = Job::RemoveBuild {
        project,
        build: id.0,
        dirname,
        package,
        chroots: of_build.iter().filter_map(|(_, chroot)| chroot.clone()).collect(),
        repositories,
        tasks: numbers,
    };
    jobs::enqueue(conn, &job, now).await?;
    diesel::delete(builds::table.find(id.0)).execute(conn).await?;
    audit::record(
        conn,
        now,
        actor,
        "build.delete",
        &format!("build:{id}"),
        serde_json::json!({"project_id": project}),
    )
    .await
}
