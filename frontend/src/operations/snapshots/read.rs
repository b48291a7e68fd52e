//! Snapshots and pointers as they are: found, listed, compared.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use db::checks::Check;
use db::commits;
use db::pointers::{self, Moment, Pointer};
use db::projects::Project;
use db::repositories::Repository;
use db::snapshots::{self, Package, Snapshot, Wanted};
use protocol::{BuildId, ChrootName, CommitId, DirName, PointerName};

use crate::app::App;
use crate::error::Error;
use crate::operations::commits::sentence;
use crate::operations::projects::{find_project, shown};
use crate::results::no_commit;

/// The newest publication, by another name.
const CURRENT: &str = "current";

/// A repository of a project.
#[derive(Debug, Clone)]
pub struct Place {
    /// The project.
    pub project: Project,
    /// The repository.
    pub repository: Repository,
}

impl Place {
    /// What the history of changes calls it.
    pub(in crate::operations) fn object(&self) -> String {
        let Repository { dir, chroot, .. } = &self.repository;
        format!("repository:{}/{dir}/{chroot}", self.project.owner)
    }

    /// For people.
    pub(in crate::operations) fn shown(&self) -> String {
        let Repository { dir, chroot, .. } = &self.repository;
        format!("{}/{dir}/{chroot}", self.project.owner)
    }
}

/// Finds a repository by names from outside.
///
/// # Errors
/// [`Error::NotFound`] when there is no such project, or it has no such repository.
pub async fn find(app: &App, owner: &str, dir: &str, chroot: &str) -> Result<Place, Error> {
    let missing = || {
        Error::NotFound(format!(
            "Repository {}/{}/{} does not exist.",
            shown(owner),
            shown(dir),
            shown(chroot)
        ))
    };
    let dir: DirName = dir.parse().map_err(|_| missing())?;
    let chroot: ChrootName = chroot.parse().map_err(|_| missing())?;
    let project = find_project(app, owner, dir.project().as_str()).await?;
    let mut conn = app.conn().await?;
    let repository = db::repositories::find(&mut conn, project.id, &dir, &chroot).await?;
    let repository = repository.ok_or_else(missing)?;
    Ok(Place { project, repository })
}

/// The snapshot that a text names: a number, with or without `@`, the name of a pointer, a time at which `latest`
/// named it, or a commit, of which it was the first to have the newest good build.
///
/// # Errors
/// 404 when there is none.
pub async fn resolve(app: &App, place: &Place, text: &str) -> Result<Snapshot, Error> {
    let missing = || {
        Error::NotFound(format!(
            "{} has no snapshot '{}'; name its number, a pointer, a commit, or a time such as 2026-11-21T10:00:00Z.",
            place.shown(),
            shown(text)
        ))
    };
    let bare = text.strip_prefix('@').unwrap_or(text);
    let mut conn = app.conn().await?;
    let id = place.repository.id;
    let number = if let Ok(number) = bare.parse::<i64>() {
        Some(number)
    } else if let Ok(time) = bare.parse::<DateTime<Utc>>() {
        let Repository { dir, chroot, .. } = &place.repository;
        let of = (&place.project.owner, dir, chroot);
        pointers::at(&mut conn, of, &PointerName::latest(), time).await?
    } else if let Ok(commit) = CommitId::typed(bare) {
        let Repository { dir, chroot, .. } = &place.repository;
        let of = (&place.project.owner, dir, chroot);
        match commits::find(&mut conn, of, &commit).await? {
            Some(found) => Some(found.snapshot),
            None => {
                let newest = commits::newest_build(&mut conn, of, &commit).await?;
                return Err(Error::NotFound(sentence(&no_commit(newest, &commit, chroot))));
            }
        }
    } else if bare == PointerName::consistent().as_str() {
        pointers::find(&mut conn, id, &PointerName::consistent()).await?
    } else {
        let all = pointers::of_repository(&mut conn, id).await?;
        let bare = if bare == CURRENT { "latest" } else { bare };
        all.iter()
            .find(|pointer| pointer.name.as_str() == bare)
            .map(|pointer| pointer.snapshot)
    };
    let found = snapshots::find(&mut conn, id, number.ok_or_else(missing)?).await?;
    found.ok_or_else(missing)
}

/// Pointers of a repository, by name.
///
/// # Errors
/// When the database fails.
pub async fn pointers_of(app: &App, place: &Place) -> Result<Vec<Pointer>, Error> {
    Ok(pointers::of_repository(&mut *app.conn().await?, place.repository.id).await?)
}

/// The same and those that the service moves alone: `consistent`, and `current`, which is `latest` by another name.
///
/// # Errors
/// When the database fails.
pub async fn all_pointers(app: &App, place: &Place) -> Result<Vec<Pointer>, Error> {
    let mut all = pointers::all(&mut *app.conn().await?, place.repository.id).await?;
    let latest = all.iter().find(|pointer| pointer.name == PointerName::latest());
    let current = latest.map(|latest| Pointer {
        name: PointerName::current(),
        ..latest.clone()
    });
    all.extend(current);
    all.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    Ok(all)
}

/// Moves of a repository's pointers, newest first, of which the numbers are smaller than `before`.
///
/// # Errors
/// When the database fails.
pub async fn moves(app: &App, place: &Place, before: Option<i64>, limit: i64) -> Result<Vec<Moment>, Error> {
    Ok(pointers::moves(&mut *app.conn().await?, place.repository.id, before, limit).await?)
}

/// Snapshots of a repository, newest first, that are older than `before`.
///
/// # Errors
/// When the database fails.
pub async fn list(app: &App, place: &Place, before: Option<i64>, limit: i64) -> Result<Vec<Snapshot>, Error> {
    Ok(snapshots::list(&mut *app.conn().await?, place.repository.id, before, limit).await?)
}

/// Commits whose builds are in some snapshots for the first time: the snapshot, the build, the commit.
///
/// # Errors
/// When the database fails.
pub async fn commits_of(
    app: &App,
    place: &Place,
    rows: &[Snapshot],
) -> Result<Vec<(i64, BuildId, CommitId)>, Error> {
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    Ok(commits::of_snapshots(&mut *app.conn().await?, place.repository.id, &numbers).await?)
}

/// What builders found out about these snapshots.
///
/// # Errors
/// When the database fails.
pub async fn checks(app: &App, place: &Place, of: &[Snapshot]) -> Result<Vec<Check>, Error> {
    let numbers: Vec<i64> = of.iter().map(|snapshot| snapshot.number).collect();
    let mut conn = app.conn().await?;
    Ok(db::checks::of_snapshots(&mut conn, place.repository.id, &numbers).await?)
}

/// Packages of a snapshot, by name.
///
/// # Errors
/// When the database fails.
pub async fn packages(app: &App, place: &Place, number: i64) -> Result<Vec<Package>, Error> {
    let mut conn = app.conn().await?;
    let content = snapshots::content(&mut conn, place.repository.id, number).await?;
    Ok(snapshots::packages(&mut conn, &content).await?)
}

/// Numbers of the packages of a snapshot, ascending; nothing for number 0.
///
/// # Errors
/// When the database fails.
pub(super) async fn content(app: &App, place: &Place, number: i64) -> Result<Vec<i64>, Error> {
    let mut conn = app.conn().await?;
    Ok(snapshots::content(&mut conn, place.repository.id, number).await?)
}

/// Those packages among a snapshot's content that bear one of these names.
///
/// # Errors
/// When the database fails.
pub(super) async fn named(
    app: &App,
    place: &Place,
    content: &[i64],
    names: &[&str],
) -> Result<Vec<Package>, Error> {
    let wanted = Wanted { names, build: None };
    let mut conn = app.conn().await?;
    Ok(snapshots::wanted(&mut conn, place.repository.id, content, wanted).await?)
}

/// What one snapshot has that another lacks, and the other way round.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Only in the second.
    pub added: Vec<Package>,
    /// Only in the first.
    pub removed: Vec<Package>,
}

/// Compares two snapshots of a repository; 0 is one without packages.
///
/// # Errors
/// When the database fails.
pub async fn difference(app: &App, place: &Place, from: i64, to: i64) -> Result<Difference, Error> {
    let mut conn = app.conn().await?;
    let id = place.repository.id;
    let old: BTreeSet<i64> = snapshots::content(&mut conn, id, from)
        .await?
        .into_iter()
        .collect();
    let new: BTreeSet<i64> = snapshots::content(&mut conn, id, to).await?.into_iter().collect();
    let added: Vec<i64> = new.difference(&old).copied().collect();
    let removed: Vec<i64> = old.difference(&new).copied().collect();
    Ok(Difference {
        added: snapshots::packages(&mut conn, &added).await?,
        removed: snapshots::packages(&mut conn, &removed).await?,
    })
}

/// The snapshot that a pointer names now; 0 for none.
pub(super) async fn current(app: &App, place: &Place, pointer: &PointerName) -> Result<i64, Error> {
    let all = pointers_of(app, place).await?;
    let found = all.iter().find(|p| p.name == *pointer);
    Ok(found.map_or(0, |p| p.snapshot))
}
