//! The API about itself: the OpenAPI document, and a page to read it.

use actix_web::body::BoxBody;
use actix_web::http::header::{CACHE_CONTROL, ContentType, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::api_3::openapi;
use crate::api_3::route::{Answer, ApiRoute, GET, public};
use crate::app::App;
use crate::error::Error;
use crate::pages::visitor::Visitor;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/openapi.json", document).about("This description of the API, as OpenAPI 3.1."),
        public(GET, "/docs", page).about("The same as a page for people."),
    ]
}

/// The OpenAPI document.
struct Document(HttpResponse);

impl Responder for Document {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl Answer for Document {
    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "required": ["openapi", "paths"], "additionalProperties": true})
    }
}

async fn document(request: HttpRequest) -> Result<Document, Error> {
    let document = openapi::document();
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == document.etag.as_bytes());
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, document.etag.as_str()))
        .insert_header((CACHE_CONTROL, "no-cache"));
    Ok(Document(if known {
        response.finish()
    } else {
        response
            .content_type(ContentType::json())
            .body(document.bytes.clone())
    }))
}

/// A page for people.
struct Html(String);

impl Responder for Html {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type(ContentType::html()).body(self.0)
    }
}

impl Answer for Html {
    const TYPE: &'static str = "text/html";

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

async fn page(app: web::Data<App>, visitor: Visitor) -> Result<Html, Error> {
    let page = openapi::page::page(&app.config.url);
    Ok(Html(app.templates.render_api_docs(&visitor.frame(), &page)?))
}
