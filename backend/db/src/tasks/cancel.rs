//! Canceling.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::BuildId;

use super::{TaskState, lock_build};
use crate::connect::{Connection, DbResult};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::{batches, builds, tasks};

/// What a builder can be stopped at.
const NOT_UPLOADED: &[TaskState] = &[TaskState::Waiting, TaskState::Pending, TaskState::Running];
/// All that is not final.
const UNFINISHED: &[TaskState] = &[
    TaskState::Waiting,
    TaskState::Pending,
    TaskState::Running,
    TaskState::Publishing,
];

/// Cancels what has not been uploaded yet of a build, at once: a builder that runs it learns so with its next
/// heartbeat and drops the work. Returns how many tasks were stopped.
///
/// # Errors
/// When the query fails.
pub async fn cancel_build(conn: &mut Connection, build: BuildId, now: DateTime<Utc>) -> DbResult<usize> {
    lock_build(conn, build).await?;
    Ok(stop(conn, &[build.0], NOT_UPLOADED, now).await?.len())
}

/// Cancels everything of a project.
pub(crate) async fn cancel_project(conn: &mut Connection, project: i64, now: DateTime<Utc>) -> DbResult<()> {
    let ids: Vec<i64> = builds::table
        .filter(builds::project_id.eq(project))
        .filter(builds::ended_at.is_null())
        .select(builds::id)
        .load(conn)
        .await?;
    lock_builds(conn, &ids).await?;
    stop(conn, &ids, NOT_UPLOADED, now).await?;
    Ok(())
}

/// Cancels all that has not ended of builds that are about to be deleted, even what is being published, and keeps them
/// locked. Returns which builds had not ended.
pub(crate) async fn end_builds(
    conn: &mut Connection,
    builds: &[i64],
    now: DateTime<Utc>,
) -> DbResult<Vec<i64>> {
    lock_builds(conn, builds).await?;
    stop(conn, builds, UNFINISHED, now).await
}

/// Locks builds with their tasks and batches, one batch after the other. Whoever ends a batch has locks of it when they
/// want those of the tasks that waited, which belong to a later batch; so whoever has these must want nothing of it.
async fn lock_builds(conn: &mut Connection, ids: &[i64]) -> DbResult<()> {
    let mut members: Vec<(Option<i64>, i64)> = builds::table
        .filter(builds::id.eq_any(ids))
        .select((builds::batch_id, builds::id))
        .load(conn)
        .await?;
    // A batch has a higher number than the one that it waits for.
    members.sort_unstable();
    for group in members.chunk_by(|(a, _), (b, _)| a == b) {
        let ids: Vec<i64> = group.iter().map(|(_, build)| *build).collect();
        let _: Vec<i64> = tasks::table
            .filter(tasks::build_id.eq_any(&ids))
            .order(tasks::id)
            .select(tasks::id)
            .for_update()
            .load(conn)
            .await?;
        let _: Vec<i64> = builds::table
            .filter(builds::id.eq_any(&ids))
            .order(builds::id)
            .select(builds::id)
            .for_no_key_update()
            .load(conn)
            .await?;
        let batch = group.first().and_then(|(batch, _)| *batch);
        let _: Vec<i64> = batches::table
            .filter(batches::id.eq_any(batch))
            .select(batches::id)
            .for_no_key_update()
            .load(conn)
            .await?;
    }
    Ok(())
}

/// Cancels the tasks of builds that are in one of these states; their builds.
async fn stop(
    conn: &mut Connection,
    builds: &[i64],
    states: &[TaskState],
    now: DateTime<Utc>,
) -> DbResult<Vec<i64>> {
    let states = states.iter().map(|state| state.as_str());
    let stopped: Vec<(i64, i64, i32)> = diesel::update(tasks::table.filter(tasks::build_id.eq_any(builds)))
        .filter(tasks::state.eq_any(states))
        .set((
            tasks::state.eq("canceled"),
            tasks::ended_at.eq(now),
            tasks::phase.eq(None::<String>),
            tasks::lease_expires_at.eq(None::<DateTime<Utc>>),
        ))
        .returning((tasks::build_id, tasks::id, tasks::attempt))
        .get_results(conn)
        .await?;
    for (_, task, attempt) in &stopped {
        let (task, attempt) = (*task, *attempt);
        if attempt > 0 {
            jobs::enqueue(conn, &Job::StoreLog { task, attempt }, now).await?;
        }
    }
    notify(conn, Topic::Progress).await?;
    let mut builds: Vec<i64> = stopped.into_iter().map(|(build, ..)| build).collect();
    builds.sort_unstable();
    builds.dedup();
    Ok(builds)
}
