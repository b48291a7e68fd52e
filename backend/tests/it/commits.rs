//! Repositories by the commit that a build was made of.

use backend::Retention;
use db::builds::BuildOptions;
use db::projects::Project;
use protocol::{BuildId, CommitId};
use serde_json::json;

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

const KEPT: Retention = Retention {
    snapshots: 1,
    days: 1,
    commit_days: 30,
    grace_hours: 24,
    most_snapshots: 9,
    most_days: 9,
};

/// Commits that are told apart by their first letter.
fn commit(letter: char) -> CommitId {
    format!("{letter}0123456789abcdef0123456789abcdef0123456")
        .parse()
        .unwrap()
}

/// Builds a package of a commit.
async fn build(house: &House, project: &Project, (name, version): (&str, &str), of: char) -> BuildId {
    let options = BuildOptions {
        commit: Some(commit(of)),
        ..BuildOptions::default()
    };
    let dir = project.name.as_str();
    let build = house.start(project, dir, (name, version), &options, None).await;
    house.deliver(project, &build.tasks[0], name, version).await;
    let ended = house.wait(build.id, |build| build.is_final()).await;
    assert_eq!(ended.state(), "succeeded", "{:?}", ended.tasks);
    build.id
}

fn url(house: &House, project: &str, of: char) -> String {
    format!(
        "{}/alice/{project}/{CHROOT}/{}/",
        house.results_url,
        commit(of).folder()
    )
}

async fn repo_file(house: &House, of: &str) -> (u16, String) {
    let url = format!("{}/coprs/alice/tools/repo/debian-12/?commit={of}", house.url);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn machine(house: &House, of: char) -> Machine {
    let (status, text) = repo_file(house, commit(of).as_str()).await;
    assert_eq!(status, 200, "{text}");
    Machine::with(&text)
}

async fn answer(url: &str) -> (u16, Option<i64>, String) {
    let answer = reqwest::get(url).await.unwrap();
    let snapshot = answer.headers().get("x-koper-snapshot");
    let snapshot = snapshot.map(|n| n.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), snapshot, answer.text().await.unwrap())
}

/// Lets the service look at all repositories, marks what may go, and removes it.
async fn clean(house: &House) {
    for _ in 0..2 {
        backend::look_after(&house.context).await.unwrap();
        house.settle().await;
        house.pass(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_installed_with_what_was_there_when_it_was_built() {
    let house = House::keeping(KEPT).await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    // Which ends the token of the other client.
    let api = house.api("alice").await;
    house.build(&tools, "tools", "other", "1.0").await;
    // As a user says it, with capitals.
    let source = house.source("motd", "1.0").await;
    let name = source.file_name().unwrap().to_str().unwrap().to_owned();
    let form = json!({
        "ownername": "alice", "projectname": "tools", "chroots": [CHROOT],
        "commit": commit('a').as_str().to_uppercase(),
    });
    let file = [(name, fs_err::read(&source).unwrap())];
    let made = api.upload("/build/create/upload", &file, &form).await;
    let first = BuildId(made["id"].as_i64().unwrap());
    assert_eq!(made["commit"], commit('a').as_str());
    let (status, _, said) = answer(&url(&house, "tools", 'a')).await;
    assert!(status == 404 && said.contains("has not ended"), "{said}");
    house.build_waiting(&tools, "motd", "1.0").await;
    house.wait(first, |build| build.is_final()).await;
    let snapshot = house.snapshot("alice/tools").await;
    house.build(&tools, "tools", "other", "2.0").await;
    let second = build(&house, &tools, ("motd", "2.0"), 'b').await;
    house.build(&tools, "tools", "other", "3.0").await;

    // The build, and the newest good one of everything else then, and nothing that came later.
    let of_first = machine(&house, 'a').await;
    assert_eq!(of_first.sees().await, ["motd-1.0", "other-1.0"]);
    of_first.install("motd").await;
    assert_eq!(of_first.reads("motd"), "1.0");
    let of_second = machine(&house, 'b').await;
    assert_eq!(
        of_second.sees().await,
        ["motd-1.0", "motd-2.0", "other-1.0", "other-2.0"]
    );
    let base = url(&house, "tools", 'a');
    for file in ["repodata/repomd.xml", "repodata/repomd.xml.asc", "mirrorlist"] {
        let (status, number, said) = answer(&format!("{base}{file}")).await;
        assert_eq!((status, number), (200, Some(snapshot)), "{file}: {said}");
    }
    // Also for those who know no mirrorlist.
    let plain = format!(
        "[p]\nname=p\nbaseurl={base}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey={}/alice/tools/pubkey.gpg\n",
        house.results_url
    );
    Machine::with(&plain).install("motd").await;
    assert_eq!(
        repo_file(&house, &commit('a').as_str().to_uppercase()).await.0,
        200
    );
    let shown = api
        .get(&format!("/snapshot/show/alice/tools/{CHROOT}/{}", commit('a')))
        .await;
    assert_eq!(shown["number"], snapshot);
    let said = json!([{"commit": commit('a').as_str(), "build_id": first.0, "url": base}]);
    assert_eq!(shown["commits"], said);
    let listed = api.get(&format!("/snapshot/list/alice/tools/{CHROOT}")).await;
    assert_eq!(listed["items"][1]["commits"][0]["build_id"], second.0);
    assert_eq!(listed["items"][0]["commits"], json!([]));
    let page = house.page(&format!("/coprs/alice/tools/build/{first}/")).await;
    let address = format!("?commit={}", commit('a'));
    assert!(
        page.contains("Install this commit") && page.contains(&address),
        "{page}"
    );
    let page = house.page("/coprs/alice/tools/snapshots/").await;
    assert!(page.contains(&address), "{page}");

    // After a month others have gone.
    house.pass(20);
    clean(&house).await;
    let (status, _, said) = answer(&format!("{}/alice/tools/{CHROOT}/@2/", house.results_url)).await;
    assert_eq!(status, 410, "{said}");
    assert_eq!(machine(&house, 'a').await.sees().await, ["motd-1.0", "other-1.0"]);
    Machine::with(&plain).install("motd").await;
    house.pass(11);
    clean(&house).await;
    let day = (house.context.clock)() - chrono::TimeDelta::days(2);
    let (status, _, said) = answer(&format!("{base}repodata/repomd.xml")).await;
    let expected = format!("snapshot {snapshot} was removed on {}", day.format("%Y-%m-%d"));
    assert!(status == 410 && said.starts_with(&expected), "{said}");
    let (status, said) = repo_file(&house, commit('a').as_str()).await;
    assert!(status == 410 && said.contains("was removed on"), "{said}");
    let page = house.page(&format!("/coprs/alice/tools/build/{first}/")).await;
    assert!(!page.contains("Install this commit"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_good_build_of_a_commit_counts_and_others_say_why_not() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    // Which ends the token of the other client.
    let api = house.api("alice").await;
    let first = build(&house, &tools, ("motd", "1.0"), 'a').await;
    assert_eq!(machine(&house, 'a').await.sees().await, ["motd-1.0"]);
    build(&house, &tools, ("other", "1.0"), 'a').await;
    assert_eq!(machine(&house, 'a').await.sees().await, ["motd-1.0", "other-1.0"]);
    // A worse one, and one that goes nowhere, change nothing.
    let options = |of, scratch| BuildOptions {
        commit: Some(commit(of)),
        scratch,
        ..BuildOptions::default()
    };
    for of in ['a', 'c'] {
        let worse = house
            .start(&tools, "tools", ("motd", "2.0"), &options(of, false), None)
            .await;
        let failed = protocol::Outcome::Failed {
            kind: protocol::FailureKind::BuildFailed,
            message: "no".to_owned(),
        };
        house.finish(&worse.tasks[0], &failed, &[]).await;
    }
    let trial = house
        .start(&tools, "tools", ("trial", "1.0"), &options('d', true), None)
        .await;
    house.deliver(&tools, &trial.tasks[0], "trial", "1.0").await;
    house.wait(trial.id, |build| build.is_final()).await;
    // New signatures and the end of a build leave an address what it was.
    api.done("/project/key/rotate/alice/tools", json!({})).await;
    house.settle().await;
    api.done(&format!("/build/delete/{first}"), json!({})).await;
    house.settle().await;
    let of_a = machine(&house, 'a').await;
    assert_eq!(of_a.sees().await, ["motd-1.0", "other-1.0"]);
    of_a.install("motd").await;

    let fetched = json!({
        "ownername": "alice", "projectname": "tools", "clone_url": "https://example.org/x.git",
        "committish": commit('e').as_str(),
    });
    let made = api.done("/build/create/scm", fetched).await;
    assert_eq!(made["commit"], commit('e').as_str());
    for (of, said) in [
        ('c', "did not succeed"),
        ('d', "put nothing into the repository"),
        ('e', "did not succeed"),
        ('f', "no build for debian-12-x86_64 in this directory"),
    ] {
        let (status, _, text) = answer(&format!("{}repodata/repomd.xml", url(&house, "tools", of))).await;
        assert!(status == 404 && text.contains(said), "{of}: {text}");
        let (status, text) = repo_file(&house, commit(of).as_str()).await;
        let said = said.strip_prefix("no ").unwrap_or(said);
        assert!(status == 404 && text.contains(said), "{of}: {text}");
        let at = format!("/snapshot/show/alice/tools/{CHROOT}/{}", commit(of));
        let missing = reqwest::get(format!("{}/api_3{at}", house.url)).await.unwrap();
        assert_eq!(missing.status(), 404);
    }
    for wrong in ["abc", "main", &"a".repeat(41)] {
        let (status, text) = repo_file(&house, wrong).await;
        assert!(status == 400 && text.contains("is no commit"), "{text}");
        let body = json!({
            "ownername": "alice", "projectname": "tools", "pkgs": ["https://e.org/a-1-1.src.rpm"], "commit": wrong,
        });
        let (status, refused) = api.post("/build/create/url", body).await;
        let error = refused["error"].as_str().unwrap();
        assert!(status == 400 && error.contains("give its whole hash"), "{error}");
    }
    // A fork's newest packages come in one snapshot, which all their commits lead to.
    build(&house, &tools, ("motd", "3.0"), 'b').await;
    let alice = house.copr("alice").await;
    run(&alice, &["fork", "alice/tools", "alice/copy"])
        .await
        .expect_code(0);
    house.settle().await;
    let of = async |commit| {
        answer(&format!("{}repodata/repomd.xml", url(&house, "copy", commit)))
            .await
            .1
            .unwrap()
    };
    assert_eq!(of('a').await, of('b').await);
}
