//! Nonsense in queries.

use frontend::api_3::{Kind, routes};
use serde_json::Value;

use super::{Ground, all, any_but_5xx, complain, flaw, refused};

#[tokio::test]
async fn nonsense_in_queries_is_refused() {
    let mut ground = Ground::new().await;
    let mut flaws = Vec::new();
    let long = "x".repeat(8_000);
    let values = [
        "",
        "x",
        "-1",
        "0",
        "1.5",
        "99999999999999999999",
        "9223372036854775807",
        "None",
        "%00",
        "%ff",
        "%c3%28",
        "%F0%9F%98%80",
        "%27%3B--",
        "a%2Fb",
        "%40",
        "%2525",
        &long,
    ];
    for route in routes() {
        for field in &route.reads.query {
            ground.heal().await;
            let ground = &ground;
            let tries = values.iter().map(|value| {
                let mut query = ground.query(&route);
                query.retain(|(name, _)| *name != field.name);
                let path = format!("{}?{}={value}", ground.path(&route), field.name);
                let what = format!("{path:.120} with {query:?}");
                let request = ground.request(&route, &path, &query, ground.asker(&route));
                let request = ground.with_body(&route, request, &Value::Object(ground.body(&route)));
                let number = field.kind == Kind::Number;
                let wrong = *value == "%00"
                    || number && ["x", "1.5", "%ff", "99999999999999999999", "a%2Fb"].contains(value);
                flaw(
                    what,
                    request,
                    move |s| if wrong { refused(s) } else { any_but_5xx(s) },
                )
            });
            flaws.extend(all(tries).await);
            if field.required {
                let mut query = ground.query(&route);
                query.retain(|(name, _)| *name != field.name);
                let what = format!("{} without {}", route.path, field.name);
                let request = ground.request(&route, &ground.path(&route), &query, ground.asker(&route));
                flaws.extend(flaw(what, request, refused).await);
            }
        }
    }
    complain(&flaws);
}
