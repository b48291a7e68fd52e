//! Which builds are the newest of their packages, kept by triggers.

use db::builds::{BuildOptions, NewBuild, Source, Srpm, Target};
use db::chroots::Chroot;
use db::projects::Project;
use db::read::monitor;
use db::testing::execute;
use db::{Connection, read};
use protocol::{BuildId, DirName};

use crate::support::{CHROOT, build, definition, pool, project, start};

const OTHER: &str = "fedora-44-aarch64";

async fn submit(conn: &mut Connection, project: &Project, package: &str, chroots: &[&str]) -> i64 {
    let srpm = Srpm {
        sha256: "a".repeat(64).parse().unwrap(),
        file_name: format!("{package}-1-1.src.rpm").parse().unwrap(),
        size: 10,
        package: package.parse().unwrap(),
        version: "1-1".to_owned(),
    };
    let targets: Vec<Target> = chroots
        .iter()
        .map(|chroot| Target {
            chroot: chroot.parse().unwrap(),
            skipped: false,
        })
        .collect();
    let new = NewBuild {
        project,
        dir: &DirName::from(project.name.clone()),
        submitter: None,
        actor: "test",
        source: &Source::Upload(srpm),
        targets: &targets,
        options: &BuildOptions::default(),
        batch: None,
        package: None,
    };
    db::builds::create(conn, &new, start()).await.unwrap().0
}

/// `package: build in chroot=state …` of the main directory.
async fn newest(conn: &mut Connection, project: &Project) -> Vec<String> {
    let rows = monitor::newest(conn, project.id, &project.name.clone().into())
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            let states: Vec<String> = row
                .states()
                .map(|(chroot, state)| format!("{chroot}={state}"))
                .collect();
            format!("{}: {} in {}", row.package, row.build, states.join(" "))
        })
        .collect()
}

async fn set(conn: &mut Connection, build: i64, chroot: &str, state: &str) {
    let sql = format!("UPDATE tasks SET state = '{state}' WHERE build_id = {build} AND chroot = '{chroot}'");
    assert_eq!(execute(conn, &sql).await.unwrap(), 1);
}

#[tokio::test]
async fn the_newest_build_of_each_chroot_is_known() {
    let pool = pool(1).await;
    let mut conn = pool.get().await.unwrap();
    let conn = &mut *conn;
    let (_, project) = project(conn, "alice", "tools").await;
    let other = Chroot {
        definition: definition(OTHER),
        description: String::new(),
        active: true,
    };
    db::chroots::upsert(conn, &other).await.unwrap();

    let first = submit(conn, &project, "hello", &[CHROOT, OTHER]).await;
    let zlib = submit(conn, &project, "zlib", &[OTHER]).await;
    let zlib = format!("zlib: {zlib} in {OTHER}=pending");
    set(conn, first, CHROOT, "publishing").await;
    assert_eq!(
        newest(conn, &project).await,
        [
            format!("hello: {first} in {CHROOT}=running {OTHER}=pending"),
            zlib.clone()
        ]
    );
    set(conn, first, CHROOT, "succeeded").await;

    let second = submit(conn, &project, "hello", &[CHROOT]).await;
    let both = [
        format!("hello: {first} in {OTHER}=pending"),
        format!("hello: {second} in {CHROOT}=pending"),
        zlib.clone(),
    ];
    assert_eq!(newest(conn, &project).await, both);

    // What is canceled has no result to show; the one before is shown again.
    set(conn, second, CHROOT, "canceled").await;
    let before = [
        format!("hello: {first} in {CHROOT}=succeeded {OTHER}=pending"),
        zlib.clone(),
    ];
    assert_eq!(newest(conn, &project).await, before);

    let third = submit(conn, &project, "hello", &[CHROOT, OTHER]).await;
    let only = [
        format!("hello: {third} in {CHROOT}=pending {OTHER}=pending"),
        zlib.clone(),
    ];
    assert_eq!(newest(conn, &project).await, only);
    execute(conn, &format!("DELETE FROM builds WHERE id = {third}"))
        .await
        .unwrap();
    assert_eq!(newest(conn, &project).await, before);

    // A package that goes takes its lines along, and a project all of them.
    execute(conn, "DELETE FROM packages WHERE name = 'zlib'")
        .await
        .unwrap();
    assert_eq!(newest(conn, &project).await, before[..1]);
    execute(conn, &format!("DELETE FROM projects WHERE id = {}", project.id))
        .await
        .unwrap();
    assert!(newest(conn, &project).await.is_empty());
}

#[tokio::test]
async fn a_linked_build_joins_its_package_once_that_is_known() {
    let pool = pool(1).await;
    let mut conn = pool.get().await.unwrap();
    let conn = &mut *conn;
    let (_, project) = project(conn, "alice", "tools").await;
    let source = Source::Link("http://example.org/hello-1-1.src.rpm".to_owned());
    let BuildId(id) = build(conn, &project, &source).await;
    assert!(newest(conn, &project).await.is_empty());
    let found = read::builds::find(conn, BuildId(id)).await.unwrap().unwrap();
    let (owner, name, line) = (found.owner, found.project, found.line);
    assert_eq!((owner.as_str(), name.as_str()), ("alice", "tools"));
    assert_eq!(
        line.source_url.as_deref(),
        Some("http://example.org/hello-1-1.src.rpm")
    );
    assert_eq!((line.state.as_str(), line.package), ("pending", None));
    let sql = format!("UPDATE builds SET package_name = 'hello' WHERE id = {id}");
    execute(conn, &sql).await.unwrap();
    assert_eq!(
        newest(conn, &project).await,
        [format!("hello: {id} in {CHROOT}=waiting")]
    );
}
