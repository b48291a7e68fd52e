//! `/coprs/{owner}/{project}/permissions/` and its forms.

use actix_web::{HttpResponse, web};
use db::permissions::{Change, Role, Roles};
use db::projects::Project;

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::permissions;
use crate::operations::projects::find_project;
use crate::templates::accounts::{Permissions, RoleLine};
use crate::templates::context::Field;

const FIELDS: &[&str] = &["username", "to"];

/// Who may do what.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let page = page(&app, &visitor, &project).await?;
    html(app.templates.render_permissions(&visitor.frame(), &page))
}

fn line(user: &str, roles: Roles) -> RoleLine {
    RoleLine {
        user: user.to_owned(),
        admin: roles.admin.as_str().to_owned(),
        builder: roles.builder.as_str().to_owned(),
    }
}

async fn page(app: &App, visitor: &Visitor, project: &Project) -> Result<Permissions, Error> {
    let actor = &visitor.actor;
    let roles = match actor.may_edit(project) {
        Ok(()) => permissions::list(app, actor, project).await?,
        Err(_) => Vec::new(),
    };
    let own = match actor.user() {
        Some(user) if user.name.as_str() != project.holder.as_str() => {
            let mut conn = app.conn().await?;
            let roles = db::permissions::of_user(&mut conn, project.id, user.id).await?;
            Some(line(user.name.as_str(), roles))
        }
        _ => None,
    };
    Ok(Permissions {
        project: visitor.head(project),
        holder: project.holder.to_string(),
        roles: roles
            .iter()
            .map(|(user, roles)| line(user.as_str(), *roles))
            .collect(),
        own,
        error: None,
        username: Field::default(),
        may_transfer: actor.may_give_away(project).is_ok(),
        to: Field::default(),
    })
}

/// Back to the page, with what is wrong if the form can be corrected.
async fn answer(
    app: &App,
    form: &Posted,
    project: &Project,
    done: Result<(), Error>,
) -> Result<HttpResponse, Error> {
    match done {
        Ok(()) => Ok(redirect(&format!("{}permissions/", views::project_path(project)))),
        Err(Error::Invalid(message)) => {
            let field = |field: &str| Field {
                value: form.text(field),
                error: about(&message, field),
            };
            let page = Permissions {
                error: about_none(&message, FIELDS),
                username: field("username"),
                to: field("to"),
                ..page(app, &form.visitor, project).await?
            };
            html_again(app.templates.render_permissions(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Changes a user's roles.
pub async fn set(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_edit(&project)?;
    let change = || -> Result<Change, Error> {
        Ok(Change {
            admin: Some(permissions::state(form.get("admin"))?),
            builder: Some(permissions::state(form.get("builder"))?),
        })
    };
    let done = match change() {
        Ok(change) => {
            let changes = [(form.text("username"), change)];
            permissions::set(&app, &form.visitor.actor, &project, &changes).await
        }
        Err(error) => Err(error),
    };
    answer(&app, &form, &project, done.map(|_| ())).await
}

/// Asks for roles, or gives them up.
pub async fn request(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let wishes = [
        (Role::Builder, form.ticked("builder")),
        (Role::Admin, form.ticked("admin")),
    ];
    let done = permissions::request(&app, &form.visitor.actor, &project, &wishes).await;
    answer(&app, &form, &project, done.map(|_| ())).await
}

/// Gives the project away.
pub async fn transfer(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    let done = permissions::transfer(&app, &form.visitor.actor, &project, form.get("to")).await;
    answer(&app, &form, &project, done.map(|_| ())).await
}
