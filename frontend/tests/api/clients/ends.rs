//! Ends of builds with `copr-cli`: canceling and deleting.

use serde_json::json;

use super::set::Set;
use crate::house::CHROOT;
use crate::packages;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canceling_acts_at_once_in_every_state() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let url = "http://example.org/a-1-1.src.rpm";
    let cancel = async |build: u64| {
        let canceled = set.run(&["cancel", &build.to_string()]).await.expect_code(0);
        assert_eq!(canceled.out.trim(), "canceled");
        assert_eq!(set.state(build).await, "canceled");
        let watched = set.run(&["watch-build", &build.to_string()]).await.expect_code(4);
        assert!(watched.out.contains("canceled"), "{watched:?}");
        let again = set.run(&["cancel", &build.to_string()]).await.expect_code(1);
        assert!(
            again.err.contains(&format!("Cannot cancel build {build}")),
            "{again:?}"
        );
    };
    // Pending.
    let build = set.submit(&file, &[]).await;
    cancel(build).await;
    assert!(set.claim_all().await.is_empty());
    // A source that runs.
    let build = set.submit(url, &[]).await;
    let task = set.claim_all().await.remove(0);
    assert_eq!(set.state(build).await, "running");
    cancel(build).await;
    let path = format!("/tasks/{}/attempts/1/heartbeat", task["id"]);
    set.house
        .builder(&path, &json!({"phase": "building"}))
        .await
        .error(410);
    // A source that is looked into.
    let build = set.submit(url, &[]).await;
    let task = set.claim_all().await.remove(0);
    set.finish(&task, &json!({"outcome": "succeeded"})).await;
    assert_eq!(set.state(build).await, "importing");
    cancel(build).await;
    // A chroot that runs.
    let build = set.submit(&file, &[]).await;
    set.claim_all().await;
    assert_eq!(set.state(build).await, "running");
    cancel(build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_are_deleted_all_or_none() {
    let set = Set::new().await;
    let file = set.file(&packages::source("BuildArch: noarch"));
    let done = set.submit(&file, &[]).await;
    let task = set.claim_all().await.remove(0);
    set.succeed(&task).await;
    let running = set.submit(&file, &[]).await;
    let task = set.claim_all().await.remove(0);
    let bob = set.house.person("bob", false).await;
    set.house.project(&bob, "other").await;
    let url =
        json!({"ownername": "bob", "projectname": "other", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let foreign = set
        .house
        .send("POST", "/build/create/url", Some(&bob), url)
        .await
        .ok()["items"][0]["id"]
        .as_u64()
        .unwrap();

    let all = [done, running, foreign, 4_000].map(|id| id.to_string());
    let mut arguments = vec!["delete-build"];
    arguments.extend(all.iter().map(String::as_str));
    let refused = set.run(&arguments).await.expect_code(1);
    for expected in [
        format!("You don't have permissions to delete build(s) {foreign}."),
        format!("Build(s) {running} are still running."),
        "Build(s) 4000 don't exist.".to_owned(),
    ] {
        assert!(refused.err.contains(&expected), "{refused:?}");
    }
    for id in [done, running, foreign] {
        set.house.get(&format!("/build/{id}")).await.ok();
    }
    let deleted = set.run(&["delete-build", &done.to_string()]).await.expect_code(0);
    assert!(deleted.out.contains(&done.to_string()), "{deleted:?}");
    set.house.get(&format!("/build/{done}")).await.error(404);

    // One that runs is stopped and gone at once.
    let path = format!("/build/delete/{running}");
    let model = set
        .house
        .send("DELETE", &path, Some(&set.alice), json!(null))
        .await
        .ok();
    assert_eq!(model["state"], "running", "as it was");
    set.house.get(&format!("/build/{running}")).await.error(404);
    let heartbeat = format!("/tasks/{}/attempts/1/heartbeat", task["id"]);
    set.house
        .builder(&heartbeat, &json!({"phase": "building"}))
        .await
        .error(410);
    // What was built in a persistent project stays.
    let admin = set.house.person("root", true).await;
    let keep = json!({"name": "kept", "chroots": [CHROOT], "persistent": true});
    set.house
        .send("POST", "/project/add/root", Some(&admin), keep)
        .await
        .ok();
    let url =
        json!({"ownername": "root", "projectname": "kept", "pkgs": ["http://example.org/a-1-1.src.rpm"]});
    let kept = set
        .house
        .send("POST", "/build/create/url", Some(&admin), url)
        .await
        .ok();
    let path = format!("/build/delete/{}", kept["items"][0]["id"]);
    let text = set
        .house
        .send("DELETE", &path, Some(&admin), json!(null))
        .await
        .error(403);
    assert!(text.contains("can not delete a persistent build"), "{text}");
}
