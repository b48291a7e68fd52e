//! Around every resource of the API: who may not come in is told so before anything of the body is read, and what the
//! framework refuses by itself is JSON as well.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WARNING};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError as _};
use serde_json::json;

use crate::api_3::route::{Access, Address, Reads};
use crate::auth::Signed;
use crate::error::Error;

/// The middleware of the API's resources.
pub(super) async fn door(
    mut req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(error) = admit(&mut req).await {
        return Ok(req.into_response(error.error_response()));
    }
    let mut response = next.call(req).await?;
    let reads = Address::of(response.request());
    let warning = reads.and_then(|reads| instead(reads, response.request().method().as_str()));
    if let Some(warning) = warning {
        response.headers_mut().insert(WARNING, warning);
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(methods) = allowed(&response)
    {
        response.headers_mut().insert(ALLOW, methods);
    }
    Ok(in_json(response))
}

/// Whether the request may come as far as its handler.
async fn admit(req: &mut ServiceRequest) -> Result<(), Error> {
    let uri = req.uri();
    let nul = |text: &str| text.contains("%00");
    if nul(uri.path()) || uri.query().is_some_and(nul) {
        return Err(Error::Invalid(
            "Leave the NUL character (%00) out of the address.".to_owned(),
        ));
    }
    if Address::of(req.request()).is_some_and(|reads| matches!(reads.access, Access::Token(_))) {
        let signed = req.extract::<Signed>().await?;
        req.extensions_mut().insert(signed);
    }
    Ok(())
}

/// Says that POST is the old spelling where another method is the right one.
fn instead(reads: &Reads, method: &str) -> Option<HeaderValue> {
    let right = reads.methods.first()?;
    if method == *right || !reads.methods.contains(&method) {
        return None;
    }
    HeaderValue::from_str(&format!("299 - \"{method} is deprecated here; use {right}\"")).ok()
}

/// The methods that the address takes.
fn allowed(response: &ServiceResponse) -> Option<HeaderValue> {
    let address = response.request().app_data::<Address>()?;
    let methods: Vec<&str> = address.0.iter().flat_map(|r| r.methods.iter().copied()).collect();
    HeaderValue::from_str(&methods.join(", ")).ok()
}

/// Replaces a refusal that the framework wrote; Copr's clients take what has no JSON for a broken service.
fn in_json(response: ServiceResponse) -> ServiceResponse {
    let status = response.status();
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let reason = response
        .response()
        .error()
        .map_or_else(|| status.to_string(), ToString::to_string);
    let text = if status.is_server_error() {
        tracing::error!("a request of the API failed: {reason}");
        "The service failed at this request; its administrator finds the reason in the log.".to_owned()
    } else {
        format!("The request cannot be read: {reason}")
    };
    response.into_response(HttpResponse::build(status).json(json!({"error": text})))
}
