//! Builds that go to a pointer: flows beside what everybody sees.

use db::builds::BuildOptions;
use protocol::BuildId;
use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

async fn follower(house: &House, pointer: &str) -> Machine {
    let url = format!("{}/coprs/alice/tools/repo/debian-12/?at={pointer}", house.url);
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    Machine::with(&answer.text().await.unwrap())
}

/// What a build is given of its own project, as dnf sees it.
async fn buildroot(house: &House, api: &Api, build: BuildId) -> Vec<String> {
    let config = api
        .get(&format!(
            "/build-chroot/build-config?build_id={build}&chrootname={CHROOT}"
        ))
        .await;
    let repos = config["repos"].as_array().unwrap();
    let own: Vec<&Value> = repos
        .iter()
        .filter(|repo| repo["id"].as_str().unwrap().starts_with("copr_base"))
        .collect();
    assert_eq!(own.len(), 1, "{config}");
    let key = format!("{}/alice/tools/pubkey.gpg", house.results_url);
    let url = own[0]["baseurl"].as_str().unwrap();
    Machine::with(&format!(
        "[p]\nname=p\nbaseurl={url}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey={key}\n"
    ))
    .sees()
    .await
}

async fn into(house: &House, project: &db::projects::Project, pointer: &str, name: &str) -> BuildId {
    let options = BuildOptions {
        pointer: Some(pointer.parse().unwrap()),
        ..BuildOptions::default()
    };
    let build = house.start(project, "tools", (name, "1.0"), &options, None).await;
    house.deliver(project, &build.tasks[0], name, "1.0").await;
    let done = house.wait(build.id, |build| build.is_final()).await;
    assert_eq!(done.state(), "succeeded", "{:?}", done.tasks);
    build.id
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_two_flows_do_not_see_each_other() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    let base = house.build(&tools, "tools", "base", "1.0").await;
    let a = into(&house, &tools, "flow-a", "first").await;
    let b = into(&house, &tools, "flow-b", "second").await;
    house.build(&tools, "tools", "later", "1.0").await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["base-1.0", "later-1.0"]);
    let (in_a, in_b) = (follower(&house, "flow-a").await, follower(&house, "flow-b").await);
    assert_eq!(in_a.sees().await, ["base-1.0", "first-1.0"]);
    assert_eq!(in_b.sees().await, ["base-1.0", "second-1.0"]);
    // A build sees what its own flow has.
    assert_eq!(buildroot(&house, &api, base).await, ["base-1.0", "later-1.0"]);
    assert_eq!(buildroot(&house, &api, a).await, ["base-1.0", "first-1.0"]);
    assert_eq!(buildroot(&house, &api, b).await, ["base-1.0", "second-1.0"]);
    let third = into(&house, &tools, "flow-a", "third").await;
    assert_eq!(
        buildroot(&house, &api, third).await,
        ["base-1.0", "first-1.0", "third-1.0"]
    );
    in_a.install("third").await;
    assert_eq!(in_b.sees().await, ["base-1.0", "second-1.0"]);

    let promote = format!("/snapshot/merge/alice/tools/{CHROOT}");
    api.done(&promote, json!({"pointer": "latest", "from": "flow-a"}))
        .await;
    assert_eq!(
        users.sees().await,
        ["base-1.0", "first-1.0", "later-1.0", "third-1.0"]
    );
    let page = house.page(&format!("/coprs/alice/tools/build/{a}/")).await;
    assert!(page.contains("<code>flow-a</code>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_says_where_its_builds_go() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    api.done("/project/edit/alice/tools", json!({"build_pointer": "candidate"}))
        .await;
    // A new token takes the place of the one before.
    let alice = house.copr("alice").await;
    let srpm = house.source("motd", "1.0").await;
    let submit = async |extra: &str| {
        let mut arguments = vec!["build", "tools", "--nowait"];
        arguments.extend(extra.split_whitespace());
        arguments.push(srpm.to_str().unwrap());
        run(&alice, &arguments).await.expect_code(0);
    };
    submit("").await;
    house.build_waiting(&tools, "motd", "1.0").await;
    eventually("the candidate", async || {
        let status = house
            .status(&format!("alice/tools/{CHROOT}/@candidate/mirrorlist"))
            .await;
        (status == 200).then_some(())
    })
    .await;
    house.settle().await;
    assert_eq!(follower(&house, "candidate").await.sees().await, ["motd-1.0"]);
    assert_eq!(
        Machine::new(&house, "alice", "tools").await.sees().await,
        Vec::<String>::new()
    );

    let api = house.api("alice").await;
    for (pointer, status, said) in [
        ("consistent", 403, "is moved by the service alone"),
        ("devel", 403, "is moved by the service alone"),
        ("Stable", 400, "is not a valid pointer name"),
    ] {
        let wish = json!({"ownername": "alice", "projectname": "tools", "pointer": pointer,
            "pkgs": ["http://example.org/x-1-1.src.rpm"]});
        let (code, refused) = api.post("/build/create/url", wish).await;
        let error = refused["error"].as_str().unwrap();
        assert!(
            code == status && error.contains(said),
            "{pointer}: {code} {error}"
        );
        let (code, _) = api
            .post("/project/edit/alice/tools", json!({"build_pointer": pointer}))
            .await;
        assert_eq!(code, status, "{pointer}");
    }
    // Whoever may only build goes where the project's builds go.
    let bob = house.api("bob").await;
    let permission = json!({"bob": {"builder": "approved"}});
    api.done("/project/permissions/set/alice/tools", permission).await;
    let wish = |pointer: &str| {
        json!({"ownername": "alice", "projectname": "tools", "pointer": pointer,
            "pkgs": ["http://example.org/x-1-1.src.rpm"]})
    };
    let (code, refused) = bob.post("/build/create/url", wish("latest")).await;
    assert!(
        code == 403 && refused["error"].as_str().unwrap().contains("go to 'candidate'"),
        "{refused}"
    );
    bob.done("/build/create/url", wish("candidate")).await;
}
