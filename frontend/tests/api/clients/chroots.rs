//! Chroots of projects with `copr-cli`: scenario 16 of the contract.

use serde_json::{Value, json};

use super::{copr, house, python, run};
use crate::house::{CHROOT, House, Person};
use crate::packages;

const COMPS: &str =
    "<?xml version=\"1.0\"?>\n<comps><group><id>tools</id><name>Tools</name></group></comps>\n";

async fn chroot(house: &House) -> Value {
    let path = format!("/project-chroot?ownername=alice&projectname=tools&chrootname={CHROOT}");
    house.get(&path).await.ok()
}

async fn project(house: &House) -> Person {
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    house.project(&alice, "libs").await;
    alice
}

#[tokio::test]
async fn a_chroot_is_edited_shown_and_reset() {
    let house = house().await;
    let alice = project(&house).await;
    let copr = copr(&house, &alice);
    let target = format!("alice/tools/{CHROOT}");
    let dir = tempfile::tempdir().unwrap();
    let comps = dir.path().join("comps.xml");
    std::fs::write(&comps, COMPS).unwrap();
    let said = run(
        &copr,
        &[
            "edit-chroot",
            &target,
            "--packages",
            "gcc-c++ make",
            "--repos",
            "copr://alice/libs https://example.org/$chroot/?priority=7",
            "--modules",
            "nodejs:18,!ruby:2.7",
            "--rpmbuild-with",
            "docs",
            "--rpmbuild-with",
            "tests",
            "--rpmbuild-without",
            "gui",
            "--isolation",
            "simple",
            "--upload-comps",
            comps.to_str().unwrap(),
        ],
    )
    .await
    .expect_code(0);
    assert!(
        said.out.contains("Edit chroot operation was successful."),
        "{}",
        said.out
    );

    let shown = run(&copr, &["get-chroot", &target]).await.expect_code(0);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        shown,
        json!({
            "additional_packages": ["gcc-c++", "make"],
            "additional_repos": ["copr://alice/libs", "https://example.org/$chroot/?priority=7"],
            "additional_modules": ["nodejs:18", "!ruby:2.7"],
            "comps_name": "comps.xml", "delete_after_days": null, "isolation": "simple", "mock_chroot": CHROOT,
            "ownername": "alice", "projectname": "tools", "with_opts": ["docs", "tests"], "without_opts": ["gui"],
            "follow_fedora_branching": true,
        })
    );

    let config = run(&copr, &["mock-config", "alice/tools", CHROOT])
        .await
        .expect_code(0);
    let url = &house.results_url;
    for part in [
        &format!("include('/etc/mock/{CHROOT}.cfg')"),
        &format!("config_opts['root'] = 'alice-tools_{CHROOT}'"),
        "config_opts['isolation'] = 'simple'",
        "config_opts['chroot_additional_packages'] = 'gcc-c++ make'",
        &format!("[copr_base]\nname=\"Koper repository alice/tools\"\nbaseurl={url}/alice/tools/{CHROOT}/\n"),
        &format!(
            "[additional_1]\nname=\"Koper repository alice/libs\"\nbaseurl={url}/alice/libs/{CHROOT}/\n"
        ),
        &format!("baseurl=https://example.org/{CHROOT}/\npriority=7\n"),
        "repo_gpgcheck=0",
    ] {
        assert!(config.out.contains(part), "{part} is missing:\n{}", config.out);
    }
    // Its template names no key.
    assert!(!config.out.contains("repo_gpgcheck=1"), "{}", config.out);

    let reset = [
        "edit-chroot",
        &target,
        "--reset",
        "with_opts",
        "--reset",
        "additional_packages",
        "--delete-comps",
    ];
    run(&copr, &reset).await.expect_code(0);
    let now = chroot(&house).await;
    assert_eq!(
        (&now["with_opts"], &now["additional_packages"], &now["comps_name"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    assert_eq!(now["without_opts"], json!(["gui"]));
    let wrong = run(&copr, &["edit-chroot", &target, "--reset", "owner"])
        .await
        .expect_code(1);
    assert!(
        wrong.err.contains("Trying to reset an invalid attribute: owner"),
        "{}",
        wrong.err
    );
}

#[tokio::test]
async fn bad_settings_of_a_chroot_are_named() {
    let house = house().await;
    let alice = project(&house).await;
    let path = format!("/project-chroot/edit/alice/tools/{CHROOT}");
    for (body, words) in [
        (
            json!({"additional_packages": ["--installroot=/"]}),
            "additional_packages: ",
        ),
        (json!({"with_opts": "--eval"}), "with_opts: "),
        (json!({"additional_modules": "nodejs"}), "additional_modules: "),
        (json!({"additional_repos": ["file:///etc"]}), "additional_repos: "),
        (
            json!({"additional_repos": ["copr://alice/nothing"]}),
            "additional_repos: The project copr://alice/nothing does not exist",
        ),
        (
            json!({"isolation": "sideways"}),
            "is not a valid choice for this field",
        ),
        (json!({"bootstrap": "custom_image"}), "bootstrap_image: "),
        (json!({"bootstrap_image": "a b"}), "bootstrap_image: "),
        (
            json!({"reset_fields": ["x"]}),
            "Trying to reset an invalid attribute",
        ),
        (json!({"delete_comps": "perhaps"}), "delete_comps: "),
    ] {
        let text = house
            .send("PUT", &path, Some(&alice), body.clone())
            .await
            .error(400);
        assert!(text.contains(words), "{body}: {text}");
    }
    let text = house
        .send(
            "PUT",
            "/project-chroot/edit/alice/tools/none-1-x86_64",
            Some(&alice),
            json!({}),
        )
        .await
        .error(404);
    assert!(text.contains("does not exist"), "{text}");
    assert_eq!(chroot(&house).await["with_opts"], json!([]));
}

/// A chroot that is taken out keeps what was set, and is back with it.
#[tokio::test]
async fn a_chroot_keeps_its_settings_while_it_is_disabled() {
    let house = house().await;
    let alice = project(&house).await;
    let copr = copr(&house, &alice);
    let target = format!("tools/{CHROOT}");
    run(&copr, &["edit-chroot", &target, "--packages", "make"])
        .await
        .expect_code(0);
    run(
        &copr,
        &["modify", "tools", "--chroot", crate::house::OTHER_CHROOT],
    )
    .await
    .expect_code(0);
    run(&copr, &["get-chroot", &target]).await.expect_code(1);
    run(&copr, &["modify", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    assert_eq!(chroot(&house).await["additional_packages"], json!(["make"]));
}

/// What is set reaches the builder.
#[tokio::test]
async fn builders_get_what_a_chroot_is_set_to() {
    let house = house().await;
    let alice = project(&house).await;
    let copr = copr(&house, &alice);
    let target = format!("tools/{CHROOT}");
    let edit = [
        "edit-chroot",
        &target,
        "--packages",
        "make",
        "--rpmbuild-with",
        "docs",
        "--rpmbuild-without",
        "gui",
        "--repos",
        "https://example.org/$distname/?priority=7",
    ];
    run(&copr, &edit).await.expect_code(0);
    let package = crate::packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let task = house.claim(0).await.ok();
    let work = &task["work"];
    assert_eq!(
        (
            &work["additional_packages"],
            &work["with_opts"],
            &work["without_opts"]
        ),
        (&json!(["make"]), &json!(["docs"]), &json!(["gui"]))
    );
    let repos = work["repos"].as_array().unwrap();
    let last = repos.last().unwrap();
    assert_eq!(
        (&last["baseurl"], &last["priority"]),
        (&json!("https://example.org/debian/"), &json!(7))
    );
}

#[tokio::test]
async fn pythons_copr_reads_what_a_build_is_given() {
    let house = house().await;
    let alice = project(&house).await;
    let edit = format!("/project-chroot/edit/alice/tools/{CHROOT}");
    let set = json!({"additional_packages": ["make"], "with_opts": ["docs"], "isolation": "simple"});
    house.send("PUT", &edit, Some(&alice), set).await.ok();
    let package = packages::source("BuildArch: noarch");
    let form = json!({
        "ownername": "alice", "projectname": "tools", "project_dirname": "tools:custom:x", "chroots": [CHROOT],
        "timeout": 4321, "background": true, "enable_net": true,
    });
    let build = house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok()["id"]
        .to_string();
    let script = format!(
        "import json\nfrom copr.v3 import Client, CoprNoResultException\nimport os\n\
         client = Client.create_from_config_file(os.environ['COPR_CONFIG'])\n\
         proxy = client.build_chroot_proxy\n\
         print(json.dumps(proxy.get_build_config({build}, '{CHROOT}'), default=str))\n\
         try:\n    proxy.get_build_config({build}, 'fedora-1-x86_64')\n\
         except CoprNoResultException as error:\n    print(error)\n"
    );
    let said = python(&house, &alice, &script).await;
    let (config, missing) = said.trim_end().split_once('\n').unwrap();
    assert!(missing.contains("fedora-1-x86_64 does not exist"), "{missing}");
    let config: Value = serde_json::from_str(config).unwrap();
    for (name, value) in [
        ("chroot", json!(CHROOT)),
        ("timeout", json!(4321)),
        ("is_background", json!(true)),
        ("enable_net", json!(true)),
        ("additional_packages", json!(["make"])),
        ("with_opts", json!(["docs"])),
        ("without_opts", json!([])),
        ("isolation", json!("simple")),
        ("bootstrap", json!("default")),
    ] {
        assert_eq!(config[name], value, "{name} of {config}");
    }
    assert!(config["memory_limit"].as_u64().unwrap() > 0, "{config}");
    let ids: Vec<&str> = config["repos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|repo| repo["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["copr_base", "copr_coprdir"]);
}
