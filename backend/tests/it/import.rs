//! O05, K24: packages of somebody else's repository, which a real builder fetches from a real server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use db::builds::Build;
use protocol::BuildId;
use repodata::forge::{Forge, Format};
use serde_json::{Value, json};

use crate::api::Api;
use crate::foreign::program;
use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

/// Somebody else's repository, and the server that it lies on.
struct Elsewhere {
    dir: tempfile::TempDir,
    server: Child,
    url: String,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Elsewhere {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(dir.path().join("repo/packages")).unwrap();
        let port = testkit::free_port().unwrap();
        let server = Command::new("python3")
            .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
            .current_dir(dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let elsewhere = Self {
            dir,
            server,
            url: format!("http://127.0.0.1:{port}/repo/"),
        };
        eventually("the server", async || reqwest::get(&elsewhere.url).await.ok()).await;
        elsewhere
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// Builds a package with other content for each text, without a signature.
    fn package(&self, name: &str, text: &str) {
        let home = self.dir.path();
        let spec = home.join("x.spec");
        fs_err::write(
            &spec,
            format!(
                "Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: {text}\nLicense: MIT\nBuildArch: noarch\n%description\n\
                 From elsewhere.\n%install\nmkdir -p %{{buildroot}}/opt\necho {text} > %{{buildroot}}/opt/{name}\n\
                 %files\n/opt/{name}\n"
            ),
        )
        .unwrap();
        let folder = self.repo().join("packages");
        let defines = [
            format!("_topdir {}", home.display()),
            format!("_rpmdir {}", folder.display()),
            "_rpmfilename %%{NAME}.rpm".to_owned(),
        ];
        let mut arguments = vec!["-bb", "--quiet"];
        for define in &defines {
            arguments.extend(["--define", define.as_str()]);
        }
        arguments.push(spec.to_str().unwrap());
        program("rpmbuild", &arguments, home);
    }

    fn index(&self) {
        let repo = self.repo();
        let _ = fs_err::remove_dir_all(repo.join("repodata"));
        program(
            "createrepo_c",
            &["--quiet", repo.to_str().unwrap()],
            self.dir.path(),
        );
    }

    /// Changes the list of packages and all that has to fit to it.
    fn lie(&self, old: &str, new: &str) {
        let repodata = self.repo().join("repodata");
        let find = |end: &str| -> PathBuf {
            let all = fs_err::read_dir(&repodata).unwrap().map(|e| e.unwrap().path());
            let mut fit = all.filter(|p| p.to_str().unwrap().ends_with(end));
            fit.next().unwrap()
        };
        let packed = find("-primary.xml.gz");
        program("gzip", &["-d", packed.to_str().unwrap()], Path::new("/tmp"));
        let list = find("-primary.xml");
        let text = fs_err::read_to_string(&list).unwrap();
        assert!(text.contains(old), "{text}");
        let plain = self.dir.path().join("primary.xml");
        fs_err::write(&plain, text.replace(old, new)).unwrap();
        let arguments = [plain.to_str().unwrap(), repodata.to_str().unwrap()];
        program("modifyrepo_c", &arguments, Path::new("/tmp"));
    }
}

async fn alices() -> (House, Api, Elsewhere) {
    let house = House::new().await;
    house.builder();
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    (house, api, Elsewhere::new().await)
}

fn number(build: &Value) -> BuildId {
    BuildId(build["id"].as_i64().unwrap())
}

/// Imports, and waits for the end.
async fn import(house: &House, api: &Api, body: Value) -> Build {
    let build = api.done("/import/alice/tools", body).await;
    house.wait(number(&build), |build| build.is_final()).await
}

async fn newest(api: &Api) -> Value {
    let list = api.get(&format!("/snapshot/list/alice/tools/{CHROOT}")).await;
    list["items"][0].clone()
}

/// Why an import failed; nothing is published then.
async fn refused(house: &House, api: &Api, elsewhere: &Elsewhere) -> String {
    let before = newest(api).await;
    let build = import(house, api, json!({"url": elsewhere.url})).await;
    assert_eq!(build.state(), "failed", "{:?}", build.tasks);
    assert_eq!(newest(api).await["number"], before["number"]);
    build.tasks[0].failure.clone().unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_imported_and_then_what_is_new() {
    let (house, api, elsewhere) = alices().await;
    elsewhere.package("one", "first");
    elsewhere.package("two", "second");
    elsewhere.index();
    let first = import(&house, &api, json!({"url": elsewhere.url})).await;
    assert_eq!(first.state(), "succeeded", "{:?}", first.tasks);
    let snapshot = newest(&api).await;
    assert_eq!(snapshot["cause"], format!("import of {}", elsewhere.url));
    assert_eq!((&snapshot["number"], &snapshot["added"]), (&json!(2), &json!(2)));
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("one").await;
    assert_eq!(machine.reads("one"), "first");
    // It is marked as what it is.
    let place = format!(
        "{}/alice/tools/{CHROOT}/{:08}-import",
        house.results_url, first.id.0
    );
    let info = reqwest::get(format!("{place}/build.info"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(info.contains("origin=unverified-origin\n"), "{info}");
    assert!(
        info.contains(&format!(
            "imported_from={}\nmetadata_signature=not-checked\n",
            elsewhere.url
        )),
        "{info}"
    );
    let page = house
        .page(&format!("/coprs/alice/tools/build/{}/", first.id))
        .await;
    assert!(page.contains("not built here"), "{page}");
    let log = reqwest::get(format!("{place}/builder-live.log.gz"))
        .await
        .unwrap();
    assert_eq!(log.status(), 200);

    // The same once more with one package more: that one comes, and nothing else changes.
    elsewhere.package("three", "third");
    elsewhere.index();
    let again = api
        .done(&format!("/build/resubmit/{}", first.id), json!({}))
        .await;
    let again = house.wait(number(&again), |build| build.is_final()).await;
    assert_eq!(again.state(), "succeeded", "{:?}", again.tasks);
    assert_eq!(again.tasks[0].manifest.len(), 1, "the others are not fetched");
    let snapshot = newest(&api).await;
    assert_eq!(
        (&snapshot["number"], &snapshot["added"], &snapshot["removed"]),
        (&json!(3), &json!(1), &json!(0))
    );
    assert_eq!(machine.sees().await, ["one-1.0", "three-1.0", "two-1.0"]);
    // Nothing new is no failure, and no snapshot.
    let idle = import(&house, &api, json!({"url": elsewhere.url})).await;
    assert_eq!(idle.state(), "succeeded", "{:?}", idle.tasks);
    assert_eq!(newest(&api).await["number"], 3);
    // What was taken back since comes again, without a second copy of it.
    api.done(
        &format!("/snapshot/rollback/alice/tools/{CHROOT}"),
        json!({"to": 2}),
    )
    .await;
    assert_eq!(machine.sees().await, ["one-1.0", "two-1.0"]);
    let back = import(&house, &api, json!({"url": elsewhere.url})).await;
    assert_eq!(back.state(), "succeeded", "{:?}", back.tasks);
    assert_eq!(machine.sees().await, ["one-1.0", "three-1.0", "two-1.0"]);
    // And goes into other projects, like anything else.
    house.make(&house.copr("bob").await, "bob", "given").await;
    let wish = json!({"from": "latest", "into": "bob/given"});
    let promote = format!("/snapshot/promote/alice/tools/{CHROOT}");
    house.api("bob").await.done(&promote, wish).await;
    let theirs = Machine::new(&house, "bob", "given").await;
    assert_eq!(theirs.sees().await, ["one-1.0", "three-1.0", "two-1.0"]);
    theirs.install("two").await;

    // A fork has the packages of all imports.
    let bob = house.copr("bob").await;
    run(&bob, &["fork", "alice/tools", "bob/mine"])
        .await
        .expect_code(0);
    house.settle().await;
    let machine = Machine::new(&house, "bob", "mine").await;
    assert_eq!(machine.sees().await, ["one-1.0", "three-1.0", "two-1.0"]);
    machine.install("three").await;
}

/// The builder compares packages with their list; what both agree on may still be wrong.
#[tokio::test(flavor = "multi_thread")]
async fn the_backend_believes_neither_list_nor_builder() {
    let (house, api, elsewhere) = alices().await;
    elsewhere.package("one", "first");
    elsewhere.index();
    elsewhere.lie("<name>one</name>", "<name>liar</name>");
    let message = refused(&house, &api, &elsewhere).await;
    assert!(
        message.contains("holds the package one-1.0-1.noarch, so it should be called"),
        "{message}"
    );
    elsewhere.index();
    elsewhere.lie("<arch>noarch</arch>", "<arch>x86_64</arch>");
    let message = refused(&house, &api, &elsewhere).await;
    assert!(
        message.contains("so it should be called one-1.0-1.noarch.rpm"),
        "{message}"
    );
    // What a signature would not cover.
    let file = elsewhere.repo().join("packages/one.rpm");
    let mut old = Forge::new("one");
    old.text(repodata::tag::VERSION, "1.0");
    fs_err::write(&file, old.build(Format::V4Undigested).unwrap()).unwrap();
    elsewhere.index();
    let message = refused(&house, &api, &elsewhere).await;
    assert!(message.contains("no digest of its payload"), "{message}");
    // A payload that is not the one of its header.
    let mut broken = old.build(Format::V4).unwrap();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    fs_err::write(&file, broken).unwrap();
    elsewhere.index();
    let message = refused(&house, &api, &elsewhere).await;
    assert!(message.contains("payload's SHA-256"), "{message}");
}

/// A directory of packages of many sources, sent at once: one build, one snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_packages_is_published_at_once() {
    let (house, api, elsewhere) = alices().await;
    let mut files = Vec::new();
    for (name, text) in [("one", "first"), ("two", "second"), ("three", "third")] {
        elsewhere.package(name, text);
        let file = elsewhere.repo().join(format!("packages/{name}.rpm"));
        files.push((format!("{name}.rpm"), fs_err::read(file).unwrap()));
    }
    let form = json!({"ownername": "alice", "projectname": "tools"});
    let answer = api.upload("/build/create/rpm-upload", &files[..2], &form).await;
    let build = house.wait(number(&answer), |build| build.is_final()).await;
    assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);
    let snapshot = newest(&api).await;
    assert_eq!(snapshot["cause"], format!("build {}", build.id));
    assert_eq!((&snapshot["number"], &snapshot["added"]), (&json!(2), &json!(2)));
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("two").await;
    assert_eq!(machine.reads("two"), "second");
    // The same directory again, with one file more.
    let answer = api.upload("/build/create/rpm-upload", &files, &form).await;
    let again = house.wait(number(&answer), |build| build.is_final()).await;
    assert_eq!(again.state(), "succeeded", "{:?}", again.tasks);
    let snapshot = newest(&api).await;
    assert_eq!((&snapshot["number"], &snapshot["added"]), (&json!(3), &json!(1)));
    assert_eq!(machine.sees().await, ["one-1.0", "three-1.0", "two-1.0"]);
}

/// A package of the same name and version but other content does not come in by the back door.
#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_name_is_refused() {
    let (house, api, elsewhere) = alices().await;
    elsewhere.package("one", "first");
    elsewhere.index();
    let first = import(&house, &api, json!({"url": elsewhere.url})).await;
    assert_eq!(first.state(), "succeeded", "{:?}", first.tasks);
    elsewhere.package("one", "other");
    elsewhere.index();
    elsewhere.package("two", "second");
    elsewhere.index();
    let message = refused(&house, &api, &elsewhere).await;
    for words in [
        "already (one-1.0-1.noarch.rpm) with other contents",
        "replace_same_nevra",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("one").await;
    assert_eq!(machine.reads("one"), "first");
}

/// The same where the project lets newer packages replace others: what is there now comes, whichever it is.
#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_name_replaces_where_the_project_says_so() {
    let (house, api, elsewhere) = alices().await;
    let wish = json!({"replace_same_nevra": true});
    api.done("/project/edit/alice/tools", wish).await;
    let file = elsewhere.repo().join("packages/one.rpm");
    elsewhere.package("two", "second");
    elsewhere.package("one", "first");
    let first = fs_err::read(&file).unwrap();
    elsewhere.package("one", "other");
    let other = fs_err::read(&file).unwrap();
    // There and back again, and each time only once.
    for (number, (content, reads)) in [(&first, "first"), (&other, "other"), (&first, "first")]
        .into_iter()
        .enumerate()
    {
        fs_err::write(&file, content).unwrap();
        elsewhere.index();
        for _ in 0..2 {
            let build = import(&house, &api, json!({"url": elsewhere.url})).await;
            assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);
        }
        let snapshot = newest(&api).await;
        let changed = if number == 0 { (2, 0) } else { (1, 1) };
        assert_eq!(
            (&snapshot["number"], &snapshot["added"], &snapshot["removed"]),
            (&json!(number + 2), &json!(changed.0), &json!(changed.1)),
            "{number}"
        );
        let machine = Machine::new(&house, "alice", "tools").await;
        assert_eq!(machine.sees().await, ["one-1.0", "two-1.0"]);
        machine.install("one").await;
        assert_eq!(machine.reads("one"), reads, "{number}");
    }
    let before = Machine::at(&house, "alice", "tools", "3").await;
    before.install("one").await;
    assert_eq!(before.reads("one"), "other", "what was, stays");
}

const COMPS: &str = "<?xml version=\"1.0\"?>\n<comps><group><id>visitors</id><name>Visitors</name><default>true</default>\
    <uservisible>true</uservisible><packagelist><packagereq type=\"mandatory\">one</packagereq></packagelist></group></comps>\n";
const NOTICES: &str = "<?xml version=\"1.0\"?>\n<updates><update from=\"u@example.org\" status=\"stable\" type=\"security\" \
    version=\"1\"><id>VISIT-1</id><title>one</title><issued date=\"2026-01-15 00:00:00\"/><severity>Important</severity>\
    <description>One.</description><pkglist><collection short=\"c\"><name>c</name><package name=\"one\" version=\"2.0\" \
    release=\"1\" epoch=\"0\" arch=\"noarch\"><filename>one-2.0-1.noarch.rpm</filename></package></collection></pkglist>\
    </update></updates>\n";
const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: visits\n  stream: \"1\"\n  version: 20260101\n  \
    context: deadbeef\n  arch: x86_64\n  summary: Visits\n  description: >-\n    All visits.\n  license:\n    module:\n    - MIT\n  \
    profiles:\n    default:\n      rpms:\n      - other\n  artifacts:\n    rpms:\n    - other-0:1.0-1.noarch\n...\n";

impl Elsewhere {
    /// Adds a file beside the packages, once they are listed.
    fn add(&self, kind: &str, name: &str, text: &str) {
        let file = self.dir.path().join(name);
        fs_err::write(&file, text).unwrap();
        let kind = format!("--mdtype={kind}");
        let repodata = self.repo().join("repodata");
        let arguments = [&kind, file.to_str().unwrap(), repodata.to_str().unwrap()];
        program("modifyrepo_c", &arguments, Path::new("/tmp"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_modules_and_advisories_come_along_and_stay() {
    let (house, api, elsewhere) = alices().await;
    elsewhere.package("one", "first");
    elsewhere.index();
    elsewhere.add("group", "comps.xml", COMPS);
    elsewhere.add("updateinfo", "updateinfo.xml", NOTICES);
    elsewhere.add("modules", "modules.yaml", MODULES);
    let body = || json!({"url": elsewhere.url});
    let first = import(&house, &api, body()).await;
    assert_eq!(first.state(), "succeeded", "{:?}", first.tasks);
    let machine = Machine::new(&house, "alice", "tools").await;
    let says = async |arguments: &[&str]| machine.dnf(arguments).await.1;
    assert!(says(&["group", "list"]).await.contains("Visitors"));
    let modules = says(&["--setopt=module_platform_id=platform:x", "module", "list"]).await;
    assert!(
        modules.contains("visits") && modules.contains("Visits"),
        "{modules}"
    );
    // An advisory concerns who has an older package.
    machine.install("one").await;
    let notices = says(&["updateinfo", "list", "--available"]).await;
    assert!(
        notices.contains("VISIT-1") && notices.contains("one-2.0-1"),
        "{notices}"
    );

    // Whatever is published afterwards, they are there, and the same files are named.
    let named = async || {
        let url = format!("{}/alice/tools/{CHROOT}/repodata/repomd.xml", house.results_url);
        let xml = reqwest::get(&url).await.unwrap().text().await.unwrap();
        let records = repodata::read_repomd(&xml).unwrap().1.into_iter();
        let beside =
            records.filter(|record| ["group", "modules", "updateinfo"].contains(&record.kind.as_str()));
        beside
            .map(|record| (record.kind, record.href))
            .collect::<Vec<_>>()
    };
    let before = named().await;
    assert_eq!(before.len(), 3, "{before:?}");
    let tools = house.project("alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    assert_eq!(named().await, before);
    machine.install("motd").await;
    assert!(says(&["group", "list"]).await.contains("Visitors"));
    // The same once more changes nothing.
    let number = newest(&api).await["number"].clone();
    assert_eq!(import(&house, &api, body()).await.state(), "succeeded");
    assert_eq!(newest(&api).await["number"], number);

    // Others take their place, and what is not there any more goes, also when no package is new.
    elsewhere.index();
    elsewhere.add("group", "comps.xml", &COMPS.replace("Visitors", "Guests"));
    elsewhere.add("updateinfo", "updateinfo.xml", NOTICES);
    assert_eq!(import(&house, &api, body()).await.state(), "succeeded");
    let groups = says(&["group", "list"]).await;
    assert!(
        groups.contains("Guests") && !groups.contains("Visitors"),
        "{groups}"
    );
    let kinds: Vec<String> = named().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["group", "updateinfo"]);
    // What is something else refuses the import.
    elsewhere.index();
    elsewhere.add("updateinfo", "updateinfo.xml", COMPS);
    let why = refused(&house, &api, &elsewhere).await;
    assert!(
        why.contains("updateinfo.xml of the repository cannot be taken"),
        "{why}"
    );
    assert_eq!(named().await.len(), 2);
}
