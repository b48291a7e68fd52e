//! `dnf copr` of dnf 4, as Debian packages it, against the frontend.

use std::path::PathBuf;
use std::process::Command;

use db::projects::ProjectSettings;
use serde_json::json;
use testkit::Ran;

use super::house;
use crate::house::{CHROOT, House, Person, start};

/// The machine's own chroot, as its plugin is told to believe.
const FEDORA: &str = "fedora-44-x86_64";

/// A Fedora machine that knows the service as the hub `koper`.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(house: &House) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repos", "plugins/copr.d", "cache", "log", "persist"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "plugins/copr.conf",
            "[main]\ndistribution = Fedora\nreleasever = 44\n".to_owned(),
        );
        let hub = format!(
            "[koper]\nhostname = {}\nprotocol = http\nport = {}\n",
            house.addresses.web.ip(),
            house.addresses.web.port()
        );
        write("plugins/copr.d/koper.conf", hub);
        Self { dir }
    }

    /// Runs `dnf copr …` beside the frontend, which lives on this thread.
    async fn copr(&self, arguments: &[&str]) -> Ran {
        let setopt =
            |key: &str, name: &str| format!("--setopt={key}={}", self.dir.path().join(name).display());
        let mut command = Command::new("dnf");
        command
            .args(["-y", "--disableplugin=local", "--releasever=44"])
            .args([
                setopt("reposdir", "repos"),
                setopt("pluginconfpath", "plugins"),
                setopt("cachedir", "cache"),
                setopt("logdir", "log"),
                setopt("persistdir", "persist"),
            ])
            .arg("copr")
            .args(arguments)
            .env("LC_ALL", "C.UTF-8");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("repos").join(name)
    }

    fn text(&self, name: &str) -> String {
        let path = self.file(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

/// Makes more chroots than a house has.
async fn add_chroots(house: &House, names: &[&str]) {
    let mut conn = house.pool.get().await.unwrap();
    let one = db::chroots::list(&mut conn, true).await.unwrap().remove(0);
    for name in names {
        let mut chroot = one.clone();
        chroot.definition.name = name.parse().unwrap();
        db::chroots::upsert(&mut conn, &chroot).await.unwrap();
    }
}

async fn project(house: &House, person: &Person, name: &str, chroots: &[&str], more: serde_json::Value) {
    let mut body = json!({"name": name, "chroots": chroots, "description": format!("About {name}.")});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let path = format!("/project/add/{}", person.user.name);
    house.send("POST", &path, Some(person), body).await.ok();
}

#[tokio::test]
async fn a_project_is_enabled_listed_disabled_and_removed() {
    let house = house().await;
    add_chroots(&house, &[FEDORA]).await;
    let alice = house.person("alice", false).await;
    project(&house, &alice, "tools", &[FEDORA, CHROOT], json!({})).await;
    let machine = Machine::new(&house);

    let enabled = machine
        .copr(&["enable", "koper/alice/tools"])
        .await
        .expect_code(0);
    assert!(
        enabled.out.contains("Repository successfully enabled."),
        "{enabled:?}"
    );
    assert!(
        !enabled.err.contains("dependent on other repositories"),
        "{enabled:?}"
    );
    let file = "_copr:127.0.0.1:alice:tools.repo";
    let text = machine.text(file);
    assert!(text.starts_with("[copr:127.0.0.1:alice:tools]\nname="), "{text}");
    let results = format!("http://{}/results/alice/tools", house.addresses.results);
    assert!(
        text.contains(&format!(
            "\nmirrorlist={results}/fedora-$releasever-$basearch/mirrorlist\n"
        )) && text.contains("\ngpgcheck=1\n")
            && text.contains(&format!("\ngpgkey={results}/pubkey.gpg\n"))
            && !text.contains('\r'),
        "{text}"
    );
    let listed = machine.copr(&["list"]).await.expect_code(0);
    assert!(
        listed.out.lines().any(|l| l == "127.0.0.1/alice/tools"),
        "{listed:?}"
    );

    machine
        .copr(&["disable", "koper/alice/tools"])
        .await
        .expect_code(0);
    let listed = machine.copr(&["list", "--disabled"]).await.expect_code(0);
    assert!(
        listed.out.contains("127.0.0.1/alice/tools (disabled)"),
        "{listed:?}"
    );
    let listed = machine.copr(&["list", "--enabled"]).await.expect_code(0);
    assert!(!listed.out.contains("alice/tools"), "{listed:?}");
    // The chroot may be named; enabling again enables.
    machine
        .copr(&["enable", "koper/alice/tools", CHROOT])
        .await
        .expect_code(0);
    assert!(machine.text(file).contains("/debian-12-$basearch/mirrorlist\n"));
    machine
        .copr(&["remove", "koper/alice/tools"])
        .await
        .expect_code(0);
    assert!(!machine.file(file).exists());
}

/// The directory of a pull request is a repository of its own, under an id and a file of its own.
#[tokio::test]
async fn a_directory_is_enabled_listed_disabled_and_removed() {
    let house = house().await;
    add_chroots(&house, &[FEDORA]).await;
    let alice = house.person("alice", false).await;
    project(&house, &alice, "tools", &[FEDORA, CHROOT], json!({})).await;
    let package = crate::packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "project_dirname": "tools:pr:1"});
    house
        .upload(Some(&alice), &package.name, &package.bytes, &form)
        .await
        .ok();
    let machine = Machine::new(&house);
    for name in ["koper/alice/tools", "koper/alice/tools:pr:1"] {
        let enabled = machine.copr(&["enable", name]).await.expect_code(0);
        assert!(
            enabled.out.contains("Repository successfully enabled."),
            "{enabled:?}"
        );
    }
    let (main, file) = (
        "_copr:127.0.0.1:alice:tools.repo",
        "_copr:127.0.0.1:alice:tools:pr:1.repo",
    );
    let text = machine.text(file);
    let results = format!("http://{}/results/alice", house.addresses.results);
    assert!(
        text.starts_with("[copr:127.0.0.1:alice:tools:pr:1]\n")
            && text.contains(&format!(
                "\nmirrorlist={results}/tools:pr:1/fedora-$releasever-$basearch/mirrorlist\n"
            ))
            && text.contains(&format!("\ngpgkey={results}/tools/pubkey.gpg\n")),
        "{text}"
    );
    let listed = machine.copr(&["list"]).await.expect_code(0);
    for line in ["127.0.0.1/alice/tools", "127.0.0.1/alice/tools:pr:1"] {
        assert!(listed.out.lines().any(|l| l == line), "{listed:?}");
    }
    machine
        .copr(&["disable", "koper/alice/tools:pr:1"])
        .await
        .expect_code(0);
    let listed = machine.copr(&["list", "--enabled"]).await.expect_code(0);
    assert!(
        listed.out.lines().any(|l| l == "127.0.0.1/alice/tools") && !listed.out.contains(":pr:"),
        "{listed:?}"
    );
    let chroot = ["enable", "koper/alice/tools:pr:1", CHROOT];
    machine.copr(&chroot).await.expect_code(0);
    assert!(
        machine
            .text(file)
            .contains("/tools:pr:1/debian-12-$basearch/mirrorlist\n")
    );
    machine
        .copr(&["remove", "koper/alice/tools:pr:1"])
        .await
        .expect_code(0);
    assert!(!machine.file(file).exists() && machine.file(main).exists());
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    project(&house, &alice, "tools", &[CHROOT], json!({})).await;
    let machine = Machine::new(&house);
    let refused = machine
        .copr(&["enable", "koper/alice/tools"])
        .await
        .expect_code(1);
    assert!(
        refused
            .err
            .contains("Repository 'fedora-44-x86_64' does not exist in project 'alice/tools'.")
            && refused
                .err
                .contains(&format!("Available repositories: '{CHROOT}'")),
        "{refused:?}"
    );
    for missing in ["alice/other", "nobody/tools", "@nobody/tools", "alice/tools:pr:1"] {
        let refused = machine
            .copr(&["enable", &format!("koper/{missing}")])
            .await
            .expect_code(1);
        assert!(
            refused
                .err
                .contains(&format!("Project {missing} does not exist.")),
            "{refused:?}"
        );
    }
    assert_eq!(
        std::fs::read_dir(machine.dir.path().join("repos"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn projects_are_searched_and_listed() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    project(&house, &alice, "tools", &[CHROOT], json!({})).await;
    project(&house, &alice, "toolbox", &[CHROOT], json!({"description": ""})).await;
    let machine = Machine::new(&house);
    let found = machine
        .copr(&["--hub", "koper", "search", "tool"])
        .await
        .expect_code(0);
    assert!(
        found.out.contains("alice/tools : About tools.")
            && found.out.contains("alice/toolbox : No description given."),
        "{found:?}"
    );
    let listed = machine
        .copr(&["--hub", "koper", "list", "--available-by-user", "alice"])
        .await
        .expect_code(0);
    assert!(listed.out.contains("alice/tools : About tools."), "{listed:?}");
}

#[tokio::test]
async fn a_group_s_project_is_enabled_under_its_id() {
    let house = house().await;
    add_chroots(&house, &[FEDORA]).await;
    let alice = house.person("alice", false).await;
    let mut conn = house.pool.get().await.unwrap();
    let new = db::projects::NewProject {
        owner: &"@sig".parse().unwrap(),
        name: &"tools".parse().unwrap(),
        created_by: alice.user.id,
        actor: "alice",
        settings: &ProjectSettings::default(),
        chroots: &[FEDORA.parse().unwrap()],
        key_id: "project-sig-tools",
    };
    db::projects::create(&mut conn, &new, start()).await.unwrap();
    drop(conn);
    let machine = Machine::new(&house);
    machine.copr(&["enable", "koper/@sig/tools"]).await.expect_code(0);
    let text = machine.text("_copr:127.0.0.1:group_sig:tools.repo");
    assert!(
        text.starts_with("[copr:127.0.0.1:group_sig:tools]\n") && text.contains("/results/@sig/tools/"),
        "{text}"
    );
    for spelling in ["@sig", "g/sig", "group_sig"] {
        let url = format!(
            "http://{}/coprs/{spelling}/tools/repo/fedora-44/",
            house.addresses.web
        );
        assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), text);
    }
    machine
        .copr(&["disable", "koper/@sig/tools"])
        .await
        .expect_code(0);
    machine.copr(&["remove", "koper/@sig/tools"]).await.expect_code(0);
}

#[tokio::test]
async fn a_32_bit_repository_and_dependencies_come_along() {
    let house = house().await;
    add_chroots(&house, &[FEDORA, "fedora-44-i386"]).await;
    let alice = house.person("alice", false).await;
    project(&house, &alice, "base", &[FEDORA], json!({})).await;
    project(&house, &alice, "gone", &[FEDORA], json!({})).await;
    let depends = json!({
        "multilib": true, "module_hotfixes": true, "repo_priority": 7,
        "runtime_dependencies": ["copr://alice/base", "copr://alice/gone"],
    });
    project(&house, &alice, "tools", &[FEDORA, "fedora-44-i386"], depends).await;
    let depends = json!({"runtime_dependencies": ["copr://alice/tools", "https://example.org/$chroot/"]});
    let edit = "/project/edit/alice/base";
    house.send("PUT", edit, Some(&alice), depends).await.ok();
    let verify = json!({"verify": true});
    house
        .send("DELETE", "/project/delete/alice/gone", Some(&alice), verify)
        .await
        .ok();
    let machine = Machine::new(&house);
    let enabled = machine
        .copr(&["enable", "koper/alice/tools"])
        .await
        .expect_code(0);
    assert!(
        enabled.err.contains("dependent on other repositories")
            && enabled.err.contains("1. [coprdep:127.0.0.1:alice:base]")
            && enabled.err.contains("2. [coprdep:https_example_org_chroot]")
            && enabled
                .err
                .contains("baseurl=https://example.org/fedora-$releasever-$basearch/"),
        "{enabled:?}"
    );
    let text = machine.text("_copr:127.0.0.1:alice:tools.repo");
    let ids: Vec<&str> = text.lines().filter(|l| l.starts_with('[')).collect();
    // The circle ends, and the project does not depend on itself.
    assert_eq!(
        ids,
        [
            "[copr:127.0.0.1:alice:tools]",
            "[copr:127.0.0.1:alice:tools:ml]",
            "[coprdep:127.0.0.1:alice:base]",
            "[coprdep:https_example_org_chroot]"
        ],
        "{text}"
    );
    assert_eq!(
        text.matches("\nmodule_hotfixes=1\npriority=7\n").count(),
        2,
        "{text}"
    );
    assert!(
        text.contains("\ncost=1100\n") && text.contains("copr://alice/gone"),
        "{text}"
    );
    // The plugin lists neither the second repository nor the dependencies, and disables all of them.
    let listed = machine.copr(&["list"]).await.expect_code(0);
    assert_eq!(listed.out.matches("alice/").count(), 1, "{listed:?}");
    machine
        .copr(&["disable", "koper/alice/tools"])
        .await
        .expect_code(0);
    let text = machine.text("_copr:127.0.0.1:alice:tools.repo");
    assert_eq!(
        (
            text.matches("enabled=0").count(),
            text.matches("enabled=1").count()
        ),
        (4, 0),
        "{text}"
    );
}
