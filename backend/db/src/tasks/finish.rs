//! How attempts end.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::Artifact;
use protocol::{BuildId, FailureKind, Outcome, TaskId};

use super::{TaskState, lock_build, word};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult, to_json};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::tasks;

/// Ends an attempt; false when the lease was no longer the caller's.
///
/// # Errors
/// When the query fails.
pub async fn finish(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    outcome: &Outcome,
    artifacts: &[Artifact],
    boot_ms: Option<i64>,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let manifest = to_json("manifest", &artifacts)?;
    conn.transaction::<_, DbError, _>(async |conn| {
        type Held = (Option<String>, i32, i64, Option<String>);
        let held: Option<Held> = tasks::table
            .find(task.0)
            .filter(tasks::attempt.eq(attempt))
            .filter(tasks::state.eq("running"))
            .select((
                tasks::chroot,
                tasks::max_attempts,
                tasks::build_id,
                tasks::builder,
            ))
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some((chroot, max_attempts, build, builder)) = held else {
            return Ok(false);
        };
        if let Some(builder) = builder.filter(|_| *outcome != Outcome::Succeeded) {
            audit::acts(conn, &format!("builder:{builder}")).await?;
        }
        if chroot.is_none() {
            lock_build(conn, BuildId(build)).await?;
        }
        diesel::update(tasks::table.find(task.0))
            .set((tasks::manifest.eq(&manifest), tasks::boot_ms.eq(boot_ms)))
            .execute(conn)
            .await?;
        match outcome {
            Outcome::Succeeded => {
                diesel::update(tasks::table.find(task.0))
                    .set((
                        tasks::state.eq("publishing"),
                        tasks::lease_expires_at.eq(None::<DateTime<Utc>>),
                    ))
                    .execute(conn)
                    .await?;
                let (task, job) = (task.0, chroot.is_some());
                let job = if job {
                    Job::PublishTask { task, attempt }
                } else {
                    Job::AcceptSource { task, attempt }
                };
                jobs::enqueue(conn, &job, now).await?;
            }
            Outcome::Failed { kind, message } if !kind.is_the_packages_fault() && attempt < max_attempts => {
                offer_again(
                    conn,
                    task,
                    now + TimeDelta::seconds(i64::from(attempt) * 5),
                    message,
                )
                .await?;
            }
            Outcome::Failed { kind, message } => fail_in(conn, task, *kind, message, now).await?,
            Outcome::Canceled => {
                end(conn, task, TaskState::Canceled, now).await?;
                if chroot.is_none() {
                    // What waited for this source would wait for ever.
                    diesel::update(tasks::table.filter(tasks::build_id.eq(build)))
                        .filter(tasks::state.eq("waiting"))
                        .set((tasks::state.eq("canceled"), tasks::ended_at.eq(now)))
                        .execute(conn)
                        .await?;
                }
                jobs::enqueue(
                    conn,
                    &Job::StoreLog {
                        task: task.0,
                        attempt,
                    },
                    now,
                )
                .await?;
            }
        }
        notify(conn, Topic::Progress).await?;
        Ok(true)
    })
    .await
}

pub(super) async fn offer_again(
    conn: &mut Connection,
    task: TaskId,
    not_before: DateTime<Utc>,
    why: &str,
) -> DbResult<()> {
    diesel::update(tasks::table.find(task.0))
        .set((
            tasks::state.eq("pending"),
            tasks::not_before.eq(not_before),
            tasks::lease_expires_at.eq(None::<DateTime<Utc>>),
            tasks::phase.eq(None::<String>),
            tasks::failure_message.eq(why),
        ))
        .execute(conn)
        .await?;
    notify(conn, Topic::Tasks).await
}

async fn end(conn: &mut Connection, task: TaskId, state: TaskState, now: DateTime<Utc>) -> DbResult<()> {
    diesel::update(tasks::table.find(task.0))
        .set((
            tasks::state.eq(state.as_str()),
            tasks::ended_at.eq(now),
            tasks::phase.eq(None::<String>),
            tasks::lease_expires_at.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn fail_in(
    conn: &mut Connection,
    task: TaskId,
    kind: FailureKind,
    message: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let (build, chroot, attempt): (i64, Option<String>, i32) = tasks::table
        .find(task.0)
        .select((tasks::build_id, tasks::chroot, tasks::attempt))
        .first(conn)
        .await?;
    if chroot.is_none() {
        lock_build(conn, BuildId(build)).await?;
    }
    diesel::update(tasks::table.find(task.0))
        .set((
            tasks::failure_kind.eq(word("failure kind", &kind)?),
            tasks::failure_message.eq(message),
        ))
        .execute(conn)
        .await?;
    end(conn, task, TaskState::Failed, now).await?;
    if chroot.is_none() {
        // Without a source there is nothing to build.
        diesel::update(
            tasks::table
                .filter(tasks::build_id.eq(build))
                .filter(tasks::state.eq("waiting")),
        )
        .set((
            tasks::state.eq("failed"),
            tasks::ended_at.eq(now),
            tasks::failure_kind.eq("bad_source"),
            tasks::failure_message.eq("the build has no source package"),
        ))
        .execute(conn)
        .await?;
    }
    jobs::enqueue(
        conn,
        &Job::StoreLog {
            task: task.0,
            attempt,
        },
        now,
    )
    .await
}

/// Fails a task that the backend refuses; false when it is not being published any more.
///
/// # Errors
/// When the query fails.
pub async fn fail_publishing(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    kind: FailureKind,
    message: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !is_publishing(conn, task, attempt).await? {
            return Ok(false);
        }
        fail_in(conn, task, kind, message, now).await?;
        notify(conn, Topic::Progress).await?;
        Ok(true)
    })
    .await
}

/// Whether the attempt's result waits for being published; inside a transaction it stays so until the end.
///
/// # Errors
/// When the query fails.
pub async fn is_publishing(conn: &mut Connection, task: TaskId, attempt: i32) -> DbResult<bool> {
    let found: Option<i64> = tasks::table
        .find(task.0)
        .filter(tasks::attempt.eq(attempt))
        .filter(tasks::state.eq("publishing"))
        .select(tasks::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Marks a published task succeeded.
///
/// # Errors
/// When the query fails.
pub async fn succeed(conn: &mut Connection, task: TaskId, attempt: i32, now: DateTime<Utc>) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if is_publishing(conn, task, attempt).await? {
            end(conn, task, TaskState::Succeeded, now).await?;
            // A source part has no packages.
            jobs::enqueue(conn, &Job::MiniRepository { task: task.0 }, now).await?;
            notify(conn, Topic::Progress).await?;
        }
        Ok(())
    })
    .await
}
