//! The same table as a page for people.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::inputs::path_field;
use super::{generator, tag};
use crate::api_3::route::{Access, ApiRoute, BodyKind, Field, Kind};
use crate::pages::twins::form_of;
use crate::templates::api_docs::{ApiDocs, Input, Operation, Section};

/// The page; `url` is the service's.
pub(in crate::api_3) fn page(url: &str) -> ApiDocs {
    let mut generator = generator();
    let mut sections: Vec<Section> = Vec::new();
    for route in super::super::routes() {
        let tag = tag(&route);
        let operation = operation(&route, url, &mut generator);
        match sections.iter_mut().find(|s| s.name == tag) {
            Some(section) => section.operations.push(operation),
            None => sections.push(Section {
                name: tag,
                operations: vec![operation],
            }),
        }
    }
    ApiDocs {
        url: url.to_owned(),
        sections,
    }
}

fn operation(route: &ApiRoute, url: &str, generator: &mut SchemaGenerator) -> Operation {
    let method = route.reads.methods.first().copied().unwrap_or("GET");
    let path = format!("/api_3{}", route.plain_path());
    let place = |place: &'static str| move |field: &Field| input(place, field);
    let names = route.path_names().into_iter().map(path_field);
    let mut inputs: Vec<Input> = names.map(|field| input("path", &field)).collect();
    inputs.extend(route.reads.query.iter().map(place("query")));
    inputs.extend(route.reads.body.iter().map(place("body")));
    let body = match route.reads.body_kind {
        BodyKind::None => "",
        BodyKind::Object => "JSON object, or a form",
        BodyKind::Multipart => "multipart form: files first, then a part json with the other fields",
        BodyKind::Free => "JSON object",
    };
    Operation {
        anchor: format!("{method}{}", path.replace(['/', '{', '}'], "-")).to_ascii_lowercase(),
        method: method.to_owned(),
        path,
        about: route.about.to_owned(),
        action: match route.reads.access {
            Access::Public => None,
            Access::Token(action) => Some(action.as_str().to_owned()),
        },
        body: body.to_owned(),
        inputs,
        answer: answer(route, generator),
        curl: curl(route, method, url),
        form: form_of(method, route.path).map(str::to_owned),
    }
}

fn input(place: &str, field: &Field) -> Input {
    let kind = match field.kind {
        Kind::Text => "text".to_owned(),
        Kind::Choice(words) => words.join(" | "),
        Kind::Flag => "true or false".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::List => "list of texts".to_owned(),
        Kind::Numbers => "list of numbers".to_owned(),
        Kind::Object => "object".to_owned(),
        Kind::File => "file".to_owned(),
    };
    Input {
        name: field.name.to_owned(),
        place: place.to_owned(),
        kind,
        required: field.required,
        about: field.about.to_owned(),
    }
}

/// The answer's shape in the manner of JSON.
fn answer(route: &ApiRoute, generator: &mut SchemaGenerator) -> String {
    if route.answer_type != "application/json" {
        return route.answer_type.to_owned();
    }
    let schema = (route.answer)(generator);
    let mut out = String::new();
    draw(schema.as_value(), generator, 0, &mut out);
    out
}

/// Deepest level that is drawn; what is below is told by its name.
const DEPTH: usize = 4;

fn draw(schema: &Value, generator: &SchemaGenerator, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        match generator.definitions().get(name) {
            Some(found) if depth < DEPTH => draw(found, generator, depth, out),
            _ => out.push_str(name),
        }
    } else if let Some(forms) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        for (i, form) in forms.iter().enumerate() {
            if i > 0 {
                out.push_str(" or ");
            }
            draw(form, generator, depth, out);
        }
    } else if let Some(properties) = schema["properties"].as_object().filter(|p| !p.is_empty()) {
        out.push_str("{\n");
        for (name, property) in properties {
            out.push_str(&indent);
            out.push_str(name);
            out.push_str(": ");
            draw(property, generator, depth + 1, out);
            out.push('\n');
        }
        out.push_str(&"  ".repeat(depth));
        out.push('}');
    } else if schema["items"].is_object() {
        out.push('[');
        draw(&schema["items"], generator, depth, out);
        out.push_str(" …]");
    } else if schema["additionalProperties"].is_object() {
        out.push_str("{ name: ");
        draw(&schema["additionalProperties"], generator, depth, out);
        out.push_str(" … }");
    } else {
        out.push_str(&plain(schema));
    }
}

fn plain(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => schema["const"].as_str().unwrap_or("anything").to_owned(),
    }
}

/// A line to try it with; words in capitals are to be replaced.
fn curl(route: &ApiRoute, method: &str, url: &str) -> String {
    let mut address = format!("{url}/api_3{}", route.plain_path());
    for name in route.path_names() {
        address = address.replace(&format!("{{{name}}}"), &name.to_ascii_uppercase());
    }
    let query: Vec<String> = route
        .reads
        .query
        .iter()
        .filter(|f| f.required)
        .map(|f| format!("{}={}", f.name, example(f).trim_matches('"')))
        .collect();
    if !query.is_empty() {
        address = format!("{address}?{}", query.join("&"));
    }
    let mut line = "curl".to_owned();
    if route.reads.access != Access::Public {
        line.push_str(" -u LOGIN:TOKEN");
    }
    if method != "GET" {
        line.push_str(&format!(" -X {method}"));
    }
    line.push_str(&format!(" '{address}'"));
    let fields: Vec<String> = shown(&route.reads.body)
        .map(|f| format!("\"{}\": {}", f.name, example(f)))
        .collect();
    match route.reads.body_kind {
        BodyKind::Object => line.push_str(&format!(" --json '{{{}}}'", fields.join(", "))),
        BodyKind::Free => line.push_str(" --json '{}'"),
        BodyKind::Multipart => {
            for file in route.reads.body.iter().filter(|f| f.kind == Kind::File) {
                line.push_str(&format!(" -F {}=@FILE", file.name));
            }
            line.push_str(&format!(
                " -F 'json={{{}}};type=application/json'",
                fields.join(", ")
            ));
        }
        BodyKind::None => {}
    }
    line
}

/// The fields that an example shows: the required ones, or the first.
fn shown(fields: &[Field]) -> impl Iterator<Item = &Field> {
    let any = fields.iter().any(|f| f.required && f.kind != Kind::File);
    let first = if any { 0 } else { 1 };
    let optional = fields
        .iter()
        .filter(|f| !f.required && f.kind != Kind::File)
        .take(first);
    fields
        .iter()
        .filter(|f| f.required && f.kind != Kind::File)
        .chain(optional)
}

fn example(field: &Field) -> String {
    match field.kind {
        Kind::Choice(words) => format!("\"{}\"", words.first().unwrap_or(&"")),
        Kind::Flag => "true".to_owned(),
        Kind::Number => "1".to_owned(),
        Kind::List => format!("[\"{}\"]", field.name.to_ascii_uppercase()),
        Kind::Numbers => "[1]".to_owned(),
        Kind::Object => "{}".to_owned(),
        Kind::Text | Kind::File => format!("\"{}\"", field.name.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_say_what_is_required() {
        let page = page("https://koper.test");
        let all: Vec<&Operation> = page.sections.iter().flat_map(|s| &s.operations).collect();
        let find = |path: &str| all.iter().find(|o| o.path == path).unwrap();
        assert_eq!(
            find("/api_3/project").curl,
            "curl 'https://koper.test/api_3/project?ownername=OWNERNAME&projectname=PROJECTNAME'"
        );
        let delete = find("/api_3/project/delete/{owner}/{project}");
        assert_eq!(
            delete.curl,
            "curl -u LOGIN:TOKEN -X DELETE 'https://koper.test/api_3/project/delete/OWNER/PROJECT' --json '{\"verify\": true}'"
        );
        assert_eq!(delete.action.as_deref(), Some("delete"));
        let list = find("/api_3/project/list");
        assert!(list.answer.contains("full_name: string"), "{}", list.answer);
        assert!(find("/api_3/build/{id}").answer.contains("source_package: {\n"));
    }
}
