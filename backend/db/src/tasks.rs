//! Tasks: what builders claim. One discipline: a claim is one UPDATE that counts the attempt and starts the lease; every
//! later change is fenced by the attempt, and zero rows means that the lease is lost.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::{Artifact, ClaimRequest, Phase};
use protocol::{BuildId, ChrootName, FailureKind, Outcome, TaskId};
use serde::{Deserialize, Serialize};

use crate::connect::{Connection, DbError, DbResult, from_json, parse, to_json};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::tasks;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// For its build's source part.
    Waiting,
    /// May be claimed.
    Pending,
    /// Claimed.
    Running,
    /// Uploaded; the backend verifies, signs and publishes.
    Publishing,
    /// Published.
    Succeeded,
    /// Failed.
    Failed,
    /// Canceled.
    Canceled,
    /// The package does not build for this architecture.
    Skipped,
    /// Its packages came from another project.
    Forked,
}

impl TaskState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Publishing => "publishing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Forked => "forked",
        }
    }

    /// Copr's word for it: what is uploaded but not yet published still runs.
    pub fn copr_word(self) -> &'static str {
        match self {
            Self::Publishing => "running",
            other => other.as_str(),
        }
    }

    /// Whether nothing more happens to it.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Canceled | Self::Skipped | Self::Forked
        )
    }
}

impl std::str::FromStr for TaskState {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [
            Self::Waiting,
            Self::Pending,
            Self::Running,
            Self::Publishing,
            Self::Succeeded,
            Self::Failed,
            Self::Canceled,
            Self::Skipped,
            Self::Forked,
        ]
        .into_iter()
        .find(|state| state.as_str() == s)
        .ok_or_else(|| format!("unknown task state {s}"))
    }
}

/// A task.
#[derive(Debug, Clone)]
pub struct TaskRow {
    /// Number.
    pub id: TaskId,
    /// Its build.
    pub build: BuildId,
    /// `None`: the source part.
    pub chroot: Option<ChrootName>,
    /// Where it stands.
    pub state: TaskState,
    /// Attempts so far.
    pub attempt: i32,
    /// Where the running attempt stands.
    pub phase: Option<Phase>,
    /// Who runs it, or ran it last.
    pub builder: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub failure: Option<(FailureKind, String)>,
    /// Result directory, `<%08d build>-<package>`.
    pub result_dir: Option<String>,
    /// Milliseconds from VM start to the agent's first word.
    pub boot_ms: Option<i64>,
    /// What the last attempt says it uploaded.
    pub manifest: Vec<Artifact>,
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = tasks)]
struct Row {
    id: i64,
    build_id: i64,
    chroot: Option<String>,
    state: String,
    attempt: i32,
    phase: Option<String>,
    builder: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    failure_kind: Option<String>,
    failure_message: Option<String>,
    result_dir: Option<String>,
    boot_ms: Option<i64>,
    manifest: Option<serde_json::Value>,
}

impl Row {
    fn task(self) -> DbResult<TaskRow> {
        let word = |what, text: String| from_json(what, serde_json::Value::String(text));
        Ok(TaskRow {
            id: TaskId(self.id),
            build: BuildId(self.build_id),
            chroot: self.chroot.map(|c| parse("chroot", &c)).transpose()?,
            state: parse("task state", &self.state)?,
            attempt: self.attempt,
            phase: self
                .phase
                .map(|p| from_json("phase", serde_json::Value::String(p)))
                .transpose()?,
            builder: self.builder,
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            failure: match self.failure_kind {
                Some(kind) => Some((
                    word("failure kind", kind)?,
                    self.failure_message.unwrap_or_default(),
                )),
                None => None,
            },
            result_dir: self.result_dir,
            boot_ms: self.boot_ms,
            manifest: self
                .manifest
                .map(|m| from_json("manifest", m))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn word<T: Serialize>(what: &'static str, value: &T) -> DbResult<String> {
    Ok(to_json(what, value)?.as_str().unwrap_or_default().to_owned())
}

/// A task by number.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: TaskId) -> DbResult<Option<TaskRow>> {
    let row = tasks::table
        .find(id.0)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::task).transpose()
}

/// Tasks of builds, by build, source part first, then by chroot.
///
/// # Errors
/// When the query fails.
pub async fn of_builds(conn: &mut Connection, builds: &[i64]) -> DbResult<Vec<TaskRow>> {
    let rows: Vec<Row> = tasks::table
        .filter(tasks::build_id.eq_any(builds))
        .order((tasks::build_id, tasks::kind.desc(), tasks::chroot.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::task).collect()
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Hands out the most urgent task that the builder can do: by priority, then fair share (owners with fewer running
/// tasks first), then age. One short UPDATE.
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
        "UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_expires_at = $2, builder = $3,
             phase = 'preparing', started_at = coalesce(started_at, $1)
         WHERE id = (
             SELECT t.id FROM tasks t JOIN builds b ON b.id = t.build_id JOIN projects p ON p.id = b.project_id
             WHERE t.state = 'pending' AND (t.not_before IS NULL OR t.not_before <= $1)
                 AND (t.chroot IS NULL OR regexp_replace(t.chroot, '^.*-', '') = ANY ($4))
                 AND (t.chroot IS NULL OR cardinality($5) = 0 OR t.chroot = ANY ($5))
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
        let held: Option<(Option<String>, i32)> = tasks::table
            .find(task.0)
            .filter(tasks::attempt.eq(attempt))
            .filter(tasks::state.eq("running"))
            .select((tasks::chroot, tasks::max_attempts))
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some((chroot, max_attempts)) = held else {
            return Ok(false);
        };
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
                    let build = tasks::table.find(task.0).select(tasks::build_id);
                    let build: i64 = build.first(conn).await?;
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

async fn offer_again(
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

async fn fail_in(
    conn: &mut Connection,
    task: TaskId,
    kind: FailureKind,
    message: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    end(conn, task, TaskState::Failed, now).await?;
    let row: (i32, i64, Option<String>) = diesel::update(tasks::table.find(task.0))
        .set((
            tasks::failure_kind.eq(word("failure kind", &kind)?),
            tasks::failure_message.eq(message),
        ))
        .returning((tasks::attempt, tasks::build_id, tasks::chroot))
        .get_result(conn)
        .await?;
    if row.2.is_none() {
        // Without a source there is nothing to build.
        diesel::update(
            tasks::table
                .filter(tasks::build_id.eq(row.1))
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
            attempt: row.0,
        },
        now,
    )
    .await
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
            notify(conn, Topic::Progress).await?;
        }
        Ok(())
    })
    .await
}

/// Cancels what has not been uploaded yet of a build, at once: a builder that runs it learns so with its next
/// heartbeat and drops the work. Returns how many tasks were stopped.
///
/// # Errors
/// When the query fails.
pub async fn cancel_build(conn: &mut Connection, build: BuildId, now: DateTime<Utc>) -> DbResult<usize> {
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
        .distinct()
        .load(conn)
        .await?;
    for id in ids {
        cancel_build(conn, BuildId(id), now).await?;
    }
    Ok(())
}

/// Milliseconds from VM start to the agent's first word, of the newest tasks that ran one.
///
/// # Errors
/// When the query fails.
pub async fn newest_boots(conn: &mut Connection, limit: i64) -> DbResult<Vec<i64>> {
    let times: Vec<Option<i64>> = tasks::table
        .filter(tasks::boot_ms.is_not_null())
        .order(tasks::id.desc())
        .limit(limit)
        .select(tasks::boot_ms)
        .load(conn)
        .await?;
    Ok(times.into_iter().flatten().collect())
}

/// How many tasks are pending and running.
///
/// # Errors
/// When the query fails.
pub async fn queue_length(conn: &mut Connection) -> DbResult<(i64, i64)> {
    let pending = tasks::table
        .filter(tasks::state.eq("pending"))
        .count()
        .get_result(conn)
        .await?;
    let running = tasks::table
        .filter(tasks::state.eq("running"))
        .count()
        .get_result(conn)
        .await?;
    Ok((pending, running))
}
