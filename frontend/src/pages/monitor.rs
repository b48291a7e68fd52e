//! `GET /coprs/{owner}/{project}/monitor/`

use actix_web::{HttpResponse, web};
use db::read::monitor::{self, Newest};
use protocol::DirName;
use serde::Deserialize;

use super::sort::{Column, Sort};
use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{find_project, missing_project, shown};
use crate::templates::context::{Monitor, MonitorCell, MonitorLine};

/// Packages on one page.
const PAGE: i64 = 50;
/// Columns before those of the chroots.
const COLUMNS: [Column<()>; 1] = [Column {
    name: "package",
    label: "Package",
    by: (),
    last_first: false,
}];

/// Which part of a project's packages.
#[derive(Debug, Default, Deserialize)]
pub struct Search {
    /// Part of a name.
    #[serde(default)]
    q: String,
    /// Result directory; empty: the main one.
    #[serde(default)]
    dir: String,
    /// By which column, and which way.
    #[serde(default)]
    sort: String,
    /// Counts from 1; anything else is the first.
    #[serde(default)]
    page: String,
}

impl Search {
    fn url(&self, sort: &str, page: i64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
        for (name, value) in [("q", self.q.as_str()), ("dir", &self.dir), ("sort", sort)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

/// How a directory's packages stand in each chroot, by name; the API's `/monitor` gives all at once.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let missing = || {
        Error::NotFound(format!(
            "Directory {} does not exist in {}/{}.",
            shown(&search.dir),
            project.owner,
            project.name
        ))
    };
    let dir: DirName = if search.dir.is_empty() {
        project.name.clone().into()
    } else {
        search.dir.parse().map_err(|_| missing())?
    };
    let number = search.page.parse().unwrap_or(1).clamp(1, 100_000);
    let contains: String = search.q.trim().chars().take(100).collect();
    let mut conn = app.conn().await?;
    let directory = monitor::directory(&mut conn, &project.owner, &project.name, &dir)
        .await?
        .ok_or_else(|| missing_project(project.owner.as_str(), project.name.as_str()))?;
    if !directory.exists {
        return Err(missing());
    }
    let skip = (number - 1) * PAGE;
    let sort = Sort::of(&search.sort, &COLUMNS);
    let wanted = monitor::Wanted {
        contains: &contains,
        descending: sort.descending,
        limit: PAGE + 1,
        offset: skip,
    };
    let rows = monitor::newest_of_some(&mut conn, project.id, &dir, wanted).await?;
    drop(conn);
    let mut packages = lines(&rows, &directory.chroots, &views::project_path(&project));
    let size = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = packages.len() > size;
    packages.truncate(size);
    let page = Monitor {
        project: visitor.head(&project),
        query: contains,
        dir: dir.to_string(),
        chroots: directory.chroots,
        packages,
        heads: sort.heads(|sort| search.url(sort, 1)),
        sort: search.sort.clone(),
        older: more.then(|| search.url(&search.sort, number + 1)),
        newer: (number > 1).then(|| search.url(&search.sort, number - 1)),
    };
    html(app.templates.render_monitor(&visitor.frame(), &page))
}

fn lines(rows: &[Newest], chroots: &[String], path: &str) -> Vec<MonitorLine> {
    let mut lines: Vec<MonitorLine> = Vec::new();
    for row in rows {
        if lines.last().is_none_or(|last| last.name != row.package) {
            lines.push(MonitorLine {
                name: row.package.clone(),
                path: format!("{path}builds/?package={}", views::value(&row.package)),
                cells: vec![None; chroots.len()],
            });
        }
        let Some(line) = lines.last_mut() else { continue };
        for (chroot, state) in row.states() {
            let at = chroots.iter().position(|c| c == chroot);
            if let Some(cell) = at.and_then(|at| line.cells.get_mut(at)) {
                *cell = Some(MonitorCell {
                    id: row.build,
                    path: format!("{path}build/{}/", row.build),
                    state: state.to_owned(),
                    version: row.version.clone().unwrap_or_default(),
                });
            }
        }
    }
    lines
}
