//! What a publication writes into the store.

use std::process::Command;

use backend::{Cause, Change, Metadata, Publication, publish_snapshot};
use db::projects::Project;
use db::rpms::NewRpm;
use db::snapshots::Audience;
use futures_util::TryStreamExt as _;
use protocol::MetadataCompression;
use repodata::Record;
use storage::{StorageKey, StoragePrefix};

use crate::house::{CHROOT, House, run};
use crate::machine::Machine;

/// Full buckets, and a little more.
const PACKAGES: i64 = 600;

async fn project(house: &House) -> Project {
    let alice = house.copr("alice").await;
    run(&alice, &["create", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    house.project("alice", "tools").await
}

/// Packages that exist in metadata only.
async fn seed(house: &House, project: &Project) -> i64 {
    let mut conn = house.conn().await;
    let dir = project.name.clone().into();
    let repository = db::repositories::ensure(&mut conn, project.id, &dir, &CHROOT.parse().unwrap())
        .await
        .unwrap();
    let build = house.build(project, "tools", "first", "1.0").await;
    let build = db::builds::find(&mut conn, build).await.unwrap().unwrap();
    let rows: Vec<NewRpm> = (0..PACKAGES)
        .map(|n| row(repository.id, build.tasks[0].id.0, n))
        .collect();
    db::rpms::seed(&mut conn, &rows).await.unwrap();
    db::rpms::seeded(&mut conn, repository.id).await.unwrap();
    repository.id
}

fn row(repository: i64, task: i64, number: i64) -> NewRpm {
    let (pkgid, name) = (format!("{number:064x}"), format!("seed{number}"));
    let version = "<version epoch=\"0\" ver=\"1\" rel=\"1\"/>";
    let pack = |xml: String| backend::pack_fragment(&xml).unwrap();
    NewRpm {
        repository_id: repository,
        task_id: task,
        epoch: 0,
        version: "1".to_owned(),
        release: "1".to_owned(),
        arch: "noarch".to_owned(),
        file_name: format!("{name}-1-1.noarch.rpm"),
        unsigned_sha256: String::new(),
        size: 1,
        primary_xml: pack(format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch>{version}<checksum type=\"sha256\" \
             pkgid=\"YES\">{pkgid}</checksum><summary/><description/><packager/><url/><time file=\"1\" build=\"1\"/>\
             <size package=\"1\" installed=\"1\" archive=\"1\"/><location href=\"{name}.rpm\"/><format>\
             <rpm:license>MIT</rpm:license><rpm:provides><rpm:entry name=\"{name}\" flags=\"EQ\" epoch=\"0\" ver=\"1\" \
             rel=\"1\"/></rpm:provides></format></package>\n"
        )),
        filelists_xml: pack(format!(
            "<package pkgid=\"{pkgid}\" name=\"{name}\" arch=\"noarch\">{version}</package>\n"
        )),
        other_xml: pack(format!(
            "<package pkgid=\"{pkgid}\" name=\"{name}\" arch=\"noarch\">{version}<changelog author=\"A\" \
             date=\"{number}\">- One</changelog></package>\n"
        )),
        sha256: pkgid,
        name,
        scratch: false,
    }
}

async fn frames(house: &House) -> Vec<storage::Listed> {
    let prefix = StoragePrefix::Frames {
        owner: "alice".parse().unwrap(),
        dir: "tools".parse().unwrap(),
        chroot: CHROOT.parse().unwrap(),
    };
    house.context.storage.list(&prefix).try_collect().await.unwrap()
}

async fn records(house: &House) -> Vec<Record> {
    let url = format!("{}/alice/tools/{CHROOT}/repodata/repomd.xml", house.results_url);
    let xml = reqwest::get(&url).await.unwrap().text().await.unwrap();
    repodata::read_repomd(&xml).unwrap().1
}

/// The names in `repomd.xml`, with their sizes.
async fn files(house: &House) -> Vec<(String, u64)> {
    let name = |href: &str| href.strip_prefix("repodata/").unwrap().to_owned();
    let records = records(house).await;
    records
        .iter()
        .map(|record| (name(&record.href), record.size))
        .collect()
}

/// A repository of some size costs a new package three frames, whichever of several backends publishes it, and whether
/// it has just started or not; dnf reads what comes of that, and installs from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_writes_only_what_changed() {
    let house = House::new().await;
    let project = project(&house).await;
    seed(&house, &project).await;
    let before = frames(&house).await.len();
    house.build(&project, "tools", "motd", "1.0").await;
    // Of each file two full buckets and one that is not.
    assert_eq!(frames(&house).await.len(), before + 9);
    house.build(&project, "tools", "motd", "2.0").await;
    let after = frames(&house).await;
    assert_eq!(after.len(), before + 12);
    for (name, size) in files(&house).await {
        let key = StorageKey::Metadata {
            owner: project.owner.clone(),
            dir: project.name.clone().into(),
            chroot: CHROOT.parse().unwrap(),
            file: name.parse().unwrap(),
        };
        let plan = house.context.storage.plan(&key).await.unwrap().unwrap();
        assert_eq!((plan.size(), plan.frames().len()), (size, 3), "{name}");
        let stored = house.context.storage.exists(&key).await.unwrap().unwrap();
        assert!(stored < 500, "the plan of {name} has {stored} bytes");
        for frame in plan.frames() {
            let digest = hex::encode(frame.digest);
            assert!(
                after
                    .iter()
                    .any(|listed| listed.name() == digest && listed.size == u64::from(frame.size))
            );
        }
        let url = format!("{}/alice/tools/{CHROOT}/repodata/{name}", house.results_url);
        let bytes = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.len() as u64, size);
        assert!(name.starts_with(&sha256(&bytes)), "{name}");
    }
    let users = Machine::new(&house, "alice", "tools").await;
    let seen = users.sees().await;
    assert_eq!(seen.len(), usize::try_from(PACKAGES).unwrap() + 3);
    users.install("motd").await;
    assert_eq!(users.reads("motd"), "2.0");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// Who regenerates a repository gets all of it written again, whatever became of the objects.
#[tokio::test(flavor = "multi_thread")]
async fn regenerating_writes_all_frames_again() {
    let house = House::new().await;
    let project = project(&house).await;
    house.build(&project, "tools", "motd", "1.0").await;
    for lost in frames(&house).await {
        house.context.storage.delete_listed(&lost).await.unwrap();
    }
    let alice = house.copr("alice").await;
    run(&alice, &["regenerate-repos", "tools"]).await.expect_code(0);
    house.settle().await;
    assert_eq!(frames(&house).await.len(), 3);
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["motd-1.0"]);
}

/// A backend that just started makes the same frames as the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_leaves_the_frames_as_they_were() {
    let house = House::new().await;
    let project = project(&house).await;
    let repository = seed(&house, &project).await;
    house.build(&project, "tools", "motd", "1.0").await;
    let before = frames(&house).await.len();
    let mut fresh = house.context.clone();
    fresh.metadata = Metadata::new(64 << 20);
    let publication = Publication {
        project: &project,
        repository,
        change: Change::default(),
        audience: Audience::Everybody,
        cause: Cause::Groups,
        actor: None,
        asked: None,
    };
    publish_snapshot(&fresh, &publication).await.unwrap().unwrap();
    assert_eq!(frames(&house).await.len(), before);
}

/// Runs a program, and says what it said.
async fn program(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

/// Where a chroot's clients read it, zchunk stands beside zstd: its own programs read what the gateway puts together,
/// one that has the snapshot before fetches only what it lacks, and who does not know it reads on as before.
#[tokio::test(flavor = "multi_thread")]
async fn zchunk_stands_beside_zstandard() {
    let house = House::new().await;
    let mut conn = house.conn().await;
    let mut chroot = db::chroots::find(&mut conn, &CHROOT.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    chroot.definition.metadata_compression = MetadataCompression::Zchunk;
    db::chroots::upsert(&mut conn, &chroot).await.unwrap();
    drop(conn);
    let project = project(&house).await;
    seed(&house, &project).await;
    let dir = tempfile::tempdir().unwrap();
    let mut old = None;
    for version in ["1.0", "2.0"] {
        house.build(&project, "tools", "motd", version).await;
        let base = format!("{}/alice/tools/{CHROOT}/repodata", house.results_url);
        let records = records(&house).await;
        let of = |kind: &str| records.iter().find(|record| record.kind == kind).unwrap().clone();
        for kind in ["primary", "filelists", "other"] {
            let (plain, zck) = (of(kind), of(&format!("{kind}_zck")));
            let path = dir.path().join(format!("{kind}.zck"));
            let get = async |record: &Record| {
                let name = record.href.strip_prefix("repodata/").unwrap();
                let answer = reqwest::get(format!("{base}/{name}")).await.unwrap();
                let bytes = answer.error_for_status().unwrap().bytes().await.unwrap();
                assert_eq!(
                    (bytes.len() as u64, sha256(&bytes)),
                    (record.size, record.checksum.clone())
                );
                bytes
            };
            fs_err::write(&path, get(&zck).await).unwrap();
            let mut unzck = Command::new("unzck");
            unzck.arg("-c").arg(&path);
            let open =
                repodata::decompress(repodata::Compression::Zstd, &get(&plain).await, 64 << 20).unwrap();
            assert_eq!(program(unzck).await.as_bytes(), open, "{kind}");
            let (checksum, size) = zck.header.unwrap();
            let mut header = Command::new("zck_read_header");
            header.arg(&path);
            let said = program(header).await;
            for line in [
                format!("Header size: {size}"),
                format!("Header checksum: {checksum}"),
            ] {
                assert!(said.lines().any(|l| l == line), "{line}: {said}");
            }
        }
        let name = of("primary_zck")
            .href
            .strip_prefix("repodata/")
            .unwrap()
            .to_owned();
        if let Some(old) = old {
            let mut zckdl = Command::new("zckdl");
            zckdl
                .current_dir(dir.path())
                .args(["-v", "--source", old, &format!("{base}/{name}")]);
            let said = program(zckdl).await;
            let fetched = fs_err::read(dir.path().join(&name)).unwrap();
            assert_eq!(sha256(&fetched), of("primary_zck").checksum, "{said}");
            let bytes = said.lines().find_map(|line| {
                line.strip_prefix("Downloaded ")?
                    .split(' ')
                    .next()?
                    .parse::<usize>()
                    .ok()
            });
            assert!(bytes.is_some_and(|bytes| bytes < fetched.len() / 2), "{said}");
        }
        fs_err::rename(dir.path().join("primary.zck"), dir.path().join("old.zck")).unwrap();
        old = Some("old.zck");
    }
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await.len(), usize::try_from(PACKAGES).unwrap() + 3);
    users.install("motd").await;
    assert_eq!(users.reads("motd"), "2.0");
    libsolv(&house).await;
}

/// What zypper reads metadata with.
async fn libsolv(house: &House) {
    let dir = tempfile::tempdir().unwrap();
    fs_err::create_dir(dir.path().join("repodata")).unwrap();
    let base = format!("{}/alice/tools/{CHROOT}", house.results_url);
    let hrefs = records(house).await.into_iter().map(|record| record.href);
    for href in hrefs.chain(["repodata/repomd.xml".to_owned()]) {
        let bytes = reqwest::get(format!("{base}/{href}"))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        fs_err::write(dir.path().join(href), bytes).unwrap();
    }
    let solv = dir.path().join("ours.solv");
    let mut make = Command::new("repo2solv");
    make.arg("-o").arg(&solv).arg(dir.path());
    program(make).await;
    let mut dump = Command::new("dumpsolv");
    dump.arg(&solv);
    let said = program(dump).await;
    let packages = said
        .lines()
        .filter(|line| line.starts_with("solvable:name:"))
        .count();
    assert_eq!(packages, usize::try_from(PACKAGES).unwrap() + 3);
}
