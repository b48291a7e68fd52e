//! Packages go into another project while the backend dies: they come all, once, in one snapshot.

use std::sync::Arc;

use serde_json::json;
use testkit::{CHROOT, Client, Copr, Service, srpm};

use super::{packages, survives, turn};
use crate::support::{end, get, post, project, snapshot, submit};

const FROM: &str = "lost-origin";
const INTO: &str = "lost-promotion";

#[tokio::test]
async fn a_backend_killed_while_packages_go_into_another_project() {
    let _turn = turn().await;
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    project(&copr, FROM).unwrap();
    project(&copr, INTO).unwrap();
    let build = submit(&copr, FROM, srpm("motd-koper").unwrap().arg(), &[]).unwrap();
    assert_eq!(end(service, build).await, "succeeded");
    let client = Client::new(service, service.owner(), INTO).await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    let owner = service.owner();
    for place in [
        "promote.after_store",
        "promote.before_rows",
        "promote.before_snapshot",
        "promote.before_pointer",
        "promote.before_end",
    ] {
        let before = snapshot(service, INTO).await;
        let promote = async || {
            let wish = json!({"from": "latest", "into": format!("{owner}/{INTO}")});
            post(
                service,
                &format!("snapshot/promote/{owner}/{FROM}/{CHROOT}"),
                wish,
            )
            .await;
        };
        let list = format!("build/list?ownername={owner}&projectname={INTO}");
        let builds = async || match get(service, &list).await {
            Ok(found) => found["items"].as_array().cloned().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let done = async || {
            let builds = builds().await;
            !builds.is_empty() && builds.iter().all(|build| build["state"] == "forked")
        };
        survives(service, place, promote, done).await;
        assert_eq!(snapshot(service, INTO).await, before + 1, "{place}");
        assert_eq!(packages(service, INTO).await, 1, "{place}");
        // The next time it comes anew.
        let builds = builds().await;
        assert_eq!(builds.len(), 1, "{place}");
        copr.run(&["delete-build", &builds[0]["id"].to_string()])
            .unwrap()
            .expect_code(0);
        let gone = std::time::Duration::from_secs(60);
        let deadline = tokio::time::Instant::now() + gone;
        while packages(service, INTO).await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{place}: it stays");
        }
    }
    clients.expect_no_failure();
}
