//! What a claim's answer says.

use std::time::Duration;

use db::projects::{self, Project};
use db::tasks::TaskRow;
use protocol::builder_api::{ClaimRequest, RpmWork, SourceFile, Task, Work};
use protocol::{ChrootName, DirName, Limits, OwnerName, ProjectName, RepositorySource};
use storage::StorageKey;

use crate::app::App;
use crate::error::Error;
use crate::operations::projects::is_web_url;

/// Stands in a chroot's definition for the service's own copy of a distribution.
const DISTRO_SCHEME: &str = "distro://";

/// Puts a claimed task together.
pub(super) async fn assemble(app: &App, row: &TaskRow, request: &ClaimRequest) -> Result<Task, Error> {
    let lacks = |what: &str| Error::Internal(format!("task {} lacks its {what}", row.id));
    let found = db::builds::find_with_project(&mut *app.conn().await?, row.build).await?;
    let (build, project) = found.ok_or_else(|| lacks("build or project"))?;
    let mut limits: Limits = app.config.limits;
    limits.timeout_s = build.options.timeout_s.unwrap_or(limits.timeout_s);
    limits.memory_mib = limits.memory_mib.min(request.memory_mib.max(1));
    let work = match &row.chroot {
        None => Work::Fetch {
            url: build.source_url.clone().ok_or_else(|| lacks("source URL"))?,
        },
        Some(chroot) => {
            let definition = db::chroots::find(&mut *app.conn().await?, chroot).await?;
            let mut definition = definition.ok_or_else(|| lacks("chroot definition"))?.definition;
            for repo in &mut definition.repos {
                resolve_distro(app, repo)?;
            }
            let srpm = build.srpm.as_ref().ok_or_else(|| lacks("source package"))?;
            let expires = Duration::from_secs(limits.timeout_s.saturating_mul(2).max(600));
            let blob = StorageKey::Blob(srpm.sha256.clone());
            let url = app
                .storage
                .presign_get(&blob, expires, Some(&srpm.file_name))
                .await?;
            Work::Rpm(Box::new(RpmWork {
                chroot: definition,
                srpm: SourceFile {
                    url,
                    sha256: srpm.sha256.clone(),
                    size: srpm.size.unsigned_abs(),
                    name: srpm.file_name.clone(),
                },
                package: Some(srpm.package.clone()),
                repos: repositories(app, &project, &build.dir, chroot).await?,
                identity: app.config.identity().of_project(
                    &project.owner,
                    &project.name,
                    &project.repotag,
                    &project.settings.contact,
                )?,
                enable_net: build.options.enable_net.unwrap_or(project.settings.enable_net),
                with_opts: Vec::new(),
                without_opts: Vec::new(),
                additional_packages: Vec::new(),
            }))
        }
    };
    Ok(Task {
        id: row.id,
        attempt: row.attempt,
        build: row.build,
        lease_s: app.config.lease_s,
        limits,
        work,
    })
}

/// `distro://<chroot>` becomes the address below which the service offers that chroot's distribution.
fn resolve_distro(app: &App, repo: &mut RepositorySource) -> Result<(), Error> {
    if let Some(name) = repo
        .baseurl
        .as_deref()
        .and_then(|url| url.strip_prefix(DISTRO_SCHEME))
    {
        let chroot: ChrootName = name.trim_end_matches('/').parse()?;
        repo.baseurl = Some(app.config.distro_url(&chroot));
    }
    Ok(())
}

/// The repositories beside the chroot's own: the project's, the directory's, and those that the settings name. One
/// of ours is listed once it has a snapshot; before that there is nothing to read.
async fn repositories(
    app: &App,
    project: &Project,
    dir: &DirName,
    chroot: &ChrootName,
) -> Result<Vec<RepositorySource>, Error> {
    let mut repos: Vec<RepositorySource> = own(app, project, chroot, "copr_base", DirName::is_main)
        .await?
        .into_iter()
        .collect();
    if !dir.is_main() {
        repos.extend(own(app, project, chroot, "copr_coprdir", |d| d == dir).await?);
    }
    for (n, entry) in project.settings.additional_repos.iter().enumerate() {
        let id = format!("additional_{}", n + 1);
        let url = entry
            .split_once("?priority=")
            .map_or(entry.as_str(), |(url, _)| url);
        if let Some(name) = url.strip_prefix("copr://") {
            if let Some(other) = named(app, name).await? {
                repos.extend(own(app, &other, chroot, &id, DirName::is_main).await?);
            }
            continue;
        }
        let url = url
            .replace("$chroot", chroot.as_str())
            .replace("$distname", chroot.os());
        if is_web_url(&url) {
            repos.push(RepositorySource {
                name: format!("Additional repository {url}"),
                id,
                baseurl: Some(url),
                metalink: None,
                mirrorlist: None,
                gpgkey: Vec::new(),
                gpgcheck: false,
                repo_gpgcheck: false,
            });
        }
    }
    Ok(repos)
}

/// A project of this service, named `owner/project`.
async fn named(app: &App, name: &str) -> Result<Option<Project>, Error> {
    let parsed = name
        .trim_end_matches('/')
        .split_once('/')
        .and_then(|(owner, project)| {
            Some((
                owner.parse::<OwnerName>().ok()?,
                project.parse::<ProjectName>().ok()?,
            ))
        });
    match parsed {
        Some((owner, project)) => Ok(projects::find(&mut *app.conn().await?, &owner, &project).await?),
        None => Ok(None),
    }
}

async fn own(
    app: &App,
    project: &Project,
    chroot: &ChrootName,
    id: &str,
    wanted: impl Fn(&DirName) -> bool,
) -> Result<Option<RepositorySource>, Error> {
    let all = db::repositories::of_project(&mut *app.conn().await?, project.id).await?;
    let found = all
        .into_iter()
        .find(|r| r.chroot == *chroot && r.current_snapshot > 0 && wanted(&r.dir));
    Ok(found.map(|repository| RepositorySource {
        id: id.to_owned(),
        name: format!(
            "{} repository {}/{}",
            app.config.service_name, project.owner, repository.dir
        ),
        baseurl: None,
        metalink: None,
        mirrorlist: Some(format!(
            "{}mirrorlist",
            app.config.repository_url(&project.owner, &repository.dir, chroot)
        )),
        gpgkey: vec![format!(
            "{}/pubkey.gpg",
            app.config.dir_url(&project.owner, &project.name.clone().into())
        )],
        gpgcheck: true,
        repo_gpgcheck: true,
    }))
}
