//! What snapshots leave goes when none needs it any more, and nothing else does.

use std::collections::BTreeSet;

use backend::Retention;
use db::projects::Project;
use futures_util::TryStreamExt as _;
use protocol::Sha256;
use serde_json::json;
use storage::{RepomdFile, StorageKey, StoragePrefix};

use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;

pub const KEPT: Retention = Retention {
    snapshots: 1,
    days: 0,
    commit_days: 30,
    grace_hours: 24,
    most_snapshots: 9,
    most_days: 9,
};

/// Lets the service look at all repositories two days later, and waits until that is done.
async fn look(house: &House) {
    house.pass(2);
    backend::look_after(&house.context).await.unwrap();
    house.settle().await;
}

async fn status(house: &House, path: &str) -> u16 {
    house.status(&format!("alice/tools/{CHROOT}/{path}")).await
}

/// Paths of the objects of a repository's metadata.
pub async fn stored(house: &House) -> BTreeSet<String> {
    let (owner, dir, chroot) = names();
    let (o, d, c) = (owner.clone(), dir.clone(), chroot.clone());
    let mut paths = BTreeSet::new();
    for prefix in [
        StoragePrefix::Metadata { owner, dir, chroot },
        StoragePrefix::Frames {
            owner: o.clone(),
            dir: d.clone(),
            chroot: c.clone(),
        },
        StoragePrefix::Snapshots {
            owner: o,
            dir: d,
            chroot: c,
        },
    ] {
        let listed: Vec<_> = house.context.storage.list(&prefix).try_collect().await.unwrap();
        paths.extend(listed.iter().map(|object| object.path().to_owned()));
    }
    paths
}

fn names() -> (protocol::OwnerName, protocol::DirName, protocol::ChrootName) {
    (
        "alice".parse().unwrap(),
        "tools".parse().unwrap(),
        CHROOT.parse().unwrap(),
    )
}

/// Paths of the objects that the snapshots of a repository need, as a client finds them.
pub async fn needed(house: &House, repository: i64) -> BTreeSet<String> {
    let kept = db::retention::facts(&mut *house.conn().await, repository)
        .await
        .unwrap();
    let mut paths = BTreeSet::new();
    for snapshot in kept {
        for file in [RepomdFile::Xml, RepomdFile::Asc] {
            let (owner, dir, chroot) = names();
            let number = snapshot.number;
            let key = StorageKey::SnapshotFile {
                owner,
                dir,
                chroot,
                number,
                file,
            };
            paths.insert(key.path());
        }
        let base = format!("{}/alice/tools/{CHROOT}/@{}", house.results_url, snapshot.number);
        let repomd = reqwest::get(format!("{base}/repodata/repomd.xml")).await.unwrap();
        let repomd = repomd.error_for_status().unwrap().text().await.unwrap();
        for record in repodata::read_repomd(&repomd).unwrap().1 {
            let file = reqwest::get(format!("{base}/{}", record.href)).await.unwrap();
            let bytes = file.error_for_status().unwrap().bytes().await.unwrap();
            assert_eq!(bytes.len() as u64, record.size, "{}", record.href);
            let (owner, dir, chroot) = names();
            let file = record.href.strip_prefix("repodata/").unwrap().parse().unwrap();
            let key = StorageKey::Metadata {
                owner,
                dir,
                chroot,
                file,
            };
            let plan = house.context.storage.plan(&key).await.unwrap().unwrap();
            let (owner, dir, chroot) = names();
            let frames = plan
                .frames()
                .iter()
                .map(|frame| frame.key((&owner, &dir, &chroot)).path());
            paths.extend(frames);
            paths.insert(key.path());
        }
    }
    paths
}

async fn repository(house: &House, project: &Project) -> i64 {
    let all = db::repositories::of_project(&mut *house.conn().await, project.id).await;
    all.unwrap()[0].id
}

async fn tools(house: &House) -> Project {
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await
}

/// A package's address, below its repository.
async fn address(house: &House, build: protocol::BuildId, name: &str) -> String {
    let rpm = db::rpms::of_build(&mut *house.conn().await, build.0).await;
    format!("{:08}-{name}/{}", build.0, rpm.unwrap().remove(0).file_name)
}

/// What publications leave that die.
pub async fn leave(house: &House, number: i64) {
    let (owner, dir, chroot) = names();
    let (o, d, c) = (owner.clone(), dir.clone(), chroot.clone());
    let (o2, d2, c2) = (owner.clone(), dir.clone(), chroot.clone());
    let keys = [
        StorageKey::Metadata {
            owner,
            dir,
            chroot,
            file: "left-over.xml.gz".parse().unwrap(),
        },
        StorageKey::Frame {
            owner: o,
            dir: d,
            chroot: c,
            sha256: Sha256::from_bytes(&[7; 32]),
        },
        StorageKey::SnapshotFile {
            owner: o2,
            dir: d2,
            chroot: c2,
            number,
            file: RepomdFile::Xml,
        },
    ];
    for key in keys {
        house.context.storage.put(&key, "x").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_and_metadata_go_after_the_last_snapshot_that_has_them() {
    let house = House::keeping(KEPT).await;
    let tools = tools(&house).await;
    let repository = repository(&house, &tools).await;
    let build = house.build(&tools, "tools", "a", "1.0").await;
    let died = db::snapshots::reserve(&mut *house.conn().await, repository)
        .await
        .unwrap();
    house.build(&tools, "tools", "b", "1.0").await;
    let path = address(&house, build, "a").await;
    let alice = house.copr("alice").await;
    run(&alice, &["delete-build", &build.to_string()])
        .await
        .expect_code(0);
    house.settle().await;
    leave(&house, died).await;
    let users = Machine::new(&house, "alice", "tools").await;
    let latest = house.snapshot("alice/tools").await;
    let old = Machine::at(&house, "alice", "tools", &(latest - 1).to_string()).await;
    let rows = async || {
        let mut conn = house.conn().await;
        db::rpms::withdrawn(&mut conn, repository).await.unwrap().len()
    };
    let before = stored(&house).await;

    // Marked: whoever has the old one goes on.
    look(&house).await;
    old.install("a").await;
    // Gone, and what it named is there for those who are in the middle of it.
    look(&house).await;
    let repomd = format!("@{}/repodata/repomd.xml", latest - 1);
    assert_eq!(status(&house, &repomd).await, 410);
    assert_eq!((status(&house, &path).await, rows().await), (200, 1));
    let metadata = |paths: &BTreeSet<String>| -> Vec<String> {
        let shared = paths.iter().filter(|path| !path.contains("/snapshots/"));
        shared.cloned().collect()
    };
    assert_eq!(metadata(&stored(&house).await), metadata(&before));
    // Clients read while that goes, too.
    tokio::join!(look(&house), users.install("b"));
    assert_eq!(rows().await, 0);
    assert_eq!(stored(&house).await, needed(&house, repository).await);
    eventually("the package's end", async || {
        (status(&house, &path).await == 404).then_some(())
    })
    .await;
    assert_eq!(users.sees().await, ["b-1.0"]);
    let lines = db::audit::list(&mut *house.conn().await, None, false, 50, 0).await;
    let line = lines
        .unwrap()
        .into_iter()
        .find(|line| line.action == "package.purge");
    assert_eq!(line.unwrap().change().1["packages"], 1);

    // What goes away and comes again is stored again.
    house.build(&tools, "tools", "c", "1.0").await;
    users.install("c").await;
    look(&house).await;
    look(&house).await;
    look(&house).await;
    assert_eq!(stored(&house).await, needed(&house, repository).await);
    assert_eq!(users.sees().await, ["b-1.0", "c-1.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_with_old_signatures_go_and_builds_list_the_new_ones() {
    let house = House::keeping(KEPT).await;
    let tools = tools(&house).await;
    let build = house.build(&tools, "tools", "a", "1.0").await;
    let path = address(&house, build, "a").await;
    let read = async || {
        let url = format!("{}/alice/tools/{CHROOT}/{path}", house.results_url);
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap()
    };
    let old = read().await;
    house
        .api("alice")
        .await
        .done("/project/key/rotate/alice/tools", json!({}))
        .await;
    house.settle().await;
    look(&house).await;
    look(&house).await;
    assert_eq!(read().await, old, "snapshots of before have just gone");
    look(&house).await;
    eventually("the newer signature", async || {
        (read().await != old).then_some(())
    })
    .await;
    let users = Machine::new(&house, "alice", "tools").await;
    users.install("a").await;
    // Of requests that are done nothing is left either.
    let requests = "SELECT FROM snapshot_requests";
    assert_eq!(
        db::testing::execute(&mut *house.conn().await, requests)
            .await
            .unwrap(),
        0
    );
}

/// SHA-256 of all blobs.
/// Names of all files that the service stores.
pub async fn blobs(house: &House) -> BTreeSet<String> {
    let listed = house.context.storage.list(&StoragePrefix::Blobs);
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    listed.iter().map(|object| object.name().to_owned()).collect()
}

/// Those that the folders of the project's builds list, as a client finds them, and that its snapshots have.
async fn named(house: &House, builds: &[(protocol::BuildId, &str)], repository: i64) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (build, name) in builds {
        let (owner, dir, chroot) = names();
        let build_dir = format!("{:08}-{name}", build.0).parse().unwrap();
        let key = StorageKey::ResultIndex {
            owner,
            dir,
            chroot,
            build_dir,
        };
        let index: storage::ResultIndex = house
            .context
            .storage
            .get_json(&key, 1 << 20)
            .await
            .unwrap()
            .unwrap();
        all.extend(index.files.iter().map(|file| file.sha256.to_string()));
    }
    let mut conn = house.conn().await;
    for snapshot in db::retention::facts(&mut conn, repository).await.unwrap() {
        let ids = db::snapshots::content(&mut conn, repository, snapshot.number)
            .await
            .unwrap();
        let members = db::rpms::members(&mut conn, &ids).await.unwrap();
        assert_eq!(members.len(), ids.len());
        all.extend(members.into_iter().map(|(_, sha256)| sha256));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_nothing_names_them_and_never_before() {
    let house = House::keeping(KEPT).await;
    let tools = tools(&house).await;
    let repository = repository(&house, &tools).await;
    let a = house.build(&tools, "tools", "a", "1.0").await;
    let b = house.build(&tools, "tools", "b", "1.0").await;
    let alice = house.copr("alice").await;
    // Of another project, which goes as a whole; some of its files are the same.
    let other = house.make(&alice, "alice", "other").await;
    house.build(&other, "other", "c", "1.0").await;
    // Of an upload that broke off.
    let lost = Sha256::from_bytes(&[9; 32]);
    assert!(db::blobs::claim(&mut *house.conn().await, &lost).await.unwrap());
    let storage = &house.context.storage;
    storage.put(&StorageKey::Blob(lost.clone()), "x").await.unwrap();
    storage
        .put(&StorageKey::Incoming("left".parse().unwrap()), "x")
        .await
        .unwrap();
    let quarantine = |task| StorageKey::Quarantine {
        task: protocol::TaskId(task),
        attempt: 1,
        index: 0,
    };
    storage.put(&quarantine(999), "x").await.unwrap();
    let before = named(&house, &[(a, "a"), (b, "b")], repository).await;
    assert!(before.is_subset(&blobs(&house).await));
    run(&alice, &["delete", "other"]).await.expect_code(0);
    run(&alice, &["delete-build", &a.to_string()])
        .await
        .expect_code(0);
    house.settle().await;
    let users = Machine::new(&house, "alice", "tools").await;
    let old = house.snapshot("alice/tools").await - 1;
    let old = Machine::at(&house, "alice", "tools", &old.to_string()).await;
    look(&house).await;
    old.install("a").await;
    // The snapshot goes, then the package, and then its file; each after the grace, which is less than two days.
    for _ in 0..5 {
        assert!(
            named(&house, &[(b, "b")], repository)
                .await
                .is_subset(&blobs(&house).await)
        );
        tokio::join!(look(&house), users.install("b"));
    }
    assert_eq!(blobs(&house).await, named(&house, &[(b, "b")], repository).await);
    for prefix in [StoragePrefix::Incoming, StoragePrefix::Quarantine] {
        let left: Vec<_> = storage.list(&prefix).try_collect().await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
    assert!(
        db::blobs::condemned(&mut *house.conn().await)
            .await
            .unwrap()
            .is_empty()
    );
    // The same again.
    let a = house.build(&tools, "tools", "a", "1.1").await;
    users.install("a").await;
    look(&house).await;
    look(&house).await;
    assert_eq!(
        blobs(&house).await,
        named(&house, &[(a, "a"), (b, "b")], repository).await
    );
}

/// Two workers store the same content, and one of them names it, while the service thinks that nothing does.
#[tokio::test(flavor = "multi_thread")]
async fn who_stores_what_is_about_to_go_keeps_it() {
    let house = House::keeping(KEPT).await;
    let tools = tools(&house).await;
    let repository = repository(&house, &tools).await;
    // Its task is said to have the others' packages, too.
    house.build(&tools, "tools", "first", "1.0").await;
    let content = |number: u8| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest([number]);
        Sha256::from_bytes(&digest.into())
    };
    let store = async |number: u8, name: bool| {
        let sha256 = content(number);
        let key = StorageKey::Blob(sha256.clone());
        eventually("the claim", async || {
            let claimed = db::blobs::claim(&mut *house.conn().await, &sha256).await;
            claimed.unwrap().then_some(())
        })
        .await;
        if house.context.storage.exists(&key).await.unwrap().is_none() {
            house.context.storage.put(&key, vec![number]).await.unwrap();
        }
        if name {
            let row = format!(
                "INSERT INTO rpms (repository_id, task_id, name, epoch, version, release, arch, file_name, sha256,
                     unsigned_sha256, size, since_snapshot, primary_xml, filelists_xml, other_xml)
                 VALUES ({repository}, (SELECT max(id) FROM tasks), 'x', 0, '{number}', '1', 'noarch', 'x', '{sha256}', 'u', 1, 1, '', '', '')"
            );
            db::testing::execute(&mut *house.conn().await, &row)
                .await
                .unwrap();
        }
    };
    for number in 0..20 {
        store(number, false).await;
    }
    // It is known, and then judged.
    look(&house).await;
    house.pass(2);
    backend::look_after(&house.context).await.unwrap();
    let one = async {
        for number in 0..20 {
            store(number, number % 2 == 0).await;
        }
    };
    let two = async {
        for number in (0..20).rev() {
            store(number, false).await;
        }
    };
    tokio::join!(one, two, house.settle());
    for number in 0..20 {
        let key = StorageKey::Blob(content(number));
        let there = house.context.storage.exists(&key).await.unwrap();
        assert_eq!(there, Some(1), "both claimed {number} just now");
    }
    look(&house).await;
    look(&house).await;
    for number in 0..20 {
        let key = StorageKey::Blob(content(number));
        let there = house.context.storage.exists(&key).await.unwrap();
        assert_eq!(there.is_some(), number % 2 == 0, "{number}");
    }
}
