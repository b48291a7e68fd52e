//! Who did what, from where: every route that changes something leaves a line.

use std::collections::{HashMap, HashSet};

use frontend::api_3::{Access, routes};
use serde_json::{Value, json};

use crate::house::{CHROOT, FINGERPRINT, House, Person};
use crate::packages;

async fn newest(house: &House) -> (i64, Value) {
    let mut conn = house.pool.get().await.unwrap();
    let all = db::audit::list(&mut conn, None, false, 9, 0).await.unwrap();
    // What a request makes the service do has a line of its own.
    let mut asked = all.iter().filter(|entry| entry.action != "build.end");
    asked.next().map_or((0, Value::Null), |entry| {
        let (old, new) = entry.change();
        let line = json!({"actor": entry.actor, "action": entry.action, "source": entry.source, "old": old, "new": new,
            "credential": entry.credential.as_deref().unwrap_or_default().split(' ').next(), "address": entry.address});
        (entry.id, line)
    })
}

async fn history(house: &House, person: &Person, path: &str) -> Vec<Value> {
    house.send("GET", path, Some(person), json!({})).await.ok()["items"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_change_shows_who_when_from_where_and_what() {
    let house = House::with(|config| config.behind_proxy = true).await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let admin = house.person("admin", true).await;
    house.project(&alice, "tools").await;
    house
        .request("PUT", "/project/edit/alice/tools", Some(&alice))
        .header("X-Forwarded-For", "10.0.0.1, 203.0.113.9")
        .json(&json!({"description": "new words"}))
        .send()
        .await
        .unwrap();
    let all = history(&house, &alice, "/audit/alice/tools").await;
    assert_eq!(all.len(), 2);
    let (edit, create) = (&all[0], &all[1]);
    assert_eq!(
        (&create["action"], &create["source"]),
        (&json!("project.create"), &json!("unknown"))
    );
    assert_eq!(edit["action"], "project.edit");
    assert_eq!(edit["actor"], "alice");
    assert_eq!(edit["at"], "2026-11-21T12:00:00Z");
    assert_eq!(edit["source"], "public-v4");
    assert!(edit["credential"].as_str().unwrap().starts_with("token "));
    assert_eq!(edit["address"], Value::Null);
    assert_eq!(edit["old"]["description"], "");
    assert_eq!(edit["new"]["description"], "new words");
    assert!(
        edit["new"].as_object().unwrap().len() == 1,
        "only what changed: {}",
        edit["new"]
    );

    // Pages, and who may look.
    let page = "/audit/alice/tools?limit=1&offset=1";
    assert_eq!(history(&house, &alice, page).await[0]["action"], "project.create");
    house
        .send("GET", "/audit/alice/tools", Some(&bob), json!({}))
        .await
        .error(403);
    house
        .send("GET", "/audit", Some(&alice), json!({}))
        .await
        .error(403);
    assert_eq!(history(&house, &admin, "/audit/alice/tools").await.len(), 2);
    assert!(history(&house, &admin, "/audit").await.len() >= 2);
}

#[tokio::test]
async fn addresses_are_kept_only_where_the_administrator_says_so() {
    let house = House::with(|config| config.audit_addresses = true).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let line = newest(&house).await.1;
    assert_eq!(
        (&line["source"], &line["address"]),
        (&json!("loopback"), &json!("127.0.0.1"))
    );
}

#[tokio::test]
async fn a_namesake_does_not_inherit_a_deleted_projects_history() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    house
        .send(
            "DELETE",
            "/project/delete/alice/tools",
            Some(&alice),
            json!({"verify": true}),
        )
        .await
        .ok();
    house.project(&alice, "tools").await;
    assert_eq!(history(&house, &alice, "/audit/alice/tools").await.len(), 1);
}

/// A call of a route that changes something: its route, the address, and the body.
type Call = (&'static str, String, Value);

/// What changes nothing, though it is no GET.
const HARMLESS: &[&str] = &["/build/check-before-build"];

/// Routes that change what was there before, with what was and what is; the rest makes or removes something.
fn changes() -> Vec<(&'static str, Value, Value)> {
    let state = |state: &str| json!({"state": state});
    vec![
        ("/group/edit/{group}", json!(""), json!("We build")),
        ("/group/members/set/{group}", Value::Null, json!("member")),
        ("/group/members/remove/{group}", json!("member"), Value::Null),
        (
            "/quota/{owner}",
            json!({"queued_builds": null}),
            json!({"queued_builds": 1000}),
        ),
        (
            "/project/edit/{owner}/{project}",
            json!({"description": ""}),
            json!({"description": "x"}),
        ),
        (
            "/package/edit/{owner}/{project}/{package}",
            json!({"max_builds": 0}),
            json!({"max_builds": 3}),
        ),
        (
            "/package/edit/{owner}/{project}/{package}/{type}",
            json!({"source_type": "unset", "source": {}}),
            json!({"source_type": "scm", "source": {"clone_url": "https://example.org/hello.git"}}),
        ),
        (
            "/package/reset",
            json!({"source_type": "scm"}),
            json!({"source_type": "unset"}),
        ),
        ("/build/cancel/{id}", state("pending"), state("canceled")),
        (
            "/webhook/hmac/{owner}/{project}",
            json!({"signed": false}),
            json!({"signed": true}),
        ),
        (
            "/project/permissions/set/{owner}/{project}",
            json!({"builder": "nothing"}),
            json!({"builder": "approved"}),
        ),
        (
            "/project/permissions/request/{owner}/{project}",
            json!({"builder": "nothing"}),
            json!({"builder": "request"}),
        ),
        (
            "/project-chroot/edit/{owner}/{project}/{chroot}",
            json!({"with_opts": []}),
            json!({"with_opts": ["x"]}),
        ),
        (
            "/project/transfer/{owner}/{project}",
            json!("alice"),
            json!("bob"),
        ),
    ]
}

/// Whether all of `part` is in `whole`.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|found| holds(found, value))),
        _ => whole == part,
    }
}

fn calls(build: &str, other: &str, third: &str, token: i64, delivery: i64) -> Vec<Call> {
    let named = |more: Value| {
        let mut body = json!({"ownername": "alice", "projectname": "tools"});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    let scm = json!({"package_name": "other", "clone_url": "https://example.org/hello.git"});
    vec![
        ("/token/add", "/token/add".to_owned(), json!({"name": "ci"})),
        ("/token/delete/{id}", format!("/token/delete/{token}"), json!({})),
        ("/group/add", "/group/add".to_owned(), json!({"name": "sig"})),
        (
            "/group/edit/{group}",
            "/group/edit/sig".to_owned(),
            json!({"description": "We build"}),
        ),
        (
            "/group/members/set/{group}",
            "/group/members/set/sig".to_owned(),
            json!({"username": "bob", "role": "member"}),
        ),
        (
            "/group/members/remove/{group}",
            "/group/members/remove/sig".to_owned(),
            json!({"username": "bob"}),
        ),
        ("/group/delete/{group}", "/group/delete/sig".to_owned(), json!({})),
        (
            "/quota/{owner}",
            "/quota/alice".to_owned(),
            json!({"queued_builds": 1000}),
        ),
        (
            "/project/edit/{owner}/{project}",
            "/project/edit/alice/tools".to_owned(),
            json!({"description": "x"}),
        ),
        (
            "/package/add/{owner}/{project}/{package}/{type}",
            "/package/add/alice/tools/other/scm".to_owned(),
            scm.clone(),
        ),
        (
            "/package/edit/{owner}/{project}/{package}/{type}",
            "/package/edit/alice/tools/other/scm".to_owned(),
            scm.clone(),
        ),
        (
            "/package/edit/{owner}/{project}/{package}",
            "/package/edit/alice/tools/other".to_owned(),
            json!({"max_builds": 3}),
        ),
        (
            "/package/reset",
            "/package/reset".to_owned(),
            named(json!({"package_name": "other"})),
        ),
        (
            "/build/create/url",
            "/build/create/url".to_owned(),
            named(json!({"pkgs": ["https://example.org/a-1-1.src.rpm"]})),
        ),
        (
            "/import/{owner}/{dirname}",
            "/import/alice/tools".to_owned(),
            json!({"url": "https://example.org/repo/"}),
        ),
        (
            "/build/resubmit/{id}",
            format!("/build/resubmit/{build}"),
            json!({}),
        ),
        ("/build/cancel/{id}", format!("/build/cancel/{build}"), json!({})),
        (
            "/build/delete/{id:\\d+}",
            format!("/build/delete/{other}"),
            json!({}),
        ),
        (
            "/build/delete/list",
            "/build/delete/list".to_owned(),
            json!({"builds": [third.parse::<i64>().unwrap()]}),
        ),
        (
            "/build/create/scm",
            "/build/create/scm".to_owned(),
            named(json!({"clone_url": "https://example.org/hello.git"})),
        ),
        (
            "/build/create/distgit",
            "/build/create/distgit".to_owned(),
            named(json!({"package_name": "hello"})),
        ),
        (
            "/build/create/pypi",
            "/build/create/pypi".to_owned(),
            named(json!({"pypi_package_name": "hello"})),
        ),
        (
            "/build/create/rubygems",
            "/build/create/rubygems".to_owned(),
            named(json!({"gem_name": "hello"})),
        ),
        (
            "/build/create/custom",
            "/build/create/custom".to_owned(),
            named(json!({"script": "true"})),
        ),
        (
            "/package/edit/{owner}/{project}/{package}/{type}",
            "/package/edit/alice/tools/other/scm".to_owned(),
            scm.clone(),
        ),
        (
            "/package/build",
            "/package/build".to_owned(),
            named(json!({"package_name": "other"})),
        ),
        (
            "/webhook/generate/{owner}/{project}",
            "/webhook/generate/alice/tools".to_owned(),
            json!({}),
        ),
        (
            "/webhook/hmac/{owner}/{project}",
            "/webhook/hmac/alice/tools".to_owned(),
            json!({"key": "a-secret-of-a-forge"}),
        ),
        (
            "/webhook/redeliver/{delivery}",
            format!("/webhook/redeliver/{delivery}"),
            json!({}),
        ),
        (
            "/package/delete",
            "/package/delete".to_owned(),
            named(json!({"package_name": "other"})),
        ),
        (
            "/project/permissions/set/{owner}/{project}",
            "/project/permissions/set/alice/tools".to_owned(),
            json!({"bob": {"builder": "approved"}}),
        ),
        (
            "/project/permissions/request/{owner}/{project}",
            "/project/permissions/request/bob/theirs".to_owned(),
            json!({"builder": true}),
        ),
        (
            "/project/regenerate-repos/{owner}/{project}",
            "/project/regenerate-repos/alice/tools".to_owned(),
            json!({}),
        ),
        (
            "/project-chroot/edit/{owner}/{project}/{chroot}",
            format!("/project-chroot/edit/alice/tools/{CHROOT}"),
            json!({"with_opts": "x"}),
        ),
        snapshot(
            "/snapshot/test-result",
            json!({"result": "fail", "message": "no", "snapshot": "1"}),
        ),
        (
            "/build/test-result/{id}",
            format!("/build/test-result/{build}"),
            json!({"result": "fail", "message": "It broke."}),
        ),
        (
            "/pointer/move-many",
            "/pointer/move-many".to_owned(),
            json!({"pointer": "many", "repositories": [format!("alice/tools/{CHROOT}@1")]}),
        ),
        snapshot("/pointer/move", json!({"pointer": "stable", "to": "1"})),
        snapshot(
            "/snapshot/promote",
            json!({"pointer": "beta", "from": "2", "packages": "hello"}),
        ),
        snapshot("/snapshot/merge", json!({"pointer": "stable", "from": "2"})),
        snapshot("/snapshot/yank", json!({"packages": "hello"})),
        snapshot("/snapshot/rollback", json!({"to": "1"})),
        snapshot("/pointer/delete", json!({"pointer": "stable"})),
        (
            "/project/fork/{owner}/{project}",
            "/project/fork/alice/tools".to_owned(),
            json!({"name": "copy", "ownername": "alice"}),
        ),
        (
            "/project/key/rotate/{owner}/{project}",
            "/project/key/rotate/alice/tools".to_owned(),
            json!({}),
        ),
        (
            "/project/key/revoke/{owner}/{project}",
            "/project/key/revoke/alice/tools".to_owned(),
            json!({"fingerprint": FINGERPRINT, "reason": "compromised", "message": "It was stolen."}),
        ),
        (
            "/project/transfer/{owner}/{project}",
            "/project/transfer/alice/tools".to_owned(),
            json!({"to": "bob"}),
        ),
        (
            "/project/delete/{owner}/{project}",
            "/project/delete/alice/tools".to_owned(),
            json!({"verify": true}),
        ),
        // The last one: it ends the token that asks.
        ("/api-token", "/api-token".to_owned(), json!({})),
    ]
}

/// A call about a repository's snapshots.
fn snapshot(verb: &str, body: Value) -> Call {
    let route = routes()
        .into_iter()
        .map(|route| route.path)
        .find(|path| path.starts_with(&format!("{verb}/")));
    (route.unwrap(), format!("{verb}/alice/tools/{CHROOT}"), body)
}

#[tokio::test]
async fn every_route_that_changes_something_leaves_a_line() {
    let house = House::new().await;
    // An administrator may call everything.
    let alice = house.person("alice", true).await;
    let bob = house.person("bob", false).await;
    house.project(&bob, "theirs").await;
    let mut tried: HashSet<&str> = HARMLESS.iter().copied().collect();
    let (mut silent, mut refused) = (Vec::new(), Vec::new());
    let mut lines: HashMap<&str, Value> = HashMap::new();
    let mut before = newest(&house).await.0;
    let mut look = async |route: &'static str| {
        let (now, line) = newest(&house).await;
        if now == before
            || line["source"] != "loopback"
            || line["actor"] != "alice"
            || line["credential"] != "token"
        {
            silent.push(format!("{route}: {line}"));
        }
        before = now;
        tried.insert(route);
        lines.insert(route, line);
    };

    house.project(&alice, "tools").await;
    look("/project/add/{owner}").await;
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let mut builds = Vec::new();
    for _ in 0..3 {
        let made = house
            .upload(Some(&alice), &package.name, &package.bytes, &form)
            .await
            .ok();
        builds.push(made["id"].to_string());
        look("/build/create/upload").await;
    }
    let binary = packages::binary();
    let file = (binary.name.as_str(), binary.bytes.as_slice());
    house
        .upload_to("/build/create/rpm-upload", Some(&alice), file, &form)
        .await
        .ok();
    look("/build/create/rpm-upload").await;
    for build in &builds[1..] {
        house
            .send("PUT", &format!("/build/cancel/{build}"), Some(&alice), json!({}))
            .await
            .ok();
        look("/build/cancel/{id}").await;
    }
    let spare = house
        .send("POST", "/token/add", Some(&alice), json!({"name": "spare"}))
        .await
        .ok();
    look("/token/add").await;
    let token = spare["id"].as_i64().unwrap();
    let delivery = crate::webhooks::ping(&house, &alice).await;
    house.publish("tools").await;
    for (route, path, body) in calls(&builds[0], &builds[1], &builds[2], token, delivery) {
        let method = routes()
            .iter()
            .find(|r| r.path == route && r.reads.methods != ["GET"])
            .unwrap_or_else(|| panic!("{route} is no route"))
            .reads
            .methods[0];
        let answer = house.send(method, &path, Some(&alice), body).await;
        if answer.status.is_success() {
            look(route).await;
        } else {
            refused.push(format!("{method} {path}: {}", answer.json));
        }
    }
    assert!(refused.is_empty(), "have to work: {refused:#?}");
    assert!(silent.is_empty(), "left no line of their own: {silent:#?}");
    let missing: Vec<&str> = routes()
        .iter()
        .filter(|r| r.reads.methods != ["GET"] && r.reads.access != Access::Public)
        .map(|r| r.path)
        .filter(|path| !tried.contains(path))
        .collect();
    assert!(missing.is_empty(), "give calls() a call for each of {missing:?}");
    for (route, old, new) in changes() {
        let line = &lines[route];
        assert!(
            holds(&line["old"], &old) && holds(&line["new"], &new),
            "{route}: {old} -> {new} is not in {line}"
        );
    }
}
