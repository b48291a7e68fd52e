//! What operations read: parameters and bodies, with the freedoms that the readers of requests allow.

use serde_json::{Map, Value, json};

use crate::api_3::route::{ApiRoute, BodyKind, Field, Kind};

/// What the names in paths mean.
const PATH: &[(&str, Kind, &str)] = &[
    ("id", Kind::Number, "Number of the object."),
    ("build_id", Kind::Number, "Number of the build."),
    ("owner", Kind::Text, "User, or group as `@name`."),
    ("project", Kind::Text, "Name of the project."),
    (
        "dir",
        Kind::Text,
        "Result directory: the project's name, or `project:custom:x`, `project:pr:12`.",
    ),
    (
        "dirname",
        Kind::Text,
        "Result directory: the project's name, or `project:custom:x`, `project:pr:12`.",
    ),
    (
        "snapshot",
        Kind::Text,
        "Number of the snapshot, a pointer that names it, or a time at which `latest` did.",
    ),
    ("name_release", Kind::Text, "Such as `fedora-44`."),
    ("chroot", Kind::Text, "Such as `fedora-44-x86_64`."),
    ("package", Kind::Text, "Name of the package."),
    ("delivery", Kind::Number, "Number of the delivery."),
    (
        "type",
        Kind::Text,
        "Type of the source: scm, pypi, rubygems, distgit or custom; `None` keeps it.",
    ),
    ("name", Kind::Text, "Name."),
    ("user", Kind::Text, "Name of a user."),
    ("who", Kind::Text, "Name of a user."),
    ("group", Kind::Text, "Name of a group, without `@`."),
];

/// What a name in a path holds.
pub(super) fn path_field(name: &'static str) -> Field {
    let (kind, about) = PATH
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or((Kind::Text, ""), |(_, kind, about)| (*kind, *about));
    Field::required(name, kind, about)
}

/// All parameters of path and query.
pub(super) fn parameters(route: &ApiRoute) -> Vec<Value> {
    let path = route.path_names().into_iter().map(|name| {
        let field = path_field(name);
        let schema = match field.kind {
            Kind::Number => json!({"type": "integer", "minimum": 0}),
            _ => json!({"type": "string", "minLength": 1}),
        };
        parameter("path", &field, schema)
    });
    let query = route
        .reads
        .query
        .iter()
        .map(|field| parameter("query", field, in_query(field)));
    path.chain(query).collect()
}

fn parameter(place: &str, field: &Field, schema: Value) -> Value {
    let mut parameter = json!({
        "name": field.name,
        "in": place,
        "required": field.required,
        "schema": schema,
    });
    if !field.about.is_empty() {
        parameter["description"] = Value::from(field.about);
    }
    parameter
}

fn in_query(field: &Field) -> Value {
    match field.kind {
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::Flag => json!({"type": "string", "enum": ["True", "False", "true", "false", "1", "0"]}),
        Kind::Number => json!({"type": "integer"}),
        Kind::List => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Numbers => json!({"type": "array", "items": {"type": "integer"}}),
        Kind::Text | Kind::Object | Kind::File if field.required => json!({"type": "string", "minLength": 1}),
        Kind::Text | Kind::Object | Kind::File => json!({"type": "string"}),
    }
}

/// The schema of a field of a body.
fn in_body(field: &Field) -> Value {
    let mut forms = match field.kind {
        Kind::Text => vec![
            json!({"type": "string"}),
            json!({"type": "number"}),
            json!({"type": "boolean"}),
        ],
        Kind::Choice(words) => vec![json!({"type": "string", "enum": words})],
        Kind::Flag => vec![
            json!({"type": "boolean"}),
            json!({"type": "integer", "enum": [0, 1]}),
            json!({"type": "string", "pattern": "^(?:[Tt]rue|[Ff]alse|0|1|yes|no|on|off)$"}),
        ],
        Kind::Number => vec![
            json!({"type": "integer"}),
            json!({"type": "string", "pattern": "^-?[0-9]+$"}),
        ],
        Kind::List => vec![
            json!({"type": "array", "items": {"type": "string"}}),
            json!({"type": "string"}),
        ],
        Kind::Numbers => vec![json!({"type": "array", "items": {"type": "integer"}})],
        Kind::Object => vec![json!({"type": "object"})],
        Kind::File => {
            return json!({"type": "string", "contentMediaType": "application/octet-stream", "description": field.about});
        }
    };
    if !field.required {
        forms.push(json!({"type": "null"}));
    }
    let mut schema = match forms.len() {
        1 => forms.swap_remove(0),
        _ => json!({"anyOf": forms}),
    };
    schema["description"] = Value::from(field.about);
    schema
}

fn object<'a>(fields: impl Iterator<Item = &'a Field>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        properties.insert(field.name.to_owned(), in_body(field));
        if field.required {
            required.push(field.name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The body, when the operation reads one.
pub(super) fn body(route: &ApiRoute) -> Option<Value> {
    let fields = &route.reads.body;
    let required = fields.iter().any(|f| f.required);
    let content = match route.reads.body_kind {
        BodyKind::None => return None,
        BodyKind::Object => {
            let schema = object(fields.iter());
            json!({
                "application/json": {"schema": schema},
                "application/x-www-form-urlencoded": {"schema": schema},
            })
        }
        BodyKind::Multipart => multipart(fields),
        BodyKind::Free => {
            json!({"application/json": {"schema": {"type": "object", "additionalProperties": true}}})
        }
    };
    Some(json!({"required": required, "content": content}))
}

/// Files are parts of their own; everything else is in a part `json`, or each in a part of its own.
fn multipart(fields: &[Field]) -> Value {
    let is_file = |field: &&Field| field.kind == Kind::File;
    let mut schema = object(fields.iter().filter(is_file));
    let mut json = object(fields.iter().filter(|f| !is_file(f)));
    json["description"] =
        Value::from("The last part. In its place, every field may also be a part of its own.");
    schema["properties"]["json"] = json;
    let needs_json = fields.iter().any(|f| f.required && f.kind != Kind::File);
    if needs_json {
        match schema["required"].as_array_mut() {
            Some(required) => required.push(Value::from("json")),
            None => schema["required"] = json!(["json"]),
        }
    }
    json!({
        "multipart/form-data": {
            "schema": schema,
            "encoding": {"json": {"contentType": "application/json"}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_explained() {
        for route in crate::api_3::routes() {
            for name in route.path_names() {
                assert!(
                    !path_field(name).about.is_empty(),
                    "{}: say what {{{name}}} is",
                    route.path
                );
            }
        }
    }

    #[test]
    fn required_fields_are_never_null() {
        let required = in_body(&Field::required("a", Kind::Number, "A."));
        assert!(!required.to_string().contains("null"));
        assert!(
            in_body(&Field::new("a", Kind::Number, "A."))
                .to_string()
                .contains("null")
        );
    }
}
