//! Good and bad requests of those who may not.

use frontend::api_3::{Access, ApiRoute, Kind, routes};
use serde_json::{Map, Value, json};

use super::bodies::bodies;
use super::{Ground, complain, flaw};
use crate::house::{CHROOT, Person};

/// All that the owner and everybody see of the ground.
async fn seen(ground: &Ground) -> Value {
    let mut all = Map::new();
    for path in [
        format!("/project?ownername=alice&projectname={}", ground.project),
        "/project/list".to_owned(),
        format!("/build/list?ownername=alice&projectname={}", ground.project),
        format!("/package/list?ownername=alice&projectname={}", ground.project),
        format!(
            "/project-chroot?ownername=alice&projectname={}&chrootname={CHROOT}",
            ground.project
        ),
    ] {
        let answer = ground.house.get(&path).await;
        all.insert(path, answer.json);
    }
    Value::Object(all)
}

#[tokio::test]
async fn who_may_not_learns_and_changes_nothing() {
    let ground = Ground::new().await;
    let before = seen(&ground).await;
    let mut flaws = Vec::new();
    // What everybody may do who has a token.
    let own = |route: &ApiRoute| {
        let account = matches!(route.reads.access, Access::Token(action) if ["account", "tokens"].contains(&action.as_str()));
        // Forks go to those who make them.
        account || ["/group/add", "/project/fork/{owner}/{project}"].contains(&route.path)
    };
    // Copr's answer names the builds that it leaves alone, with status 400.
    let all_or_nothing = |route: &ApiRoute| route.path == "/build/delete/list";
    let mut wrong_token = ground.alice.clone();
    wrong_token.token = "wrong".to_owned();
    for route in routes().iter().filter(|r| r.reads.access != Access::Public) {
        let good = Value::Object(ground.body(route));
        // Good where it names things, nonsense everywhere else.
        let mut nonsense = ground.body(route);
        for field in route
            .reads
            .body
            .iter()
            .filter(|f| !f.required && f.kind != Kind::File)
        {
            nonsense.insert(field.name.to_owned(), json!({"a": "\u{1}"}));
        }
        let nonsense = Value::Object(nonsense);
        for method in route.reads.methods {
            let (path, query) = (ground.path(route), ground.query(route));
            let send = |person: Option<&Person>| ground.house.request(method, &path, person).query(&query);
            for (name, person) in [("nobody", None), ("a wrong token", Some(&wrong_token))] {
                for body in [&good, &nonsense] {
                    let what = format!("{method} {} as {name}", route.path);
                    let request = ground.with_body(route, send(person), body);
                    flaws.extend(flaw(what, request, |s| s == 401).await);
                }
                for (body, kind, bytes) in bodies() {
                    let what = format!("{method} {} as {name}: {body}", route.path);
                    let request = send(person).header("Content-Type", kind).body(bytes);
                    flaws.extend(flaw(what, request, |s| s == 401).await);
                }
            }
            if own(route) {
                continue;
            }
            for (name, body) in [("good", &good), ("nonsense", &nonsense)] {
                let what = format!("{method} {} as a stranger, {name}", route.path);
                let request = ground.with_body(route, send(Some(&ground.stranger)), body);
                // The shape of what is sent is judged without a look at what it is about.
                let stays_out =
                    |s| s == 403 || s == 404 || (s == 400 && (name == "nonsense" || all_or_nothing(route)));
                flaws.extend(flaw(what, request, stays_out).await);
            }
        }
    }
    complain(&flaws);
    assert_eq!(seen(&ground).await, before);
}
