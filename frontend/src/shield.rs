//! Around every handler: security headers, and a panic becomes a 500 instead of a cut connection.

use std::panic::AssertUnwindSafe;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError as _};
use db::audit::on_behalf;
use futures_util::FutureExt as _;

use crate::error::Error;
use crate::origin;

/// For pages and APIs. A handler (such as the results gateway, whose files users made) that sets one of them itself keeps its value.
const HEADERS: &[(&str, &str)] = &[
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

/// The middleware of all listeners.
pub(crate) async fn shield(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The path of a login link is a secret.
    let path = if req.path().starts_with("/login/") {
        "/login/…"
    } else {
        req.path()
    };
    let what = format!("{} {path}", req.method());
    let origin = origin::of(req.request());
    match AssertUnwindSafe(on_behalf(origin, next.call(req)))
        .catch_unwind()
        .await
    {
        Ok(Ok(mut response)) => {
            add(response.headers_mut());
            Ok(response)
        }
        Ok(Err(error)) => {
            let response = error.error_response();
            Err(finished(response))
        }
        Err(_) => {
            let error = Error::Internal(format!("the handler of {what} panicked"));
            Err(finished(error.error_response()))
        }
    }
}

fn finished(mut response: HttpResponse) -> actix_web::Error {
    add(response.headers_mut());
    InternalError::from_response("refused", response).into()
}

fn add(map: &mut HeaderMap) {
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        if !map.contains_key(&name) {
            map.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::{App, test, web};

    use super::*;

    #[actix_web::test]
    async fn a_panic_is_a_500_in_json_with_all_headers() {
        async fn broken(now: web::Query<Vec<(String, String)>>) -> String {
            assert!(now.is_empty(), "a handler's mistake");
            "fine".to_owned()
        }
        let app =
            test::init_service(App::new().route("/", web::get().to(broken)).wrap(from_fn(shield))).await;
        let call = async |uri| {
            let request = test::TestRequest::with_uri(uri).to_request();
            match test::try_call_service(&app, request).await {
                Ok(response) => response.map_into_boxed_body().into_parts().1,
                Err(error) => error.error_response(),
            }
        };
        let fine = call("/").await;
        assert_eq!(fine.status(), StatusCode::OK);
        let response = call("/?a=b").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            response.headers().get("x-frame-options"),
            Some(&HeaderValue::from_static("DENY"))
        );
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let text = json["error"].as_str().unwrap();
        assert!(!text.contains("mistake"), "{text}");
    }
}
