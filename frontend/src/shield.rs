//! Around every handler: security headers, and a panic becomes a 500 instead of a cut connection.

use std::panic::AssertUnwindSafe;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;

use crate::error::Error;

type Headers = [(&'static str, &'static str)];

/// For pages and APIs. A handler that sets one of them itself keeps its value.
const STRICT: &Headers = &[
    (
        "content-security-policy",
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// For files that users made: nothing in them runs.
const FILES: &Headers = &[
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
];

/// Wraps pages and APIs.
pub(crate) async fn shield(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    guard(req, next, STRICT).await
}

/// Wraps the results gateway.
pub(crate) async fn shield_results(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    guard(req, next, FILES).await
}

async fn guard<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
    headers: &'static Headers,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let what = format!("{} {}", req.method(), req.path());
    match AssertUnwindSafe(next.call(req)).catch_unwind().await {
        Ok(Ok(mut response)) => {
            add(response.headers_mut(), headers);
            Ok(response)
        }
        Ok(Err(error)) => {
            let response = error.error_response();
            Err(finished(response, headers))
        }
        Err(_) => {
            let error = Error::Internal(format!("the handler of {what} panicked"));
            Err(finished(error.error_response(), headers))
        }
    }
}

fn finished(mut response: HttpResponse, headers: &'static Headers) -> actix_web::Error {
    add(response.headers_mut(), headers);
    InternalError::from_response("refused", response).into()
}

fn add(map: &mut HeaderMap, headers: &'static Headers) {
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        if !map.contains_key(&name) {
            map.insert(name, HeaderValue::from_static(value));
        }
    }
}
