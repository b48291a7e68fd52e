//! Events on their way out. Triggers of the migration `events` write them, in the transaction of the change; the backend
//! sends them.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Timestamptz};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, Queryable, QueryableByName, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::schema::outbox;

/// Number of the advisory lock that the one sender holds; no other lock here uses it.
const SENDER: i64 = 7_741_255;

/// A message that has not been sent.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub struct Event {
    /// Place in the outbox: what depends on another event has a higher one.
    pub id: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// `copr.build.start` and the like, without the bus's prefix.
    pub topic: String,
    /// The same however often it is sent.
    pub message_id: String,
    /// What happened.
    pub body: serde_json::Value,
}

impl Event {
    /// The build that it is about; events of one build leave one after the other.
    pub fn build(&self) -> Option<i64> {
        self.body.get("build").and_then(serde_json::Value::as_i64)
    }
}

#[derive(QueryableByName)]
struct Got {
    #[diesel(sql_type = Bool)]
    got: bool,
}

/// Makes this connection the one sender until it closes; false when another one is. Asking again is harmless.
///
/// # Errors
/// When the query fails.
pub async fn become_sender(conn: &mut Connection) -> DbResult<bool> {
    // Held once however often this is asked: a second lock of the same session would only count up.
    let got: Got = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
             AND (classid::bigint << 32) + objid::bigint = $1) OR pg_try_advisory_lock($1) AS got",
    )
    .bind::<BigInt, _>(SENDER)
    .get_result(conn)
    .await?;
    Ok(got.got)
}

/// Lets another one send.
///
/// # Errors
/// When the query fails.
pub async fn resign(conn: &mut Connection) -> DbResult<()> {
    diesel::sql_query("SELECT pg_advisory_unlock($1)")
        .bind::<BigInt, _>(SENDER)
        .execute(conn)
        .await?;
    Ok(())
}

/// The oldest unsent events. An event that commits late with a lower number is found at the next look: nothing is
/// passed over, and whatever it depends on was committed before it.
///
/// # Errors
/// When the query fails.
pub async fn unsent(conn: &mut Connection, limit: i64) -> DbResult<Vec<Event>> {
    Ok(outbox::table
        .filter(outbox::sent_at.is_null())
        .order(outbox::id)
        .limit(limit)
        .select(Event::as_select())
        .load(conn)
        .await?)
}

/// Writes down that the bus has taken them.
///
/// # Errors
/// When the query fails.
pub async fn mark_sent(conn: &mut Connection, ids: &[i64], now: DateTime<Utc>) -> DbResult<()> {
    diesel::update(outbox::table.filter(outbox::id.eq_any(ids)))
        .set(outbox::sent_at.eq(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops events that happened before `until`, some thousand at a time: those that were sent, or, where no bus is
/// configured, all. Returns how many.
///
/// # Errors
/// When the query fails.
pub async fn prune(conn: &mut Connection, until: DateTime<Utc>, unsent_too: bool) -> DbResult<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM outbox WHERE id IN (
             SELECT id FROM outbox WHERE at < $1 AND ($2 OR sent_at IS NOT NULL) ORDER BY at LIMIT 5000)",
    )
    .bind::<Timestamptz, _>(until)
    .bind::<Bool, _>(unsent_too)
    .execute(conn)
    .await?)
}

/// How many events wait, and since when the oldest does.
///
/// # Errors
/// When the query fails.
pub async fn backlog(conn: &mut Connection) -> DbResult<(i64, Option<DateTime<Utc>>)> {
    use diesel::dsl::{count_star, min};
    Ok(outbox::table
        .filter(outbox::sent_at.is_null())
        .select((count_star(), min(outbox::at)))
        .first(conn)
        .await?)
}
