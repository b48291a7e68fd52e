//! Nonsense in paths.

use frontend::api_3::{Field, Kind, routes};
use serde_json::Value;

use super::{Ground, all, any_but_5xx, complain, flaw, refused};

#[tokio::test]
async fn nonsense_in_paths_is_refused() {
    let mut ground = Ground::new().await;
    let mut flaws = Vec::new();
    let long = "x".repeat(5_000);
    let values = [
        "%00",
        "%ff",
        "%c3%28",
        "%2F",
        "%2e%2e",
        "a%20b",
        "@",
        "%40",
        "-1",
        "0",
        "99999999999999999999",
        "%F0%9F%98%80",
        "%27%22",
        "%25",
        "%0a",
        &long,
    ];
    for route in routes() {
        for name in route.path_names() {
            ground.heal().await;
            let ground = &ground;
            let tries = values.iter().map(|value| {
                // The others stay as they are.
                let mut path = route.plain_path().replace(&format!("{{{name}}}"), value);
                for other in route.path_names().into_iter().filter(|other| *other != name) {
                    let field = Field::required(other, Kind::Text, "");
                    let good = ground.good(&field);
                    path = path.replace(&format!("{{{other}}}"), good.as_str().unwrap_or_default());
                }
                let what = format!("{} {path:.120}", route.reads.methods[0]);
                let request = ground.request(&route, &path, &ground.query(&route), ground.asker(&route));
                let request = ground.with_body(&route, request, &Value::Object(ground.body(&route)));
                let nul = *value == "%00";
                flaw(
                    what,
                    request,
                    move |s| if nul { refused(s) } else { any_but_5xx(s) },
                )
            });
            flaws.extend(all(tries).await);
        }
    }
    complain(&flaws);
}
