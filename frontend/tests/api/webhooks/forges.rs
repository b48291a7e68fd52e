//! GitHub, GitLab and Bitbucket: the rules by which packages are chosen.

use serde_json::{Value, json};

use super::{BITBUCKET_PUSH, GITHUB_PING, GITHUB_PUSH, GITHUB_TAG, GITLAB_PUSH, GITLAB_TAG, HELLO, hooked};

#[tokio::test]
async fn a_github_push_builds_what_it_changes() {
    let hooked = hooked().await;
    hooked.package("all", "scm", json!({"clone_url": HELLO})).await;
    let inside = json!({"clone_url": HELLO, "subdirectory": "packaging/hello", "committish": "main"});
    hooked.package("inside", "scm", inside).await;
    let beside = json!({"clone_url": HELLO, "subdirectory": "packaging/hell"});
    hooked.package("beside", "scm", beside).await;
    hooked
        .package("branch", "scm", json!({"clone_url": HELLO, "committish": "next"}))
        .await;
    hooked
        .package(
            "off",
            "scm",
            json!({"clone_url": HELLO, "webhook_rebuild": false}),
        )
        .await;
    let other = json!({"clone_url": "https://github.com/Codertocat/Hello-World-2"});
    hooked.package("other", "scm", other).await;
    hooked
        .package("gem", "rubygems", json!({"gem_name": "hello-world"}))
        .await;

    let told = hooked.github("push", GITHUB_PUSH).await;
    assert_eq!(told.started(), ["all", "inside"]);
    assert!(told.reason("beside").contains("no file below packaging/hell/"));
    assert!(told.reason("branch").contains("built from next"));
    assert!(told.reason("off").contains("auto-rebuild"));
    let json = told.json(200);
    assert_eq!(json["not_started"].as_array().unwrap().len(), 3, "{json}");
    assert_eq!(json["message"], "Started 2 builds.");
    let builds: Vec<i64> = json["builds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b.as_i64().unwrap())
        .collect();
    let (_, source) = hooked.build(builds[0]).await;
    assert_eq!(source["source_type"], "scm");
    assert_eq!(
        source["source_dict"]["committish"],
        "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
    );
    assert_eq!(source["source_dict"]["clone_url"], HELLO);
}

#[tokio::test]
async fn spellings_of_an_address_and_forms_as_bodies_are_understood() {
    let hooked = hooked().await;
    for (name, url) in [
        ("slash", "https://github.com/Codertocat/Hello-World/"),
        ("git", "https://github.com/Codertocat/Hello-World.git"),
        ("both", "https://github.com/codertocat/hello-world.git/"),
        ("ssh", "ssh://git@github.com/Codertocat/Hello-World.git"),
        ("short", "git@github.com:Codertocat/Hello-World.git"),
    ] {
        hooked.package(name, "scm", json!({"clone_url": url})).await;
    }
    let all = ["both", "git", "short", "slash", "ssh"];
    assert_eq!(hooked.github("push", GITHUB_PUSH).await.started(), all);
    // Without the slash at the end, and as GitHub sends it unless one says "json".
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", GITHUB_PUSH)
        .finish();
    let url = format!(
        "http://{}/webhooks/github/{}/{}",
        hooked.house.addresses.web, hooked.id, hooked.secret
    );
    let response = hooked
        .house
        .client
        .post(url)
        .header("X-GitHub-Event", "push")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let json: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(json["builds"].as_array().unwrap().len(), all.len(), "{json}");
}

#[tokio::test]
async fn a_github_tag_builds_the_package_that_it_or_the_url_names() {
    let hooked = hooked().await;
    hooked
        .package("hello", "scm", json!({"clone_url": HELLO, "committish": "main"}))
        .await;
    hooked.package("other", "scm", json!({"clone_url": HELLO})).await;
    let told = hooked.github("create", GITHUB_TAG).await;
    assert_eq!(told.started(), ["hello"]);
    assert!(told.reason("other").contains("other-VERSION"));
    let build = told.json(200)["builds"][0].as_i64().unwrap();
    let (_, source) = hooked.build(build).await;
    assert_eq!(source["source_dict"]["committish"], "hello-1.1-1");

    let event = [("X-GitHub-Event", "create")];
    let told = hooked.deliver("github", "other/", &event, GITHUB_TAG).await;
    assert_eq!(told.started(), ["other"]);
    assert!(told.reason("hello").contains("names the package other"));
    let told = hooked.deliver("github", "missing", &event, GITHUB_TAG).await;
    assert!(told.started().is_empty());
    // GitHub sends a push for each tag as well, which must not build it twice.
    let mut push: Value = serde_json::from_str(GITHUB_PUSH).unwrap();
    push["ref"] = json!("refs/tags/hello-1.1-1");
    let json = hooked.github("push", &push.to_string()).await.json(200);
    assert_eq!(json["builds"], json!([]));
    assert!(
        json["message"]
            .as_str()
            .unwrap()
            .contains("Branch or tag creation"),
        "{json}"
    );
}

#[tokio::test]
async fn what_starts_nothing_is_told() {
    let hooked = hooked().await;
    let json = hooked.github("ping", GITHUB_PING).await.json(200);
    assert!(json["message"].as_str().unwrap().starts_with("pong"), "{json}");
    let json = hooked.github("push", GITHUB_PUSH).await.json(200);
    let message = json["message"].as_str().unwrap();
    assert!(
        message.contains("no package of alice/tools is built from https://github.com/Codertocat/Hello-World"),
        "{json}"
    );
    let json = hooked.github("issues", GITHUB_PUSH).await.json(200);
    assert!(
        json["message"]
            .as_str()
            .unwrap()
            .contains("Events 'issues' build nothing"),
        "{json}"
    );
    for (headers, body) in [
        (&[][..], GITHUB_PUSH),
        (&[("X-GitHub-Event", "push")][..], "{\"some\": \"data\"}"),
        (&[("X-GitHub-Event", "push")][..], "not JSON"),
        (&[("X-GitHub-Event", "push")][..], ""),
    ] {
        let json = hooked.deliver("github", "", headers, body).await.json(400);
        assert!(json["error"].is_string(), "{json}");
    }
}

#[tokio::test]
async fn gitlab_s_pushes_and_tags_are_understood() {
    let hooked = hooked().await;
    let address = "https://gitlab.example.com/mike/diaspora/";
    hooked
        .package(
            "diaspora",
            "scm",
            json!({"clone_url": address, "committish": "master"}),
        )
        .await;
    let app = json!({"clone_url": "git@gitlab.example.com:mike/diaspora.git", "subdirectory": "app"});
    hooked.package("app", "scm", app).await;
    hooked
        .package("lib", "scm", json!({"clone_url": address, "subdirectory": "lib"}))
        .await;
    let push = [
        ("X-Gitlab-Event", "Push Hook"),
        ("X-Gitlab-Event-UUID", "13792a34"),
    ];
    let told = hooked.deliver("gitlab", "", &push, GITLAB_PUSH).await;
    assert_eq!(told.started(), ["app", "diaspora"]);
    let build = told.json(200)["builds"][0].as_i64().unwrap();
    let (_, source) = hooked.build(build).await;
    assert_eq!(
        source["source_dict"]["committish"],
        "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"
    );
    // GitLab names the files of the newest 20 commits only.
    let mut long: Value = serde_json::from_str(GITLAB_PUSH).unwrap();
    long["total_commits_count"] = json!(40);
    let told = hooked.deliver("gitlab", "", &push, &long.to_string()).await;
    assert_eq!(told.started(), ["app", "diaspora", "lib"]);

    let tag = [("X-Gitlab-Event", "Tag Push Hook")];
    let told = hooked.deliver("gitlab", "", &tag, GITLAB_TAG).await;
    assert_eq!(told.started(), ["diaspora"]);
    let build = told.json(200)["builds"][0].as_i64().unwrap();
    let (_, source) = hooked.build(build).await;
    assert_eq!(source["source_dict"]["committish"], "diaspora-1.0.0");
    let told = hooked.deliver("gitlab", "lib", &tag, GITLAB_TAG).await;
    assert_eq!(told.started(), ["lib"]);
    hooked
        .deliver("gitlab", "", &push, "{\"some\": \"data\"}")
        .await
        .json(400);
}

#[tokio::test]
async fn bitbucket_s_pushes_are_understood() {
    let hooked = hooked().await;
    let address = "https://bitbucket.org/emmap1/hello.git";
    hooked
        .package(
            "hello",
            "scm",
            json!({"clone_url": address, "committish": "master"}),
        )
        .await;
    hooked
        .package(
            "world",
            "scm",
            json!({"clone_url": address, "committish": "stable"}),
        )
        .await;
    let headers = [
        ("X-Event-Key", "repo:push"),
        ("X-Hook-UUID", "c0ff6e5d"),
        ("User-Agent", "Bitbucket-Webhooks/2.0"),
    ];
    let told = hooked.deliver("bitbucket", "", &headers, BITBUCKET_PUSH).await;
    // For the branch, and for the tag.
    assert_eq!(told.started(), ["hello", "hello"]);
    assert!(told.reason("world").contains("built from stable"));
    let mut committishes = Vec::new();
    for build in told.json(200)["builds"].as_array().unwrap() {
        let (_, source) = hooked.build(build.as_i64().unwrap()).await;
        committishes.push(source["source_dict"]["committish"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        committishes,
        ["709d658dc5b6d6afcd46049c2f332ee3f515a67d", "hello-2.0"]
    );
    hooked
        .deliver("bitbucket", "", &headers, "{\"some\": \"data\"}")
        .await
        .json(400);
}

#[tokio::test]
async fn the_denylist_and_the_time_out_of_a_package_count() {
    let hooked = hooked().await;
    let fields = json!({"clone_url": HELLO, "chroot_denylist": "fedora-*", "timeout": 1234});
    hooked.package("hello", "scm", fields).await;
    let told = hooked.github("push", GITHUB_PUSH).await;
    let build = told.json(200)["builds"][0].as_i64().unwrap();
    let (build, source) = hooked.build(build).await;
    assert_eq!(build["chroots"], json!([crate::house::CHROOT]));
    assert_eq!(source["timeout"], 1234);
}
