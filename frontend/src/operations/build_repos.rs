//! The repositories that a build sees beside its chroot's own: the project's, the directory's, and those that settings
//! name.

use db::project_chroots::ChrootSettings;
use db::projects::Project;
use db::repositories::Repository;
use protocol::{ChrootName, DirName, OwnerName, ProjectName, RepositorySource};

use crate::app::App;
use crate::error::Error;
use crate::operations::projects::is_web_url;

/// What starts the name of a project of this service.
const COPR_SCHEME: &str = "copr://";

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

/// One entry of a list of repositories: a URL or `copr://owner/project`, with `?priority=N` behind it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Without the priority.
    pub url: &'a str,
    /// Smaller wins.
    pub priority: Option<u32>,
}

impl<'a> Entry<'a> {
    /// Cuts the priority off.
    pub fn new(text: &'a str) -> Self {
        match text.split_once("?priority=") {
            Some((url, number)) => Self {
                url,
                priority: number.parse().ok(),
            },
            None => Self {
                url: text,
                priority: None,
            },
        }
    }

    /// The project and directory of this service that it names; an error's text for what only looks like one.
    pub fn project(&self) -> Option<Result<(OwnerName, DirName), String>> {
        let name = self.url.strip_prefix(COPR_SCHEME)?;
        let parsed = name.trim_end_matches('/').split_once('/');
        let parsed = parsed.and_then(|(owner, dir)| Some((owner.parse().ok()?, dir.parse().ok()?)));
        Some(parsed.ok_or_else(|| format!("write {COPR_SCHEME}owner/project")))
    }
}

/// Lists them, in the order in which builders get them.
///
/// # Errors
/// When the database fails.
pub async fn of(
    app: &App,
    project: &Project,
    dir: &DirName,
    chroot: &ChrootName,
    set: &ChrootSettings,
) -> Result<Vec<BuildRepo>, Error> {
    let main = DirName::from(project.name.clone());
    let known = db::repositories::of_project(&mut *app.conn().await?, project.id).await?;
    let base = Own {
        app,
        project,
        known: &known,
        chroot,
    };
    let mut repos = vec![base.repo(&main, "copr_base", false)];
    if project.settings.devel_mode {
        repos.push(base.repo(&main, "copr_base_devel", true));
    }
    if !dir.is_main() {
        repos.push(base.repo(dir, "copr_coprdir", project.settings.devel_mode));
    }
    let entries = project
        .settings
        .additional_repos
        .iter()
        .chain(&set.additional_repos);
    for (n, entry) in entries.enumerate() {
        let id = format!("additional_{}", n + 1);
        let entry = Entry::new(entry);
        match entry.project() {
            Some(Ok((owner, dir))) => {
                if let Some(other) = find(app, &owner, &dir.project()).await? {
                    let known = db::repositories::of_project(&mut *app.conn().await?, other.id).await?;
                    let own = Own {
                        app,
                        project: &other,
                        known: &known,
                        chroot,
                    };
                    let mut repo = own.repo(&dir, &id, false);
                    repo.source.priority = entry.priority;
                    repos.push(repo);
                }
            }
            Some(Err(_)) => {}
            None => repos.extend(external(id, &entry, chroot)),
        }
    }
    Ok(repos)
}

async fn find(app: &App, owner: &OwnerName, name: &ProjectName) -> Result<Option<Project>, Error> {
    Ok(db::projects::find(&mut *app.conn().await?, owner, name).await?)
}

/// A repository of somebody else; dnf's own variables stay for dnf.
fn external(id: String, entry: &Entry<'_>, chroot: &ChrootName) -> Option<BuildRepo> {
    let url = entry
        .url
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
            priority: entry.priority,
        },
        baseurl: url,
        module_hotfixes: false,
        exists: true,
    })
}

/// Repositories of a project of this service.
struct Own<'a> {
    app: &'a App,
    project: &'a Project,
    known: &'a [Repository],
    chroot: &'a ChrootName,
}

impl Own<'_> {
    fn repo(&self, dir: &DirName, id: &str, devel: bool) -> BuildRepo {
        let config = &self.app.config;
        let owner = &self.project.owner;
        let mut baseurl = config.repository_url(owner, dir, self.chroot);
        if devel {
            baseurl.push_str("devel/");
        }
        let mut here = self
            .known
            .iter()
            .filter(|r| r.dir == *dir && r.chroot == *self.chroot);
        BuildRepo {
            source: RepositorySource {
                id: id.to_owned(),
                name: format!("{} repository {owner}/{dir}", config.service_name),
                baseurl: None,
                metalink: None,
                mirrorlist: Some(format!("{baseurl}mirrorlist")),
                gpgkey: vec![format!(
                    "{}/pubkey.gpg",
                    config.dir_url(owner, &self.project.name.clone().into())
                )],
                gpgcheck: true,
                repo_gpgcheck: true,
                priority: None,
            },
            baseurl,
            module_hotfixes: self.project.settings.module_hotfixes,
            exists: here.any(|r| r.current_snapshot > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let entry = Entry::new("copr://@sig/libs:custom:x?priority=10");
        assert_eq!(entry.priority, Some(10));
        let (owner, dir) = entry.project().unwrap().unwrap();
        assert_eq!((owner.as_str(), dir.as_str()), ("@sig", "libs:custom:x"));
        assert!(Entry::new("copr://libs").project().unwrap().is_err());
        assert!(Entry::new("https://example.org/$chroot/").project().is_none());
    }
}
