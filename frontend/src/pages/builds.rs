//! `GET /coprs/{owner}/{project}/builds/`

use actix_web::{HttpResponse, web};

use super::home::Search;
use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::templates::context::Builds;

/// Builds on one page.
const PAGE: i64 = 50;

/// A project's builds, newest first.
pub async fn list(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let number = search.page();
    let now = app.now();
    let mut rows = db::builds::list(
        &mut *app.conn().await?,
        project.id,
        None,
        PAGE + 1,
        (number - 1) * PAGE,
    )
    .await?;
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let mut frame = visitor.frame();
    frame.unfinished = rows.iter().any(|b| !b.is_final());
    let page = Builds {
        project: visitor.head(&project),
        builds: rows.iter().map(|b| views::build_line(b, &project, now)).collect(),
        older: more.then(|| format!("?page={}", number + 1)),
        newer: (number > 1).then(|| format!("?page={}", number - 1)),
    };
    html(app.templates.render_builds(&frame, &page))
}
