//! `GET /coprs/{owner}/{project}/build/{id}/`, `POST …/{cancel,resubmit,delete}/`, `GET /coprs/build/{id}`

use actix_web::{HttpResponse, web};
use db::builds::Build as Row;
use db::minis::Shown;
use db::projects::Project;
use db::promotions::Origin;
use db::tasks::{TaskRow, TaskState};
use protocol::ChrootName;

use super::form::Posted;
use super::visitor::Visitor;
use super::{html, redirect, views};
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::live_log::SOURCE;
use crate::operations::builds::{cancel_build, delete_build, find_build, resubmit};
use crate::operations::{commits, gates, minis};
use crate::templates::context::{Build, BuildDelete, Link, LiveLog, MiniRepository, ResultLine};

/// The short address that `copr-cli` prints.
pub async fn find(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Error> {
    let (build, project) = find_build(&app, &id).await?;
    Ok(redirect(&views::build_path(&project, &build)))
}

/// A build: its states, logs and results.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (build, project) = of_project(&app, &path).await?;
    let now = app.now();
    let mut conn = app.conn().await?;
    let rpms = db::rpms::of_build(&mut conn, build.id.0).await?;
    let repositories = repositories(&app.config, &mut conn, &build, &project).await?;
    let by_commit = by_commit(&app.config, &mut conn, &build, &project).await?;
    drop(conn);
    let is_final = build.is_final();
    let mut frame = visitor.frame();
    frame.unfinished = !is_final;
    let tasks = || build.source_task.iter().chain(&build.tasks);
    let started = build.started_at();
    let ended = build.ended_at();
    let page = Build {
        project: visitor.head(&project),
        build: views::build_line(&build, &project, now),
        source: source(&app, &build, &project),
        source_size: build.srpm.as_ref().map(|s| views::size(s.size.unsigned_abs())),
        promoted_from: build.promoted_from.as_ref().map(origin),
        started: started.map(|at| views::moment(at, now)),
        ended: ended.map(|at| views::moment(at, now)),
        took: views::took(started, ended),
        scratch: build.options.scratch,
        pointer: build.options.flow().map(ToString::to_string),
        commit: build.options.commit.as_ref().map(ToString::to_string),
        by_commit,
        may_rebuild: is_final && visitor.actor.may_build(&project).is_ok(),
        may_delete: !project.settings.persistent && visitor.actor.may_edit(&project).is_ok(),
        may_cancel: !is_final && visitor.actor.may_cancel(&project, &build).is_ok(),
        tasks: tasks()
            .map(|t| views::task_line(&app.config, &project, &build, t, now))
            .collect(),
        results: rpms
            .iter()
            .filter_map(|rpm| result(&app, &project, &build, rpm))
            .collect(),
        logs: live_logs(&build, &project),
        tests: gates::results_of_build(&app, &build)
            .await?
            .iter()
            .map(|test| views::test_line(test, now))
            .collect(),
        repositories,
    };
    html(app.templates.render_build(&frame, &page))
}

/// Cancels what is left of a build.
pub async fn cancel(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (build, project) = of_project(&app, &path).await?;
    cancel_build(&app, &form.visitor.actor, &build, &project).await?;
    Ok(redirect(&views::build_path(&project, &build)))
}

/// Builds the same once more, as a new build.
pub async fn again(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (build, project) = of_project(&app, &path).await?;
    let made = resubmit(&app, &form.visitor.actor, &build, &project).await?;
    Ok(redirect(&format!(
        "{}build/{made}/",
        views::project_path(&project)
    )))
}

/// Asks before a build goes.
pub async fn ask_delete(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (build, project) = of_project(&app, &path).await?;
    visitor.actor.may_edit(&project)?;
    let page = BuildDelete {
        project: visitor.head(&project),
        build: views::build_line(&build, &project, app.now()),
        running: !build.is_final(),
    };
    html(app.templates.render_build_delete(&visitor.frame(), &page))
}

/// Deletes a build.
pub async fn delete(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (build, project) = of_project(&app, &path).await?;
    delete_build(&app, &form.visitor.actor, &build, &project).await?;
    Ok(redirect(&format!("{}builds/", views::project_path(&project))))
}

async fn of_project(app: &App, path: &(String, String, String)) -> Result<(Row, Project), Error> {
    let (build, project) = find_build(app, &path.2).await?;
    if project.owner.as_str() == path.0 && project.name.as_str() == path.1 {
        Ok((build, project))
    } else {
        Err(Error::NotFound(format!(
            "Build {} does not belong to this project.",
            build.id
        )))
    }
}

fn origin(of: &Origin) -> Link {
    let Origin {
        project,
        dir,
        chroot,
        snapshot,
        build,
    } = of;
    Link {
        text: format!("{project}, snapshot {snapshot}, build {build}"),
        href: Some(format!("/coprs/{project}/snapshots/?dir={dir}&chroot={chroot}")),
    }
}

/// The small repositories that have the build's packages: its own, and those of its batch in the same directory.
async fn repositories(
    config: &Config,
    conn: &mut db::Connection,
    build: &Row,
    project: &Project,
) -> Result<Vec<MiniRepository>, Error> {
    let mut found = db::minis::shown_of_build(conn, build.id).await?;
    if let Some(batch) = build.batch {
        let of_batch = db::minis::shown_of_batch(conn, batch).await?;
        let here = |mini: &Shown| mini.owner == project.owner && mini.dir == build.dir;
        found.extend(of_batch.into_iter().filter(here));
    }
    let line = |mini: &Shown| {
        let repo_url = minis::repo_url(config, mini);
        let (what, file) = match mini.name.strip_prefix("batches/") {
            Some(batch) => (format!("batch {batch}"), format!("batch-{batch}")),
            None => (format!("build {}", build.id), format!("build-{}", build.id)),
        };
        MiniRepository {
            what,
            chroot: mini.chroot.to_string(),
            command: format!("sudo curl -o /etc/yum.repos.d/{file}.repo '{repo_url}'"),
            repo_url,
        }
    };
    Ok(found.iter().map(line).collect())
}

/// The repositories that had the build's packages first, by its commit.
async fn by_commit(
    config: &Config,
    conn: &mut db::Connection,
    build: &Row,
    project: &Project,
) -> Result<Vec<MiniRepository>, Error> {
    let Some(commit) = &build.options.commit else {
        return Ok(Vec::new());
    };
    let chroots = db::commits::chroots_of(conn, build.id).await?;
    let short: String = commit.as_str().chars().take(12).collect();
    let line = |chroot: &ChrootName| {
        let repo_url = commits::repo_url(config, (&project.owner, &build.dir, chroot), commit);
        MiniRepository {
            what: format!("commit {short}"),
            chroot: chroot.to_string(),
            command: format!(
                "sudo curl -o /etc/yum.repos.d/{}-{short}.repo '{repo_url}'",
                project.name
            ),
            repo_url,
        }
    };
    Ok(chroots.iter().map(line).collect())
}

fn source(app: &App, build: &Row, project: &Project) -> Link {
    match (&build.source_url, &build.srpm) {
        (Some(url), _) if build.is_foreign() => Link {
            text: format!("{url}, not built here ({})", db::builds::UNVERIFIED_ORIGIN),
            href: views::link(url).and_then(|link| link.href),
        },
        (Some(url), _) => views::link(url).unwrap_or(Link {
            text: url.clone(),
            href: None,
        }),
        (None, Some(srpm)) => Link {
            text: srpm.file_name.to_string(),
            href: Some(format!(
                "{}/{}/{}/{SOURCE}/{:08}/{}",
                app.config.results_url,
                project.owner,
                build.dir,
                build.id.0,
                views::segment(srpm.file_name.as_str())
            )),
        },
        (None, None) if build.is_foreign() => Link {
            text: format!(
                "uploaded package, not built here ({})",
                db::builds::UNVERIFIED_ORIGIN
            ),
            href: None,
        },
        (None, None) => Link {
            text: "unknown".to_owned(),
            href: None,
        },
    }
}

fn result(app: &App, project: &Project, build: &Row, rpm: &db::rpms::Rpm) -> Option<ResultLine> {
    let task = build
        .tasks
        .iter()
        .find(|t| t.chroot.as_ref().is_some_and(|c| c.as_str() == rpm.chroot))?;
    let folder = task.result_dir.as_ref()?;
    Some(ResultLine {
        url: format!(
            "{}/{}/{}/{}/{}/{}",
            app.config.results_url,
            project.owner,
            build.dir,
            rpm.chroot,
            views::segment(folder),
            views::segment(&rpm.file_name)
        ),
        chroot: rpm.chroot.clone(),
        name: rpm.file_name.clone(),
        size: views::size(rpm.size.unsigned_abs()),
    })
}

/// Logs of what has not ended; the first that runs is unfolded, for a browser keeps few connections.
fn live_logs(build: &Row, project: &Project) -> Vec<LiveLog> {
    let path = views::build_path(project, build);
    let live: Vec<&TaskRow> = build
        .source_task
        .iter()
        .chain(&build.tasks)
        .filter(|t| !t.state.is_final())
        .collect();
    let first = live
        .iter()
        .position(|t| matches!(t.state, TaskState::Running | TaskState::Publishing))
        .unwrap_or(0);
    live.iter()
        .enumerate()
        .map(|(n, task)| LiveLog {
            title: views::task_title(task),
            url: format!(
                "{path}{}/log",
                task.chroot.as_ref().map_or(SOURCE, |c| c.as_str())
            ),
            open: n == first,
        })
        .collect()
}
