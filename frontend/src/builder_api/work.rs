//! What a claim's answer says.

use std::time::Duration;

use db::tasks::TaskRow;
use protocol::builder_api::{ClaimRequest, ImportWork, RpmWork, SourceFile, Task, Work};
use protocol::{ChrootName, DirName, Limits, RepositorySource, Sha256};
use storage::StorageKey;

use crate::app::App;
use crate::error::Error;
use crate::operations::build_repos;

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
        Some(chroot) if build.source_kind == "import" => {
            let import = build.import().ok_or_else(|| lacks("import"))?;
            Work::Import(Box::new(ImportWork {
                url: import.url,
                chroot: chroot.clone(),
                packages: import.packages,
                gpgkey: import.gpgkey,
                package_bytes: app.config.max_upload_bytes,
                present: present(app, project.id, &build.dir, chroot).await?,
            }))
        }
        None => Work::Fetch {
            url: build.source_url.clone().ok_or_else(|| lacks("source URL"))?,
        },
        Some(chroot) => {
            let definition = db::chroots::find(&mut *app.conn().await?, chroot).await?;
            let mut definition = definition.ok_or_else(|| lacks("chroot definition"))?.definition;
            for repo in &mut definition.repos {
                resolve_distro(app, repo)?;
            }
            let set = db::project_chroots::find(&mut *app.conn().await?, project.id, chroot).await?;
            let set = set.map(|chroot| chroot.settings).unwrap_or_default();
            // One of ours is listed once it has a snapshot; before that there is nothing to read.
            let flow = build.options.flow();
            let mut repos = build_repos::of(app, &project, &build.dir, chroot, &set, flow).await?;
            repos.retain(|repo| repo.exists);
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
                repos: repos.into_iter().map(|repo| repo.source).collect(),
                identity: app.config.identity().of_project(
                    &project.owner,
                    &project.name,
                    &project.repotag,
                    &project.settings.contact,
                )?,
                enable_net: build.options.enable_net.unwrap_or(project.settings.enable_net),
                with_opts: set.with_opts,
                without_opts: set.without_opts,
                additional_packages: set.additional_packages,
            }))
        }
    };
    Ok(Task {
        id: row.id,
        attempt: row.attempt,
        build: Some(row.build),
        lease_s: app.config.lease_s,
        limits,
        work,
    })
}

/// What of foreign files need not be fetched: those whose packages builds see now.
async fn present(app: &App, project: i64, dir: &DirName, chroot: &ChrootName) -> Result<Vec<Sha256>, Error> {
    let mut conn = app.conn().await?;
    let Some(repository) = db::repositories::find(&mut conn, project, dir, chroot).await? else {
        return Ok(Vec::new());
    };
    let content = db::snapshots::content(&mut conn, repository.id, repository.seen_by_builds()).await?;
    let files = db::rpms::foreign_files(&mut conn, &content).await?;
    Ok(files.iter().filter_map(|sha256| sha256.parse().ok()).collect())
}

/// `distro://<chroot>` becomes the address below which the service offers that chroot's distribution.
pub(super) fn resolve_distro(app: &App, repo: &mut RepositorySource) -> Result<(), Error> {
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
