//! Nonsense in the fields of bodies.

use frontend::api_3::{BodyKind, Kind, routes};
use serde_json::{Value, json};

use super::{Ground, all, any_but_5xx, complain, flaw, refused};

/// For fields of bodies: what it is, and whether it has to be refused where it is not what the field holds.
fn nonsense(kind: Kind, foreign_build: &str) -> Vec<(&'static str, Value, bool)> {
    let is = |kinds: &[Kind]| kinds.contains(&kind);
    let text = is(&[Kind::Text]);
    let list = is(&[Kind::List]);
    let object = is(&[Kind::Object]);
    vec![
        ("an object", json!({"a": {"b": []}}), !object),
        ("a list of objects", json!([{}, [1]]), !object),
        ("a list of null", json!([null]), !object),
        ("a negative number", json!(-1), object),
        ("a fraction", json!(1.5), !text && !list),
        (
            "a huge number",
            json!(99_999_999_999_999_999_999_f64),
            !text && !list,
        ),
        ("the largest number", json!(i64::MAX), object),
        ("true", json!(true), !text && kind != Kind::Flag),
        ("nothing", json!(""), false),
        ("a long text", json!("x".repeat(100_000)), !text && !list),
        ("a long list", json!(vec!["y"; 3_000]), !list),
        ("a NUL", json!("a\u{0}b"), true),
        (
            "strange letters",
            json!("\u{202e}../..\n';--%s😀\u{7f}"),
            !text && !list,
        ),
        ("somebody else's build", json!(foreign_build), false),
    ]
}

async fn fields_of_bodies(part: usize, parts: usize) {
    let mut ground = Ground::new().await;
    let mut flaws = Vec::new();
    for route in routes().iter().skip(part).step_by(parts) {
        let readable = matches!(route.reads.body_kind, BodyKind::Object | BodyKind::Multipart);
        for field in route
            .reads
            .body
            .iter()
            .filter(|f| readable && f.kind != Kind::File)
        {
            ground.heal().await;
            let ground = &ground;
            let mut cases = nonsense(field.kind, &ground.foreign_build);
            if field.required {
                cases.push(("null", Value::Null, true));
            }
            let tries = cases.into_iter().map(|(name, value, wrong)| {
                let what = format!(
                    "{} {}: {} is {name}",
                    route.reads.methods[0], route.path, field.name
                );
                let mut body = ground.body(route);
                body.insert(field.name.to_owned(), value);
                body.insert("unknown".to_owned(), json!({"a": [1]}));
                let request = ground.request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    ground.asker(route),
                );
                let request = ground.with_body(route, request, &Value::Object(body));
                flaw(
                    what,
                    request,
                    move |s| if wrong { refused(s) } else { any_but_5xx(s) },
                )
            });
            flaws.extend(all(tries).await);
            if field.required {
                let mut body = ground.body(route);
                body.remove(field.name);
                let request = ground.request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    ground.asker(route),
                );
                let request = ground.with_body(route, request, &Value::Object(body));
                let what = format!("{}: without {}", route.path, field.name);
                flaws.extend(flaw(what, request, refused).await);
            }
        }
    }
    complain(&flaws);
}

#[tokio::test]
async fn nonsense_in_fields_is_refused_1() {
    fields_of_bodies(0, 3).await;
}

#[tokio::test]
async fn nonsense_in_fields_is_refused_2() {
    fields_of_bodies(1, 3).await;
}

#[tokio::test]
async fn nonsense_in_fields_is_refused_3() {
    fields_of_bodies(2, 3).await;
}
