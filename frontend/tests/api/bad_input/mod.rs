//! Nonsense in every declared field of every route, in its path and in its body as a whole: a sentence in JSON, never a
//! fault of ours, and nothing for those who may not.

mod bodies;
mod fields;
mod paths;
mod queries;
mod strangers;

use std::sync::atomic::{AtomicUsize, Ordering};

use frontend::api_3::{Access, ApiRoute, BodyKind, Field, Kind};
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
            "repositories" => json!([format!("alice/{}/{CHROOT}", self.project)]),
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
            BodyKind::Object | BodyKind::Free => request.json(body),
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

/// Asks several at a time; the flaws of the answers.
async fn all(tries: impl Iterator<Item = impl Future<Output = Option<String>>>) -> Vec<String> {
    stream::iter(tries)
        .buffer_unordered(WIDTH)
        .filter_map(async |flaw| flaw)
        .collect()
        .await
}

fn complain(flaws: &[String]) {
    let shown = &flaws[..flaws.len().min(60)];
    assert!(flaws.is_empty(), "{} flaws:\n{}", flaws.len(), shown.join("\n"));
}
