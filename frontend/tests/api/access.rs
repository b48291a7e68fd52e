//! Every route, asked by nobody and by a stranger: deny by default.

use db::builds::Build;
use frontend::api_3::{Access, routes};
use serde_json::{Value, json};

use crate::house::{CHROOT, House};
use crate::packages;

/// Calls that nobody but the owner may make, with bodies that would change something.
fn body(path: &str) -> Value {
    match path {
        "/project/add/{owner}" => json!({"name": "stolen", "chroots": [CHROOT]}),
        "/project/delete/{owner}/{project}" => json!({"verify": true}),
        "/project/edit/{owner}/{project}" => json!({"description": "changed"}),
        _ => {
            json!({"ownername": "alice", "projectname": "tools", "pkgs": ["http://example.org/a-1-1.src.rpm"]})
        }
    }
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
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .to_string();
    let (projects, builds) = state(&house).await;

    // What a stranger may do for themselves.
    let own = ["/auth-check", "/api-token"];
    for route in routes() {
        let path = route
            .path
            .replace("{owner}", "alice")
            .replace("{project}", "tools")
            .replace("{package}", "hello")
            .replace("{type}", "scm")
            .replace("{dirname}", "tools")
            .replace("{name_release}", "debian-12")
            .replace("{id:\\d+}", &build)
            .replace("{id}", &build);
        for method in route.reads.methods {
            if route.reads.access == Access::Public {
                assert_eq!(*method, "GET", "{path}: what everybody may do changes nothing");
                let query = "ownername=alice&projectname=tools&query=tools&build_id=";
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
            let other = if route.path == "/build/create/upload" {
                house
                    .upload(Some(&stranger), &package.name, &package.bytes, &form)
                    .await
            } else {
                house.send(method, &path, Some(&stranger), body(route.path)).await
            };
            assert_eq!(
                other.status.as_u16(),
                403,
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
