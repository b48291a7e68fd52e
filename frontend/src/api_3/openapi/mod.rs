//! The OpenAPI 3.1 document, made from the table of routes: what is not in the table is not served, and what is served
//! is in the document. <https://spec.openapis.org/oas/v3.1.1.html>

mod inputs;
pub(super) mod page;

use std::collections::HashSet;
use std::sync::LazyLock;

use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::api_3::route::{Access, ApiRoute};

/// The document as it is served.
pub(super) struct Document {
    /// JSON.
    pub bytes: Bytes,
    /// Changes with every change of it, quotes included.
    pub etag: String,
}

/// The document; made once.
pub(super) fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
        let bytes = Bytes::from(describe(&super::routes()).to_string());
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..12]));
        Document { bytes, etag }
    });
    &DOCUMENT
}

const ABOUT: &str = "The API of Koper, which speaks Copr's APIv3, so that `copr-cli`, python's `copr`, `dnf copr` and \
Packit work with it unchanged.\n\n\
An answer that has the key `error` is a failure and says what to do; every other answer is a success. Requests may \
write numbers and truth values as texts (`\"100\"`, `True`), and lists of texts as one text with white space between \
the entries. `null` is the same as leaving a field out; an empty list is not. Fields that are not listed here are \
ignored. Path parameters may be repeated in the query, where they are ignored as well. Every address works with and \
without a slash at its end.\n\n\
Tokens come from the page `/api/`.";

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    settings.into_generator()
}

fn describe(routes: &[ApiRoute]) -> Value {
    let mut generator = generator();
    let mut paths: Map<String, Value> = Map::new();
    let mut tags: Vec<String> = Vec::new();
    let mut ids = HashSet::new();
    for route in routes {
        let tag = tag(route);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let operations = paths
            .entry(if route.path.is_empty() {
                "/".to_owned()
            } else {
                route.plain_path().into_owned()
            })
            .or_insert_with(|| json!({}));
        for method in route.reads.methods {
            let id = operation_id(route, method, &mut ids);
            operations[method.to_ascii_lowercase()] = operation(route, method, id, &mut generator);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "Error".to_owned(),
        json!({
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string", "description": "What is wrong, and what to do about it."},
                "output": {"const": "notok", "description": "Only beside status 401."},
            },
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Koper",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "/api_3"}],
        "tags": tags.iter().map(|tag| json!({"name": tag})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Error": {
                    "description": "A sentence that says what is wrong.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An API token: its login and its secret, as in `~/.config/copr`.",
                },
            },
        },
    })
}

/// What the operation is listed under: the path's first part.
fn tag(route: &ApiRoute) -> String {
    match route.path.split('/').nth(1) {
        None | Some("" | "openapi.json" | "docs") => "api".to_owned(),
        Some(first) => first.to_owned(),
    }
}

/// A name for generated clients, unique in the document: the path's fixed parts, the method where these are taken, and
/// the parameters where that is taken too.
fn operation_id(route: &ApiRoute, method: &str, taken: &mut HashSet<String>) -> String {
    let plain = route.plain_path();
    let words = |keep: fn(&&str) -> bool| -> String {
        let parts: Vec<String> = plain
            .split('/')
            .filter(|part| !part.is_empty())
            .filter(keep)
            .map(|part| part.replace(['-', '.'], "_").replace(['{', '}'], ""))
            .collect();
        parts.join("_")
    };
    let fixed = match words(|part| !part.starts_with('{')) {
        none if none.is_empty() => "version".to_owned(),
        some => some,
    };
    let by = words(|part| part.starts_with('{'));
    let alias = Some(&method) != route.reads.methods.first();
    let method = method.to_ascii_lowercase();
    let candidates = [
        (!alias).then(|| fixed.clone()),
        Some(format!("{fixed}_{method}")),
        Some(format!("{fixed}_{method}_by_{by}")),
    ];
    let free = candidates.into_iter().flatten().find(|id| !taken.contains(id));
    let id = free.unwrap_or_else(|| format!("{fixed}_{method}_{}", taken.len()));
    taken.insert(id.clone());
    id
}

fn operation(route: &ApiRoute, method: &str, id: String, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": id,
        "tags": [tag(route)],
        "summary": route.about,
        "responses": responses(route, generator),
    });
    let parameters = inputs::parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = Value::from(parameters);
    }
    if let Some(body) = inputs::body(route) {
        operation["requestBody"] = body;
    }
    if let Access::Token(action) = route.reads.access {
        // Roles: what a limited token has to allow.
        operation["security"] = json!([{"token": [action.as_str()]}]);
    }
    if let Some(right) = route.reads.methods.first().filter(|right| **right != method) {
        operation["deprecated"] = Value::from(true);
        operation["description"] = Value::from(format!(
            "For old clients: the same as {right}, with a header `Warning`."
        ));
    }
    operation
}

fn responses(route: &ApiRoute, generator: &mut SchemaGenerator) -> Value {
    let schema = (route.answer)(generator);
    let mut all = json!({
        "200": {"description": "Done.", "content": {route.answer_type: {"schema": schema}}},
        "default": {"$ref": "#/components/responses/Error"},
    });
    let mut errors = vec!["400", "404", "503"];
    if matches!(route.reads.access, Access::Token(_)) {
        errors.extend(["401", "403", "409"]);
    }
    if !route.reads.body.is_empty() {
        errors.push("413");
    }
    for status in errors {
        all[status] = json!({"$ref": "#/components/responses/Error"});
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_words() {
        let routes = super::super::routes();
        let document = describe(&routes);
        let mut ids = HashSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id.clone()), "{method} {path}: {id} is taken");
                assert!(
                    !operation["summary"].as_str().unwrap().is_empty(),
                    "{method} {path} has no words"
                );
            }
        }
        let methods: usize = routes.iter().map(|r| r.reads.methods.len()).sum();
        assert_eq!(ids.len(), methods, "two routes have one address and method");
    }

    #[test]
    fn references_lead_somewhere() {
        let document = describe(&super::super::routes());
        let text = document.to_string();
        for reference in text
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
        }
    }
}
