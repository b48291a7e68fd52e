//! Tokens with limits: every route, asked with a token of the owner that does not reach so far.

use chrono::{DateTime, TimeDelta, Utc};
use db::tokens::{NewToken, Scope};
use frontend::api_3::{Access, Action, ApiRoute, routes};
use rand::SeedableRng as _;
use serde_json::{Value, json};

use crate::access::{body, group, path_of};
use crate::house::{Answer, House, Person, start};
use crate::packages::{self, Made};

/// The same user, with another token that is limited so and does not end.
pub async fn limited(
    house: &House,
    person: &Person,
    name: &str,
    projects: Option<&[&str]>,
    actions: Option<&[&str]>,
) -> Person {
    ending(house, person, name, projects, actions, None).await
}

/// The same, with an end.
async fn ending(
    house: &House,
    person: &Person,
    name: &str,
    projects: Option<&[&str]>,
    actions: Option<&[&str]>,
    expires_at: Option<DateTime<Utc>>,
) -> Person {
    let scope = Scope {
        projects: projects.map(|list| list.iter().map(|p| p.parse().unwrap()).collect()),
        actions: actions.map(|list| list.iter().map(|a| (*a).to_owned()).collect()),
    };
    let new = NewToken {
        name,
        scope: &scope,
        expires_at,
    };
    let mut rng = rand::rngs::StdRng::from_os_rng();
    let mut conn = house.pool.get().await.unwrap();
    let (_, pair) = db::tokens::add(&mut conn, &person.user, &new, start(), &mut rng)
        .await
        .unwrap();
    Person {
        user: person.user.clone(),
        login: pair.login,
        token: pair.token,
    }
}

struct Scene {
    house: House,
    alice: Person,
    package: Made,
    binary: Made,
    build: String,
    delivery: String,
}

impl Scene {
    async fn new() -> Self {
        let house = House::new().await;
        let alice = house.person("alice", false).await;
        house.person("stranger", false).await;
        house.project(&alice, "tools").await;
        group(&house, &alice).await;
        let package = packages::source("BuildArch: noarch");
        let form = json!({"ownername": "alice", "projectname": "tools"});
        let build = house
            .upload(Some(&alice), &package.name, &package.bytes, &form)
            .await
            .ok()["id"]
            .to_string();
        let delivery = crate::webhooks::ping(&house, &alice).await.to_string();
        house.publish("tools").await;
        Self {
            house,
            alice,
            package,
            binary: packages::binary(),
            build,
            delivery,
        }
    }

    /// Everything that anybody can see of alice's things.
    async fn state(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/project/list",
            "/group/list",
            "/group?groupname=sig",
            "/build/list?ownername=alice&projectname=tools",
        ] {
            seen.push(self.house.get(path).await.ok());
        }
        let permissions = "/project/permissions/get/alice/tools";
        let answer = self
            .house
            .send("GET", permissions, Some(&self.alice), json!({}))
            .await;
        seen.push(answer.json);
        seen
    }

    async fn ask(&self, route: &ApiRoute, method: &str, person: &Person) -> Answer {
        if route.path == "/build/create/upload" {
            let form = json!({"ownername": "alice", "projectname": "tools"});
            let (name, bytes) = (&self.package.name, &self.package.bytes);
            return self.house.upload(Some(person), name, bytes, &form).await;
        }
        if route.path == "/build/create/rpm-upload" {
            let form = json!({"ownername": "alice", "projectname": "tools"});
            let file = (self.binary.name.as_str(), self.binary.bytes.as_slice());
            return self.house.upload_to(route.path, Some(person), file, &form).await;
        }
        let path = path_of(route, &self.build, &self.delivery);
        self.house
            .send(method, &path, Some(person), body(route.path))
            .await
    }
}

#[tokio::test]
async fn a_token_for_other_actions_is_refused_everywhere() {
    let scene = Scene::new().await;
    let before = scene.state().await;
    for action in Action::ALL {
        let others: Vec<&str> = Action::ALL
            .iter()
            .filter(|other| **other != action)
            .map(|other| other.as_str())
            .collect();
        let name = format!("all but {}", action.as_str());
        let person = limited(&scene.house, &scene.alice, &name, None, Some(&others)).await;
        for route in routes() {
            if route.reads.access != Access::Token(action) {
                continue;
            }
            for method in route.reads.methods {
                let text = scene.ask(&route, method, &person).await.error(403);
                assert!(
                    text.contains(&format!("takes '{}'", action.as_str())),
                    "{method} {}: {text}",
                    route.path
                );
            }
        }
    }
    assert_eq!(scene.state().await, before);
}

#[tokio::test]
async fn a_token_for_another_project_is_refused_everywhere() {
    let scene = Scene::new().await;
    let before = scene.state().await;
    let other = ["alice/other", "alice/tools2", "stranger/*"];
    let person = limited(&scene.house, &scene.alice, "elsewhere", Some(&other), None).await;
    // What concerns the token itself and no project.
    let own = ["/auth-check", "/api-token", "/token/list"];
    for route in routes() {
        if route.reads.access == Access::Public || own.contains(&route.path) {
            continue;
        }
        for method in route.reads.methods {
            let answer = scene.ask(&route, method, &person).await;
            // All or nothing: the answer to a list of builds names those that are forbidden.
            let refused = match route.path {
                "/build/delete/list" => 400,
                _ => 403,
            };
            assert_eq!(
                answer.status.as_u16(),
                refused,
                "{method} {}: {}",
                route.path,
                answer.json
            );
        }
    }
    assert_eq!(scene.state().await, before);
}

#[tokio::test]
async fn a_token_does_what_it_is_for() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let builder = limited(
        house,
        &scene.alice,
        "pipeline",
        Some(&["alice/tools"]),
        Some(&["build"]),
    )
    .await;
    // An unattended pipeline's token need not expire.
    house.pass(1_000 * 86_400);
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let made = house
        .upload(Some(&builder), &scene.package.name, &scene.package.bytes, &form)
        .await
        .ok();
    let cancel = format!("/build/cancel/{}", made["id"]);
    house.send("PUT", &cancel, Some(&builder), json!({})).await.ok();
    let all = limited(house, &scene.alice, "all of alice", Some(&["alice/*"]), None).await;
    house.project(&all, "more").await;
    let text = house
        .send(
            "POST",
            "/project/add/alice",
            Some(&limited(house, &scene.alice, "one", Some(&["alice/x"]), None).await),
            json!({"name": "x"}),
        )
        .await
        .error(403);
    assert!(text.contains("limited to alice/x"), "{text}");
}

#[tokio::test]
async fn a_limited_token_makes_no_wider_one() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let actions = ["tokens", "build"];
    let narrow = limited(house, &scene.alice, "narrow", Some(&["alice/*"]), Some(&actions)).await;
    let add = async |body: Value| house.send("POST", "/token/add", Some(&narrow), body).await;
    for wider in [
        json!({"name": "w"}),
        json!({"name": "w", "projects": ["alice/*"]}),
        json!({"name": "w", "actions": ["build"]}),
        json!({"name": "w", "projects": ["alice/*", "bob/x"], "actions": ["build"]}),
        json!({"name": "w", "projects": ["alice/x"], "actions": ["build", "edit"]}),
        json!({"name": "w", "projects": [], "actions": []}),
    ] {
        let text = add(wider).await.error(403);
        assert!(text.contains("more than itself"), "{text}");
    }
    let made = add(json!({"name": "n", "projects": "alice/x alice/y", "actions": ["build"]}))
        .await
        .ok();
    assert_eq!(made["projects"], json!(["alice/x", "alice/y"]));
    // It sees and revokes no token that may more.
    let listed = house
        .send("GET", "/token/list", Some(&narrow), json!({}))
        .await
        .ok();
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["n", "narrow"]);
    let all = house
        .send("GET", "/token/list", Some(&scene.alice), json!({}))
        .await
        .ok();
    let default = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["name"] == "default")
        .unwrap();
    assert_eq!(default["current"], true);
    let delete = format!("/token/delete/{}", default["id"]);
    house
        .send("DELETE", &delete, Some(&narrow), json!({}))
        .await
        .error(403);
    // Renewing keeps the limits.
    let renewed = house
        .send("POST", "/api-token", Some(&narrow), json!({}))
        .await
        .ok();
    assert_eq!(renewed["expiration"], "never");
    let renewed = Person {
        user: narrow.user.clone(),
        login: renewed["api_login"].as_str().unwrap().to_owned(),
        token: renewed["api_token"].as_str().unwrap().to_owned(),
    };
    house
        .send("PUT", "/project/edit/alice/tools", Some(&renewed), json!({}))
        .await
        .error(403);
}

#[tokio::test]
async fn a_token_that_ends_makes_none_that_lasts_longer() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let end = Some(start() + TimeDelta::days(30));
    let leaked = ending(&house, &alice, "leaked", None, None, end).await;
    let forever = limited(&house, &alice, "forever", None, None).await;
    let add = async |person: &Person, body: Value| house.send("POST", "/token/add", Some(person), body).await;
    for days in [json!(0), json!(31), json!(3_650)] {
        let text = add(&leaked, json!({"name": "w", "days": days})).await.error(403);
        assert!(
            text.contains("ends at 2026-12-21 12:00 UTC") && text.contains("the page /api/"),
            "{text}"
        );
    }
    let until = |made: &Value| made["expires_on"].as_i64();
    let same = end.map(|end| end.timestamp());
    assert_eq!(until(&add(&leaked, json!({"name": "as long"})).await.ok()), same);
    assert_eq!(
        until(&add(&leaked, json!({"name": "thirty", "days": 30})).await.ok()),
        same
    );
    assert_eq!(until(&add(&forever, json!({"name": "n"})).await.ok()), None);

    // It neither sees nor ends what lasts longer.
    let list = async |person: &Person| {
        let listed = house
            .send("GET", "/token/list", Some(person), json!({}))
            .await
            .ok();
        let items = listed["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|t| (t["name"].as_str().unwrap().to_owned(), t["id"].clone()))
            .collect::<Vec<_>>()
    };
    let seen: Vec<String> = list(&leaked).await.into_iter().map(|t| t.0).collect();
    assert_eq!(seen, ["as long", "leaked", "thirty"]);
    for (name, id) in list(&forever).await {
        if ["default", "forever", "n"].contains(&name.as_str()) {
            let delete = format!("/token/delete/{id}");
            house
                .send("DELETE", &delete, Some(&leaked), json!({}))
                .await
                .error(403);
        }
    }

    // Renewed ten days later, it ends on the day on which it would have ended.
    house.pass(10 * 86_400);
    let renewed = house
        .send("POST", "/api-token", Some(&leaked), json!({}))
        .await
        .ok();
    assert_eq!(renewed["expiration"], "2026-12-21");
}
