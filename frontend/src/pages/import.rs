//! `GET /coprs/{owner}/{project}/import/`, `POST …/url/`, `POST …/upload/`

use actix_web::{HttpRequest, HttpResponse, web};
use db::builds::Import;
use db::projects::Project;

use super::form::{Posted, about, about_none};
use super::submit::{MAX_PARTS, begin, chroot_choices, drain, small, ticked};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::body::Parts;
use crate::error::Error;
use crate::operations::builds::{
    BuildRequest, Received, Uploaded, check_before_build, check_count, discard_upload, receive_upload,
    submit_import, submit_uploads,
};
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

/// Takes packages. The form's first part is the session's mark, then come the chroots, and the files last.
pub async fn upload(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    req: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let (mut parts, project) = begin(&app, &visitor, &path, Parts::new(&req, payload)).await?;
    let mut request = BuildRequest::default();
    let mut received = Vec::new();
    let taken = take(&app, &visitor, &project, &mut request, &mut parts, &mut received).await;
    let result = match taken {
        Ok(()) => submit_uploads(&app, &visitor.actor, &project, &request, received).await,
        Err(error) => {
            for file in &received {
                discard_upload(&app, file).await;
            }
            Err(error)
        }
    };
    match result {
        Ok(build) => Ok(redirect(&format!(
            "{}build/{build}/",
            views::project_path(&project)
        ))),
        Err(error @ (Error::Invalid(_) | Error::TooLarge(_))) => {
            // A browser shows the answer only once it has sent everything.
            drain(&mut parts, app.config.max_upload_bytes).await;
            let import = Import {
                url: String::new(),
                packages: Vec::new(),
                gpgkey: None,
            };
            let sent = Some((&request, &import));
            let page = page(&app, &visitor, &project, sent, &error.to_string()).await?;
            html_again(app.templates.render_import(&visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

async fn take(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    request: &mut BuildRequest,
    parts: &mut Parts,
    received: &mut Vec<Received>,
) -> Result<(), Error> {
    let mut left = app.config.max_upload_bytes;
    let mut small_parts = 0;
    while let Some(mut part) = parts.field().await? {
        if part.name() == Some("pkgs") {
            if received.is_empty() {
                ticked(request)?;
                check_before_build(app, &visitor.actor, project, request).await?;
            }
            check_count(received.len())?;
            let disposition = part.content_disposition();
            let name = disposition
                .and_then(|d| d.get_filename())
                .unwrap_or_default()
                .to_owned();
            let file = receive_upload(app, &visitor.actor, Uploaded::Rpm, (&name, left), &mut part).await?;
            left = left.saturating_sub(file.size());
            received.push(file);
            continue;
        }
        small_parts += 1;
        if small_parts > MAX_PARTS {
            return Err(Error::Invalid("The form has too many parts.".to_owned()));
        }
        let chroot = part.name() == Some("chroots");
        let value = small(part).await?;
        if chroot {
            request.chroots.push(value);
        }
    }
    if received.is_empty() {
        return Err(Error::Invalid("pkgs: Choose some packages (.rpm).".to_owned()));
    }
    Ok(())
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
        error: about_none(message, &["chroots", "url", "packages", "gpgkey", "pkgs"]),
        chroots: chroot_choices(app, project, sent.map(|(request, _)| request)).await?,
        chroots_error: about(message, "chroots"),
        url: field("url", typed.map(|import| import.url.clone())),
        packages: field("packages", typed.map(|import| import.packages.join("\n"))),
        gpgkey: field("gpgkey", typed.and_then(|import| import.gpgkey.clone())),
        file_error: about(message, "pkgs"),
        max_upload: views::size(app.config.max_upload_bytes),
        taken: app.config.rpm_upload,
    })
}
