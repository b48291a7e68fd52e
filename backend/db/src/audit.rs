//! Who did what, from where.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;

use crate::connect::{Connection, DbResult};
use crate::schema::audit;

/// Where a request came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Class of the network address, such as `private`.
    pub source: &'static str,
    /// The address itself, where the administrator wants it written down.
    pub address: Option<String>,
    /// What the request presented.
    credential: OnceLock<String>,
}

impl Origin {
    /// An origin that has presented nothing yet.
    pub fn new(source: &'static str, address: Option<String>) -> Self {
        Self {
            source,
            address,
            credential: OnceLock::new(),
        }
    }
}

tokio::task_local! {
    // Around a request, so that no function between the listener and a query can forget to pass it on.
    static ORIGIN: Origin;
}

/// Runs something for whoever asked; what it [`record`]s bears the origin.
pub async fn on_behalf<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}

/// Says what the request presented: `token 12`, `session`. The first word counts.
pub fn presents(credential: &str) {
    // Outside of a request there is nobody to present anything.
    let _ = ORIGIN.try_with(|origin| origin.credential.set(credential.to_owned()));
}

/// Appends a line; call it in the transaction of the change. The object is `project:owner/name`, `build:12`,
/// `package:owner/name/package` and the like, from which the database finds the project, or else from `project` in the
/// detail. A detail of a change has the fields `old` and `new`.
///
/// # Errors
/// When the query fails.
pub async fn record(
    conn: &mut Connection,
    at: DateTime<Utc>,
    actor: &str,
    action: &str,
    object: &str,
    detail: Value,
) -> DbResult<()> {
    let origin = ORIGIN
        .try_with(Origin::clone)
        .unwrap_or_else(|_| Origin::new("service", None));
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(at),
            audit::actor.eq(actor),
            audit::action.eq(action),
            audit::object.eq(object),
            audit::detail.eq(detail),
            audit::source.eq(origin.source),
            audit::address.eq(origin.address),
            audit::credential.eq(origin.credential.get()),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Says who ends builds in this transaction, for the lines that the database writes by itself: `builder:b1`. Whoever says
/// nothing is the service.
///
/// # Errors
/// When the query fails.
pub(crate) async fn acts(conn: &mut Connection, actor: &str) -> DbResult<()> {
    diesel::sql_query("SELECT set_config('koper.actor', $1, true)")
        .bind::<diesel::sql_types::Text, _>(actor)
        .execute(conn)
        .await?;
    Ok(())
}

/// A line.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub struct Entry {
    /// Number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What was done, such as `project.edit`.
    pub action: String,
    /// To what, such as `build:12`.
    pub object: String,
    /// Class of the network address, `service` where nobody asked.
    pub source: String,
    /// What was presented.
    pub credential: Option<String>,
    /// The address itself, where it was written down.
    pub address: Option<String>,
    detail: Value,
}

impl Entry {
    /// What was there before and what after. Of two objects only what differs; of what is no change, all is new.
    pub fn change(&self) -> (Value, Value) {
        match (self.detail.get("old"), self.detail.get("new")) {
            (None, None) => (Value::Null, self.detail.clone()),
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let part = |of: &serde_json::Map<String, Value>, other: &serde_json::Map<String, Value>| {
                    let differs = of.iter().filter(|(key, value)| other.get(*key) != Some(*value));
                    differs.map(|(k, v)| (k.clone(), v.clone())).collect()
                };
                (part(old, new), part(new, old))
            }
            (old, new) => (old.cloned().unwrap_or_default(), new.cloned().unwrap_or_default()),
        }
    }
}

/// Lines about a project, or all, newest first unless `ascending`.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    project: Option<i64>,
    ascending: bool,
    limit: i64,
    offset: i64,
) -> DbResult<Vec<Entry>> {
    let mut query = audit::table
        .limit(limit)
        .offset(offset)
        .select(Entry::as_select())
        .into_boxed();
    if let Some(project) = project {
        query = query.filter(audit::project_id.eq(project));
    }
    query = if ascending {
        query.order(audit::id.asc())
    } else {
        query.order(audit::id.desc())
    };
    Ok(query.load(conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(detail: Value) -> (Value, Value) {
        let entry = Entry {
            id: 1,
            at: DateTime::UNIX_EPOCH,
            actor: "alice".to_owned(),
            action: "project.edit".to_owned(),
            object: "project:alice/tools".to_owned(),
            source: "private".to_owned(),
            credential: None,
            address: None,
            detail,
        };
        entry.change()
    }

    #[test]
    fn a_change_is_what_differs() {
        use serde_json::json;
        let both = json!({"old": {"a": 1, "b": 2}, "new": {"a": 1, "b": 3, "c": 4}});
        assert_eq!(change(both), (json!({"b": 2}), json!({"b": 3, "c": 4})));
        assert_eq!(change(json!({"name": "x"})), (Value::Null, json!({"name": "x"})));
        assert_eq!(change(json!({"old": "a"})), (json!("a"), Value::Null));
    }
}
