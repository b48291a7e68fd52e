//! Tasks: what builders claim. One discipline: a claim is one UPDATE that counts the attempt and starts the lease; every
//! later change is fenced by the attempt, and zero rows means that the lease is lost.
//!
//! Locks are taken in one order: tasks by number, then their build (by the triggers), then its batch, then the tasks of
//! builds that the batch held back. So whoever wants several builds goes from batch to batch.

mod cancel;
mod claim;
mod finish;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use protocol::builder_api::{Artifact, Phase};
use protocol::{BuildId, ChrootName, FailureKind, TaskId};
use serde::{Deserialize, Serialize};

use crate::connect::{Connection, DbResult, from_json, parse, to_json};
use crate::schema::tasks;

pub use cancel::cancel_build;
pub(crate) use cancel::{cancel_project, end_builds};
pub use claim::{claim, expire_leases, heartbeat, is_held, refuse};
pub use finish::{fail_publishing, finish, is_publishing, succeed};

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

impl TaskRow {
    /// The result directory, once something can be in it: a builder has claimed the task, or it is a fork's copy.
    pub fn results(&self) -> Option<&str> {
        let begun = self.attempt > 0 || self.state == TaskState::Forked;
        self.result_dir.as_deref().filter(|_| begun)
    }
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

pub(crate) fn word<T: Serialize>(what: &'static str, value: &T) -> DbResult<String> {
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

/// The project that a task belongs to (`projects.id`).
///
/// # Errors
/// When the query fails.
pub async fn project(conn: &mut Connection, id: TaskId) -> DbResult<Option<i64>> {
    use crate::schema::builds;
    let project = tasks::table.inner_join(builds::table).filter(tasks::id.eq(id.0));
    Ok(project.select(builds::project_id).first(conn).await.optional()?)
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

/// Locks all tasks of a build, in the order of their numbers. Whatever changes more than one task of a build comes here
/// before its first change, since the triggers on tasks lock the build, and a task must not be waited for while a build
/// is held.
pub(crate) async fn lock_build(conn: &mut Connection, build: BuildId) -> DbResult<()> {
    let _: Vec<i64> = tasks::table
        .filter(tasks::build_id.eq(build.0))
        .order(tasks::id)
        .select(tasks::id)
        .for_update()
        .load(conn)
        .await?;
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
