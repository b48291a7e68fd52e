//! `/coprs/{owner}/{project}/packages/`, `/coprs/{owner}/{project}/package/{package}/` and what its buttons do.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use db::builds::Build as BuildRow;
use db::package_edit::{self, Package as Row};
use db::projects::Project;
use serde_json::Value;

use super::form::Posted;
use super::home::Search;
use super::visitor::Visitor;
use super::{html, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::BuildRequest;
use crate::operations::packages::{build_package, delete_package, find_package, reset_package};
use crate::operations::projects::find_project;
use crate::operations::sources::SourceType;
use crate::templates::packages::{Fact, Package, PackageLine, Packages};

/// Packages or builds on one page.
const PAGE: i64 = 50;

pub(super) type Named = web::Path<(String, String, String)>;

/// URL path of a package's page.
pub(super) fn package_path(project: &Project, package: &str) -> String {
    format!(
        "{}package/{}/",
        views::project_path(project),
        views::segment(package)
    )
}

fn line(
    row: &Row,
    project: &Project,
    latest: Option<&BuildRow>,
    now: chrono::DateTime<chrono::Utc>,
) -> PackageLine {
    PackageLine {
        name: row.name.clone(),
        path: package_path(project, &row.name),
        source: row.source_type.clone(),
        auto_rebuild: row.webhook_rebuild,
        latest: latest.map(|build| views::build_line(build, project, now)),
    }
}

/// A project's packages with the latest build of each.
pub async fn list(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let (number, now) = (search.page(), app.now());
    let query: String = search.q.trim().chars().take(100).filter(|c| *c != '\0').collect();
    let mut conn = app.conn().await?;
    let mut rows = package_edit::list(&mut conn, project.id, &query, PAGE + 1, (number - 1) * PAGE).await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let ids: Vec<i64> = rows.iter().map(|p| p.id).collect();
    let latest: HashMap<i64, i64> = package_edit::latest_builds(&mut conn, &ids)
        .await?
        .into_iter()
        .collect();
    let numbers: Vec<i64> = latest.values().copied().collect();
    let builds: HashMap<i64, BuildRow> = db::builds::find_many(&mut conn, &numbers)
        .await?
        .into_iter()
        .map(|(build, _)| (build.id.0, build))
        .collect();
    drop(conn);
    let page = Packages {
        project: visitor.head(&project),
        packages: rows
            .iter()
            .map(|row| {
                let build = latest.get(&row.id).and_then(|id| builds.get(id));
                line(row, &project, build, now)
            })
            .collect(),
        query,
        older: more.then(|| search.url(number + 1)),
        newer: (number > 1).then(|| search.url(number - 1)),
    };
    html(app.templates.render_packages(&visitor.frame(), &page))
}

/// A package: its source, its settings and its builds.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: Named,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let row = find_package(&app, &project, &path.2).await?;
    let (number, now) = (search.page(), app.now());
    let mut conn = app.conn().await?;
    let mut ids = package_edit::newest_builds(&mut conn, row.id, PAGE + 1, (number - 1) * PAGE).await?;
    let more = i64::try_from(ids.len()).unwrap_or(i64::MAX) > PAGE;
    ids.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let mut builds: Vec<BuildRow> = db::builds::find_many(&mut conn, &ids)
        .await?
        .into_iter()
        .map(|(build, _)| build)
        .collect();
    drop(conn);
    builds.reverse();
    let mut frame = visitor.frame();
    frame.unfinished = builds.iter().any(|b| !b.is_final());
    let page = Package {
        project: visitor.head(&project),
        package: line(&row, &project, builds.first().filter(|_| number == 1), now),
        buildable: SourceType::parse(&row.source_type).is_some(),
        facts: facts(&row),
        builds: builds
            .iter()
            .map(|b| views::build_line(b, &project, now))
            .collect(),
        older: more.then(|| search.url(number + 1)),
        newer: (number > 1).then(|| search.url(number - 1)),
        cli: format!(
            "copr-cli build-package {}/{} --name {}",
            project.owner, project.name, row.name
        ),
    };
    html(app.templates.render_package(&frame, &page))
}

/// What a package is set to, for people.
fn facts(row: &Row) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let mut facts = vec![fact("Source", row.source_type.clone())];
    for (name, value) in &row.source {
        let text = match value {
            Value::String(text) => text.trim_end().to_owned(),
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            other => other.to_string(),
        };
        if !text.is_empty() {
            facts.push(fact(&name.replace('_', " "), text));
        }
    }
    let rebuilt = if row.webhook_rebuild { "yes" } else { "no" };
    facts.push(fact("Rebuilt by webhooks", rebuilt.to_owned()));
    if row.max_builds > 0 {
        facts.push(fact("Builds to keep", row.max_builds.to_string()));
    }
    if let Some(seconds) = row.timeout_s {
        facts.push(fact("Time for a build", format!("{seconds} s")));
    }
    if !row.chroot_denylist.is_empty() {
        facts.push(fact("Not built for", row.chroot_denylist.clone()));
    }
    facts
}

/// Builds a package from its default source.
pub async fn rebuild(app: web::Data<App>, form: Posted, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_build(&project)?;
    let package = find_package(&app, &project, &path.2).await?;
    let request = BuildRequest::default();
    let build = build_package(&app, &form.visitor.actor, &project, &package, &request).await?;
    Ok(redirect(&format!(
        "{}build/{build}/",
        views::project_path(&project)
    )))
}

/// Takes the default source away.
pub async fn reset(app: web::Data<App>, form: Posted, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &path.2).await?;
    reset_package(&app, &form.visitor.actor, &project, &package).await?;
    Ok(redirect(&package_path(&project, &package.name)))
}

/// Deletes a package with its builds.
pub async fn delete(app: web::Data<App>, form: Posted, path: Named) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &path.2).await?;
    delete_package(&app, &form.visitor.actor, &project, &package).await?;
    Ok(redirect(&format!("{}packages/", views::project_path(&project))))
}
