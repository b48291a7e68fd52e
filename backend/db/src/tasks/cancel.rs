//! Canceling.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::BuildId;

use super::lock_build;
use crate::connect::{Connection, DbResult};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::tasks;

/// Cancels what has not been uploaded yet of a build, at once: a builder that runs it learns so with its next
/// heartbeat and drops the work. Returns how many tasks were stopped.
///
/// # Errors
/// When the query fails.
pub async fn cancel_build(conn: &mut Connection, build: BuildId, now: DateTime<Utc>) -> DbResult<usize> {
    lock_build(conn, build).await?;
    let stopped: Vec<(i64, i32)> = diesel::update(tasks::table.filter(tasks::build_id.eq(build.0)))
        .filter(tasks::state.eq_any(["waiting", "pending", "running"]))
        .set((
            tasks::state.eq("canceled"),
            tasks::ended_at.eq(now),
            tasks::phase.eq(None::<String>),
            tasks::lease_expires_at.eq(None::<DateTime<Utc>>),
        ))
        .returning((tasks::id, tasks::attempt))
        .get_results(conn)
        .await?;
    for (task, attempt) in &stopped {
        if *attempt > 0 {
            jobs::enqueue(
                conn,
                &Job::StoreLog {
                    task: *task,
                    attempt: *attempt,
                },
                now,
            )
            .await?;
        }
    }
    notify(conn, Topic::Progress).await?;
    Ok(stopped.len())
}

/// Cancels everything of a project.
pub(crate) async fn cancel_project(conn: &mut Connection, project: i64, now: DateTime<Utc>) -> DbResult<()> {
    use crate::schema::builds;
    let ids: Vec<i64> = builds::table
        .inner_join(tasks::table)
        .filter(builds::project_id.eq(project))
        .filter(tasks::state.eq_any(["waiting", "pending", "running"]))
        .select(builds::id)
        .order(builds::id)
        .distinct()
        .load(conn)
        .await?;
    for id in ids {
        cancel_build(conn, BuildId(id), now).await?;
    }
    Ok(())
}
