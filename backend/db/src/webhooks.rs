//! Webhooks: their secrets, and the log of what was delivered to them.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, to_json};
use crate::projects::Project;
use crate::schema::{projects, webhook_deliveries};

/// Deliveries of one project that are kept.
pub const KEPT: i64 = 200;

/// What proves that a delivery is meant for a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Part of the URLs.
    pub secret: String,
    /// Key of the signatures that forges make; `None`: unsigned deliveries are taken.
    pub hmac: Option<String>,
}

/// The keys of a live project.
///
/// # Errors
/// When the query fails.
pub async fn keys(conn: &mut Connection, project: i64) -> DbResult<Option<Keys>> {
    let row: Option<(String, Option<String>)> = projects::table
        .find(project)
        .filter(projects::deleted_at.is_null())
        .select((projects::webhook_secret, projects::webhook_hmac_key))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(secret, hmac)| Keys { secret, hmac }))
}

/// Replaces the secret in the URLs; the old ones end.
///
/// # Errors
/// When the query fails.
pub async fn set_secret(
    conn: &mut Connection,
    project: &Project,
    secret: &str,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::update(projects::table.find(project.id))
            .set(projects::webhook_secret.eq(secret))
            .execute(conn)
            .await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        audit::record(conn, now, actor, "webhook.new_secret", &object, json!({})).await
    })
    .await
}

/// Sets the key of signatures, or takes it away.
///
/// # Errors
/// When the query fails.
pub async fn set_hmac(
    conn: &mut Connection,
    project: &Project,
    key: Option<&str>,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let old: Option<String> = projects::table
            .find(project.id)
            .select(projects::webhook_hmac_key)
            .for_no_key_update()
            .first(conn)
            .await?;
        diesel::update(projects::table.find(project.id))
            .set(projects::webhook_hmac_key.eq(key))
            .execute(conn)
            .await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        // Not the key itself, which is a secret.
        let detail = json!({"old": {"signed": old.is_some()}, "new": {"signed": key.is_some()}});
        audit::record(conn, now, actor, "webhook.hmac", &object, detail).await
    })
    .await
}

/// A build that a delivery started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the package.
    pub package: String,
    /// Number of the build.
    pub build: i64,
}

/// A package that a delivery might have rebuilt and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotStarted {
    /// Name of the package.
    pub package: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// What was decided about a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// In a sentence.
    pub message: String,
    /// What began.
    pub started: Vec<Started>,
    /// What did not, of what the delivery could be about.
    pub not_started: Vec<NotStarted>,
}

/// Where a delivery came in, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `github`, `gitlab`, `bitbucket`, `custom` or `custom-dir`.
    pub kind: String,
    /// Package that the URL names.
    pub package: Option<String>,
    /// Directory that the URL names.
    pub dirname: Option<String>,
    /// Names in lower case, secrets left out.
    pub headers: serde_json::Map<String, Value>,
    /// As sent.
    pub body: Vec<u8>,
}

/// A delivery of the log; lists leave headers and body out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number.
    pub id: i64,
    /// `projects.id`.
    pub project: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Where it came in.
    pub kind: String,
    /// Package that the URL named.
    pub package: Option<String>,
    /// Directory that the URL named.
    pub dirname: Option<String>,
    /// The forge's own number of it.
    pub forge_id: Option<String>,
    /// What happened at the forge.
    pub event: Option<String>,
    /// HTTP status of the answer.
    pub status: i32,
    /// What came of it.
    pub decision: Decision,
    /// Builds that it started.
    pub builds: Vec<i64>,
    /// The delivery that was run again.
    pub redelivery_of: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
struct Row {
    id: i64,
    project_id: i64,
    at: DateTime<Utc>,
    kind: String,
    package: Option<String>,
    dirname: Option<String>,
    forge_id: Option<String>,
    event: Option<String>,
    status: i32,
    decision: Value,
    builds: Vec<i64>,
    redelivery_of: Option<i64>,
}

impl Row {
    fn delivery(self) -> DbResult<Delivery> {
        Ok(Delivery {
            id: self.id,
            project: self.project_id,
            at: self.at,
            kind: self.kind,
            package: self.package,
            dirname: self.dirname,
            forge_id: self.forge_id,
            event: self.event,
            status: self.status,
            decision: from_json("webhook decision", self.decision)?,
            builds: self.builds,
            redelivery_of: self.redelivery_of,
        })
    }
}

/// What came of a delivery.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    /// The forge's own number of it.
    pub forge_id: Option<&'a str>,
    /// What happened at the forge.
    pub event: Option<&'a str>,
    /// HTTP status of the answer.
    pub status: u16,
    /// What was decided.
    pub decision: &'a Decision,
    /// The delivery that was run again, and who did that.
    pub redelivery_of: Option<(i64, &'a str)>,
}

/// Writes a delivery into the log, and drops the project's oldest beyond [`KEPT`].
///
/// # Errors
/// When the query fails.
pub async fn record(
    conn: &mut Connection,
    project: &Project,
    request: &Request,
    outcome: &Outcome<'_>,
    now: DateTime<Utc>,
) -> DbResult<i64> {
    let decision = to_json("webhook decision", outcome.decision)?;
    let builds: Vec<i64> = outcome.decision.started.iter().map(|s| s.build).collect();
    conn.transaction::<_, DbError, _>(async |conn| {
        let id: i64 = diesel::insert_into(webhook_deliveries::table)
            .values((
                webhook_deliveries::project_id.eq(project.id),
                webhook_deliveries::at.eq(now),
                webhook_deliveries::kind.eq(&request.kind),
                webhook_deliveries::package.eq(&request.package),
                webhook_deliveries::dirname.eq(&request.dirname),
                webhook_deliveries::forge_id.eq(outcome.forge_id),
                webhook_deliveries::event.eq(outcome.event),
                webhook_deliveries::headers.eq(Value::Object(request.headers.clone())),
                webhook_deliveries::body.eq(&request.body),
                webhook_deliveries::status.eq(i32::from(outcome.status)),
                webhook_deliveries::decision.eq(decision),
                webhook_deliveries::builds.eq(builds),
                webhook_deliveries::redelivery_of.eq(outcome.redelivery_of.map(|(id, _)| id)),
            ))
            .returning(webhook_deliveries::id)
            .get_result(conn)
            .await?;
        if let Some((again, actor)) = outcome.redelivery_of {
            let object = format!("webhook:{}/{}/{again}", project.owner, project.name);
            let detail = json!({"delivery": id, "builds": outcome.decision.started});
            audit::record(conn, now, actor, "webhook.redeliver", &object, detail).await?;
        }
        let newest: Option<i64> = webhook_deliveries::table
            .filter(webhook_deliveries::project_id.eq(project.id))
            .order(webhook_deliveries::id.desc())
            .offset(KEPT)
            .limit(1)
            .select(webhook_deliveries::id)
            .first(conn)
            .await
            .optional()?;
        if let Some(newest) = newest {
            let old = webhook_deliveries::table
                .filter(webhook_deliveries::project_id.eq(project.id))
                .filter(webhook_deliveries::id.le(newest));
            diesel::delete(old).execute(conn).await?;
        }
        Ok(id)
    })
    .await
}

/// Deliveries of a project, newest first unless `ascending`.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    project: i64,
    ascending: bool,
    limit: i64,
    offset: i64,
) -> DbResult<Vec<Delivery>> {
    let query = webhook_deliveries::table
        .filter(webhook_deliveries::project_id.eq(project))
        .select(Row::as_select())
        .into_boxed();
    let query = if ascending {
        query.order(webhook_deliveries::id.asc())
    } else {
        query.order(webhook_deliveries::id.desc())
    };
    let rows: Vec<Row> = query.limit(limit).offset(offset).load(conn).await?;
    rows.into_iter().map(Row::delivery).collect()
}

/// A delivery with what was sent.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: i64) -> DbResult<Option<(Delivery, Request)>> {
    let found: Option<(Row, Value, Vec<u8>)> = webhook_deliveries::table
        .find(id)
        .select((
            Row::as_select(),
            webhook_deliveries::headers,
            webhook_deliveries::body,
        ))
        .first(conn)
        .await
        .optional()?;
    let Some((row, headers, body)) = found else {
        return Ok(None);
    };
    let delivery = row.delivery()?;
    let request = Request {
        kind: delivery.kind.clone(),
        package: delivery.package.clone(),
        dirname: delivery.dirname.clone(),
        headers: from_json("webhook headers", headers)?,
        body,
    };
    Ok(Some((delivery, request)))
}
