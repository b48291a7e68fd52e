//! `/coprs/{owner}/{project}/keys/` and its forms.

use actix_web::{HttpResponse, web};
use chrono::DateTime;
use db::keys::KeyEnd;
use db::projects::Project;

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::keys::{self, Key, REASONS};
use crate::operations::projects::find_project;
use crate::templates::context::Field;
use crate::templates::keys::{KeyLine, Keys, RevokedLine};

const FIELDS: &[&str] = &["fingerprint", "message"];
/// What is chosen where nobody chose: the reason that takes the least for granted.
const USUAL: &str = "superseded";

/// Which keys there are.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let page = page(&app, &visitor, &project).await?;
    html(app.templates.render_keys(&visitor.frame(), &page))
}

fn day(seconds: i64) -> Option<String> {
    DateTime::from_timestamp(seconds, 0).map(|at| at.format("%Y-%m-%d").to_string())
}

fn line(key: Key, active: Option<&str>) -> KeyLine {
    // rpm names a key after the last eight digits of its fingerprint and the time at which it was made.
    let short = key.fingerprint.get(32..).unwrap_or_default().to_ascii_lowercase();
    KeyLine {
        package: format!("gpg-pubkey-{short}-{:x}", key.created.unwrap_or_default()),
        active: active == Some(&key.fingerprint),
        fingerprint: key.fingerprint,
        algorithm: key.algorithm,
        created: key.created.and_then(day),
        expires: key.expires.and_then(day),
        revoked: key.revoked.map(|revoked| RevokedLine {
            on: day(revoked.at).unwrap_or_default(),
            reason: revoked.reason,
            message: revoked.message,
        }),
    }
}

async fn page(app: &App, visitor: &Visitor, project: &Project) -> Result<Keys, Error> {
    let found = keys::show(app, project).await?;
    let active = found.active.as_deref();
    let results = app.config.results_url.trim_end_matches('/');
    Ok(Keys {
        project: visitor.head(project),
        keys: found.all.into_iter().rev().map(|key| line(key, active)).collect(),
        changing: found.changing,
        url: format!("{results}/{}/{}/pubkey.gpg", project.owner, project.name),
        may_change: visitor.actor.may_change_keys(project).is_ok(),
        error: None,
        fingerprint: Field::default(),
        reason: USUAL.to_owned(),
        reasons: REASONS.iter().map(|reason| (*reason).to_owned()).collect(),
        message: Field::default(),
    })
}

/// Back to the page, with what is wrong if the form can be corrected.
async fn answer(
    app: &App,
    form: &Posted,
    project: &Project,
    done: Result<keys::Keys, Error>,
) -> Result<HttpResponse, Error> {
    match done {
        Ok(_) => Ok(redirect(&format!("{}keys/", views::project_path(project)))),
        Err(Error::Invalid(message) | Error::Conflict(message)) => {
            let field = |field: &str| Field {
                value: form.text(field),
                error: about(&message, field),
            };
            let page = Keys {
                error: about_none(&message, FIELDS),
                fingerprint: field("fingerprint"),
                message: field("message"),
                reason: form.text("reason"),
                ..page(app, &form.visitor, project).await?
            };
            html_again(app.templates.render_keys(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Asks for a new key.
pub async fn rotate(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let done = keys::rotate(&app, &form.visitor.actor, &project).await;
    answer(&app, &form, &project, done).await
}

/// Ends a key.
pub async fn revoke(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let end = KeyEnd {
        reason: form.text("reason"),
        message: form.text("message"),
    };
    let fingerprint = form.text("fingerprint");
    let done = keys::revoke(&app, &form.visitor.actor, &project, &fingerprint, end).await;
    answer(&app, &form, &project, done).await
}
