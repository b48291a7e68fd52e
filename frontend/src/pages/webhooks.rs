//! `/coprs/{owner}/{project}/webhooks/`: addresses, keys and the log of deliveries.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use db::projects::Project;
use db::webhooks::{Delivery as Row, Keys};
use serde_json::Value;

use super::form::{Posted, about};
use super::home::Search;
use super::packages::Named;
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::operations::webhooks::{self as hooks, find_delivery, project_keys};
use crate::templates::context::Field;
use crate::templates::packages::{Delivery, DeliveryLine, Fact, HookUrl, Webhooks};

/// Deliveries on one page.
const PAGE: i64 = 50;

fn path_of(project: &Project) -> String {
    format!("{}webhooks/", views::project_path(project))
}

/// Addresses, keys and the log.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    search: web::Query<Search>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let keys = project_keys(&app, &visitor.actor, &project).await?;
    let page = page(&app, &visitor, &project, &keys, search.page(), "").await?;
    html(app.templates.render_webhooks(&visitor.frame(), &page))
}

async fn page(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    keys: &Keys,
    number: i64,
    message: &str,
) -> Result<Webhooks, Error> {
    let now = app.now();
    let offset = (number - 1) * PAGE;
    let mut conn = app.conn().await?;
    let mut rows = db::webhooks::list(&mut conn, project.id, false, PAGE + 1, offset).await?;
    drop(conn);
    let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > PAGE;
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    Ok(Webhooks {
        project: visitor.head(project),
        urls: urls(app, project, keys),
        signed: keys.hmac.is_some(),
        key: Field {
            value: String::new(),
            error: about(message, "key"),
        },
        refused: app.refused_hooks.of(project.id),
        deliveries: rows.iter().map(|row| line(row, project, now)).collect(),
        older: more.then(|| format!("?page={}", number + 1)),
        newer: (number > 1).then(|| format!("?page={}", number - 1)),
    })
}

fn urls(app: &App, project: &Project, keys: &Keys) -> Vec<HookUrl> {
    let urls = hooks::urls(app, project, keys);
    [
        (
            "GitHub",
            urls.github,
            "Settings → Webhooks: content type application/json, the events 'Pushes' and 'Branch or tag creation'.",
        ),
        (
            "GitLab",
            urls.gitlab,
            "Settings → Webhooks: push events and tag push events.",
        ),
        (
            "Bitbucket",
            urls.bitbucket,
            "Repository settings → Webhooks: repository push.",
        ),
        (
            "Anything else",
            urls.custom,
            "A POST builds the package and answers the build's number; its body is the script's file hook_payload.",
        ),
        (
            "Anything else, into a directory",
            urls.custom_dir,
            "The same, into the project's result directory DIRECTORY, such as name:custom:next.",
        ),
    ]
    .into_iter()
    .map(|(name, url, hint)| HookUrl {
        name: name.to_owned(),
        url,
        hint: hint.to_owned(),
    })
    .collect()
}

fn line(row: &Row, project: &Project, now: DateTime<Utc>) -> DeliveryLine {
    let state = match row.status {
        200..300 if row.builds.is_empty() => "nothing",
        200..300 => "started",
        _ => "refused",
    };
    DeliveryLine {
        id: row.id,
        path: format!("{}{}/", path_of(project), row.id),
        at: views::moment(row.at, now),
        kind: row.kind.clone(),
        event: row.event.clone().unwrap_or_default(),
        state: state.to_owned(),
        message: row.decision.message.clone(),
        builds: row
            .builds
            .iter()
            .map(|build| (*build, format!("{}build/{build}/", views::project_path(project))))
            .collect(),
    }
}

/// Makes a new secret.
pub async fn new_secret(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    hooks::new_secret(&app, &form.visitor.actor, &project).await?;
    Ok(redirect(&path_of(&project)))
}

/// Sets the key of signatures, or takes it away.
pub async fn hmac(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let actor = &form.visitor.actor;
    match hooks::set_hmac(&app, actor, &project, form.get("key")).await {
        Ok(()) => Ok(redirect(&path_of(&project))),
        Err(Error::Invalid(message)) => {
            let keys = project_keys(&app, actor, &project).await?;
            let page = page(&app, &form.visitor, &project, &keys, 1, &message).await?;
            html_again(app.templates.render_webhooks(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// A delivery with what was sent.
pub async fn delivery(app: web::Data<App>, visitor: Visitor, path: Named) -> Result<HttpResponse, Error> {
    let (project, row, request) = find_delivery(&app, &visitor.actor, &path.2).await?;
    belongs(&project, &path)?;
    let page = Delivery {
        project: visitor.head(&project),
        delivery: line(&row, &project, app.now()),
        status: row.status,
        forge_id: row.forge_id,
        redelivery_of: row.redelivery_of,
        not_started: row
            .decision
            .not_started
            .into_iter()
            .map(|n| Fact {
                name: n.package,
                value: n.reason,
            })
            .collect(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| Fact {
                name: name.clone(),
                value: value
                    .as_str()
                    .map_or_else(|| Value::to_string(value), str::to_owned),
            })
            .collect(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
    };
    html(app.templates.render_delivery(&visitor.frame(), &page))
}

/// Runs a delivery again.
pub async fn redeliver(app: web::Data<App>, form: Posted, path: Named) -> Result<HttpResponse, Error> {
    let actor = &form.visitor.actor;
    let (project, row, request) = find_delivery(&app, actor, &path.2).await?;
    belongs(&project, &path)?;
    let answered = hooks::redeliver(&app, actor, &project, &row, &request).await?;
    Ok(redirect(&format!("{}{}/", path_of(&project), answered.delivery)))
}

fn belongs(project: &Project, path: &(String, String, String)) -> Result<(), Error> {
    if project.owner.as_str() == path.0 && project.name.as_str() == path.1 {
        Ok(())
    } else {
        Err(Error::NotFound(
            "The delivery does not belong to this project.".to_owned(),
        ))
    }
}
