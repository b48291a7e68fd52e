//! `POST /coprs/{owner}/{project}/snapshots/promote/`: packages of a snapshot into another repository, for whoever may
//! change that one.

use actix_web::{HttpResponse, web};
use protocol::PointerName;

use super::form::Posted;
use super::snapshots::{Asked, page, path_of};
use super::{html_again, redirect};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::operations::snapshots::{self as operations, Choice, Intent, Place};
use crate::templates::context::Field;
use crate::templates::snapshots::Snapshots;

/// Gives packages of a snapshot to another repository.
pub async fn promote(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let place = operations::find(&app, project.owner.as_str(), form.get("dir"), form.get("chroot")).await?;
    // A directory's name tells its project, and that is the one of the address.
    if place.project.id != project.id {
        return Err(Error::NotFound(format!(
            "{} has no such repository.",
            project.name
        )));
    }
    let message = match done(&app, &form, &place).await {
        Ok(to) => return Ok(redirect(&path_of(&to.project, &to.repository))),
        Err(
            error @ (Error::Invalid(_)
            | Error::NotFound(_)
            | Error::Conflict(_)
            | Error::TooMany(_)
            | Error::PointerMoved { .. }),
        ) => error.to_string(),
        Err(error) => return Err(error),
    };
    let asked = Asked::of(&place);
    let field = |name: &str| Field {
        value: form.text(name),
        error: None,
    };
    let page = Snapshots {
        error: Some(message),
        into: field("into"),
        into_pointer: field("pointer"),
        into_packages: field("packages"),
        ..page(&app, &form.visitor, &place.project, &asked).await?
    };
    html_again(app.templates.render_snapshots(&form.visitor.frame(), &page))
}

async fn done(app: &App, form: &Posted, place: &Place) -> Result<Place, Error> {
    let actor = &form.visitor.actor;
    let into = form.text("into");
    let to = operations::other(app, &into, place.repository.chroot.as_str()).await?;
    actor.may_edit(&to.project)?;
    let from = operations::resolve(app, place, form.get("from")).await?;
    let pointer = match form.text("pointer").as_str() {
        "" => PointerName::latest(),
        name => name.parse()?,
    };
    let intent = Intent {
        pointer,
        expected: None,
        cause: String::new(),
    };
    let names = form.text("packages");
    let choice = Choice {
        names: names.split_whitespace().map(str::to_owned).collect(),
        build: None,
    };
    operations::promote_into(app, actor, (place, &from), &to, &intent, &choice).await?;
    Ok(to)
}
