//! `/coprs/{owner}/{project}/packages/`, `/coprs/{owner}/{project}/package/{package}/` and what its buttons do.

use actix_web::{HttpResponse, web};
use db::package_edit::Package as Row;
use db::projects::Project;
use db::read::builds;
use db::read::packages::{self, Listed, Order, Wanted, With};
use serde_json::Value;

use super::form::Posted;
use super::home::Search;
use super::sort::{Column, Sort};
use super::visitor::Visitor;
use super::{html, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::BuildRequest;
use crate::operations::packages::{build_package, delete_package, find_package, reset_package};
use crate::operations::projects::find_project;
use crate::operations::sources::SourceType;
use crate::templates::context::BuildLine;
use crate::templates::packages::{Fact, Package, PackageLine, Packages};

/// Packages or builds on one page.
const PAGE: i64 = 50;
/// Columns of the table.
const COLUMNS: [Column<()>; 5] = [
    Column {
        name: "package",
        label: "Package",
        by: (),
        last_first: false,
    },
    Column::plain("Source", ()),
    Column::plain("Latest version", ()),
    Column::plain("State", ()),
    Column::plain("Build", ()),
];

pub(super) type Named = web::Path<(String, String, String)>;

/// URL path of a package's page.
pub(super) fn package_path(project: &Project, package: &str) -> String {
    format!(
        "{}package/{}/",
        views::project_path(project),
        views::segment(package)
    )
}

fn line(row: &Listed, project: &Project, latest: Option<BuildLine>) -> PackageLine {
    PackageLine {
        name: row.name.clone(),
        path: package_path(project, &row.name),
        source: row.source_type.clone(),
        auto_rebuild: row.webhook_rebuild,
        latest,
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
    let sort = Sort::of(&search.sort, &COLUMNS);
    let wanted = Wanted {
        contains: Some(query.as_str()).filter(|q| !q.is_empty()),
        with: With {
            latest: true,
            latest_succeeded: false,
        },
        order: if sort.descending {
            Order::NameLastFirst
        } else {
            Order::Name
        },
        // One more than is shown tells whether there is another page.
        limit: PAGE + 1,
        offset: (number - 1) * PAGE,
        ..Wanted::default()
    };
    let (owner, name) = (project.owner.as_str(), project.name.as_str());
    let found = packages::list(&mut *app.conn().await?, &project.owner, &project.name, wanted).await?;
    let mut rows = found.unwrap_or_default();
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let page = Packages {
        project: visitor.head(&project),
        packages: rows
            .iter()
            .map(|row| {
                let latest = row.latest.as_ref();
                line(
                    &row.package,
                    &project,
                    latest.map(|build| views::line(build, owner, name, now)),
                )
            })
            .collect(),
        query,
        heads: sort.heads(|sort| search.sorted_url(sort, 1)),
        sort: search.sort.clone(),
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
    let package = row
        .name
        .parse()
        .map_err(|e| Error::Internal(format!("package {}: {e}", row.id)))?;
    let wanted = builds::Wanted {
        package: Some(&package),
        limit: PAGE + 1,
        offset: (number - 1) * PAGE,
        ..builds::Wanted::default()
    };
    let found = builds::list(&mut *app.conn().await?, &project.owner, &project.name, wanted).await?;
    let mut rows = found.unwrap_or_default();
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let mut frame = visitor.frame();
    frame.unfinished = rows.iter().any(|b| !b.is_final());
    let (owner, name) = (project.owner.as_str(), project.name.as_str());
    let lines: Vec<BuildLine> = rows.iter().map(|b| views::line(b, owner, name, now)).collect();
    let page = Package {
        project: visitor.head(&project),
        package: line(
            &Listed::of(&row)?,
            &project,
            lines.first().filter(|_| number == 1).cloned(),
        ),
        buildable: SourceType::parse(&row.source_type).is_some(),
        facts: facts(&row),
        builds: lines,
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
