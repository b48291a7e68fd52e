//! The repositories that a build sees beside its chroot's own: the project's, the directory's, and those that settings
//! name.

use db::project_chroots::ChrootSettings;
use db::projects::Project;
use db::repositories::Place;
use protocol::{ChrootName, DirName, OwnerName, PointerName, RepoEntry, RepoTarget, RepositorySource};

use crate::app::App;
use crate::error::Error;
use crate::operations::projects::is_web_url;
use crate::repo_file::key_url;

/// A repository of a build.
#[derive(Debug, Clone)]
pub struct BuildRepo {
    /// As builders get it.
    pub source: RepositorySource,
    /// URL of the directory that holds `repodata/`, with a trailing slash if it is ours.
    pub baseurl: String,
    /// Whether its packages win over modules.
    pub module_hotfixes: bool,
    /// Whether it has been published; true for what is not ours.
    pub exists: bool,
}

/// Lists them, in the order in which builders get them: one query, however many there are. A build that goes to a pointer
/// sees what that names in its directory and nothing newer, or what others see before there is such a pointer.
///
/// # Errors
/// When the database fails.
pub async fn of(
    app: &App,
    project: &Project,
    dir: &DirName,
    chroot: &ChrootName,
    set: &ChrootSettings,
    flow: Option<&PointerName>,
) -> Result<Vec<BuildRepo>, Error> {
    let main = DirName::from(project.name.clone());
    let settings = &project.settings;
    let entries: Vec<Option<RepoEntry>> = settings
        .additional_repos
        .iter()
        .chain(&set.additional_repos)
        .map(|text| RepoEntry::stored(text))
        .collect();
    let mut wanted = vec![(&project.owner, &main), (&project.owner, dir)];
    for entry in entries.iter().flatten() {
        if let RepoTarget::Project { owner, dir } = &entry.target {
            wanted.push((owner, dir));
        }
    }
    let mut conn = app.conn().await?;
    let known = db::repositories::places(&mut conn, chroot, &wanted).await?;
    let flow = match flow {
        Some(name) if db::pointers::exists(&mut conn, project.id, (dir, chroot), name).await? => {
            Some(format!("@{name}/"))
        }
        _ => None,
    };
    drop(conn);
    let devel = if settings.devel_mode { "devel/" } else { "" };
    let ours = |owner: &OwnerName, dir: &DirName, id: &str, below: &str| {
        let place = known.iter().find(|p| p.owner == *owner && p.dir == *dir);
        Own {
            app,
            owner,
            dir,
            chroot,
        }
        .repo(place, id, below)
    };
    let of_main = flow.as_deref().filter(|_| dir.is_main());
    let mut repos = vec![ours(
        &project.owner,
        &main,
        "copr_base",
        of_main.unwrap_or_default(),
    )];
    if settings.devel_mode && of_main.is_none() {
        repos.push(ours(&project.owner, &main, "copr_base_devel", devel));
    }
    if !dir.is_main() {
        let below = flow.as_deref().unwrap_or(devel);
        repos.push(ours(&project.owner, dir, "copr_coprdir", below));
    }
    for (n, entry) in entries.iter().enumerate() {
        // What looks like a project and names none is left out, and so is a project that is gone.
        let Some(entry) = entry else { continue };
        let id = format!("additional_{}", n + 1);
        match &entry.target {
            RepoTarget::Project { owner, dir } => {
                if known.iter().any(|p| p.owner == *owner && p.dir == *dir) {
                    let mut repo = ours(owner, dir, &id, "");
                    repo.source.priority = entry.priority.map(u32::from);
                    repos.push(repo);
                }
            }
            RepoTarget::Url(url) => repos.extend(external(id, url, entry.priority, chroot)),
        }
    }
    Ok(repos)
}

/// A repository of somebody else; dnf's own variables stay for dnf.
fn external(id: String, url: &str, priority: Option<u8>, chroot: &ChrootName) -> Option<BuildRepo> {
    let url = url
        .replace("$chroot", chroot.as_str())
        .replace("$distname", chroot.os());
    is_web_url(&url).then(|| BuildRepo {
        source: RepositorySource {
            name: format!("Additional repository {url}"),
            id,
            baseurl: Some(url.clone()),
            metalink: None,
            mirrorlist: None,
            gpgkey: Vec::new(),
            gpgcheck: false,
            repo_gpgcheck: false,
            priority: priority.map(u32::from),
        },
        baseurl: url,
        module_hotfixes: false,
        exists: true,
    })
}

/// A directory of a project of this service.
struct Own<'a> {
    app: &'a App,
    owner: &'a OwnerName,
    dir: &'a DirName,
    chroot: &'a ChrootName,
}

impl Own<'_> {
    /// `place`: what the database knows of it; `below`: what follows its address.
    fn repo(&self, place: Option<&Place>, id: &str, below: &str) -> BuildRepo {
        let config = &self.app.config;
        let Self {
            owner, dir, chroot, ..
        } = *self;
        let baseurl = format!("{}{below}", config.repository_url(owner, dir, chroot));
        BuildRepo {
            source: RepositorySource {
                id: id.to_owned(),
                name: format!("{} repository {owner}/{dir}", config.service_name),
                baseurl: None,
                metalink: None,
                mirrorlist: Some(format!("{baseurl}mirrorlist")),
                gpgkey: vec![key_url(config, owner, &dir.project())],
                gpgcheck: true,
                repo_gpgcheck: true,
                priority: None,
            },
            baseurl,
            module_hotfixes: place.is_some_and(|p| p.module_hotfixes),
            exists: place.is_some_and(|p| p.published),
        }
    }
}
