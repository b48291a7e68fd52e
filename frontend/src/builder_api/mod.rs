//! The builder API ([`protocol::builder_api`]): claims by long poll, and what a claim's holder reports.
//!
//! Every request carries the builder token; every report is fenced by task and attempt.

mod checks;
mod claim;
mod report;
mod work;

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::{Next, from_fn};
use actix_web::web;
use protocol::TaskId;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::auth::same_secret;
use crate::body::Body;
use crate::error::Error;

/// Registers the API.
pub fn configure(config: &mut web::ServiceConfig) {
    let of_attempt = |what: &str| format!("/tasks/{{id}}/attempts/{{attempt}}/{what}");
    config.service(
        web::scope("/v1")
            .wrap(from_fn(bearer))
            .route("/claim", web::post().to(claim::claim))
            .route(&of_attempt("refuse"), web::post().to(report::refuse))
            .route(&of_attempt("heartbeat"), web::post().to(report::heartbeat))
            .route(&of_attempt("log"), web::post().to(report::log))
            .route(&of_attempt("uploads"), web::post().to(report::uploads))
            .route(&of_attempt("finish"), web::post().to(report::finish))
            .default_service(web::to(nothing_here)),
    );
    config.default_service(web::to(nothing_here));
}

async fn nothing_here(request: HttpRequest) -> Result<&'static str, Error> {
    Err(Error::NoSuchEndpoint(crate::operations::projects::shown(
        request.path(),
    )))
}

/// Lets in whoever presents the builder token.
async fn bearer(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let expected = app.config.builder_token.expose();
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    if expected.is_empty() || !given.is_some_and(|given| same_secret(given, expected)) {
        return Err(Error::Unauthenticated(
            "The builder token is wrong; compare it with the hub's.".to_owned(),
        )
        .into());
    }
    next.call(request).await
}

/// The task and attempt that a report is about.
type Attempt = web::Path<(String, String)>;

fn attempt(path: &Attempt) -> Result<(TaskId, i32), Error> {
    let missing = || Error::NotFound("There is no such task or attempt.".to_owned());
    Ok((
        path.0.parse().map_err(|_| missing())?,
        path.1.parse().map_err(|_| missing())?,
    ))
}

fn lost() -> Error {
    Error::Gone("This attempt no longer holds its lease: drop the work.".to_owned())
}

/// Reads a JSON body of the protocol.
fn parse<T: DeserializeOwned, const MAX: usize>(body: &Body<MAX>) -> Result<T, Error> {
    serde_json::from_slice(&body.0)
        .map_err(|e| Error::Invalid(format!("The request's body is not what the protocol says: {e}.")))
}
