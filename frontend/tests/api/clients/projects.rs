//! Projects with `copr-cli`.

use serde_json::{Value, json};

use super::{copr, house, run, tools};
use crate::house::{CHROOT, House, OTHER_CHROOT};

#[tokio::test]
async fn a_project_is_made_and_listed() {
    let (_house, _, copr) = tools().await;
    let listed = run(&copr, &["list"]).await.expect_code(0);
    assert!(listed.out.contains("Name: tools"), "{}", listed.out);
}

async fn stored(house: &House, name: &str) -> db::projects::Project {
    let mut conn = house.pool.get().await.unwrap();
    let owner = "alice".parse().unwrap();
    let found = db::projects::find(&mut conn, &owner, &name.parse().unwrap())
        .await
        .unwrap();
    found.unwrap()
}

#[tokio::test]
async fn every_setting_of_copr_cli_is_stored() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let copr = copr(&house, &alice);
    run(&copr, &["create", "libs", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let words = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--repo",
        "copr://alice/libs",
        "--repo",
        "https://example.org/a/",
        "--disable_createrepo",
        "true",
        "--enable-net",
        "on",
        "--unlisted-on-hp",
        "on",
        "--delete-after-days",
        "5",
        "--module-hotfixes",
        "on",
        "--multilib",
        "on",
        "--fedora-review",
        "--runtime-repo-dependency",
        "copr://alice/libs",
        "--packit-forge-project-allowed",
        "https://github.com/packit/ogr",
        "--repo-priority",
        "7",
        "--bootstrap",
        "on",
        "--isolation",
        "simple",
        "--follow-fedora-branching",
        "off",
        "--appstream",
        "on",
    ];
    run(&copr, &words).await.expect_code(0);
    // As python's copr reads it; what Copr's model lacks is in the definition, or in what dnf is told.
    let read = "import json, os\nfrom copr.v3 import Client\n\
        client = Client.create_from_config_file(os.environ['COPR_CONFIG'])\n\
        print(json.dumps(client.project_proxy.get('alice', 'tools'), default=str))\n";
    let read: Value = serde_json::from_str(&super::python(&house, &alice, read).await).unwrap();
    for (name, value) in [
        (
            "additional_repos",
            json!(["copr://alice/libs", "https://example.org/a/"]),
        ),
        ("packit_forge_projects_allowed", json!(["github.com/packit/ogr"])),
        ("devel_mode", json!(true)),
        ("enable_net", json!(true)),
        ("unlisted_on_hp", json!(true)),
        ("module_hotfixes", json!(true)),
        ("appstream", json!(true)),
        ("follow_fedora_branching", json!(false)),
        ("bootstrap", json!("on")),
        ("isolation", json!("simple")),
        ("repo_priority", json!(7)),
    ] {
        assert_eq!(read[name], value, "{name} of {read}");
    }
    let definition = house.get("/project/export/alice/tools/json").await.ok();
    let settings = &definition["settings"];
    assert_eq!(
        (
            &settings["runtime_dependencies"],
            &settings["multilib"],
            &settings["fedora_review"]
        ),
        (&json!(["copr://alice/libs"]), &json!(true), &json!(true))
    );
    let project = stored(&house, "tools").await;
    // The house's clock says 2026-11-21T12:00.
    assert_eq!(
        project.delete_at.unwrap().to_rfc3339(),
        "2026-11-27T00:00:00+00:00"
    );
    let home = house.get("/project/list").await.ok();
    assert_eq!(home["items"].as_array().unwrap().len(), 1);

    house.pass(24 * 3600);
    run(&copr, &["modify", "tools", "--delete-after-days", "5"])
        .await
        .expect_code(0);
    assert_eq!(
        stored(&house, "tools").await.delete_at.unwrap().to_rfc3339(),
        "2026-11-28T00:00:00+00:00"
    );
    run(&copr, &["modify", "tools", "--delete-after-days", "-1"])
        .await
        .expect_code(0);
    assert_eq!(stored(&house, "tools").await.delete_at, None);

    let days = async |days: &str| {
        run(&copr, &["modify", "tools", "--delete-after-days", days])
            .await
            .expect_code(0);
        stored(&house, "tools").await.delete_at
    };
    assert!(days("5").await.is_some());
    // Of the help's two words for never, this is the other.
    assert_eq!(days("").await, None);
    let said = run(&copr, &["modify", "tools", "--repo", ""]).await;
    said.expect_code(0);
    assert!(stored(&house, "tools").await.settings.additional_repos.is_empty());

    for (option, value, text) in [
        (
            "--repo",
            "copr://alice/nothing",
            "The project copr://alice/nothing does not exist",
        ),
        (
            "--runtime-repo-dependency",
            "nowhere",
            "runtime_dependencies: 'nowhere' is no http://",
        ),
        ("--packit-forge-project-allowed", "ogr", "should be in the form"),
        ("--delete-after-days", "721", "Number must be between -1 and 720."),
        ("--repo-priority", "0", "repo_priority: "),
    ] {
        let said = run(&copr, &["modify", "tools", option, value])
            .await
            .expect_code(1);
        assert!(said.err.contains(text), "{option}: {}", said.err);
    }
}

#[tokio::test]
async fn temporary_projects_are_in_their_owner_s_list_only() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let copr = copr(&house, &alice);
    run(&copr, &["create", "lasting", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let create = [
        "create",
        "passing",
        "--chroot",
        CHROOT,
        "--delete-after-days",
        "5",
    ];
    run(&copr, &create).await.expect_code(0);
    let package = crate::packages::source("BuildArch: noarch");
    for project in ["lasting", "passing"] {
        let form = json!({"ownername": "alice", "projectname": project, "chroots": [CHROOT]});
        house
            .upload(Some(&alice), &package.name, &package.bytes, &form)
            .await
            .ok();
    }
    let names = async |path: &str| -> Vec<String> {
        let answer = house.get(path).await.ok();
        let items = answer["items"].as_array().unwrap();
        items
            .iter()
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("/project/list").await, ["lasting"]);
    assert_eq!(names("/project/search?query=ing").await, ["lasting"]);
    let listed = run(&copr, &["list"]).await.expect_code(0);
    assert!(
        listed.out.contains("Name: passing") && listed.out.contains("Name: lasting"),
        "{}",
        listed.out
    );
    // Projects and builds.
    for path in ["/", "/coprs/", "/coprs/alice/", "/rss/", "/rss/builds/"] {
        let url = format!("http://{}{path}", house.addresses.web);
        let page = house.client.get(url).send().await.unwrap().text().await.unwrap();
        assert!(
            page.contains("alice/lasting") && !page.contains("passing"),
            "{path}: {page}"
        );
    }
    house
        .get("/project?ownername=alice&projectname=passing")
        .await
        .ok();
}

/// Scenario 5, as far as it needs no build: a directory comes into being with the first build into it.
#[tokio::test]
async fn builds_make_directories() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let package = crate::packages::source("BuildArch: noarch");
    let upload = async |dir: &str| {
        let form = json!({"ownername": "alice", "projectname": "tools", "project_dirname": dir, "chroots": [CHROOT]});
        house
            .upload(Some(&alice), &package.name, &package.bytes, &form)
            .await
    };
    for dir in [
        "tools:custom:new",
        "tools:pr:1",
        "tools:pr:forge-12",
        "tools:pr:1",
    ] {
        assert_eq!(upload(dir).await.ok()["project_dirname"], dir);
    }
    for bad in [
        "tools:other:x",
        "tools:pr:x",
        "tools:pr:1:2",
        "tools:custom:",
        "libs:pr:1",
        "tools:custom:a_b",
    ] {
        let text = upload(bad).await.error(400);
        assert!(text.contains("Please use directory format"), "{bad}: {text}");
    }
    let project = stored(&house, "tools").await;
    let mut conn = house.pool.get().await.unwrap();
    let directories = db::directories::list(&mut conn, project.id, 10).await.unwrap();
    let mut names: Vec<&str> = directories.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names.remove(0), "tools");
    names.sort_unstable();
    assert_eq!(names, ["tools:custom:new", "tools:pr:1", "tools:pr:forge-12"]);
    // Each has a repository for each chroot of the project.
    let repositories = db::repositories::of_project(&mut conn, project.id).await.unwrap();
    assert_eq!(repositories.len(), 4 * 2);
    drop(conn);
    let url = format!("http://{}/coprs/alice/tools", house.addresses.web);
    let page = house
        .client
        .get(format!("{url}/"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("tools:pr:forge-12") && page.contains("tools:custom:new"),
        "{page}"
    );
    let file = house
        .client
        .get(format!("{url}:pr:1/repo/debian-12/"))
        .send()
        .await
        .unwrap();
    let file = file.error_for_status().unwrap().text().await.unwrap();
    assert!(
        file.contains("/alice/tools:pr:1/debian-12-$basearch/mirrorlist"),
        "{file}"
    );
}

/// Scenario 13, as far as it needs no build.
#[tokio::test]
async fn forking_has_copr_s_words() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let of_alice = copr(&house, &alice);
    let of_bob = copr(&house, &bob);
    let create = [
        "create",
        "tools",
        "--chroot",
        CHROOT,
        "--chroot",
        OTHER_CHROOT,
        "--description",
        "Tools",
    ];
    run(&of_alice, &create).await.expect_code(0);
    let contact = json!({"contact": "alice@example.org", "enable_net": true});
    house
        .send("PUT", "/project/edit/alice/tools", Some(&alice), contact)
        .await
        .ok();
    run(
        &of_alice,
        &["edit-chroot", &format!("tools/{CHROOT}"), "--packages", "make"],
    )
    .await
    .expect_code(0);

    let said = run(&of_bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    assert!(
        said.out
            .contains("Forking project alice/tools for you into bob/mine."),
        "{}",
        said.out
    );
    let fork = house.get("/project?ownername=bob&projectname=mine").await.ok();
    assert_eq!(
        (&fork["description"], &fork["enable_net"]),
        (&json!("Tools"), &json!(true))
    );
    assert_eq!(fork["contact"], "");
    assert_eq!(fork["chroot_repos"].as_object().unwrap().len(), 2);
    let path = format!("/project-chroot?ownername=bob&projectname=mine&chrootname={CHROOT}");
    assert_eq!(
        house.get(&path).await.ok()["additional_packages"],
        json!(["make"])
    );

    let again = run(&of_bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(1);
    assert!(
        again.err.contains("use --confirm if you really want to do this"),
        "{}",
        again.err
    );
    let said = run(&of_bob, &["fork", "--confirm", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    assert!(
        said.out
            .contains("Updating packages in bob/mine from alice/tools."),
        "{}",
        said.out
    );
    let itself = run(&of_alice, &["fork", "--confirm", "tools", "alice/tools"])
        .await
        .expect_code(1);
    assert!(
        itself.err.contains("should not be same as destination"),
        "{}",
        itself.err
    );
    run(&of_bob, &["fork", "alice/tools", "alice/mine"])
        .await
        .expect_code(7);
    run(&of_bob, &["fork", "alice/nothing", "bob/other"])
        .await
        .expect_code(1);
}

#[tokio::test]
async fn regenerating_is_accepted_and_noted() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let copr = copr(&house, &alice);
    let said = run(&copr, &["regenerate-repos", "tools"]).await.expect_code(0);
    assert!(
        said.out
            .contains("Submitted action to regenerate repository metadata"),
        "{}",
        said.out
    );
    let bob = house.person("bob", false).await;
    house
        .send(
            "PUT",
            "/project/regenerate-repos/alice/tools",
            Some(&bob),
            Value::Null,
        )
        .await
        .error(403);
    house
        .send(
            "PUT",
            "/project/regenerate-repos/alice/nothing",
            Some(&bob),
            Value::Null,
        )
        .await
        .error(404);
}
