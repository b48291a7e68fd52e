//! `GET /coprs/{owner}/{project}/import/`, `POST …/url/`

use actix_web::{HttpResponse, web};
use db::builds::Import;
use db::projects::Project;

use super::form::{Posted, about, about_none};
use super::submit::{chroot_choices, ticked};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::builds::{BuildRequest, submit_import};
use crate::operations::projects::find_project;
use crate::templates::context::{Field, Import as Page};

/// The form for packages from elsewhere.
pub async fn form(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_build(&project)?;
    let page = page(&app, &visitor, &project, None, "").await?;
    html(app.templates.render_import(&visitor.frame(), &page))
}

/// Takes the address of a repository.
pub async fn url(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_build(&project)?;
    let request = BuildRequest {
        chroots: form.all("chroots"),
        ..BuildRequest::default()
    };
    let import = Import {
        url: form.text("url"),
        packages: form
            .text("packages")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        gpgkey: Some(form.text("gpgkey")),
    };
    let result = match ticked(&request) {
        Ok(()) => submit_import(&app, &form.visitor.actor, &project, &request, import.clone()).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(build) => Ok(redirect(&format!(
            "{}build/{build}/",
            views::project_path(&project)
        ))),
        Err(Error::Invalid(message)) => {
            let sent = Some((&request, &import));
            let page = page(&app, &form.visitor, &project, sent, &message).await?;
            html_again(app.templates.render_import(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

async fn page(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    sent: Option<(&BuildRequest, &Import)>,
    message: &str,
) -> Result<Page, Error> {
    let field = |name: &str, value: Option<String>| Field {
        value: value.unwrap_or_default(),
        error: about(message, name),
    };
    let typed = sent.map(|(_, import)| import);
    Ok(Page {
        project: visitor.head(project),
        error: about_none(message, &["chroots", "url", "packages", "gpgkey"]),
        chroots: chroot_choices(app, project, sent.map(|(request, _)| request)).await?,
        chroots_error: about(message, "chroots"),
        url: field("url", typed.map(|import| import.url.clone())),
        packages: field("packages", typed.map(|import| import.packages.join("\n"))),
        gpgkey: field("gpgkey", typed.and_then(|import| import.gpgkey.clone())),
        taken: app.config.rpm_upload,
    })
}
