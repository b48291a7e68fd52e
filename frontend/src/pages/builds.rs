//! `GET /coprs/{owner}/{project}/builds/`

use actix_web::{HttpResponse, web};
use db::read::builds::{self, Column as By, Order, STATES, Wanted};
use protocol::PackageName;
use serde::Deserialize;

use super::sort::{Column, Sort};
use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::templates::context::{Builds, StateChoice};

/// Builds on one page.
const PAGE: i64 = 50;

const fn column(name: &'static str, label: &'static str, by: By) -> Column<By> {
    Column {
        name,
        label,
        by,
        last_first: matches!(by, By::Number),
    }
}

/// Columns of the table.
const COLUMNS: [Column<By>; 5] = [
    column("build", "Build", By::Number),
    column("package", "Package", By::Package),
    Column::plain("Version", By::Number),
    column("state", "State", By::State),
    Column::plain("Submitted", By::Number),
];

/// Which part of a project's builds.
#[derive(Debug, Default, Deserialize)]
pub struct Search {
    /// Only in this state.
    #[serde(default)]
    state: String,
    /// Only of this package.
    #[serde(default)]
    package: String,
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
        for (name, value) in [
            ("state", self.state.as_str()),
            ("package", &self.package),
            ("sort", sort),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

/// A project's builds, newest first unless sorted otherwise: all, in one state, of one package.
pub async fn list(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let number = search.page.parse().unwrap_or(1).clamp(1, 100_000);
    let now = app.now();
    let state = STATES.iter().copied().find(|s| *s == search.state);
    let text = search.package.trim();
    let package: Option<PackageName> = text.parse().ok();
    let sort = Sort::of(&search.sort, &COLUMNS);
    let order = Order {
        by: sort.by,
        reversed: sort.descending != (sort.by == By::Number),
    };
    let mut rows = Vec::new();
    if text.is_empty() || package.is_some() {
        let wanted = Wanted {
            package: package.as_ref(),
            state,
            order,
            // One more than is shown tells whether there is another page.
            limit: PAGE + 1,
            offset: (number - 1) * PAGE,
        };
        let found = builds::list(&mut *app.conn().await?, &project.owner, &project.name, wanted).await?;
        rows = found.unwrap_or_default();
    }
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let mut frame = visitor.frame();
    frame.unfinished = rows.iter().any(|b| !b.is_final());
    let (owner, name) = (project.owner.as_str(), project.name.as_str());
    let page = Builds {
        project: visitor.head(&project),
        builds: rows.iter().map(|b| views::line(b, owner, name, now)).collect(),
        filtered: state.is_some() || !text.is_empty(),
        package: text.to_owned(),
        states: STATES
            .iter()
            .map(|name| StateChoice {
                name,
                chosen: state == Some(name),
            })
            .collect(),
        heads: sort.heads(|sort| search.url(sort, 1)),
        sort: search.sort.clone(),
        older: more.then(|| search.url(&search.sort, number + 1)),
        newer: (number > 1).then(|| search.url(&search.sort, number - 1)),
    };
    html(app.templates.render_builds(&frame, &page))
}
