//! A database with a user, a chroot and a project in it.

use std::sync::atomic::{AtomicU32, Ordering};

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use db::batches::BatchOf;
use db::builds::{BuildOptions, NewBuild, Source, Srpm, Target};
use db::chroots::Chroot;
use db::jobs::HolderId;
use db::projects::{NewProject, Project, ProjectSettings};
use db::rpms::NewRpm;
use db::testing::{Cluster, execute};
use db::users::User;
use db::{Connection, Pool};
use protocol::builder_api::ClaimRequest;
use protocol::{BuildId, BuildRoot, ChrootDefinition, DirName, MetadataCompression, PackageManager};

pub const CHROOT: &str = "debian-12-x86_64";

/// A process that runs jobs.
pub const HOLDER: HolderId = HolderId(1);

/// The time at which tests begin.
pub fn start() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

pub async fn pool(size: usize) -> Pool {
    let url = Cluster::shared().await.unwrap().database().await.unwrap();
    db::pool(&url, size).unwrap()
}

pub fn definition(name: &str) -> ChrootDefinition {
    ChrootDefinition {
        name: name.parse().unwrap(),
        dist: ".deb12".to_owned(),
        package_manager: PackageManager::Dnf,
        metadata_compression: MetadataCompression::Zstd,
        buildroot: BuildRoot {
            packages: vec!["bash".to_owned()],
        },
        repos: Vec::new(),
    }
}

static KEYS: AtomicU32 = AtomicU32::new(0);

pub async fn project(conn: &mut Connection, owner: &str, name: &str) -> (User, Project) {
    let user = db::users::ensure(conn, &owner.parse().unwrap(), false, start())
        .await
        .unwrap();
    let chroot = Chroot {
        definition: definition(CHROOT),
        description: String::new(),
        active: true,
    };
    db::chroots::upsert(conn, &chroot).await.unwrap();
    let new = NewProject {
        owner: &owner.parse().unwrap(),
        name: &name.parse().unwrap(),
        created_by: user.id,
        actor: owner,
        settings: &ProjectSettings::default(),
        chroots: &[CHROOT.parse().unwrap()],
        // A name may come again, a key's does not.
        key_id: &format!("project-{owner}-{name}-{}", KEYS.fetch_add(1, Ordering::Relaxed)),
    };
    let project = db::projects::create(conn, &new, start()).await.unwrap();
    (user, project)
}

pub async fn upload(conn: &mut Connection, project: &Project) -> BuildId {
    submit(conn, project, None).await
}

/// An upload into a batch.
pub async fn submit(conn: &mut Connection, project: &Project, batch: Option<BatchOf>) -> BuildId {
    let srpm = Srpm {
        sha256: "a".repeat(64).parse().unwrap(),
        file_name: "hello-1-1.src.rpm".parse().unwrap(),
        size: 10,
        package: "hello".parse().unwrap(),
        version: "1-1".to_owned(),
    };
    build_in(conn, project, &Source::Upload(srpm), batch).await
}

pub async fn build(conn: &mut Connection, project: &Project, source: &Source) -> BuildId {
    build_in(conn, project, source, None).await
}

async fn build_in(
    conn: &mut Connection,
    project: &Project,
    source: &Source,
    batch: Option<BatchOf>,
) -> BuildId {
    let dir = DirName::from(project.name.clone());
    let new = NewBuild {
        project,
        dir: &dir,
        submitter: None,
        actor: "test",
        source,
        targets: &[Target {
            chroot: CHROOT.parse().unwrap(),
            skipped: false,
        }],
        options: &BuildOptions::default(),
        batch,
        package: None,
    };
    db::builds::create(conn, &new, start()).await.unwrap()
}

pub fn claimer(name: &str) -> ClaimRequest {
    ClaimRequest {
        protocol: protocol::builder_api::PROTOCOL,
        builder: name.parse().unwrap(),
        arches: vec!["x86_64".to_owned()],
        chroots: Vec::new(),
        memory_mib: 4_096,
        wait_s: 0,
        checks: false,
    }
}

pub fn lease() -> TimeDelta {
    TimeDelta::seconds(60)
}

/// Waits until somebody waits for a lock.
pub async fn until_somebody_waits(conn: &mut Connection) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let waiting =
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while execute(conn, waiting).await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
        // A transaction keeps what it saw first.
        execute(conn, "SELECT pg_stat_clear_snapshot()").await.unwrap();
    }
}

/// A package of a task, by the SHA-256 of its file; all have the same name and version.
pub fn rpm(repository: i64, task: i64, sha256: &str) -> NewRpm {
    NewRpm {
        repository_id: repository,
        task_id: task,
        name: "hello".to_owned(),
        epoch: 0,
        version: "1".to_owned(),
        release: "1".to_owned(),
        arch: "noarch".to_owned(),
        file_name: "hello-1-1.noarch.rpm".to_owned(),
        sha256: sha256.to_owned(),
        unsigned_sha256: "u".to_owned(),
        size: 1,
        primary_xml: Vec::new(),
        filelists_xml: Vec::new(),
        other_xml: Vec::new(),
        scratch: false,
    }
}
