//! Checks: what a builder is told of a snapshot whose packages it shall try to install.

use std::collections::HashMap;
use std::time::Duration;

use db::checks::Claimed;
use db::project_chroots::ChrootSettings;
use db::projects::Project;
use db::repositories::Repository;
use db::snapshots::{Package, Wanted};
use protocol::builder_api::{CheckWork, ClaimRequest, Task, Upgrade, Work};
use protocol::{FailureKind, Limits, Outcome, PackageManager, RepositorySource, TaskId};
use repodata::Evr;
use storage::StorageKey;

use crate::app::App;
use crate::builder_api::claim::lease;
use crate::builder_api::work::resolve_distro;
use crate::error::Error;
use crate::operations::build_repos;
use crate::repo_file::key_url;

/// Most packages of a snapshot that one check looks at.
const PACKAGES: usize = 500;
/// Most packages of before that one check upgrades.
const UPGRADES: usize = 100;

/// A check for a builder that does them, once there is no build for it.
pub(super) async fn take(app: &App, request: &ClaimRequest) -> Result<Option<Claimed>, Error> {
    if !request.checks {
        return Ok(None);
    }
    let now = app.now();
    Ok(db::checks::claim(&mut *app.conn().await?, request, now, lease(app)).await?)
}

/// Makes the answer to a claim. A check whose answer cannot be made is offered again, or ends as what nobody could find out.
pub(super) async fn hand_out(
    app: &App,
    claimed: &Claimed,
    request: &ClaimRequest,
) -> Result<Option<Task>, Error> {
    let (id, attempt) = (TaskId(claimed.id), claimed.attempt);
    let now = app.now();
    match assemble(app, claimed, request).await {
        Ok(Made::Task(task)) => Ok(Some(task)),
        Ok(Made::Nothing(why)) => {
            db::checks::skip(&mut *app.conn().await?, id, attempt, why, now).await?;
            Ok(None)
        }
        Err(error) if error.status().as_u16() == 503 => {
            let reason = "the hub could not put the check together and offers it again";
            db::checks::refuse(&mut *app.conn().await?, id, attempt, reason, now).await?;
            Err(error)
        }
        Err(error) => {
            tracing::error!("check {} cannot be handed out: {error}", claimed.id);
            let outcome = Outcome::Failed {
                kind: FailureKind::Builder,
                message: "the check cannot be handed to a builder; tell the administrator".to_owned(),
            };
            db::checks::finish(&mut *app.conn().await?, id, attempt, &outcome, now).await?;
            Ok(None)
        }
    }
}

/// What there is to do.
enum Made {
    Task(Task),
    /// Nothing, and why.
    Nothing(&'static str),
}

async fn assemble(app: &App, claimed: &Claimed, request: &ClaimRequest) -> Result<Made, Error> {
    let lacks = |what: &str| Error::Internal(format!("check {} lacks its {what}", claimed.id));
    let mut conn = app.conn().await?;
    let repository = db::repositories::by_id(&mut conn, claimed.repository_id).await?;
    let repository = repository.ok_or_else(|| lacks("repository"))?;
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    let project = project.ok_or_else(|| lacks("project"))?;
    let chroot = db::chroots::find(&mut conn, &repository.chroot).await?;
    let mut chroot = chroot.ok_or_else(|| lacks("chroot definition"))?.definition;
    if chroot.package_manager == PackageManager::Zypper {
        return Ok(Made::Nothing("packages for zypper are not checked"));
    }
    let mut packages = added(&mut conn, claimed).await?;
    let all = packages.len();
    if all == 0 {
        return Ok(Made::Nothing("it brought no packages to install"));
    }
    packages.truncate(PACKAGES);
    if all > PACKAGES {
        let text = format!("{PACKAGES} of {all} packages were checked");
        db::checks::note(&mut conn, TaskId(claimed.id), claimed.attempt, &text).await?;
    }
    let older = older(&mut conn, claimed, &packages).await?;
    drop(conn);
    for repo in &mut chroot.repos {
        resolve_distro(app, repo)?;
    }
    let mut limits: Limits = app.config.limits;
    limits.timeout_s = app.config.check_timeout_s;
    limits.memory_mib = limits.memory_mib.min(request.memory_mib.max(1));
    let work = CheckWork {
        chroot,
        snapshot: own(app, &project, &repository, claimed.snapshot),
        repos: others(app, &project, &repository).await?,
        packages: packages.iter().map(nevra).collect(),
        upgrades: upgrades(app, older, limits).await?,
    };
    Ok(Made::Task(Task {
        id: TaskId(claimed.id),
        attempt: claimed.attempt,
        build: None,
        lease_s: app.config.lease_s,
        limits,
        work: Work::Check(Box::new(work)),
    }))
}

fn nevra(package: &Package) -> String {
    let Package {
        name,
        epoch,
        version,
        release,
        arch,
        ..
    } = package;
    format!("{name}-{epoch}:{version}-{release}.{arch}")
}

fn evr(package: &Package) -> Evr {
    Evr {
        epoch: u32::try_from(package.epoch).unwrap_or_default(),
        version: package.version.clone(),
        release: package.release.clone(),
    }
}

/// What the snapshot brought that a machine installs.
async fn added(conn: &mut db::Connection, claimed: &Claimed) -> Result<Vec<Package>, Error> {
    let snapshot = db::snapshots::find(conn, claimed.repository_id, claimed.snapshot).await?;
    let added = snapshot.map(|snapshot| snapshot.added).unwrap_or_default();
    let mut packages = db::snapshots::packages(conn, &added).await?;
    packages.retain(|package| !matches!(package.arch.as_str(), "src" | "nosrc"));
    Ok(packages)
}

/// Of each package that is the newest of its name and architecture: the newest one of the snapshot before that it takes the
/// place of, with its number.
async fn older(
    conn: &mut db::Connection,
    claimed: &Claimed,
    packages: &[Package],
) -> Result<Vec<(Package, String)>, Error> {
    let repository = claimed.repository_id;
    let parent = db::snapshots::find(conn, repository, claimed.snapshot).await?;
    let parent = parent.map_or(0, |snapshot| snapshot.parent);
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let newest = async |conn: &mut db::Connection, number: i64| {
        let content = db::snapshots::content(conn, repository, number).await?;
        let wanted = Wanted {
            names: &names,
            build: None,
        };
        let all = db::snapshots::wanted(conn, repository, &content, wanted).await?;
        let mut newest: HashMap<(String, String), Package> = HashMap::new();
        for package in all {
            let key = (package.name.clone(), package.arch.clone());
            match newest.get(&key) {
                Some(known) if evr(known) >= evr(&package) => {}
                _ => {
                    newest.insert(key, package);
                }
            }
        }
        Ok::<_, Error>(newest)
    };
    let now = newest(conn, claimed.snapshot).await?;
    let mut before = newest(conn, parent).await?;
    let mut found = Vec::new();
    for package in packages {
        let key = (package.name.clone(), package.arch.clone());
        if now.get(&key).is_none_or(|newest| newest.id != package.id) {
            continue;
        }
        if let Some(old) = before.remove(&key).filter(|old| evr(old) < evr(package)) {
            found.push((old, nevra(package)));
        }
    }
    found.truncate(UPGRADES);
    Ok(found)
}

async fn upgrades(app: &App, older: Vec<(Package, String)>, limits: Limits) -> Result<Vec<Upgrade>, Error> {
    let ids: Vec<i64> = older.iter().map(|(package, _)| package.id).collect();
    let files = db::checks::files(&mut *app.conn().await?, &ids).await?;
    let files: HashMap<i64, String> = files.into_iter().collect();
    let expires = Duration::from_secs(limits.timeout_s.saturating_mul(2).max(600));
    let mut upgrades = Vec::new();
    for (package, to) in older {
        let Some(sha256) = files.get(&package.id).and_then(|sha256| sha256.parse().ok()) else {
            continue;
        };
        upgrades.push(Upgrade {
            url: app
                .storage
                .presign_get(&StorageKey::Blob(sha256), expires, None)
                .await?,
            from: nevra(&package),
            to,
        });
    }
    Ok(upgrades)
}

/// The repository of the snapshot itself, which never changes.
fn own(app: &App, project: &Project, repository: &Repository, number: i64) -> RepositorySource {
    let Repository { dir, chroot, .. } = repository;
    let url = app.config.repository_url(&project.owner, dir, chroot);
    RepositorySource {
        id: "snapshot".to_owned(),
        name: format!("{} snapshot {number}", app.config.service_name),
        baseurl: Some(format!("{url}@{number}/")),
        metalink: None,
        mirrorlist: None,
        gpgkey: vec![key_url(&app.config, &project.owner, &project.name)],
        gpgcheck: true,
        repo_gpgcheck: true,
        priority: project
            .settings
            .repo_priority
            .and_then(|priority| u32::try_from(priority).ok()),
    }
}

/// What machines have beside it that use the project: its runtime dependencies, and beside a directory the main one.
async fn others(
    app: &App,
    project: &Project,
    repository: &Repository,
) -> Result<Vec<RepositorySource>, Error> {
    let mut project = project.clone();
    project.settings.additional_repos = std::mem::take(&mut project.settings.runtime_dependencies);
    project.settings.devel_mode = false;
    let Repository { dir, chroot, .. } = repository;
    let none = ChrootSettings::default();
    let all = build_repos::of(app, &project, dir, chroot, &none, None).await?;
    let itself = if dir.is_main() {
        "copr_base"
    } else {
        "copr_coprdir"
    };
    let others = all
        .into_iter()
        .filter(|repo| repo.exists && repo.source.id != itself);
    Ok(others.map(|repo| repo.source).collect())
}
