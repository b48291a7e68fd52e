//! A client that enables projects as dnf5's copr plugin does (`copr_repo.cpp`): it asks `rpmrepo` and composes the URLs
//! by itself. dnf5 is not packaged for the system that these tests run on.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use db::projects::ProjectSettings;
use protocol::{ChrootName, DirName, OwnerName};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use storage::{Pointer, RepomdFile, StorageKey};

use super::{house, house_with};
use crate::house::{CHROOT, House, OTHER_CHROOT, start};

/// The schema of the answer: every option is a text, and there is nothing that is not named here.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct RpmRepo {
    results_url: String,
    pubkey_url: Option<String>,
    repos: BTreeMap<String, Release>,
    directories: BTreeMap<String, Lifetime>,
    dependencies: Vec<RuntimeDependency>,
    delete_after_days: Option<i64>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Release {
    arch: BTreeMap<String, Repo>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Repo {
    opts: BTreeMap<String, String>,
    #[serde(default)]
    multilib: BTreeMap<String, Repo>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    delete_after_days: Option<i64>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct RuntimeDependency {
    opts: BTreeMap<String, String>,
    r#type: String,
    data: BTreeMap<String, String>,
}

/// A repository as the plugin writes it into its file.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    id: String,
    baseurl: String,
    gpgkey: String,
    opts: BTreeMap<String, String>,
}

/// What the plugin tries in turn for a machine.
fn fallbacks(name_version: &str) -> Vec<String> {
    let mut all = vec![name_version.to_owned()];
    if let Some((os, version)) = name_version.split_once('-') {
        let major = version.split('.').next().unwrap();
        if matches!(os, "rhel" | "centos" | "almalinux") {
            if major != version {
                all.push(format!("{os}-{major}"));
            }
            all.push(format!("epel-{major}"));
        }
    }
    all
}

/// The chroot part of the URL, with dnf's variables, and the key in `repos`.
fn triplet(json: &RpmRepo, name_version: &str, arch: &str) -> Option<(String, String)> {
    let found = fallbacks(name_version).into_iter().find(|nv| {
        json.repos
            .get(nv)
            .is_some_and(|release| release.arch.contains_key(arch))
    })?;
    let url = match found.as_str() {
        "fedora-eln" | "mageia-cauldron" => format!("{found}-$basearch"),
        nv if nv.starts_with("fedora-") => "fedora-$releasever-$basearch".to_owned(),
        nv if nv.starts_with("opensuse-leap-") => "opensuse-leap-$releasever-$basearch".to_owned(),
        nv if nv.starts_with("mageia") => "mageia-$releasever-$basearch".to_owned(),
        nv => format!("{nv}-$basearch"),
    };
    Some((url, found))
}

/// What `dnf5 copr enable hub/owner/dirname` writes.
fn compose(
    json: &RpmRepo,
    hub: &str,
    owner: &str,
    dirname: &str,
    name_version: &str,
    arch: &str,
) -> Vec<Part> {
    assert!(
        json.directories.contains_key(dirname),
        "{dirname} is not among {:?}",
        json.directories
    );
    let project = dirname.split(':').next().unwrap();
    let results = &json.results_url;
    let (chroot, release) = triplet(json, name_version, arch).expect("the chroot is there");
    let id = format!("copr:{hub}:{}:{dirname}", owner.replace('@', "group_"));
    let gpgkey = format!("{results}/{owner}/{project}/pubkey.gpg");
    let repo = &json.repos[&release].arch[arch];
    let mut parts = vec![Part {
        id: id.clone(),
        baseurl: format!("{results}/{owner}/{dirname}/{chroot}/"),
        gpgkey: gpgkey.clone(),
        opts: repo.opts.clone(),
    }];
    for (second, about) in &repo.multilib {
        let mut opts = repo.opts.clone();
        opts.extend(about.opts.clone());
        parts.push(Part {
            id: format!("{id}:ml"),
            baseurl: format!(
                "{results}/{owner}/{dirname}/{}/",
                chroot.replace("$basearch", second)
            ),
            gpgkey: gpgkey.clone(),
            opts,
        });
    }
    for dependency in &json.dependencies {
        let (baseurl, gpgkey) = match dependency.r#type.as_str() {
            "copr" => {
                let at = format!(
                    "{results}/{}/{}",
                    dependency.data["owner"], dependency.data["projectname"]
                );
                (format!("{at}/{chroot}/"), format!("{at}/pubkey.gpg"))
            }
            "external_baseurl" => {
                let distname = chroot.rsplitn(3, '-').last().unwrap();
                let url = dependency.data["pattern"].replace("$chroot", &chroot);
                (url.replace("$distname", distname), String::new())
            }
            other => panic!("the plugin knows no {other}"),
        };
        parts.push(Part {
            id: dependency.opts["id"].clone(),
            baseurl,
            gpgkey,
            opts: dependency.opts.clone(),
        });
    }
    parts
}

async fn ask(house: &House, owner: &str, dirname: &str, name_version: &str) -> RpmRepo {
    let json = house
        .get(&format!("/rpmrepo/{owner}/{dirname}/{name_version}/"))
        .await
        .ok();
    serde_json::from_value(json.clone()).unwrap_or_else(|e| panic!("{e}: {json:#}"))
}

fn with_variables(url: &str, releasever: &str, basearch: &str) -> String {
    url.replace("$releasever", releasever)
        .replace("$basearch", basearch)
}

/// Puts what the backend publishes for an empty repository.
async fn publish(house: &House, owner: &OwnerName, dir: &DirName, chroot: &ChrootName) {
    let (owner, dir, chroot) = (owner.clone(), dir.clone(), chroot.clone());
    let key = StorageKey::PublicKey {
        owner: owner.clone(),
        dir: dir.clone(),
    };
    house.storage.put(&key, "the key").await.unwrap();
    for (file, text) in [(RepomdFile::Xml, "<repomd/>"), (RepomdFile::Asc, "signed")] {
        let key = StorageKey::SnapshotFile {
            owner: owner.clone(),
            dir: dir.clone(),
            chroot: chroot.clone(),
            number: 3,
            file,
        };
        house.storage.put(&key, text).await.unwrap();
    }
    let pointer = Pointer {
        snapshot: 3,
        moved_at: "2026-11-21T12:00:00Z".to_owned(),
    };
    house
        .storage
        .put_json(&StorageKey::latest(&owner, &dir, &chroot), &pointer)
        .await
        .unwrap();
}

async fn text(url: &str) -> String {
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn composed_urls_lead_to_the_repository_and_its_key() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let (owner, dir) = ("alice".parse().unwrap(), "tools".parse().unwrap());
    for (chroot, name_version, arch, releasever) in [
        (CHROOT, "debian-12", "x86_64", "12"),
        (OTHER_CHROOT, "fedora-44", "aarch64", "44"),
    ] {
        publish(&house, &owner, &dir, &chroot.parse().unwrap()).await;
        let json = ask(&house, "alice", "tools", name_version).await;
        let parts = compose(&json, "127.0.0.1", "alice", "tools", name_version, arch);
        assert_eq!(parts.len(), 1, "{parts:?}");
        assert_eq!(parts[0].id, "copr:127.0.0.1:alice:tools");
        let base = with_variables(&parts[0].baseurl, releasever, arch);
        assert_eq!(text(&format!("{base}repodata/repomd.xml")).await, "<repomd/>");
        assert_eq!(text(&format!("{base}repodata/repomd.xml.asc")).await, "signed");
        assert_eq!(text(&parts[0].gpgkey).await, "the key");
        assert_eq!(Some(&parts[0].gpgkey), json.pubkey_url.as_ref());
        assert_eq!(json.delete_after_days, None);
    }
    // Both forms of the address, without signing in; what is missing is told in JSON.
    house.get("/rpmrepo/alice/tools/fedora-44").await.ok();
    for (owner, dir) in [("alice", "gone"), ("nobody", "tools"), ("alice", "no:such:kind")] {
        let error = house
            .get(&format!("/rpmrepo/{owner}/{dir}/fedora-44/"))
            .await
            .error(404);
        assert_eq!(error, format!("Project {owner}/{dir} does not exist."));
    }
}

#[tokio::test]
async fn options_second_repositories_and_dependencies_are_told() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let mut conn = house.pool.get().await.unwrap();
    let mut chroot = db::chroots::list(&mut conn, true).await.unwrap().remove(0);
    for name in ["epel-9-x86_64", "fedora-44-x86_64", "fedora-44-i686"] {
        chroot.definition.name = name.parse().unwrap();
        db::chroots::upsert(&mut conn, &chroot).await.unwrap();
    }
    let mut create = async |owner: &str, name: &str, settings: Value| {
        let settings: ProjectSettings = serde_json::from_value(settings).unwrap();
        let chroots = ["epel-9-x86_64", "fedora-44-i686", "fedora-44-x86_64"].map(|c| c.parse().unwrap());
        let new = db::projects::NewProject {
            owner: &owner.parse().unwrap(),
            name: &name.parse().unwrap(),
            created_by: alice.user.id,
            actor: "alice",
            settings: &settings,
            chroots: &chroots,
            key_id: &format!("key-{owner}-{name}"),
        };
        db::projects::create(&mut conn, &new, start()).await.unwrap()
    };
    create(
        "@sig",
        "libs",
        json!({"runtime_dependencies": ["copr://alice/tools", "https://h/$distname/$chroot/?priority=5"]}),
    )
    .await;
    let tools = create(
        "alice",
        "tools",
        json!({"runtime_dependencies": ["copr://@sig/libs"], "multilib": true, "module_hotfixes": true, "repo_priority": 9}),
    )
    .await;
    let dir: DirName = "tools:pr:7".parse().unwrap();
    db::repositories::ensure(&mut conn, tools.id, &dir, &"fedora-44-x86_64".parse().unwrap())
        .await
        .unwrap();
    drop(conn);

    let json = ask(&house, "alice", "tools", "fedora-44").await;
    let parts = compose(&json, "koper.test", "alice", "tools:pr:7", "fedora-44", "x86_64");
    let results = format!("http://{}/results", house.addresses.results);
    let opts = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
        all.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let general = [("module_hotfixes", "1"), ("priority", "9")];
    let ids: Vec<&str> = parts.iter().map(|part| part.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "copr:koper.test:alice:tools:pr:7",
            "copr:koper.test:alice:tools:pr:7:ml",
            "coprdep:127.0.0.1:group_sig:libs",
            "coprdep:https_h_distname_chroot_priority_5"
        ]
    );
    assert_eq!(parts[0].opts, opts(&general));
    assert_eq!(
        parts[0].baseurl,
        format!("{results}/alice/tools:pr:7/fedora-$releasever-$basearch/")
    );
    assert_eq!(parts[0].gpgkey, format!("{results}/alice/tools/pubkey.gpg"));
    assert_eq!(parts[1].opts, opts(&[&general[..], &[("cost", "1100")]].concat()));
    assert_eq!(
        parts[1].baseurl,
        format!("{results}/alice/tools:pr:7/fedora-$releasever-i686/")
    );
    assert_eq!(
        parts[2].baseurl,
        format!("{results}/@sig/libs/fedora-$releasever-$basearch/")
    );
    assert_eq!(
        parts[2].opts["name"],
        "Koper 127.0.0.1/alice/tools runtime dependency #1 - @sig/libs"
    );
    assert_eq!(parts[3].baseurl, "https://h/fedora/fedora-$releasever-$basearch/");
    assert_eq!(parts[3].opts["priority"], "5");

    // A machine of another release finds the one that fits, and a group has two spellings.
    for owner in ["@sig", "group_sig", "%40sig"] {
        let json = ask(&house, owner, "libs", "almalinux-9.4").await;
        let parts = compose(&json, "koper.test", "@sig", "libs", "almalinux-9.4", "x86_64");
        assert_eq!(parts[0].id, "copr:koper.test:group_sig:libs");
        assert_eq!(parts[0].baseurl, format!("{results}/@sig/libs/epel-9-$basearch/"));
        assert_eq!(parts.len(), 3, "{parts:?}");
    }
}

#[tokio::test]
async fn what_ends_says_when() {
    for kept in [40, 15] {
        lifetimes_are_told(kept).await;
    }
}

/// What is told where directories of pull requests are kept for so many days.
async fn lifetimes_are_told(kept: u32) {
    let house = house_with(|config| config.keep_pr_dirs_days = kept).await;
    let alice = house.person("alice", false).await;
    let project = house.project(&alice, "tools").await;
    let id = project["id"].as_i64().unwrap();
    let mut conn = house.pool.get().await.unwrap();
    for (dir, ago) in [("tools:pr:1", 10), ("tools:custom:x", 10)] {
        let used = start() - TimeDelta::days(ago);
        db::testing::execute(
            &mut conn,
            &format!(
                "INSERT INTO directories (project_id, name, created_at, last_build_at) VALUES ({id}, '{dir}', now(), '{used}')"
            ),
        )
        .await
        .unwrap();
    }
    let ends = start() + TimeDelta::days(5) + TimeDelta::hours(3);
    db::testing::execute(
        &mut conn,
        &format!("UPDATE projects SET delete_at = '{ends}' WHERE id = {id}"),
    )
    .await
    .unwrap();
    drop(conn);
    let json = ask(&house, "alice", "tools:pr:99", "fedora-44").await;
    assert_eq!(json.delete_after_days, Some(5));
    let left: BTreeMap<&str, Option<i64>> = json
        .directories
        .iter()
        .map(|(k, v)| (k.as_str(), v.delete_after_days))
        .collect();
    assert_eq!(
        left,
        BTreeMap::from([
            ("tools", None),
            ("tools:custom:x", None),
            ("tools:pr:1", Some(i64::from(kept) - 10))
        ])
    );
}

#[tokio::test]
async fn dependencies_have_priorities_and_directories() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "libs").await;
    house.project(&alice, "tools").await;
    let edit = async |settings: Value| {
        house
            .send("PUT", "/project/edit/alice/tools", Some(&alice), settings)
            .await
    };
    edit(json!({"runtime_dependencies": [
        "copr://alice/libs?priority=10", "copr://alice/libs:custom:x", "https://h/x?priority=5&a=b",
    ]}))
    .await
    .ok();
    // The key is composed from the directory as well, and a project has one key.
    let (owner, dir) = ("alice".parse().unwrap(), "libs".parse().unwrap());
    let key = StorageKey::PublicKey { owner, dir };
    house.storage.put(&key, "the key").await.unwrap();
    let json = ask(&house, "alice", "tools", "debian-12").await;
    let parts = compose(&json, "koper.test", "alice", "tools", "debian-12", "x86_64");
    let told: Vec<_> = parts[1..]
        .iter()
        .map(|part| {
            (
                part.baseurl
                    .rsplit_once("/results")
                    .map_or(part.baseurl.as_str(), |p| p.1),
                part.opts.get("priority").map(String::as_str),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/alice/libs/debian-12-$basearch/", Some("10")),
            ("/alice/libs:custom:x/debian-12-$basearch/", None),
            ("https://h/x?a=b", Some("5")),
        ]
    );
    let url = format!("{}/alice/libs:custom:x/pubkey.gpg", house.results_url);
    assert_eq!(parts[2].gpgkey, url);
    let served = house.client.get(url).send().await.unwrap();
    assert_eq!(served.text().await.unwrap(), "the key");

    let url = format!(
        "http://{}/coprs/alice/tools/repo/debian-12/x.repo",
        house.addresses.web
    );
    let text = house.client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("no such project"), "{text}");
    for section in [
        "[coprdep:127.0.0.1:alice:libs]\n",
        "[coprdep:127.0.0.1:alice:libs:custom:x]\n",
        "\nbaseurl=https://h/x?a=b\n",
    ] {
        assert!(text.contains(section), "{section}: {text}");
    }

    for (list, said) in [
        (
            "copr://alice/libs:x",
            "names no project; write copr://owner/project",
        ),
        (
            "copr://alice/libs?a=b",
            "names no project; write copr://owner/project",
        ),
        (
            "https://h/x?priority=100",
            "write ?priority=N with N between 1 and 99",
        ),
        (
            "copr://alice/gone:custom:x",
            "The project copr://alice/gone does not exist",
        ),
    ] {
        for field in ["runtime_dependencies", "additional_repos"] {
            let text = edit(json!({field: [list]})).await.error(400);
            assert!(text.contains(field) && text.contains(said), "{list}: {text}");
        }
    }
}
