//! Errors of pages, as pages.

use actix_web::HttpMessage as _;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use db::users::Session;

use super::visitor;
use crate::app::App;
use crate::error::Error;
use crate::templates::context::Failure;

/// Turns the JSON that an [`Error`] answers by itself into a page that says what to do.
pub async fn dress<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, String>>, actix_web::Error> {
    let app = req.app_data::<web::Data<App>>().cloned();
    let response = next.call(req).await?;
    // What the framework refuses by itself: a method, an address or a form that cannot be read.
    let foreign = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(Error::Method(response.request().method().to_string())),
        StatusCode::NOT_FOUND => Some(Error::NotFound("There is no such page.".to_owned())),
        StatusCode::BAD_REQUEST => Some(Error::Invalid(
            "The address or the form cannot be read.".to_owned(),
        )),
        _ => None,
    }
    .filter(|error| response.response().error().is_some() || matches!(error, Error::Method(_)));
    let page = response
        .response()
        .error()
        .and_then(|e| e.as_error::<Error>())
        .or(foreign.as_ref())
        .zip(app)
        .and_then(|(error, app)| page(&app, error, response.request().extensions().get::<Session>()));
    Ok(match page {
        Some(page) => response.into_response(page).map_into_right_body(),
        None => response.map_into_left_body(),
    })
}

fn page(app: &App, error: &Error, session: Option<&Session>) -> Option<HttpResponse<String>> {
    // Browsers would ask for a password if they saw the API's 401.
    let status = match error.status() {
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        status => status,
    };
    let frame = visitor::frame(&app.config.service_name, session);
    let body = app
        .templates
        .render_error(&frame, &describe(error, status))
        .ok()?;
    let mut response = HttpResponse::build(status);
    response.content_type(ContentType::html());
    if let Some(seconds) = error.retry_after() {
        response.insert_header((RETRY_AFTER, seconds));
    }
    Some(
        response
            .message_body(body)
            .unwrap_or_else(|_| HttpResponse::with_body(status, String::new())),
    )
}

fn describe(error: &Error, status: StatusCode) -> Failure {
    let sign_in = matches!(error, Error::Unauthenticated(_));
    let (title, advice) = match status.as_u16() {
        _ if sign_in => ("Sign in first", "This page needs to know who you are."),
        403 => (
            "Not allowed",
            "Go back and reload the page; if you expect to be allowed, see whether you are signed in as the right user.",
        ),
        404 => (
            "Not found",
            "Check the address, or look for the project by its name on the page Projects.",
        ),
        405 => (
            "Not like this",
            "Open the page that has the form, and send it from there.",
        ),
        409 => ("Not possible now", "Reload the page to see how things stand."),
        413 => (
            "Too large",
            "Make it smaller, or ask whoever runs this service to raise the limit.",
        ),
        429 => (
            "Quota used up",
            "Wait, cancel waiting builds, or ask an administrator for more. Your own page shows what is used.",
        ),
        400 => ("This cannot be used", "Go back, correct it, and send it again."),
        503 => (
            "Try again in a moment",
            "Reload the page in a few seconds. What you sent before is not lost.",
        ),
        _ => (
            "The service failed",
            "Try again; if it stays so, tell whoever runs this service, with the time at which it happened.",
        ),
    };
    Failure {
        status: status.to_string(),
        title: title.to_owned(),
        message: if sign_in {
            "You are not signed in.".to_owned()
        } else {
            error.public_message()
        },
        advice: advice.to_owned(),
        sign_in,
    }
}
