//! `GET /static/{file}`

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::error::Error;
use crate::templates::STATIC;

/// A static file. The address that pages use carries the version of its content, so that it may be kept for good.
pub async fn file(
    app: web::Data<App>,
    req: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (name, bytes) = STATIC
        .iter()
        .find(|(known, _)| *known == name.as_str())
        .ok_or_else(|| Error::NotFound("There is no such file.".to_owned()))?;
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    };
    let versioned = req.query_string() == format!("v={}", app.templates.asset_version());
    let cache = if versioned {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("cache-control", cache))
        .body(*bytes))
}

/// Browsers ask for it whatever the page says.
pub async fn icon() -> HttpResponse {
    super::redirect("/static/logo.svg")
}
