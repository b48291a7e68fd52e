//! Results of tests: reported by whoever may edit the project, and shown.

use db::builds::Build;
use db::gates::{self, NewResult, TestResult, Tested};
use db::jobs::Job;
use db::projects::Project;
use db::tasks::TaskRow;

use super::projects::{is_web_url, shown};
use super::snapshots::{self, Place};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 1_000;
/// Longest address, in bytes.
const MAX_URL: usize = 2_000;
/// Results that are shown.
const MOST: i64 = 50;

/// What somebody reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// Whether it is good.
    pub passed: bool,
    /// Where the run of the test is; may be empty.
    pub url: String,
    /// What it says; why it failed.
    pub message: String,
}

impl Report {
    fn check(&self) -> Result<(), Error> {
        if !self.url.is_empty() && (!is_web_url(&self.url) || self.url.len() > MAX_URL) {
            return Err(Error::Invalid(format!(
                "url: '{}' is no http:// or https:// URL",
                shown(&self.url)
            )));
        }
        if self.message.len() > MAX_MESSAGE || self.message.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Error::Invalid(format!(
                "message: use at most {MAX_MESSAGE} bytes of text"
            )));
        }
        if !self.passed && self.url.is_empty() && self.message.is_empty() {
            return Err(Error::Invalid(
                "message: say why the test failed, or name its run as url".to_owned(),
            ));
        }
        Ok(())
    }
}

/// What is to be written down of one repository.
struct Found {
    place: Place,
    added: Vec<i64>,
    removed: Vec<i64>,
}

/// Takes the result of a test of a build, in one chroot or in all. What passed is there for builds when this returns.
///
/// # Errors
/// 403 without the right, 400 when the build has no packages there, or for what is no report.
pub async fn of_build(
    app: &App,
    actor: &Actor,
    (build, project): (&Build, &Project),
    chroot: Option<&str>,
    report: &Report,
) -> Result<Vec<TestResult>, Error> {
    actor.may_edit(project)?;
    report.check()?;
    let tasks = build.tasks.iter().filter(|task| {
        let of = task.chroot.as_ref();
        of.is_some_and(|of| chroot.is_none_or(|wanted| of.as_str() == wanted))
    });
    let tasks: Vec<&TaskRow> = tasks.collect();
    let mut found = Vec::new();
    let mut conn = app.conn().await?;
    for task in tasks {
        let Some(chroot) = &task.chroot else { continue };
        let repository = db::repositories::find(&mut conn, project.id, &build.dir, chroot).await?;
        let Some(repository) = repository else { continue };
        let packages = db::rpms::of_tasks(&mut conn, repository.id, &[task.id.0]).await?;
        let ended = task.state.is_final();
        if report.passed && (packages.is_empty() || !ended) {
            continue;
        }
        let project = project.clone();
        found.push(Found {
            place: Place { project, repository },
            added: packages.into_iter().map(|(id, _)| id).collect(),
            removed: Vec::new(),
        });
    }
    drop(conn);
    if found.is_empty() {
        let place = chroot.map_or(String::new(), |chroot| format!(" in {}", shown(chroot)));
        return Err(Error::Invalid(format!(
            "Build {} has no packages{place} that could come to anybody; scratch builds and failed ones have none.",
            build.id
        )));
    }
    record(app, actor, &found, Tested::Build(build.id), report).await?;
    results_of_build(app, build).await
}

/// Takes the result of a test of a snapshot, which is good for what it has and builds have not.
///
/// # Errors
/// 403 without the right, 404 and 410 without the snapshot, 400 for what is no report.
pub async fn of_snapshot(
    app: &App,
    actor: &Actor,
    place: &Place,
    snapshot: &str,
    report: &Report,
) -> Result<Vec<TestResult>, Error> {
    actor.may_edit(&place.project)?;
    report.check()?;
    let from = snapshots::resolve(app, place, snapshot).await?;
    snapshots::still_there(&from)?;
    let (added, removed) =
        snapshots::merged(app, place, from.number, place.repository.seen_by_builds()).await?;
    let found = Found {
        place: place.clone(),
        added,
        removed,
    };
    record(app, actor, &[found], Tested::Snapshot(from.number), report).await?;
    results_of_repository(app, place).await
}

async fn record(
    app: &App,
    actor: &Actor,
    found: &[Found],
    tested: Tested,
    report: &Report,
) -> Result<(), Error> {
    let objects: Vec<String> = found.iter().map(|one| one.place.object()).collect();
    let new = found.iter().zip(&objects).map(|(one, object)| {
        let settings = &one.place.project.settings;
        NewResult {
            repository: one.place.repository.id,
            tested,
            passed: report.passed,
            url: &report.url,
            message: &report.message,
            actor: actor.name(),
            added: &one.added,
            removed: &one.removed,
            devel_mode: settings.devel_mode,
            release_after_hours: settings.release_after_hours,
            object,
        }
    });
    let new: Vec<NewResult<'_>> = new.collect();
    let requests = gates::record(&mut *app.conn().await?, &new, app.now()).await?;
    for request in requests {
        snapshots::wait_for(app, &Job::MakeSnapshot { request }).await?;
    }
    Ok(())
}

/// Results of a build, newest first.
///
/// # Errors
/// When the database fails.
pub async fn results_of_build(app: &App, build: &Build) -> Result<Vec<TestResult>, Error> {
    Ok(gates::of_build(&mut *app.conn().await?, build.id, MOST).await?)
}

/// Results of a repository, newest first.
///
/// # Errors
/// When the database fails.
pub async fn results_of_repository(app: &App, place: &Place) -> Result<Vec<TestResult>, Error> {
    Ok(gates::of_repository(&mut *app.conn().await?, place.repository.id, MOST).await?)
}
