//! What happens to builds as a whole.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, ChrootName, TaskId};

use super::create::ensure_package;
use super::{Build, Srpm, result_dir};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::notify::{Topic, notify};
use crate::schema::{builds, tasks};

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
