//! `/webhooks/`: where forges and programs say that a source changed. The secret is part of the URL; it is checked before
//! anything is read.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use db::projects::Project;
use db::webhooks::{Keys, NotStarted, Request, Started};
use protocol::{DirName, OwnerName};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::Error;
use crate::operations::webhooks::{Answered, MAX_DELIVERY, Named, Wrong, open, receive};

/// Most headers that are kept, and the longest value in bytes.
const MAX_HEADERS: (usize, usize) = (64, 1_000);

/// Registers all webhooks.
pub fn configure(config: &mut ServiceConfig) {
    let post = |paths: &[&str]| {
        let both: Vec<String> = paths
            .iter()
            .flat_map(|p| [(*p).to_owned(), format!("{p}/")])
            .collect();
        web::resource(both).default_service(web::to(wrong_method))
    };
    config
        .service(
            post(&[
                "/webhooks/{kind:github|gitlab|bitbucket}/{id}/{uuid}",
                "/webhooks/{kind:github|gitlab|bitbucket}/{id}/{uuid}/{package}",
            ])
            .route(web::post().to(forge)),
        )
        .service(
            post(&[
                "/webhooks/custom/{id}/{uuid}/{package}/{dir}",
                "/webhooks/custom/{id}/{uuid}/{package}",
                "/webhooks/custom/{id}/{uuid}",
                "/webhooks/custom/{id}",
                "/webhooks/custom",
            ])
            .route(web::post().to(custom)),
        )
        .service(
            post(&["/webhooks/custom-dir/{owner}/{dir}/{uuid}/{package}"]).route(web::post().to(custom_dir)),
        )
        .service(web::scope("/webhooks").default_service(web::to(nowhere)));
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse, Error> {
    Err(Error::Method(request.method().to_string()))
}

async fn nowhere() -> Result<HttpResponse, Error> {
    Err(Error::NotFound(
        "There is no such webhook; a project's page 'Webhooks' shows its URLs.".to_owned(),
    ))
}

/// What forges are told, and show to whoever set the webhook up.
#[derive(Serialize)]
struct Told<'a> {
    message: &'a str,
    /// Number in the project's log.
    delivery: i64,
    builds: Vec<i64>,
    started: &'a [Started],
    not_started: &'a [NotStarted],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// A part of the path.
fn part(request: &HttpRequest, name: &str) -> Option<String> {
    request
        .match_info()
        .get(name)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
}

/// The project whose number is part of the path.
fn by_number(request: &HttpRequest) -> Named {
    let id = part(request, "id").and_then(|id| id.parse().ok());
    id.map_or(Named::Nothing, Named::Number)
}

/// Reads a delivery, and has it done.
async fn deliver(
    app: &App,
    http: &HttpRequest,
    payload: Payload,
    (project, keys): (&Project, &Keys),
    kind: &str,
) -> Result<Answered, Error> {
    let body = crate::body::read(payload, MAX_DELIVERY).await?;
    let request = Request {
        kind: kind.to_owned(),
        package: part(http, "package"),
        dirname: part(http, "dir"),
        headers: kept_headers(http),
        body: body.to_vec(),
    };
    let raw = |name: &str| {
        let value = http.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    receive(app, project, keys, &request, &raw).await
}

/// The headers for the log, without what proves anything.
fn kept_headers(request: &HttpRequest) -> Map<String, Value> {
    let secret = |name: &str| {
        [
            "authorization",
            "cookie",
            "token",
            "signature",
            "secret",
            "password",
            "api-key",
        ]
        .iter()
        .any(|word| name.contains(word))
    };
    request
        .headers()
        .iter()
        .take(MAX_HEADERS.0)
        .map(|(name, value)| {
            let name = name.as_str().to_ascii_lowercase();
            let text: String = if secret(&name) {
                "(left out)".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes())
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(MAX_HEADERS.1)
                    .collect()
            };
            (name, Value::from(text))
        })
        .collect()
}

async fn forge(app: web::Data<App>, http: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
    let uuid = part(&http, "uuid").unwrap_or_default();
    let (project, keys) = match open(&app, &by_number(&http), &uuid).await? {
        Ok(opened) => opened,
        Err(Wrong::Project) => return Err(Error::NotFound("The project does not exist.".to_owned())),
        Err(Wrong::Secret) => return Err(Error::Forbidden("This webhook is not valid".to_owned())),
    };
    let kind = part(&http, "kind").unwrap_or_default();
    let answered = deliver(&app, &http, payload.into_inner(), (&project, &keys), &kind).await?;
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let decision = &answered.decision;
    Ok(HttpResponse::build(status).json(Told {
        message: &decision.message,
        delivery: answered.delivery,
        builds: decision.started.iter().map(|s| s.build).collect(),
        started: &decision.started,
        not_started: &decision.not_started,
        error: (!status.is_success()).then_some(decision.message.as_str()),
    }))
}

/// An answer that scripts read.
fn plain(status: u16, text: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .body(format!("{text}\n"))
}

async fn custom(app: web::Data<App>, http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(uuid) = part(&http, "uuid") else {
        return plain(400, "COPR_ID_OR_UUID_TOKEN_MISSING");
    };
    run_custom(&app, &http, payload, by_number(&http), &uuid, "custom").await
}

async fn custom_dir(app: web::Data<App>, http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let uuid = part(&http, "uuid").unwrap_or_default();
    let owner = part(&http, "owner").and_then(|o| o.parse::<OwnerName>().ok());
    let dir = part(&http, "dir").unwrap_or_default();
    // The project's name is what comes before the first colon, also where the rest is no directory's name.
    let name = dir.split(':').next().and_then(|n| n.parse().ok());
    let named = match (owner, name) {
        (Some(owner), Some(name)) => Named::Project(owner, name),
        _ => Named::Nothing,
    };
    run_custom(&app, &http, payload, named, &uuid, "custom-dir").await
}

async fn run_custom(
    app: &App,
    http: &HttpRequest,
    payload: web::Payload,
    named: Named,
    uuid: &str,
    kind: &str,
) -> HttpResponse {
    let answered = async {
        let (project, keys) = match open(app, &named, uuid).await? {
            Ok(opened) => opened,
            Err(Wrong::Project) => return Ok(plain(404, "PROJECT_NOT_FOUND")),
            Err(Wrong::Secret) => return Ok(plain(403, "BAD_UUID")),
        };
        if let Some(dir) = part(http, "dir") {
            let fits = dir.parse::<DirName>().is_ok_and(|d| d.project() == project.name);
            if !fits {
                return Ok(plain(400, "CANT_CREATE_DIRECTORY"));
            }
        }
        let answered = deliver(app, http, payload.into_inner(), (&project, &keys), kind).await?;
        Ok::<_, Error>(match (answered.code, answered.decision.started.first()) {
            (Some("BUILD_REQUEST_ERROR"), _) => {
                let text = format!("BUILD_REQUEST_ERROR\n{}", answered.decision.message);
                plain(answered.status, &text)
            }
            (Some(code), _) => plain(answered.status, code),
            // Programs read this and wait for the build.
            (None, Some(started)) => plain(answered.status, &started.build.to_string()),
            (None, None) => plain(answered.status, &answered.decision.message),
        })
    };
    answered.await.unwrap_or_else(|error| {
        if error.status().is_server_error() {
            tracing::error!("a webhook failed: {error}");
        }
        let text = format!("BUILD_REQUEST_ERROR\n{}", error.public_message());
        plain(error.status().as_u16(), &text)
    })
}
