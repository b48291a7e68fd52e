//! A project goes to another holder. Name space, URLs, key and repositories stay as they are.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::OwnerName;

use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::projects::Project;
use crate::schema::projects;

/// Replaces the holder of a live project; `false` when it has another one by now, or is gone.
///
/// # Errors
/// When a query fails.
pub async fn transfer(
    conn: &mut Connection,
    project: &Project,
    to: &OwnerName,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let changed = diesel::update(projects::table.find(project.id))
            .filter(projects::holder.eq(project.holder.as_str()))
            .filter(projects::deleted_at.is_null())
            .set(projects::holder.eq(to.as_str()))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Ok(false);
        }
        let object = format!("project:{}/{}", project.owner, project.name);
        let detail = serde_json::json!({"old": project.holder, "new": to});
        audit::record(conn, now, actor, "project.transfer", &object, detail).await?;
        Ok(true)
    })
    .await
}
