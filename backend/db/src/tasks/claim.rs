//! Handing tasks out, and leases.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::{ClaimRequest, Phase};
use protocol::{ChrootName, FailureKind, TaskId};

use super::finish::{fail_in, offer_again};
use super::{TaskRow, find, word};
use crate::connect::{Connection, DbError, DbResult};
use crate::notify::{Topic, notify};
use crate::schema::tasks;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Hands out the most urgent task that the builder can do: by priority, then fair share (owners with fewer running
/// tasks first), then age. One short UPDATE. Tasks of holders who have as many running as they may wait; two claims at
/// once may hand out one too many. Imports need no machine, so any builder does. Tasks of a project that took the name of a deleted one wait until the objects of that
/// are gone, for theirs would go with them.
///
/// # Errors
/// When the query fails.
pub async fn claim(
    conn: &mut Connection,
    request: &ClaimRequest,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> DbResult<Option<TaskRow>> {
    let chroots: Vec<&str> = request.chroots.iter().map(ChrootName::as_str).collect();
    let id: Option<Id> = diesel::sql_query(
        "WITH used_up AS MATERIALIZED (
             SELECT p.holder FROM tasks r JOIN builds b ON b.id = r.build_id JOIN projects p ON p.id = b.project_id
                 LEFT JOIN quotas q ON q.owner = p.holder LEFT JOIN quotas d ON d.owner = ''
             WHERE r.state = 'running'
             GROUP BY p.holder, coalesce(q.concurrent_builds, d.concurrent_builds)
             HAVING coalesce(q.concurrent_builds, d.concurrent_builds) BETWEEN 0 AND count(*)
             UNION SELECT owner FROM quotas WHERE concurrent_builds = 0)
         UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_expires_at = $2, builder = $3,
             phase = 'preparing', started_at = coalesce(started_at, $1)
         WHERE id = (
             SELECT t.id FROM tasks t JOIN builds b ON b.id = t.build_id JOIN projects p ON p.id = b.project_id
             WHERE t.state = 'pending' AND NOT t.held AND (t.not_before IS NULL OR t.not_before <= $1)
                 AND (t.chroot IS NULL OR b.source_kind = 'import' OR regexp_replace(t.chroot, '^.*-', '') = ANY ($4))
                 AND (t.chroot IS NULL OR b.source_kind = 'import' OR cardinality($5) = 0 OR t.chroot = ANY ($5))
                 AND NOT EXISTS (SELECT FROM used_up WHERE used_up.holder = p.holder)
                 AND (p.ready_at IS NOT NULL OR NOT EXISTS (
                     SELECT FROM jobs j JOIN projects o ON o.id = (j.payload->>'project')::bigint
                     WHERE j.kind = 'remove_project' AND j.failed_at IS NULL AND o.owner = p.owner AND o.name = p.name))
             ORDER BY t.priority DESC,
                 (SELECT count(*) FROM tasks r JOIN builds rb ON rb.id = r.build_id JOIN projects rp ON rp.id = rb.project_id
                  WHERE r.state = 'running' AND rp.owner = p.owner),
                 t.id
             LIMIT 1 FOR UPDATE OF t SKIP LOCKED)
         RETURNING id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + lease)
    .bind::<Text, _>(request.builder.as_str())
    .bind::<Array<Text>, _>(&request.arches)
    .bind::<Array<Text>, _>(chroots)
    .get_result(conn)
    .await
    .optional()?;
    let Some(Id { id }) = id else { return Ok(None) };
    notify(conn, Topic::Progress).await?;
    find(conn, TaskId(id)).await
}

/// Extends the lease; false when it is no longer the caller's.
///
/// # Errors
/// When the query fails.
pub async fn heartbeat(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    phase: Phase,
    until: DateTime<Utc>,
) -> DbResult<bool> {
    let phase = word("phase", &phase)?;
    let rows = diesel::update(tasks::table.find(task.0))
        .filter(tasks::attempt.eq(attempt))
        .filter(tasks::state.eq("running"))
        .set((tasks::lease_expires_at.eq(until), tasks::phase.eq(phase)))
        .execute(conn)
        .await?;
    if rows == 1 {
        notify(conn, Topic::Progress).await?;
    }
    Ok(rows == 1)
}

/// Whether the attempt still holds its lease.
///
/// # Errors
/// When the query fails.
pub async fn is_held(conn: &mut Connection, task: TaskId, attempt: i32) -> DbResult<bool> {
    let held: Option<i64> = tasks::table
        .find(task.0)
        .filter(tasks::attempt.eq(attempt))
        .filter(tasks::state.eq("running"))
        .select(tasks::id)
        .first(conn)
        .await
        .optional()?;
    Ok(held.is_some())
}

/// Hands a claimed task back untouched, for instance when the builder shuts down; this does not count against it.
///
/// # Errors
/// When the query fails.
pub async fn refuse(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    reason: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let builder: Option<Option<String>> = diesel::update(tasks::table.find(task.0))
            .filter(tasks::attempt.eq(attempt))
            .filter(tasks::state.eq("running"))
            .set(tasks::max_attempts.eq(tasks::max_attempts + 1))
            .returning(tasks::builder)
            .get_result(conn)
            .await
            .optional()?;
        let Some(builder) = builder else { return Ok(false) };
        offer_again(conn, task, now + TimeDelta::seconds(1), reason).await?;
        if let Some(builder) = builder {
            crate::builders::refused(conn, &builder, reason).await?;
        }
        Ok(true)
    })
    .await
}

/// Offers tasks whose lease ended again, or gives them up after their last attempt. Returns how many it touched.
///
/// # Errors
/// When the query fails.
pub async fn expire_leases(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<usize> {
    let expired: Vec<(i64, i32, i32)> = tasks::table
        .filter(tasks::state.eq("running"))
        .filter(tasks::lease_expires_at.lt(now))
        .select((tasks::id, tasks::attempt, tasks::max_attempts))
        .load(conn)
        .await?;
    let mut touched = 0;
    for (id, attempt, max_attempts) in expired {
        conn.transaction::<_, DbError, _>(async |conn| {
            let still: Option<i64> = tasks::table
                .find(id)
                .filter(tasks::attempt.eq(attempt))
                .filter(tasks::state.eq("running"))
                .filter(tasks::lease_expires_at.lt(now))
                .select(tasks::id)
                .for_update()
                .first(conn)
                .await
                .optional()?;
            if still.is_none() {
                return Ok(());
            }
            touched += 1;
            if attempt < max_attempts {
                offer_again(conn, TaskId(id), now, "the builder stopped answering").await
            } else {
                let message = format!(
                    "builders stopped answering in each of {attempt} attempts; tell the administrator"
                );
                fail_in(conn, TaskId(id), FailureKind::Builder, &message, now).await
            }
        })
        .await?;
    }
    Ok(touched)
}
