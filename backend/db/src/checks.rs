//! Checks: whether the packages that a snapshot brought can be installed. A builder finds out, under the discipline of
//! tasks: a claim counts the attempt and starts the lease, every later word is fenced by the attempt. They have numbers of
//! the same sequence as tasks, so that one builder API serves both, and a table of their own, so that nothing that is said
//! about builds has to leave them out.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::ClaimRequest;
use protocol::{ChrootName, FailureKind, Outcome, TaskId};

use crate::connect::{Connection, DbError, DbResult, parse};
use crate::notify::{Topic, notify};
use crate::schema::{checks, rpms, test_results};

/// What the results of checks are called among those of other tests.
pub const TESTCASE: &str = "koper.installable";
/// Most characters of a message that is kept.
const MESSAGE: usize = 2_000;
/// The same among the results of tests, where people may send no more either.
const RESULT: usize = 1_000;

/// Where a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Nobody runs it yet.
    Waiting,
    /// A builder runs it.
    Running,
    /// All that was looked at can be installed.
    Passed,
    /// Something cannot.
    Failed,
    /// Nobody could find out, and nobody tries any more.
    Error,
    /// It was not run: there was nothing to check, or no pointer named the snapshot any more.
    Skipped,
}

impl CheckState {
    const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Passed,
        Self::Failed,
        Self::Error,
        Self::Skipped,
    ];

    /// As stored, and as the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

impl std::str::FromStr for CheckState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("unknown state of a check {text}"))
    }
}

/// A check, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The snapshot.
    pub snapshot: i64,
    /// Where it stands.
    pub state: CheckState,
    /// Why, for people.
    pub message: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A check that a builder claimed.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Claimed {
    /// Its number, which is no task's.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The attempt that the claim started, from 1.
    #[diesel(sql_type = Integer)]
    pub attempt: i32,
    /// `repositories.id`.
    #[diesel(sql_type = BigInt)]
    pub repository_id: i64,
    /// The snapshot.
    #[diesel(sql_type = BigInt)]
    pub snapshot: i64,
}

/// Asks for the check of a snapshot, in the transaction that makes it.
pub(crate) async fn ask(
    conn: &mut Connection,
    repository: i64,
    snapshot: i64,
    now: DateTime<Utc>,
) -> DbResult<()> {
    diesel::insert_into(checks::table)
        .values((
            checks::repository_id.eq(repository),
            checks::snapshot.eq(snapshot),
            checks::created_at.eq(now),
        ))
        .execute(conn)
        .await?;
    notify(conn, Topic::Tasks).await
}

/// Hands out the oldest check that the builder can do, owners with fewer running tasks first. For when no task waits that
/// it could take. Those of holders who have as many tasks and checks running as they may wait.
///
/// # Errors
/// When the query fails.
pub async fn claim(
    conn: &mut Connection,
    request: &ClaimRequest,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> DbResult<Option<Claimed>> {
    let chroots: Vec<&str> = request.chroots.iter().map(ChrootName::as_str).collect();
    supersede(conn, now).await?;
    Ok(diesel::sql_query(
        "WITH busy AS MATERIALIZED (
             SELECT p.holder FROM tasks t JOIN builds b ON b.id = t.build_id JOIN projects p ON p.id = b.project_id
                 WHERE t.state = 'running'
             UNION ALL
             SELECT p.holder FROM checks c JOIN repositories r ON r.id = c.repository_id
                 JOIN projects p ON p.id = r.project_id WHERE c.state = 'running'),
         used_up AS MATERIALIZED (
             SELECT busy.holder FROM busy LEFT JOIN quotas q ON q.owner = busy.holder LEFT JOIN quotas d ON d.owner = ''
             GROUP BY busy.holder, coalesce(q.concurrent_builds, d.concurrent_builds)
             HAVING coalesce(q.concurrent_builds, d.concurrent_builds) BETWEEN 0 AND count(*)
             UNION SELECT owner FROM quotas WHERE concurrent_builds = 0)
         UPDATE checks SET state = 'running', attempt = attempt + 1, lease_expires_at = $2, builder = $3,
             started_at = coalesce(started_at, $1)
         WHERE id = (
             SELECT c.id FROM checks c JOIN repositories r ON r.id = c.repository_id
                 JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
             WHERE c.state = 'waiting' AND (c.not_before IS NULL OR c.not_before <= $1)
                 AND regexp_replace(r.chroot, '^.*-', '') = ANY ($4)
                 AND (cardinality($5) = 0 OR r.chroot = ANY ($5))
                 AND NOT EXISTS (SELECT FROM used_up WHERE used_up.holder = p.holder)
             ORDER BY (SELECT count(*) FROM busy WHERE busy.holder = p.holder), c.id
             LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
         RETURNING id, attempt, repository_id, snapshot",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + lease)
    .bind::<Text, _>(request.builder.as_str())
    .bind::<Array<Text>, _>(&request.arches)
    .bind::<Array<Text>, _>(chroots)
    .get_result(conn)
    .await
    .optional()?)
}

/// Gives up checks that wait for snapshots which no pointer names any more: nobody installs from them, and a project that
/// publishes often would be behind for ever. Returns how many.
///
/// # Errors
/// When the query fails.
pub async fn supersede(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<usize> {
    Ok(diesel::sql_query(
        "UPDATE checks c SET state = 'skipped', ended_at = $1,
             message = 'another snapshot had taken its place before a builder was free'
         FROM repositories r WHERE c.state = 'waiting' AND r.id = c.repository_id
             AND c.snapshot NOT IN (r.current_snapshot, r.devel_snapshot)
             AND NOT EXISTS (SELECT FROM pointers p WHERE p.repository_id = r.id AND p.snapshot = c.snapshot)",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?)
}

/// Extends the lease; false when it is no longer the caller's.
///
/// # Errors
/// When the query fails.
pub async fn heartbeat(
    conn: &mut Connection,
    id: TaskId,
    attempt: i32,
    until: DateTime<Utc>,
) -> DbResult<bool> {
    let rows = diesel::update(checks::table.find(id.0))
        .filter(checks::attempt.eq(attempt))
        .filter(checks::state.eq("running"))
        .set(checks::lease_expires_at.eq(until))
        .execute(conn)
        .await?;
    Ok(rows == 1)
}

/// Whether the attempt still holds its lease.
///
/// # Errors
/// When the query fails.
pub async fn is_held(conn: &mut Connection, id: TaskId, attempt: i32) -> DbResult<bool> {
    let held: Option<i64> = checks::table
        .find(id.0)
        .filter(checks::attempt.eq(attempt))
        .filter(checks::state.eq("running"))
        .select(checks::id)
        .first(conn)
        .await
        .optional()?;
    Ok(held.is_some())
}

/// Hands a claimed check back untouched; this does not count against it.
///
/// # Errors
/// When the query fails.
pub async fn refuse(
    conn: &mut Connection,
    id: TaskId,
    attempt: i32,
    reason: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let rows = diesel::update(checks::table.find(id.0))
            .filter(checks::attempt.eq(attempt))
            .filter(checks::state.eq("running"))
            .set(checks::max_attempts.eq(checks::max_attempts + 1))
            .execute(conn)
            .await?;
        if rows == 1 {
            offer_again(conn, id, now + TimeDelta::seconds(1), reason).await?;
        }
        Ok(rows == 1)
    })
    .await
}

/// What there is to say of a check that will pass, for instance that it does not look at everything.
///
/// # Errors
/// When the query fails.
pub async fn note(conn: &mut Connection, id: TaskId, attempt: i32, text: &str) -> DbResult<()> {
    diesel::update(checks::table.find(id.0))
        .filter(checks::attempt.eq(attempt))
        .set(checks::message.eq(text))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a running check for which there is nothing to do; false when it is no longer the caller's.
///
/// # Errors
/// When the query fails.
pub async fn skip(
    conn: &mut Connection,
    id: TaskId,
    attempt: i32,
    why: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let held = hold(conn, id, attempt).await?;
        if held.is_some() {
            end(conn, id, CheckState::Skipped, Some(why), now).await?;
        }
        Ok(held.is_some())
    })
    .await
}

/// Ends an attempt; false when the lease was no longer the caller's. Only [`FailureKind::Uninstallable`] is a word on the
/// packages; whatever else went wrong is tried again where it is the service's own trouble, and then nobody knows.
///
/// # Errors
/// When the query fails.
pub async fn finish(
    conn: &mut Connection,
    id: TaskId,
    attempt: i32,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let Some((repository, snapshot, max_attempts, note)) = hold(conn, id, attempt).await? else {
            return Ok(false);
        };
        let result = async |conn: &mut Connection, passed, message: &str| {
            let message: String = message.chars().take(RESULT).collect();
            diesel::insert_into(test_results::table)
                .values((
                    test_results::repository_id.eq(repository),
                    test_results::snapshot.eq(snapshot),
                    test_results::passed.eq(passed),
                    test_results::url.eq(""),
                    test_results::message.eq(message),
                    test_results::actor.eq("service"),
                    test_results::at.eq(now),
                    test_results::testcase.eq(TESTCASE),
                ))
                .execute(conn)
                .await
        };
        match outcome {
            Outcome::Succeeded => {
                end(conn, id, CheckState::Passed, None, now).await?;
                result(conn, true, &note).await?;
            }
            Outcome::Failed {
                kind: FailureKind::Uninstallable,
                message,
            } => {
                end(conn, id, CheckState::Failed, Some(message), now).await?;
                result(conn, false, message).await?;
            }
            Outcome::Failed { kind, message } if !kind.is_the_packages_fault() && attempt < max_attempts => {
                let wait = TimeDelta::seconds(i64::from(attempt) * 5);
                offer_again(conn, id, now + wait, message).await?;
            }
            Outcome::Failed { message, .. } => {
                end(conn, id, CheckState::Error, Some(message), now).await?;
            }
            Outcome::Canceled => {
                end(
                    conn,
                    id,
                    CheckState::Error,
                    Some("the builder was told to stop"),
                    now,
                )
                .await?;
            }
        }
        Ok(true)
    })
    .await
}

/// Repository, snapshot, most attempts and message of a check.
type Held = (i64, i64, i32, String);

/// A check whose lease the attempt holds, locked.
async fn hold(conn: &mut Connection, id: TaskId, attempt: i32) -> DbResult<Option<Held>> {
    Ok(checks::table
        .find(id.0)
        .filter(checks::attempt.eq(attempt))
        .filter(checks::state.eq("running"))
        .select((
            checks::repository_id,
            checks::snapshot,
            checks::max_attempts,
            checks::message,
        ))
        .for_update()
        .first(conn)
        .await
        .optional()?)
}

async fn end(
    conn: &mut Connection,
    id: TaskId,
    state: CheckState,
    message: Option<&str>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let message: Option<String> = message.map(|text| text.chars().take(MESSAGE).collect());
    diesel::update(checks::table.find(id.0))
        .set((
            checks::state.eq(state.as_str()),
            checks::ended_at.eq(now),
            checks::lease_expires_at.eq(None::<DateTime<Utc>>),
            message.map(|message| checks::message.eq(message)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

async fn offer_again(
    conn: &mut Connection,
    id: TaskId,
    not_before: DateTime<Utc>,
    why: &str,
) -> DbResult<()> {
    let why: String = why.chars().take(MESSAGE).collect();
    diesel::update(checks::table.find(id.0))
        .set((
            checks::state.eq("waiting"),
            checks::not_before.eq(not_before),
            checks::lease_expires_at.eq(None::<DateTime<Utc>>),
            checks::message.eq(why),
        ))
        .execute(conn)
        .await?;
    notify(conn, Topic::Tasks).await
}

/// Offers checks whose lease ended again, or gives them up after their last attempt. Returns how many it touched.
///
/// # Errors
/// When the query fails.
pub async fn expire_leases(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<usize> {
    Ok(diesel::sql_query(
        "UPDATE checks SET state = CASE WHEN attempt < max_attempts THEN 'waiting' ELSE 'error' END,
             message = CASE WHEN attempt < max_attempts THEN 'the builder stopped answering'
                 ELSE 'builders stopped answering in each of ' || attempt || ' attempts; tell the administrator' END,
             ended_at = CASE WHEN attempt < max_attempts THEN NULL ELSE $1 END, lease_expires_at = NULL, not_before = $1
         WHERE id IN (SELECT id FROM checks WHERE state = 'running' AND lease_expires_at < $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?)
}

/// Drops what waits and runs of a project that goes; a builder that runs one learns so with its next word.
pub(crate) async fn drop_of_project(conn: &mut Connection, project: i64) -> DbResult<()> {
    diesel::sql_query(
        "DELETE FROM checks c USING repositories r WHERE r.project_id = $1 AND c.repository_id = r.id
             AND c.state IN ('waiting', 'running')",
    )
    .bind::<BigInt, _>(project)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    snapshot: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    message: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended_at: Option<DateTime<Utc>>,
}

/// The checks of these snapshots of a repository, those that have one.
///
/// # Errors
/// When the query fails.
pub async fn of_snapshots(conn: &mut Connection, repository: i64, numbers: &[i64]) -> DbResult<Vec<Check>> {
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT snapshot, state, message, created_at, ended_at FROM checks
         WHERE repository_id = $1 AND snapshot = ANY ($2) ORDER BY snapshot DESC",
    )
    .bind::<BigInt, _>(repository)
    .bind::<Array<BigInt>, _>(numbers)
    .load(conn)
    .await?;
    let check = |row: Row| {
        Ok(Check {
            snapshot: row.snapshot,
            state: parse("state of a check", &row.state)?,
            message: row.message,
            created_at: row.created_at,
            ended_at: row.ended_at,
        })
    };
    rows.into_iter().map(check).collect()
}

/// SHA-256 of the files of these packages (`rpms.id`), by number.
///
/// # Errors
/// When the query fails.
pub async fn files(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<(i64, String)>> {
    Ok(rpms::table
        .filter(rpms::id.eq_any(ids))
        .select((rpms::id, rpms::sha256))
        .load(conn)
        .await?)
}
