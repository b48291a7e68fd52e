//! Who did what.

use chrono::{DateTime, Utc};
use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::schema::audit;

/// Appends a line; call it in the transaction of the change.
///
/// # Errors
/// When the query fails.
pub async fn record(
    conn: &mut Connection,
    at: DateTime<Utc>,
    actor: &str,
    action: &str,
    object: &str,
    detail: serde_json::Value,
) -> DbResult<()> {
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(at),
            audit::actor.eq(actor),
            audit::action.eq(action),
            audit::object.eq(object),
            audit::detail.eq(detail),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
