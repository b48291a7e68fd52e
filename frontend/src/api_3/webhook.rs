//! Webhooks: their URLs and secrets, and the log of deliveries.

use actix_web::web::{self, Json, Path};
use db::webhooks::{Delivery as DeliveryRow, NotStarted as NotStartedRow, Started as StartedRow};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api_3::input::{Fields, Query};
use crate::api_3::models::Paged;
use crate::api_3::route::fields::page_by;
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, POST, PUT, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::operations::webhooks::{self, find_delivery, new_secret, project_keys, redeliver, set_hmac};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Edit, POST, "/webhook/generate/{owner}/{project}", generate)
            .about("Makes a new secret for a project's webhooks; URLs with the old one end."),
        token(Action::Edit, GET, "/webhook/urls/{owner}/{project}", urls)
            .about("The URLs of a project's webhooks, ready to paste."),
        token(Action::Edit, PUT, "/webhook/hmac/{owner}/{project}", hmac)
            .about("Sets the key that deliveries have to be signed with, or takes it away.")
            .body(&[Field::new(
                "key",
                Kind::Text,
                "The secret that is entered at the forge; absent or empty: unsigned deliveries are taken.",
            )]),
        token(Action::Edit, GET, "/webhook/deliveries/{owner}/{project}", deliveries)
            .about("What was sent to a project's webhooks and what came of it, newest first; the newest 200 are kept.")
            .query(&page_by(&["id"])),
        token(Action::Edit, GET, "/webhook/delivery/{delivery}", delivery)
            .about("A delivery with its headers and its body."),
        token(Action::Edit, POST, "/webhook/redeliver/{delivery}", again)
            .about("Runs a delivery of the log again."),
    ]
}

/// A project with its webhook's secret.
#[derive(Serialize, JsonSchema)]
struct Secret {
    id: i64,
    name: String,
    ownername: String,
    full_name: String,
    webhook_secret: String,
}

/// Where forges and programs deliver to. `PACKAGE` and `DIRECTORY` stand for names.
#[derive(Debug, Serialize, JsonSchema)]
struct Urls {
    github: String,
    gitlab: String,
    bitbucket: String,
    custom: String,
    custom_dir: String,
    webhook_secret: String,
    /// Whether deliveries have to be signed.
    signed: bool,
    /// Deliveries with a wrong secret since the service began; these are not kept.
    refused: u64,
}

/// Whether deliveries have to be signed.
#[derive(Serialize, JsonSchema)]
struct Signing {
    signed: bool,
}

/// A build that a delivery started.
#[derive(Serialize, JsonSchema)]
struct Started {
    package: String,
    build: i64,
}

/// A package that a delivery did not build, and why.
#[derive(Serialize, JsonSchema)]
struct NotStarted {
    package: String,
    reason: String,
}

/// A delivery. Times are seconds since the epoch.
#[derive(Serialize, JsonSchema)]
struct Delivery {
    id: i64,
    received_on: i64,
    /// `github`, `gitlab`, `bitbucket`, `custom` or `custom-dir`.
    kind: String,
    /// Package that the URL named.
    package: Option<String>,
    /// Directory that the URL named.
    project_dirname: Option<String>,
    /// What happened at the forge, in its words.
    event: Option<String>,
    /// The forge's own number of it.
    forge_id: Option<String>,
    /// HTTP status of the answer.
    status: i32,
    message: String,
    builds: Vec<i64>,
    started: Vec<Started>,
    not_started: Vec<NotStarted>,
    /// The delivery that was run again.
    redelivery_of: Option<i64>,
}

/// A delivery with what was sent.
#[derive(Serialize, JsonSchema)]
struct WholeDelivery {
    #[serde(flatten)]
    delivery: Delivery,
    /// Names in lower case; secrets are left out.
    headers: Map<String, Value>,
    body: String,
}

/// What a delivery came to when it was run again.
#[derive(Serialize, JsonSchema)]
struct Redelivered {
    /// Number of the new entry of the log.
    id: i64,
    status: u16,
    message: String,
    builds: Vec<i64>,
    started: Vec<Started>,
    not_started: Vec<NotStarted>,
}

fn started(all: &[StartedRow]) -> Vec<Started> {
    all.iter()
        .map(|s| Started {
            package: s.package.clone(),
            build: s.build,
        })
        .collect()
}

fn not_started(all: &[NotStartedRow]) -> Vec<NotStarted> {
    all.iter()
        .map(|n| NotStarted {
            package: n.package.clone(),
            reason: n.reason.clone(),
        })
        .collect()
}

fn model(row: &DeliveryRow) -> Delivery {
    Delivery {
        id: row.id,
        received_on: row.at.timestamp(),
        kind: row.kind.clone(),
        package: row.package.clone(),
        project_dirname: row.dirname.clone(),
        event: row.event.clone(),
        forge_id: row.forge_id.clone(),
        status: row.status,
        message: row.decision.message.clone(),
        builds: row.builds.clone(),
        started: started(&row.decision.started),
        not_started: not_started(&row.decision.not_started),
        redelivery_of: row.redelivery_of,
    }
}

type Named = Path<(String, String)>;

async fn generate(app: web::Data<App>, signed: Signed, path: Named) -> Result<Json<Secret>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let webhook_secret = new_secret(&app, &signed.actor, &project).await?;
    Ok(Json(Secret {
        id: project.id,
        name: project.name.to_string(),
        ownername: project.owner.to_string(),
        full_name: format!("{}/{}", project.owner, project.name),
        webhook_secret,
    }))
}

async fn urls(app: web::Data<App>, signed: Signed, path: Named) -> Result<Json<Urls>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let keys = project_keys(&app, &signed.actor, &project).await?;
    let urls = webhooks::urls(&app, &project, &keys);
    Ok(Json(Urls {
        github: urls.github,
        gitlab: urls.gitlab,
        bitbucket: urls.bitbucket,
        custom: urls.custom,
        custom_dir: urls.custom_dir,
        signed: keys.hmac.is_some(),
        refused: app.refused_hooks.of(project.id),
        webhook_secret: keys.secret,
    }))
}

async fn hmac(
    app: web::Data<App>,
    signed: Signed,
    path: Named,
    fields: Fields,
) -> Result<Json<Signing>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let key = fields.text("key")?.unwrap_or_default();
    set_hmac(&app, &signed.actor, &project, &key).await?;
    Ok(Json(Signing {
        signed: !key.is_empty(),
    }))
}

async fn deliveries(
    app: web::Data<App>,
    signed: Signed,
    path: Named,
    query: Query,
) -> Result<Json<Paged<Delivery>>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_edit(&project)?;
    let page = query.page_newest_first()?;
    let ascending = !page.descending;
    let mut conn = app.conn().await?;
    let rows = db::webhooks::list(&mut conn, project.id, ascending, page.limit(), page.offset).await?;
    page.answer(rows.iter().map(model).collect())
}

async fn delivery(
    app: web::Data<App>,
    signed: Signed,
    id: Path<String>,
) -> Result<Json<WholeDelivery>, Error> {
    let (_, row, request) = find_delivery(&app, &signed.actor, &id).await?;
    Ok(Json(WholeDelivery {
        delivery: model(&row),
        headers: request.headers,
        body: String::from_utf8_lossy(&request.body).into_owned(),
    }))
}

async fn again(app: web::Data<App>, signed: Signed, id: Path<String>) -> Result<Json<Redelivered>, Error> {
    let (project, row, request) = find_delivery(&app, &signed.actor, &id).await?;
    let answered = redeliver(&app, &signed.actor, &project, &row, &request).await?;
    Ok(Json(Redelivered {
        id: answered.delivery,
        status: answered.status,
        message: answered.decision.message.clone(),
        builds: answered.decision.started.iter().map(|s| s.build).collect(),
        started: started(&answered.decision.started),
        not_started: not_started(&answered.decision.not_started),
    }))
}
