//! `/coprs/{owner}/{project}/snapshots/`: a repository's timeline, its pointers, and what can be done with them.

use actix_web::{HttpResponse, web};
use db::checks::{Check, CheckState};
use db::pointers::Pointer;
use db::projects::Project;
use db::repositories::Repository;
use db::snapshots::{Package, Snapshot};
use protocol::{BuildId, CommitId, PointerName};
use serde::Deserialize;

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::commits::repo_url;
use crate::operations::gates;
use crate::operations::projects::find_project;
use crate::operations::snapshots::{self as operations, Changed, Choice, Intent, Place};
use crate::templates::context::{Field, Link};
use crate::templates::snapshots::{
    CheckLine, Compared, PackageName, PointerLine, RepositoryChoice, SnapshotLine, Snapshots,
};

/// Snapshots on one page.
const PAGE: i64 = 30;
const FIELDS: &[&str] = &["pointer", "packages"];

/// What the page is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    dir: String,
    chroot: String,
    before: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
}

impl Asked {
    /// A repository, and nothing compared.
    pub(super) fn of(place: &Place) -> Self {
        Self {
            dir: place.repository.dir.to_string(),
            chroot: place.repository.chroot.to_string(),
            ..Self::default()
        }
    }
}

/// The page.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let page = page(&app, &visitor, &project, &asked).await?;
    html(app.templates.render_snapshots(&visitor.frame(), &page))
}

/// The repository that is asked for: else the main directory's first.
fn choose<'a>(all: &'a [Repository], project: &Project, asked: &Asked) -> Option<&'a Repository> {
    let dir = if asked.dir.is_empty() {
        project.name.as_str()
    } else {
        &asked.dir
    };
    let mut of_dir = all.iter().filter(|r| r.dir.as_str() == dir);
    of_dir.find(|r| asked.chroot.is_empty() || r.chroot.as_str() == asked.chroot)
}

pub(super) fn path_of(project: &Project, repository: &Repository) -> String {
    let Repository { dir, chroot, .. } = repository;
    format!(
        "{}snapshots/?dir={dir}&chroot={chroot}",
        views::project_path(project)
    )
}

pub(super) async fn page(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    asked: &Asked,
) -> Result<Snapshots, Error> {
    let all = db::repositories::of_project(&mut *app.conn().await?, project.id).await?;
    let chosen = choose(&all, project, asked);
    if chosen.is_none() && !(asked.dir.is_empty() && asked.chroot.is_empty()) {
        return Err(Error::NotFound(format!(
            "{}/{} has no such repository.",
            project.owner, project.name
        )));
    }
    let repositories = all.iter().map(|r| RepositoryChoice {
        label: if r.dir.as_str() == project.name.as_str() {
            r.chroot.to_string()
        } else {
            format!("{} {}", r.dir, r.chroot)
        },
        url: path_of(project, r),
        current: chosen.is_some_and(|chosen| chosen.id == r.id),
    });
    let mut page = Snapshots {
        project: visitor.head(project),
        repositories: repositories.collect(),
        dir: String::new(),
        chroot: String::new(),
        latest: 0,
        tests: Vec::new(),
        pointers: Vec::new(),
        compared: None,
        snapshots: Vec::new(),
        as_of_now: String::new(),
        error: None,
        pointer: Field::default(),
        packages: Field::default(),
        into: Field::default(),
        into_pointer: Field::default(),
        into_packages: Field::default(),
        older: None,
    };
    if let Some(repository) = chosen {
        let place = Place {
            project: project.clone(),
            repository: repository.clone(),
        };
        fill(app, &mut page, &place, asked).await?;
    }
    Ok(page)
}

/// What is known of one repository.
async fn fill(app: &App, page: &mut Snapshots, place: &Place, asked: &Asked) -> Result<(), Error> {
    let Place { project, repository } = place;
    let mut rows = operations::list(app, place, asked.before, PAGE + 1).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let pointers = operations::pointers_of(app, place).await?;
    let checks = operations::checks(app, place, &rows).await?;
    let now = app.now();
    let tests = gates::results_of_repository(app, place).await?;
    page.tests = tests.iter().map(|test| views::test_line(test, now)).collect();
    let base = path_of(project, repository);
    page.dir = repository.dir.to_string();
    page.chroot = repository.chroot.to_string();
    page.latest = repository.current_snapshot;
    page.older = rows
        .last()
        .filter(|_| more)
        .map(|row| format!("{base}&before={}", row.number));
    let repo_file = |at: &str| {
        format!(
            "{}/coprs/{}/{}/repo/{}/?at={at}",
            app.config.url,
            project.owner,
            repository.dir,
            repository.chroot.name_release()
        )
    };
    if repository.current_snapshot > 0 {
        let now = app.now().format("%Y%m%dT%H%M%SZ").to_string();
        let file = format!("/etc/yum.repos.d/{}.repo", project.name);
        page.as_of_now = format!("curl -o {file} '{}'", repo_file(&now));
    }
    if let Some(to) = asked.to {
        page.compared = Some(compared(app, place, asked.from, to).await?);
    }
    let known = Known {
        commits: operations::commits_of(app, place, &rows).await?,
        pointers,
        checks,
    };
    page.snapshots = rows
        .into_iter()
        .map(|row| snapshot_line(app, place, &known, row, &base))
        .collect();
    page.pointers = known
        .pointers
        .into_iter()
        .map(|pointer| PointerLine {
            repo_url: repo_file(pointer.name.as_str()),
            moved: views::moment(pointer.moved_at, app.now()),
            removable: !pointer.name.is_built_in(),
            name: pointer.name.to_string(),
            snapshot: pointer.snapshot,
            actor: pointer.actor,
        })
        .filter(|pointer| pointer.name != "devel")
        .collect();
    Ok(())
}

/// What is said of snapshots besides what they are.
struct Known {
    pointers: Vec<Pointer>,
    /// By the snapshots' numbers.
    commits: Vec<(i64, BuildId, CommitId)>,
    checks: Vec<Check>,
}

fn snapshot_line(app: &App, place: &Place, known: &Known, row: Snapshot, base: &str) -> SnapshotLine {
    let Place { project, repository } = place;
    let url = app
        .config
        .repository_url(&project.owner, &repository.dir, &repository.chroot);
    let names = known.pointers.iter().filter(|p| p.snapshot == row.number);
    let of = (&project.owner, &repository.dir, &repository.chroot);
    let commits = known.commits.iter().filter(|(number, ..)| *number == row.number);
    let commits = commits.map(|(_, _, commit)| Link {
        text: commit.as_str().chars().take(12).collect(),
        href: Some(repo_url(&app.config, of, commit)),
    });
    SnapshotLine {
        parent: row.parent,
        at: views::moment(row.created_at, app.now()),
        cause: row.cause,
        actor: row.actor,
        packages: row.packages,
        added: row.added.len(),
        removed: row.removed.len(),
        pointers: names.map(|p| p.name.to_string()).collect(),
        commits: commits.collect(),
        diff_url: format!("{base}&to={}#difference", row.number),
        url: format!("{url}@{}/", row.number),
        current: row.number == repository.current_snapshot,
        check: known
            .checks
            .iter()
            .find(|check| check.snapshot == row.number)
            .map(check_line),
        number: row.number,
    }
}

/// What is known of whether a snapshot's packages can be installed.
fn check_line(check: &Check) -> CheckLine {
    let (class, text) = match check.state {
        CheckState::Waiting => ("pending", "will be checked"),
        CheckState::Running => ("running", "being checked"),
        CheckState::Passed => ("succeeded", "can be installed"),
        CheckState::Failed => ("failed", "cannot be installed"),
        CheckState::Error => ("canceled", "could not be checked"),
        CheckState::Skipped => ("skipped", "not checked"),
    };
    CheckLine {
        class,
        text,
        message: check.message.clone(),
    }
}

async fn compared(app: &App, place: &Place, from: Option<i64>, to: i64) -> Result<Compared, Error> {
    let to = operations::resolve(app, place, &to.to_string()).await?;
    let from = match from {
        Some(from) => operations::resolve(app, place, &from.to_string()).await?.number,
        None => to.parent,
    };
    let difference = operations::difference(app, place, from, to.number).await?;
    let names = |packages: Vec<Package>| packages.into_iter().map(package_name).collect();
    Ok(Compared {
        from,
        to: to.number,
        added: names(difference.added),
        removed: names(difference.removed),
    })
}

fn package_name(package: Package) -> PackageName {
    PackageName {
        build: package.build.map(|build| format!("/coprs/build/{build}/")),
        text: package.file_name.trim_end_matches(".rpm").to_owned(),
    }
}

/// The repository that a form is about, for whoever may change it.
async fn target(app: &App, form: &Posted, path: &(String, String)) -> Result<Place, Error> {
    let project = find_project(app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let place = operations::find(app, project.owner.as_str(), form.get("dir"), form.get("chroot")).await?;
    // A directory's name tells its project, and that is the one of the address.
    if place.project.id != project.id {
        return Err(Error::NotFound(format!(
            "{} has no such repository.",
            project.name
        )));
    }
    Ok(place)
}

fn intent(form: &Posted, pointer: Result<PointerName, Error>) -> Result<Intent, Error> {
    Ok(Intent {
        pointer: pointer?,
        // Whatever else stands there was not sent by the page.
        expected: form.get("expected").parse().ok(),
        cause: String::new(),
    })
}

/// A pointer's name, typed.
fn typed(form: &Posted) -> Result<PointerName, Error> {
    form.text("pointer")
        .parse()
        .map_err(|error: protocol::NameError| Error::Invalid(format!("pointer: {error}")))
}

/// Back to the page, with what is wrong if somebody can do something about it.
async fn answer(
    app: &App,
    form: &Posted,
    place: &Place,
    done: Result<Changed, Error>,
) -> Result<HttpResponse, Error> {
    let message = match done {
        Ok(_) => return Ok(redirect(&path_of(&place.project, &place.repository))),
        Err(error @ (Error::Invalid(_) | Error::PointerMoved { .. })) => error.to_string(),
        Err(error) => return Err(error),
    };
    let asked = Asked::of(place);
    let field = |name: &str| Field {
        value: form.text(name),
        error: about(&message, name),
    };
    let page = Snapshots {
        error: about_none(&message, FIELDS),
        pointer: field("pointer"),
        packages: field("packages"),
        ..page(app, &form.visitor, &place.project, &asked).await?
    };
    html_again(app.templates.render_snapshots(&form.visitor.frame(), &page))
}

/// Moves `latest` to a snapshot.
pub async fn roll_back(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let place = target(&app, &form, &path).await?;
    let actor = &form.visitor.actor;
    let done = async {
        let to = operations::resolve(&app, &place, form.get("to")).await?;
        let intent = intent(&form, Ok(PointerName::latest()))?;
        operations::roll_back(&app, actor, &place, &intent, Some(to.number)).await
    };
    answer(&app, &form, &place, done.await).await
}

/// Moves another pointer, or makes it.
pub async fn move_pointer(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let place = target(&app, &form, &path).await?;
    let actor = &form.visitor.actor;
    let done = async {
        let to = operations::resolve(&app, &place, form.get("to")).await?;
        let intent = intent(&form, typed(&form))?;
        operations::move_pointer(&app, actor, &place, &intent, to.number).await
    };
    answer(&app, &form, &place, done.await).await
}

/// Removes a pointer.
pub async fn delete_pointer(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let place = target(&app, &form, &path).await?;
    let actor = &form.visitor.actor;
    let done = async {
        let intent = intent(&form, typed(&form))?;
        operations::remove_pointer(&app, actor, &place, &intent).await
    };
    answer(&app, &form, &place, done.await).await
}

/// Takes packages back.
pub async fn yank(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let place = target(&app, &form, &path).await?;
    let actor = &form.visitor.actor;
    let done = async {
        let intent = intent(&form, Ok(PointerName::latest()))?;
        let names = form.text("packages");
        let choice = Choice {
            names: names.split_whitespace().map(str::to_owned).collect(),
            build: None,
        };
        operations::yank(&app, actor, &place, &intent, &choice).await
    };
    answer(&app, &form, &place, done.await).await
}
