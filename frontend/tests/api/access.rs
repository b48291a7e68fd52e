//! Every route, asked by nobody and by a stranger: deny by default.

use db::builds::Build;
use frontend::api_3::{Access, ApiRoute, routes};
use serde_json::{Value, json};

use crate::house::{CHROOT, House, Person};
use crate::packages;

/// Calls that nobody but the owner may make, with bodies that would change something.
pub fn body(path: &str) -> Value {
    match path {
        "/project/add/{owner}" => json!({"name": "stolen", "chroots": [CHROOT]}),
        "/project/delete/{owner}/{project}" => json!({"verify": true}),
        "/project/edit/{owner}/{project}" => json!({"description": "changed"}),
        "/project/permissions/set/{owner}/{project}" => json!({"stranger": {"builder": "approved"}}),
        "/project/permissions/request/{owner}/{project}" => json!({"builder": true}),
        "/project/key/revoke/{owner}/{project}" => {
            json!({"fingerprint": crate::house::FINGERPRINT, "reason": "compromised", "message": "It was stolen."})
        }
        "/project/transfer/{owner}/{project}" => json!({"to": "stranger"}),
        "/group/add" => json!({"name": "new-group"}),
        "/group/edit/{group}" => json!({"description": "changed"}),
        "/group/members/set/{group}" => json!({"username": "stranger", "role": "admin"}),
        "/group/members/remove/{group}" => json!({"username": "alice"}),
        "/token/add" => json!({"name": "another"}),
        "/project/fork/{owner}/{project}" => json!({"name": "stolen", "ownername": "alice"}),
        "/project-chroot/edit/{owner}/{project}/{chroot}" => json!({"with_opts": "changed"}),
        "/import/{owner}/{dirname}" => json!({"url": "https://example.org/repo/"}),
        path if path.contains("/test-result/") => {
            json!({"result": "fail", "message": "It broke.", "snapshot": "1"})
        }
        "/pointer/move-many" => {
            json!({"pointer": "stable", "to": "1", "repositories": [format!("alice/tools/{CHROOT}")]})
        }
        path if path.starts_with("/pointer/") || path.starts_with("/snapshot/") => {
            json!({"pointer": "stable", "to": "1", "from": "1", "packages": "hello"})
        }
        _ => {
            json!({"ownername": "alice", "projectname": "tools", "pkgs": ["http://example.org/a-1-1.src.rpm"]})
        }
    }
}

/// The route's path with alice's things in it.
pub fn path_of(route: &ApiRoute, build: &str, delivery: &str) -> String {
    route
        .path
        .replace("{owner}", "alice")
        .replace("{project}", "tools")
        .replace("{group}", "sig")
        .replace("{who}", "stranger")
        .replace("{package}", "hello")
        .replace("{type}", "scm")
        .replace("{dirname}", "tools")
        .replace("{dir}", "tools")
        .replace("{snapshot}", "2")
        .replace("{chroot}", CHROOT)
        .replace("{delivery}", delivery)
        .replace("{name_release}", "debian-12")
        .replace("{id:\\d+}", build)
        .replace("{id}", build)
}

/// Alice's group `sig`.
pub async fn group(house: &House, alice: &Person) {
    house
        .send("POST", "/group/add", Some(alice), json!({"name": "sig"}))
        .await
        .ok();
}

async fn state(house: &House) -> (Value, Vec<Build>) {
    let project = house.get("/project?ownername=alice&projectname=tools").await.ok();
    let mut conn = house.pool.get().await.unwrap();
    let builds = db::builds::list(&mut conn, project["id"].as_i64().unwrap(), None, 100, 0)
        .await
        .unwrap();
    (house.get("/project/list").await.ok(), builds)
}

#[tokio::test]
async fn every_route_denies_by_default() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let stranger = house.person("stranger", false).await;
    house.project(&alice, "tools").await;
    group(&house, &alice).await;
    let package = packages::source("BuildArch: noarch");
    let binary = packages::binary();
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .to_string();
    // One that waits for it, so that there is a batch.
    let waiting = json!({"ownername": "alice", "projectname": "tools", "after_build_id": build});
    house
        .upload(Some(&alice), &package.name, &package.bytes, &waiting)
        .await
        .ok();
    let delivery = crate::webhooks::ping(&house, &alice).await.to_string();
    house.publish("tools").await;
    let (projects, builds) = state(&house).await;

    // What a stranger may do for themselves.
    let own = [
        "/auth-check",
        "/api-token",
        "/token/list",
        "/token/add",
        "/group/add",
        "/project/permissions/request/{owner}/{project}",
    ];
    for route in routes() {
        let path = path_of(&route, &build, &delivery);
        for method in route.reads.methods {
            if route.reads.access == Access::Public {
                assert_eq!(*method, "GET", "{path}: what everybody may do changes nothing");
                if route.path == "/gssapi_login" {
                    house.get(&path).await.error(401);
                    continue;
                }
                let query =
                    "ownername=alice&projectname=tools&query=tools&packagename=hello&groupname=sig&build_id=";
                let url = format!("{path}?{query}{build}&chrootname={CHROOT}");
                if route.answer_type == "application/json" {
                    house.get(&url).await.ok();
                }
                continue;
            }
            let nobody = house.send(method, &path, None, body(route.path)).await;
            assert_eq!(
                nobody.status.as_u16(),
                401,
                "{method} {path} as nobody: {}",
                nobody.json
            );
            if own.contains(&route.path) {
                continue;
            }
            if route.path == "/build/delete/list" {
                // One text for all that is wrong with a list, and Copr's status for it.
                let list = json!({"builds": [build.parse::<i64>().unwrap()]});
                let text = house.send(method, &path, Some(&stranger), list).await.error(400);
                assert!(
                    text.contains("You don't have permissions to delete build(s)"),
                    "{text}"
                );
                continue;
            }
            let other = if route.path == "/build/create/upload" {
                house
                    .upload(Some(&stranger), &package.name, &package.bytes, &form)
                    .await
            } else if route.path == "/build/create/rpm-upload" {
                let file = (binary.name.as_str(), binary.bytes.as_slice());
                house.upload_to(route.path, Some(&stranger), file, &form).await
            } else {
                house.send(method, &path, Some(&stranger), body(route.path)).await
            };
            // Tokens of others do not exist for anybody else.
            let refused = if route.path == "/token/delete/{id}" {
                404
            } else {
                403
            };
            assert_eq!(
                other.status.as_u16(),
                refused,
                "{method} {path} as a stranger: {}",
                other.json
            );
        }
    }
    let (projects_after, builds_after) = state(&house).await;
    assert_eq!(projects_after, projects);
    assert_eq!(builds_after.len(), builds.len());
    assert_eq!(builds_after[0].state(), builds[0].state());
}

#[tokio::test]
async fn refusals_have_copr_s_words() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house.project(&alice, "tools").await;
    let edit = house
        .send("PUT", "/project/edit/alice/tools", Some(&bob), json!({}))
        .await
        .error(403);
    assert_eq!(edit, "Only owners and admins may update their projects.");
    let check = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .send("POST", "/build/check-before-build", Some(&bob), check)
        .await
        .error(403);
    assert_eq!(build, "You don't have permissions to build in this copr.");
    for owner in ["alice", "@group"] {
        let path = format!("/project/add/{owner}?ownername=%40group");
        house
            .send(
                "POST",
                &path,
                Some(&bob),
                json!({"name": "x", "chroots": [CHROOT]}),
            )
            .await
            .error(403);
    }
}

#[tokio::test]
async fn builders_need_their_token() {
    let house = House::new().await;
    let paths = [
        "/claim",
        "/tasks/1/attempts/1/heartbeat",
        "/tasks/1/attempts/1/log?offset=0",
        "/tasks/1/attempts/1/finish",
        "/tasks/1/attempts/1/uploads",
        "/tasks/1/attempts/1/refuse",
        "/anything",
    ];
    for path in paths {
        for token in ["", "wrong", "the-builders-toke"] {
            house.builder_with(token, path, b"{}".to_vec()).await.error(401);
        }
    }
    let unset = House::with(|config| config.builder_token = storage::Secret::default()).await;
    unset.builder_with("", "/claim", b"{}".to_vec()).await.error(401);
}
