//! Batches: builds that start together, after the builds of another batch have ended, whatever came of those.
//!
//! The tasks of a blocked batch are `held`, and no builder gets them. The trigger `batches_open` lets them go when the
//! last build of the blocking batch ends; whoever enters a batch locks it first, so neither overlooks the other.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, QueryableByName,
};
use diesel_async::RunQueryDsl as _;
use protocol::BuildId;

use crate::connect::{Connection, DbResult};
use crate::schema::{batches, builds, projects};

/// The build whose batch another one refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchOf {
    /// Start when the batch of this build has ended.
    After(BuildId),
    /// Join the batch of this build.
    With(BuildId),
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// The batch before it has not ended.
    Blocked,
    /// Its builds may run.
    Processing,
    /// All its builds have ended.
    Finished,
}

impl BatchState {
    /// Copr's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Processing => "processing",
            Self::Finished => "finished",
        }
    }
}

/// Finds or makes the batch that a new build belongs to, inside the transaction that makes the build. Says whether the
/// build has to wait.
///
/// Batches are locked from the earliest on, as by whoever ends one, and no build is held while a batch is waited for:
/// the end of a batch changes the builds that waited for it.
///
/// # Errors
/// When the query fails.
pub(crate) async fn enter(conn: &mut Connection, of: BatchOf) -> DbResult<(Option<i64>, bool)> {
    match of {
        BatchOf::After(build) => {
            let before = of_build(conn, build).await?;
            let batch = insert(conn, before).await?;
            Ok((Some(batch), is_blocked_by(conn, before).await?))
        }
        BatchOf::With(build) => {
            let Some(batch) = of_build(conn, build).await? else {
                return Ok((Some(insert(conn, None).await?), false));
            };
            let before: Option<i64> = batches::table
                .find(batch)
                .select(batches::blocked_by)
                .first(conn)
                .await?;
            let held = is_blocked_by(conn, before).await?;
            lock(conn, batch).await?;
            Ok((Some(batch), held))
        }
    }
}

/// Whether what comes after a batch has to wait; the batch is locked, so that its end is not overlooked.
async fn is_blocked_by(conn: &mut Connection, before: Option<i64>) -> DbResult<bool> {
    let Some(before) = before else {
        return Ok(false);
    };
    lock(conn, before).await?;
    is_open(conn, before).await
}

async fn insert(conn: &mut Connection, blocked_by: Option<i64>) -> DbResult<i64> {
    Ok(diesel::insert_into(batches::table)
        .values(batches::blocked_by.eq(blocked_by))
        .returning(batches::id)
        .get_result(conn)
        .await?)
}

/// The batch of a build, which is made if it has none; `None` when the build is gone. A build that has a batch keeps it,
/// so it need not be locked.
async fn of_build(conn: &mut Connection, build: BuildId) -> DbResult<Option<i64>> {
    let row = builds::table.find(build.0).select(builds::batch_id);
    let found: Option<Option<i64>> = row.first(conn).await.optional()?;
    if !matches!(found, Some(None)) {
        return Ok(found.flatten());
    }
    let found: Option<Option<i64>> = row.for_no_key_update().first(conn).await.optional()?;
    if !matches!(found, Some(None)) {
        return Ok(found.flatten());
    }
    let batch = insert(conn, None).await?;
    diesel::update(builds::table.find(build.0))
        .set(builds::batch_id.eq(batch))
        .execute(conn)
        .await?;
    Ok(Some(batch))
}

async fn lock(conn: &mut Connection, batch: i64) -> DbResult<()> {
    let _: Option<i64> = batches::table
        .find(batch)
        .select(batches::id)
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?;
    Ok(())
}

/// Whether a build of the batch has not ended.
async fn is_open(conn: &mut Connection, batch: i64) -> DbResult<bool> {
    let open: Option<i64> = builds::table
        .filter(builds::batch_id.eq(batch))
        .filter(builds::ended_at.is_null())
        .select(builds::id)
        .first(conn)
        .await
        .optional()?;
    Ok(open.is_some())
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Number.
    pub id: i64,
    /// The batch before it.
    pub blocked_by: Option<i64>,
    /// Where it stands.
    pub state: BatchState,
    /// Its builds, in order.
    pub builds: Vec<Member>,
}

/// A build of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Number.
    pub build: BuildId,
    /// Copr's word for its state.
    pub state: String,
    /// The package's name, once it is known.
    pub package: Option<String>,
    /// Owner of its project.
    pub owner: String,
    /// Name of its project.
    pub project: String,
    /// Whether lists of the whole service may name the project.
    pub listed: bool,
}

/// Batch, build, state, package, owner, project, and whether that is listed.
type MemberRow = (Option<i64>, i64, String, Option<String>, String, String, bool);

#[derive(QueryableByName)]
struct Head {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    blocked_by: Option<i64>,
    #[diesel(sql_type = Text)]
    state: String,
}

const HEAD: &str = "SELECT t.id, t.blocked_by, CASE
        WHEN EXISTS (SELECT 1 FROM builds b WHERE b.batch_id = t.blocked_by AND b.ended_at IS NULL) THEN 'blocked'
        WHEN EXISTS (SELECT 1 FROM builds b WHERE b.batch_id = t.id AND b.ended_at IS NULL)
            OR NOT EXISTS (SELECT 1 FROM builds b WHERE b.batch_id = t.id) THEN 'processing'
        ELSE 'finished' END AS state
    FROM batches t";

/// A batch by number.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: i64) -> DbResult<Option<Batch>> {
    let heads: Vec<Head> = diesel::sql_query(format!("{HEAD} WHERE t.id = $1"))
        .bind::<BigInt, _>(id)
        .load(conn)
        .await?;
    Ok(complete(conn, heads).await?.into_iter().next())
}

/// Batches that have not ended, and those that they wait for, in order; at most `limit`.
///
/// # Errors
/// When the query fails.
pub async fn unfinished(conn: &mut Connection, limit: i64) -> DbResult<Vec<Batch>> {
    let heads: Vec<Head> = diesel::sql_query(format!(
        "{HEAD} WHERE t.id IN (
            WITH RECURSIVE wanted(id) AS (
                SELECT DISTINCT b.batch_id FROM builds b WHERE b.batch_id IS NOT NULL AND b.ended_at IS NULL
                UNION SELECT t.blocked_by FROM batches t JOIN wanted w ON w.id = t.id WHERE t.blocked_by IS NOT NULL)
            SELECT id FROM wanted)
        ORDER BY t.id LIMIT $1"
    ))
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    complete(conn, heads).await
}

async fn complete(conn: &mut Connection, heads: Vec<Head>) -> DbResult<Vec<Batch>> {
    let ids: Vec<i64> = heads.iter().map(|h| h.id).collect();
    let rows: Vec<MemberRow> = builds::table
        .inner_join(
            projects::table.on(projects::id
                .eq(builds::project_id)
                .and(projects::deleted_at.is_null())),
        )
        .filter(builds::batch_id.eq_any(&ids))
        .order(builds::id)
        .select((
            builds::batch_id,
            builds::id,
            builds::state,
            builds::package_name,
            projects::owner,
            projects::name,
            diesel::dsl::sql::<Bool>(
                "projects.delete_at IS NULL AND NOT coalesce((projects.settings->>'unlisted_on_hp')::boolean, false)",
            ),
        ))
        .load(conn)
        .await?;
    let mut members: BTreeMap<i64, Vec<Member>> = BTreeMap::new();
    for (batch, build, state, package, owner, project, listed) in rows {
        members.entry(batch.unwrap_or(0)).or_default().push(Member {
            build: BuildId(build),
            state,
            package,
            owner,
            project,
            listed,
        });
    }
    Ok(heads
        .into_iter()
        .map(|head| Batch {
            id: head.id,
            blocked_by: head.blocked_by,
            state: match head.state.as_str() {
                "blocked" => BatchState::Blocked,
                "processing" => BatchState::Processing,
                _ => BatchState::Finished,
            },
            builds: members.remove(&head.id).unwrap_or_default(),
        })
        .collect())
}

#[derive(QueryableByName)]
struct Finished {
    #[diesel(sql_type = Bool)]
    finished: bool,
}

/// Whether all builds of a batch have ended.
///
/// # Errors
/// When the query fails.
pub async fn is_finished(conn: &mut Connection, batch: i64) -> DbResult<bool> {
    let row: Finished = diesel::sql_query(
        "SELECT NOT EXISTS (SELECT 1 FROM builds WHERE batch_id = $1 AND ended_at IS NULL)
            AND EXISTS (SELECT 1 FROM builds WHERE batch_id = $1) AS finished",
    )
    .bind::<BigInt, _>(batch)
    .get_result(conn)
    .await?;
    Ok(row.finished)
}
