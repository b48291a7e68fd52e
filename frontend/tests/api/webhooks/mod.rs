//! Deliveries with the bodies that forges document, and what they start.

mod custom;
mod forges;
mod log;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person};

pub const GITHUB_PUSH: &str = include_str!("bodies/github_push.json");
pub const GITHUB_TAG: &str = include_str!("bodies/github_create_tag.json");
pub const GITHUB_PING: &str = include_str!("bodies/github_ping.json");
pub const GITLAB_PUSH: &str = include_str!("bodies/gitlab_push.json");
pub const GITLAB_TAG: &str = include_str!("bodies/gitlab_tag_push.json");
pub const BITBUCKET_PUSH: &str = include_str!("bodies/bitbucket_push.json");

/// The repository of GitHub's bodies.
pub const HELLO: &str = "https://github.com/Codertocat/Hello-World";

/// A project with webhooks.
pub struct Hooked {
    pub house: House,
    pub alice: Person,
    pub id: i64,
    pub secret: String,
}

/// What a delivery was answered with.
#[derive(Debug)]
pub struct Told {
    pub status: StatusCode,
    pub text: String,
}

impl Told {
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The names of the packages that builds were started of.
    pub fn started(&self) -> Vec<String> {
        names(&self.json(200)["started"])
    }

    /// Why a package was not built.
    pub fn reason(&self, package: &str) -> String {
        let json = self.json(200);
        let all = json["not_started"].as_array().unwrap();
        let found = all.iter().find(|n| n["package"] == package);
        let found = found.unwrap_or_else(|| panic!("{json}"));
        found["reason"].as_str().unwrap().to_owned()
    }
}

fn names(started: &Value) -> Vec<String> {
    let all = started.as_array().unwrap();
    all.iter()
        .map(|s| s["package"].as_str().unwrap().to_owned())
        .collect()
}

pub async fn hooked() -> Hooked {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let id = house.project(&alice, "tools").await["id"].as_i64().unwrap();
    let urls = house
        .send("GET", "/webhook/urls/alice/tools", Some(&alice), Value::Null)
        .await
        .ok();
    let secret = urls["webhook_secret"].as_str().unwrap().to_owned();
    assert_eq!(
        urls["github"],
        format!("http://koper.test/webhooks/github/{id}/{secret}/")
    );
    Hooked {
        house,
        alice,
        id,
        secret,
    }
}

/// A delivery to alice's project `tools`; gives its number.
pub async fn ping(house: &House, alice: &Person) -> i64 {
    let urls = house
        .send("GET", "/webhook/urls/alice/tools", Some(alice), Value::Null)
        .await
        .ok();
    let path = urls["github"]
        .as_str()
        .unwrap()
        .strip_prefix("http://koper.test")
        .unwrap()
        .to_owned();
    let told = post(house, &path, &[("X-GitHub-Event", "ping")], GITHUB_PING).await;
    told.json(200)["delivery"].as_i64().unwrap()
}

pub async fn post(house: &House, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
    let url = format!("http://{}{path}", house.addresses.web);
    let mut request = house
        .client
        .post(url)
        .header("Content-Type", "application/json")
        .body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    Told {
        status,
        text: response.text().await.unwrap(),
    }
}

impl Hooked {
    /// A delivery to `/webhooks/KIND/ID/SECRET/TAIL`.
    pub async fn deliver(&self, kind: &str, tail: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let path = format!("/webhooks/{kind}/{}/{}/{tail}", self.id, self.secret);
        post(&self.house, &path, headers, body).await
    }

    pub async fn github(&self, event: &str, body: &str) -> Told {
        self.deliver("github", "", &[("X-GitHub-Event", event)], body)
            .await
    }

    /// Adds a package that webhooks rebuild.
    pub async fn package(&self, name: &str, kind: &str, mut fields: Value) {
        if fields.get("webhook_rebuild").is_none() {
            fields["webhook_rebuild"] = json!(true);
        }
        let path = format!("/package/add/alice/tools/{name}/{kind}");
        self.house
            .send("POST", &path, Some(&self.alice), fields)
            .await
            .ok();
    }

    pub async fn api(&self, method: &str, path: &str, body: Value) -> crate::house::Answer {
        self.house.send(method, path, Some(&self.alice), body).await
    }

    /// The build's model and its source.
    pub async fn build(&self, id: i64) -> (Value, Value) {
        let build = self.house.get(&format!("/build/{id}")).await.ok();
        let path = format!("/build/source-build-config/{id}");
        let source = self.api("GET", &path, Value::Null).await.ok();
        // Anybody may see where the source comes from, but not what the webhook brought along.
        let seen = self.house.get(&path).await.ok();
        assert_eq!(seen["source_dict"].get("hook_data"), None);
        assert_eq!(seen["source_type"], source["source_type"]);
        assert_eq!(build["submitter"], Value::Null);
        assert_eq!(build["is_background"], true);
        assert!(
            build["chroots"].as_array().unwrap().contains(&json!(CHROOT)),
            "{build}"
        );
        (build, source)
    }
}
