//! Snapshots that somebody asked for: packages that a pointer's next one has or lacks. A job makes them.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::PointerName;

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::schema::snapshot_requests as table;
use crate::snapshots::Audience;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct NewRequest<'a> {
    /// `repositories.id`.
    pub repository: i64,
    /// Whose followers get the snapshot.
    pub pointer: &'a PointerName,
    /// The snapshot that it has to name for that, 0 for none; `None` takes whichever it is.
    pub expected: Option<i64>,
    /// `rpms.id` of packages that come.
    pub added: &'a [i64],
    /// `rpms.id` of packages that go.
    pub removed: &'a [i64],
    /// Who asks.
    pub actor: &'a str,
    /// Why, a word or a sentence for the history.
    pub cause: &'a str,
    /// What is done, for the history of changes, such as `snapshot.yank`.
    pub action: &'a str,
    /// The object's name there, `repository:<owner>/<dir>/<chroot>`.
    pub object: &'a str,
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: i64,
    /// `repositories.id`.
    pub repository: i64,
    /// Whose followers get the snapshot.
    pub pointer: PointerName,
    /// The snapshot that it has to name, 0 for none.
    pub expected: Option<i64>,
    /// `rpms.id` of packages that come.
    pub added: Vec<i64>,
    /// `rpms.id` of packages that go.
    pub removed: Vec<i64>,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub cause: String,
    /// The snapshot that came of it, or that was so already.
    pub snapshot: Option<i64>,
    /// Where the pointer was in place of where it had to be, 0 for nowhere; nothing has changed then.
    pub was_at: Option<i64>,
    /// Why it cannot be done; nothing has changed then.
    pub refusal: Option<String>,
}

impl Request {
    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.snapshot.is_some() || self.was_at.is_some() || self.refusal.is_some()
    }

    /// Who gets the snapshot.
    pub fn audience(&self, devel_mode: bool) -> Audience {
        match self.pointer.as_str() {
            "latest" if devel_mode => Audience::Users,
            "latest" => Audience::Everybody,
            "devel" => Audience::Builds,
            _ => Audience::Pointer(self.pointer.clone()),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = table)]
struct Row {
    id: i64,
    repository_id: i64,
    pointer: String,
    expected: Option<i64>,
    added: Vec<i64>,
    removed: Vec<i64>,
    actor: String,
    cause: String,
    snapshot: Option<i64>,
    was_at: Option<i64>,
    refusal: Option<String>,
}

/// Writes a request down, and the job that does it; the request's number.
///
/// # Errors
/// When the query fails.
pub async fn create(conn: &mut Connection, new: &NewRequest<'_>, now: DateTime<Utc>) -> DbResult<i64> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let id = insert(conn, new, now).await?;
        let detail = serde_json::json!({
            "request": id, "pointer": new.pointer, "expected": new.expected, "added": new.added.len(),
            "removed": new.removed.len(), "cause": new.cause,
        });
        audit::record(conn, now, new.actor, new.action, new.object, detail).await?;
        jobs::enqueue(conn, &Job::MakeSnapshot { request: id }, now).await?;
        Ok(id)
    })
    .await
}

/// Only the row.
pub(crate) async fn insert(conn: &mut Connection, new: &NewRequest<'_>, now: DateTime<Utc>) -> DbResult<i64> {
    Ok(diesel::insert_into(table::table)
        .values((
            table::repository_id.eq(new.repository),
            table::pointer.eq(new.pointer.as_str()),
            table::expected.eq(new.expected),
            table::added.eq(new.added),
            table::removed.eq(new.removed),
            table::actor.eq(new.actor),
            table::cause.eq(new.cause),
            table::created_at.eq(now),
        ))
        .returning(table::id)
        .get_result(conn)
        .await?)
}

/// A request by number.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: i64) -> DbResult<Option<Request>> {
    let row: Option<Row> = table::table
        .find(id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(|row| {
        Ok(Request {
            id: row.id,
            repository: row.repository_id,
            pointer: parse("pointer", &row.pointer)?,
            expected: row.expected,
            added: row.added,
            removed: row.removed,
            actor: row.actor,
            cause: row.cause,
            snapshot: row.snapshot,
            was_at: row.was_at,
            refusal: row.refusal,
        })
    })
    .transpose()
}

/// Writes down the snapshot that came of a request, in the transaction that publishes it.
///
/// # Errors
/// When the query fails.
pub async fn made(conn: &mut Connection, id: i64, snapshot: i64) -> DbResult<()> {
    diesel::update(table::table.find(id))
        .set(table::snapshot.eq(snapshot))
        .execute(conn)
        .await?;
    notify(conn, Topic::Progress).await
}

/// Writes down that the pointer is somewhere else.
///
/// # Errors
/// When the query fails.
pub async fn refused(conn: &mut Connection, id: i64, is_at: i64) -> DbResult<()> {
    diesel::update(table::table.find(id))
        .set(table::was_at.eq(is_at))
        .execute(conn)
        .await?;
    notify(conn, Topic::Progress).await
}

/// Writes down why a request cannot be done. What is done stays so.
///
/// # Errors
/// When the query fails.
pub async fn cannot_be(conn: &mut Connection, id: i64, why: &str) -> DbResult<()> {
    diesel::update(table::table.find(id).filter(table::snapshot.is_null()))
        .set(table::refusal.eq(why))
        .execute(conn)
        .await?;
    notify(conn, Topic::Progress).await
}
