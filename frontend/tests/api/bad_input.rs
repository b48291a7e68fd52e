//! Nonsense in every declared field of every route, in its path and in its body as a whole: a sentence in JSON, never a
//! fault of ours, and nothing for those who may not.

use std::sync::atomic::{AtomicUsize, Ordering};

use frontend::api_3::{Access, ApiRoute, BodyKind, Field, Kind, routes};
use futures_util::{StreamExt as _, stream};
use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};

use crate::house::{CHROOT, House, Person};
use crate::packages;

/// Requests at a time.
const WIDTH: usize = 6;

/// What a good request is made of: things of alice's, and of bob's who lets nobody in.
struct Ground {
    house: House,
    alice: Person,
    stranger: Person,
    project: String,
    build: String,
    foreign_build: String,
    package: packages::Made,
    binary: packages::Made,
    made: AtomicUsize,
}

impl Ground {
    async fn new() -> Self {
        let house = House::new().await;
        let alice = house.person("alice", false).await;
        let bob = house.person("bob", false).await;
        let stranger = house.person("stranger", false).await;
        house.project(&bob, "theirs").await;
        let package = packages::source("BuildArch: noarch");
        let foreign_build = upload(&house, &bob, &package, "bob", "theirs").await;
        let mut ground = Self {
            house,
            alice,
            stranger,
            project: String::new(),
            build: String::new(),
            foreign_build,
            package,
            binary: packages::binary(),
            made: AtomicUsize::new(0),
        };
        ground.heal().await;
        ground
    }

    /// Makes again what a request used up: a token, the project, a build.
    async fn heal(&mut self) {
        let me = self
            .house
            .send("GET", "/auth-check", Some(&self.alice), json!({}))
            .await;
        if me.status.as_u16() == 401 {
            self.alice = self.house.person("alice", false).await;
        }
        let path = format!("/project?ownername=alice&projectname={}", self.project);
        let known = self.house.get(&path).await;
        let enabled = known.json["chroot_repos"].get(CHROOT).is_some();
        let mine = known.json["holder"] == "alice";
        let build = self.house.get(&format!("/build/{}", self.build)).await;
        if known.status.is_success() && enabled && mine && build.status.is_success() {
            return;
        }
        self.project = self.fresh();
        self.house.project(&self.alice, &self.project).await;
        let package = json!({"package_name": "hello", "clone_url": "https://example.org/hello.git"});
        let path = format!("/package/add/alice/{}/hello/scm", self.project);
        self.house.send("POST", &path, Some(&self.alice), package).await;
        self.build = upload(&self.house, &self.alice, &self.package, "alice", &self.project).await;
    }

    fn fresh(&self) -> String {
        format!("p{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// A value with which the field is in order.
    fn good(&self, field: &Field) -> Value {
        match field.name {
            "ownername" | "owner" => json!("alice"),
            "projectname" | "project" | "project_dirname" | "dirname" | "dir" => json!(self.project),
            "chrootname" | "chroot" => json!(CHROOT),
            "chroots" => json!([CHROOT]),
            "build_id" | "id" => json!(self.build),
            "builds" => json!([self.build.parse::<i64>().unwrap()]),
            "package_name" | "packagename" | "package" => json!("hello"),
            "type" => json!("scm"),
            "name" => json!(self.fresh()),
            "pkgs" => json!(["http://example.org/a-1-1.src.rpm"]),
            "clone_url" => json!("https://example.org/hello.git"),
            "who" | "user" | "username" => json!("bob"),
            "name_release" => json!("fedora-44"),
            "script" => json!("#!/bin/sh\ntrue\n"),
            _ => match field.kind {
                Kind::Choice(words) => json!(words[0]),
                Kind::Flag => json!(true),
                Kind::Number => json!(1),
                Kind::List => json!(["hello"]),
                Kind::Numbers => json!([1]),
                Kind::Object => json!({}),
                Kind::Text | Kind::File => json!("hello"),
            },
        }
    }

    fn path(&self, route: &ApiRoute) -> String {
        let mut path = route.plain_path().into_owned();
        for name in route.path_names() {
            let field = Field::required(name, Kind::Text, "");
            let value = match self.good(&field) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        path
    }

    fn query(&self, route: &ApiRoute) -> Vec<(&'static str, String)> {
        let required = route.reads.query.iter().filter(|f| f.required);
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        required.map(|f| (f.name, text(self.good(f)))).collect()
    }

    fn body(&self, route: &ApiRoute) -> Map<String, Value> {
        let fields = route.reads.body.iter().filter(|f| f.kind != Kind::File);
        // Not required, but nothing of what follows is reached without.
        let takes_chroots = route.path.starts_with("/project/add") || route.path.ends_with("/rpm-upload");
        let needed = |f: &&Field| f.required || f.name == "chroots" && takes_chroots;
        fields
            .filter(needed)
            .map(|f| (f.name.to_owned(), self.good(f)))
            .collect()
    }

    /// Who gets as far as the handler.
    fn asker(&self, route: &ApiRoute) -> Option<&Person> {
        (route.reads.access != Access::Public).then_some(&self.alice)
    }

    fn request(
        &self,
        route: &ApiRoute,
        path: &str,
        query: &[(&str, String)],
        person: Option<&Person>,
    ) -> RequestBuilder {
        self.house
            .request(route.reads.methods[0], path, person)
            .query(query)
    }

    fn with_body(&self, route: &ApiRoute, request: RequestBuilder, body: &Value) -> RequestBuilder {
        match route.reads.body_kind {
            BodyKind::None => request,
            BodyKind::Multipart => {
                let (boundary, form) = self.form(route, body);
                request
                    .header(
                        "Content-Type",
                        format!("multipart/form-data; boundary={boundary}"),
                    )
                    .body(form)
            }
            BodyKind::Object | BodyKind::Free | BodyKind::Raw => request.json(body),
        }
    }

    /// The files first, the JSON last.
    fn form(&self, route: &ApiRoute, body: &Value) -> (&'static str, Vec<u8>) {
        let boundary = "b0undary";
        let mut form = Vec::new();
        let package = if route.path.ends_with("/rpm-upload") {
            &self.binary
        } else {
            &self.package
        };
        let mut part = |head: &str, bytes: &[u8]| {
            form.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            form.extend_from_slice(bytes);
            form.extend_from_slice(b"\r\n");
        };
        for file in route
            .reads
            .body
            .iter()
            .filter(|f| f.kind == Kind::File && f.required)
        {
            part(
                &format!("name=\"{}\"; filename=\"{}\"", file.name, package.name),
                &package.bytes,
            );
        }
        part("name=\"json\"; filename=\"json\"", body.to_string().as_bytes());
        form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (boundary, form)
    }
}

async fn upload(
    house: &House,
    person: &Person,
    package: &packages::Made,
    owner: &str,
    project: &str,
) -> String {
    let form = json!({"ownername": owner, "projectname": project});
    house
        .upload(Some(person), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .to_string()
}

/// Sends it, and tells what is wrong with the answer.
async fn flaw(what: String, request: RequestBuilder, allowed: impl Fn(u16) -> bool) -> Option<String> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Some(format!("{what}: no answer: {error:?}")),
    };
    let status = response.status().as_u16();
    let is_json = response
        .headers()
        .get("content-type")
        .is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    let text = response.text().await.unwrap_or_default();
    let start: String = text.chars().take(300).collect();
    if !allowed(status) {
        return Some(format!("{what}: {status} {start}"));
    }
    if !(200..300).contains(&status) {
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let words = json["error"].as_str().unwrap_or_default();
        if !is_json || words.is_empty() || words.len() > 4_000 {
            return Some(format!("{what}: {status} is no short sentence in JSON: {start}"));
        }
    }
    None
}

fn any_but_5xx(status: u16) -> bool {
    (200..500).contains(&status)
}

fn refused(status: u16) -> bool {
    (400..500).contains(&status)
}

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

fn complain(flaws: &[String]) {
    let shown = &flaws[..flaws.len().min(60)];
    assert!(flaws.is_empty(), "{} flaws:\n{}", flaws.len(), shown.join("\n"));
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
            flaws.extend(
                stream::iter(tries)
                    .buffer_unordered(WIDTH)
                    .filter_map(async |f| f)
                    .collect::<Vec<_>>()
                    .await,
            );
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
            flaws.extend(
                stream::iter(tries)
                    .buffer_unordered(WIDTH)
                    .filter_map(async |f| f)
                    .collect::<Vec<_>>()
                    .await,
            );
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
            flaws.extend(
                stream::iter(tries)
                    .buffer_unordered(WIDTH)
                    .filter_map(async |f| f)
                    .collect::<Vec<_>>()
                    .await,
            );
        }
    }
    complain(&flaws);
}

/// Bodies that are nothing of what is asked for: what they are, their type, their bytes.
fn bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let json = "application/json";
    vec![
        ("broken JSON", json, b"{\"a\": ".to_vec()),
        ("a list", json, b"[]".to_vec()),
        ("a text", json, b"\"ownername\"".to_vec()),
        ("a number", json, b"17".to_vec()),
        (
            "deep JSON",
            json,
            [vec![b'['; 50_000], vec![b']'; 50_000]].concat(),
        ),
        (
            "a deep object",
            json,
            [b"{\"a\":".repeat(10_000), b"1".to_vec(), vec![b'}'; 10_000]].concat(),
        ),
        ("no UTF-8", json, b"{\"ownername\": \"\xff\xfe\"}".to_vec()),
        (
            "half a surrogate",
            json,
            b"{\"ownername\": \"\\ud800\", \"name\": \"\\ud800\"}".to_vec(),
        ),
        ("a NUL in a name", json, b"{\"a\\u0000\": 1}".to_vec()),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"ownername=%ff&projectname=%00&ownername=b".to_vec(),
        ),
        ("a text file", "text/plain", b"hello".to_vec()),
        ("XML", "application/xml", b"<a/>".to_vec()),
        ("no type that is one", "\u{e9}", b"{}".to_vec()),
        (
            "parts without a boundary",
            "multipart/form-data",
            b"--x\r\n".to_vec(),
        ),
        (
            "parts without an end",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{".to_vec(),
        ),
        (
            "parts without names",
            "multipart/form-data; boundary=x",
            b"--x\r\n\r\n{}\r\n--x--\r\n".to_vec(),
        ),
        (
            "a broken JSON part",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"a\"\r\n--x--\r\n".to_vec(),
        ),
        (
            "a file without a name",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"pkgs\"\r\n\r\n\xff\x00\r\n--x--\r\n".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn bodies_of_the_wrong_kind_are_refused() {
    let mut ground = Ground::new().await;
    let mut flaws = Vec::new();
    for route in routes().iter().filter(|r| r.reads.access != Access::Public) {
        ground.heal().await;
        let ground = &ground;
        let needs = route.reads.body.iter().any(|f| f.required);
        let tries = bodies().into_iter().map(|(name, kind, bytes)| {
            let what = format!("{} {}: {name}", route.reads.methods[0], route.path);
            let request = ground
                .request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    Some(&ground.alice),
                )
                .header("Content-Type", kind)
                .body(bytes);
            flaw(
                what,
                request,
                move |s| if needs { refused(s) } else { any_but_5xx(s) },
            )
        });
        flaws.extend(
            stream::iter(tries)
                .buffer_unordered(WIDTH)
                .filter_map(async |f| f)
                .collect::<Vec<_>>()
                .await,
        );
        if route.reads.body_kind == BodyKind::Object {
            let body = format!("{{\"unknown\": \"{}\"}}", "x".repeat(2 << 20));
            let what = format!("{}: a long body", route.path);
            let request = ground
                .request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    Some(&ground.alice),
                )
                .body(body);
            flaws.extend(flaw(what, request, |s| s == 413).await);
        }
    }
    complain(&flaws);
}

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
