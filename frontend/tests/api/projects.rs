//! Projects.

use serde_json::{Value, json};

use crate::house::{CHROOT, House, OTHER_CHROOT, RESULTS};

/// All keys of Copr's model.
const KEYS: &[&str] = &[
    "additional_repos",
    "appstream",
    "auto_prune",
    "bootstrap",
    "build_pointer",
    "check_installs",
    "chroot_repos",
    "contact",
    "description",
    "devel_mode",
    "enable_net",
    "follow_fedora_branching",
    "full_name",
    "holder",
    "homepage",
    "id",
    "instructions",
    "isolation",
    "keep_days",
    "keep_snapshots",
    "module_hotfixes",
    "name",
    "ownername",
    "packit_forge_projects_allowed",
    "persistent",
    "release_after_hours",
    "replace_same_nevra",
    "repo_priority",
    "storage",
    "unlisted_on_hp",
];

#[tokio::test]
async fn a_project_lives_through_the_api() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    // As python's copr sends it: nulls for what was not said, numbers and lists in several shapes.
    let body = json!({
        "name": "tools", "chroots": [CHROOT], "description": "Tools", "instructions": null, "homepage": null,
        "contact": null, "additional_repos": "http://example.org/a http://example.org/b", "unlisted_on_hp": false,
        "enable_net": "True", "persistent": false, "auto_prune": true, "bootstrap": null, "bootstrap_image": null,
        "isolation": null, "follow_fedora_branching": true, "devel_mode": null, "delete_after_days": "5",
        "multilib": false, "module_hotfixes": false, "fedora_review": false, "appstream": false,
        "runtime_dependencies": null, "packit_forge_projects_allowed": null, "repo_priority": null, "storage": null,
    });
    let path = "/project/add/alice?ownername=alice&exist_ok=False";
    let made = house.send("POST", path, Some(&alice), body.clone()).await.ok();
    let keys: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, KEYS);
    assert_eq!(made["full_name"], "alice/tools");
    assert_eq!(made["storage"], "backend");
    assert_eq!(made["enable_net"], true);
    assert_eq!(
        made["additional_repos"],
        json!(["http://example.org/a", "http://example.org/b"])
    );
    assert_eq!(
        made["chroot_repos"],
        json!({CHROOT: format!("{RESULTS}/alice/tools/{CHROOT}/")})
    );

    let text = house
        .send("POST", path, Some(&alice), body.clone())
        .await
        .error(400);
    assert!(text.contains("You already have a project named"), "{text}");
    let ok = "/project/add/alice?ownername=alice&exist_ok=True";
    assert_eq!(house.send("POST", ok, Some(&alice), body).await.ok(), made);

    let got = house.get("/project?ownername=alice&projectname=tools").await.ok();
    assert_eq!(got, made);
    let listed = house.get("/project/list?ownername=alice").await.ok();
    assert_eq!(listed["items"], json!([made]));
    assert_eq!(
        listed["meta"],
        json!({"limit": null, "offset": 0, "order": "id", "order_type": "ASC"})
    );

    let edit = json!({"repos": [], "chroots": format!("{CHROOT} {OTHER_CHROOT}"), "description": null});
    for method in ["PUT", "POST"] {
        let edited = house
            .send(method, "/project/edit/alice/tools", Some(&alice), edit.clone())
            .await
            .ok();
        assert_eq!(edited["additional_repos"], json!([]));
        assert_eq!(edited["description"], "Tools");
        assert_eq!(edited["chroot_repos"].as_object().unwrap().len(), 2);
    }

    // What is set here and nowhere else is shown, and part of the definition.
    let own = [
        ("build_pointer", json!("candidate"), json!("")),
        ("release_after_hours", json!(0), json!(-1)),
        ("keep_snapshots", json!(3), json!("")),
        ("keep_days", json!(0), json!(-1)),
    ];
    for (name, value, never) in own {
        assert_eq!(got[name], Value::Null, "{name}");
        for (set, shown) in [(value.clone(), value), (never, Value::Null)] {
            let edit = json!({name: set});
            let edited = house
                .send("POST", "/project/edit/alice/tools", Some(&alice), edit)
                .await
                .ok();
            let again = house.get("/project?ownername=alice&projectname=tools").await.ok();
            let definition = house.get("/project/export/alice/tools/json").await.ok();
            for found in [&edited[name], &again[name], &definition["settings"][name]] {
                assert_eq!(*found, shown, "{name}");
            }
            assert!(definition["settings"].as_object().unwrap().contains_key(name));
        }
    }

    let path = "/project/delete/alice/tools";
    house
        .send("DELETE", path, Some(&alice), json!({}))
        .await
        .error(400);
    let gone = house
        .send("DELETE", path, Some(&alice), json!({"verify": true}))
        .await
        .ok();
    assert_eq!(gone["name"], "tools");
    let text = house
        .get("/project?ownername=alice&projectname=tools")
        .await
        .error(404);
    assert!(text.contains("does not exist"));
    house
        .send("DELETE", path, Some(&alice), json!({"verify": true}))
        .await
        .error(404);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let add = async |change: Value| {
        let mut body = json!({"name": "tools", "chroots": [CHROOT]});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        house
            .send("POST", "/project/add/alice", Some(&alice), body)
            .await
            .error(400)
    };
    for (change, expected) in [
        (json!({"name": "a/b"}), "name: "),
        (json!({"name": "123"}), "name: "),
        (json!({"name": ""}), "name: This field is required."),
        (
            json!({"chroots": ["nothing-1-x86_64"]}),
            "'nothing-1-x86_64' is not a valid choice for this field",
        ),
        (
            json!({"chroots": ["../x"]}),
            "is not a valid choice for this field",
        ),
        (json!({"chroots": []}), "At least one chroot must be selected"),
        (json!({"chroots": [1]}), "chroots: "),
        (json!({"homepage": "javascript:alert(1)"}), "homepage: "),
        (json!({"contact": "nowhere"}), "contact: "),
        (
            json!({"additional_repos": ["file:///etc/passwd"]}),
            "additional_repos: ",
        ),
        (json!({"bootstrap": "sideways"}), "bootstrap: "),
        (json!({"delete_after_days": "many"}), "delete_after_days: "),
        (json!({"repo_priority": 0}), "repo_priority: "),
        (json!({"storage": "pulp"}), "storage: "),
        (json!({"enable_net": "perhaps"}), "enable_net: "),
    ] {
        let text = add(change.clone()).await;
        assert!(text.contains(expected), "{change}: {text}");
    }
    assert_eq!(house.get("/project/list").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn lists_come_in_pages_until_they_are_empty() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    for name in ["one", "two", "three"] {
        house.project(&alice, name).await;
    }
    let names = async |query: &str| {
        let answer = house.get(&format!("/project/list?{query}")).await.ok();
        let names: Vec<String> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect();
        (
            names.join(" "),
            answer["meta"]["limit"].clone(),
            answer["meta"]["offset"].clone(),
        )
    };
    assert_eq!(
        names("ownername=alice&limit=2").await,
        ("one two".to_owned(), json!(2), json!(0))
    );
    assert_eq!(
        names("limit=2&offset=2").await,
        ("three".to_owned(), json!(2), json!(2))
    );
    assert_eq!(
        names("limit=2&offset=4").await,
        (String::new(), json!(2), json!(4))
    );
    assert_eq!(names("limit=1&order=id&order_type=DESC").await.0, "three");
    assert_eq!(names("ownername=nobody").await.0, "");
    assert_eq!(names("ownername=@@").await.0, "");
    assert_eq!(
        house.get("/project/list?order=colour").await.error(400),
        "Cannot order by colour; use one of id, name."
    );
    assert_eq!(names("order=name").await.0, "one three two");
    assert_eq!(
        names("ownername=alice&order=name&order_type=DESC").await.0,
        "two three one"
    );
    house.get("/project/list?limit=-1").await.error(400);

    let found = house.get("/project/search?query=alice/tw").await.ok();
    assert_eq!(found["items"][0]["full_name"], "alice/two");
    assert_eq!(
        house.get("/project/search?query=100%25").await.ok()["items"],
        json!([])
    );
}

#[tokio::test]
async fn only_administrators_change_what_is_theirs() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let root = house.person("root", true).await;
    let body = json!({"name": "tools", "chroots": [CHROOT], "persistent": true});
    house
        .send("POST", "/project/add/alice", Some(&alice), body)
        .await
        .error(403);
    house.project(&alice, "tools").await;
    let edit = json!({"auto_prune": false});
    house
        .send("PUT", "/project/edit/alice/tools", Some(&alice), edit.clone())
        .await
        .error(403);
    let edited = house
        .send("PUT", "/project/edit/alice/tools", Some(&root), edit)
        .await
        .ok();
    assert_eq!(edited["auto_prune"], false);
}

#[tokio::test]
async fn a_set_up_that_takes_too_long_is_said() {
    let house = House::with(|config| config.ready_wait_s = 0).await;
    let alice = house.person("alice", false).await;
    let body = json!({"name": "tools", "chroots": [CHROOT]});
    let text = house
        .send("POST", "/project/add/alice", Some(&alice), body)
        .await
        .error(503);
    assert!(text.contains("goes on by itself"), "{text}");
    house.get("/project?ownername=alice&projectname=tools").await.ok();
}

#[tokio::test]
async fn a_chroot_of_a_project_has_copr_s_shape() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let query = format!("/project-chroot?ownername=alice&projectname=tools&chrootname={CHROOT}");
    let chroot = house.get(&query).await.ok();
    assert_eq!(chroot["mock_chroot"], CHROOT);
    assert_eq!(chroot["isolation"], "unchanged");
    let missing = "/project-chroot?ownername=alice&projectname=tools&chrootname=no-1-x86_64";
    house.get(missing).await.error(404);
    house.get("/project-chroot?ownername=alice").await.error(400);
}

#[tokio::test]
async fn of_two_creations_at_once_one_wins_and_exist_ok_gives_both_the_same() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let add = |name: &'static str, exist_ok: &str| {
        let path = format!("/project/add/alice?exist_ok={exist_ok}");
        let (house, alice) = (&house, &alice);
        async move {
            house
                .send(
                    "POST",
                    &path,
                    Some(alice),
                    json!({"name": name, "chroots": [CHROOT]}),
                )
                .await
        }
    };
    let (a, b) = tokio::join!(add("one", "False"), add("one", "False"));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    let (a, b) = tokio::join!(add("two", "True"), add("two", "True"));
    assert_eq!(a.ok(), b.ok());
}
