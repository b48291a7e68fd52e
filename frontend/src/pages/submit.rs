//! `GET /coprs/{owner}/{project}/add_build/`, `POST …/upload/`, `POST …/url/`

use actix_multipart::Field as Part;
use actix_web::{HttpRequest, HttpResponse, web};
use db::projects::Project;
use futures_util::StreamExt as _;

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::body::{Parts, whole};
use crate::error::Error;
use crate::operations::builds::{
    BuildRequest, Uploaded, check_before_build, receive_upload, submit_upload, submit_url,
};
use crate::operations::projects::find_project;
use crate::templates::context::{ChrootChoice, Field, Submit};

/// Bytes of a small part of the upload form.
const MAX_PART: usize = 1 << 10;
/// Small parts of the upload form.
pub(super) const MAX_PARTS: usize = 500;

/// The forms for a new build.
pub async fn form(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_build(&project)?;
    let page = page(&app, &visitor, &project, None, "").await?;
    html(app.templates.render_submit(&visitor.frame(), &page))
}

/// Takes an upload. The form's first part is the session's mark, then come the chroots, and the file last: it is not
/// read before everything else is right.
pub async fn upload(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    req: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let (mut parts, project) = begin(&app, &visitor, &path, Parts::new(&req, payload)).await?;
    let mut request = BuildRequest::default();
    match take(&app, &visitor, &project, &mut request, &mut parts).await {
        Ok(path) => Ok(redirect(&path)),
        Err(error @ (Error::Invalid(_) | Error::TooLarge(_))) => {
            // A browser shows the answer only once it has sent everything.
            drain(&mut parts, app.config.max_upload_bytes).await;
            let page = page(&app, &visitor, &project, Some(&request), &error.to_string()).await?;
            html_again(app.templates.render_submit(&visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Reads the session's mark, which comes first, and finds the project if the visitor may build in it.
pub(super) async fn begin(
    app: &App,
    visitor: &Visitor,
    (owner, name): &(String, String),
    mut parts: Parts,
) -> Result<(Parts, Project), Error> {
    let first = parts.field().await?;
    let csrf = match first {
        Some(part) if part.name() == Some("csrf") => Some(small(part).await?),
        _ => None,
    };
    visitor.check_csrf(csrf.as_deref())?;
    let project = find_project(app, owner, name).await?;
    visitor.actor.may_build(&project)?;
    Ok((parts, project))
}

async fn take(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    request: &mut BuildRequest,
    parts: &mut Parts,
) -> Result<String, Error> {
    for _ in 0..MAX_PARTS {
        let Some(mut part) = parts.field().await? else {
            break;
        };
        match part.name() {
            Some("chroots") => request.chroots.push(small(part).await?),
            Some("scratch") => {
                small(part).await?;
                request.options.scratch = true;
            }
            Some("pointer") => request.pointer = Some(small(part).await?),
            Some("commit") => request.commit = Some(small(part).await?),
            Some("pkgs") => {
                let name = part
                    .content_disposition()
                    .and_then(|d| d.get_filename())
                    .unwrap_or_default()
                    .to_owned();
                let accepted = accept(app, visitor, project, request, &name).await;
                let received = match accepted {
                    Ok(()) => {
                        let named = (name.as_str(), app.config.max_upload_bytes);
                        receive_upload(app, &visitor.actor, Uploaded::Source, named, &mut part).await
                    }
                    Err(error) => Err(error),
                };
                if received.is_err() {
                    while let Some(Ok(_)) = part.next().await {}
                }
                let build = submit_upload(app, &visitor.actor, project, request, received?).await?;
                return Ok(format!("{}build/{build}/", views::project_path(project)));
            }
            _ => {
                small(part).await?;
            }
        }
    }
    Err(Error::Invalid(
        "pkgs: Choose a source package or a spec file.".to_owned(),
    ))
}

/// Everything that can be known before the file is read.
async fn accept(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    request: &BuildRequest,
    file_name: &str,
) -> Result<(), Error> {
    if file_name.is_empty() {
        return Err(Error::Invalid(
            "pkgs: Choose a source package or a spec file.".to_owned(),
        ));
    }
    ticked(request)?;
    check_before_build(app, &visitor.actor, project, request).await
}

/// The operations take no chroots for all of them; in a form, none is a mistake.
pub(super) fn ticked(request: &BuildRequest) -> Result<(), Error> {
    if request.chroots.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected".to_owned(),
        ));
    }
    Ok(())
}

/// Takes URLs of source packages.
pub async fn url(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_build(&project)?;
    let mut request = BuildRequest {
        chroots: form.all("chroots"),
        ..BuildRequest::default()
    };
    request.options.scratch = form.ticked("scratch");
    request.pointer = Some(form.text("pointer"));
    request.commit = Some(form.text("commit"));
    let typed = form.text("urls");
    let urls: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
    let result = match ticked(&request) {
        Ok(()) => submit_url(&app, &form.visitor.actor, &project, &request, &urls).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(builds) => {
            let project_path = views::project_path(&project);
            Ok(redirect(&match builds.as_slice() {
                [build] => format!("{project_path}build/{build}/"),
                _ => format!("{project_path}builds/"),
            }))
        }
        Err(Error::Invalid(message)) => {
            let mut page = page(&app, &form.visitor, &project, Some(&request), &message).await?;
            page.urls = Field {
                value: typed,
                error: page.file_error.take(),
            };
            html_again(app.templates.render_submit(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// The page; without a choice all chroots are ticked.
async fn page(
    app: &App,
    visitor: &Visitor,
    project: &Project,
    sent: Option<&BuildRequest>,
    message: &str,
) -> Result<Submit, Error> {
    let chroots = chroot_choices(app, project, sent).await?;
    Ok(Submit {
        project: visitor.head(project),
        error: about_none(message, &["chroots", "pkgs", "pointer", "commit"]),
        chroots,
        chroots_error: about(message, "chroots"),
        file_error: about(message, "pkgs"),
        urls: Field::default(),
        scratch: sent.is_some_and(|s| s.options.scratch),
        pointer: Field {
            value: sent.and_then(|s| s.pointer.clone()).unwrap_or_default(),
            error: about(message, "pointer"),
        },
        commit: Field {
            value: sent.and_then(|s| s.commit.clone()).unwrap_or_default(),
            error: about(message, "commit"),
        },
        usual: project
            .settings
            .build_pointer
            .as_ref()
            .map_or("latest".to_owned(), ToString::to_string),
        max_upload: views::size(app.config.max_upload_bytes),
        cli: format!(
            "copr-cli build {}/{} hello-1.0-1.src.rpm",
            project.owner, project.name
        ),
    })
}

/// The project's active chroots; without a choice all of them are ticked.
pub(super) async fn chroot_choices(
    app: &App,
    project: &Project,
    sent: Option<&BuildRequest>,
) -> Result<Vec<ChrootChoice>, Error> {
    let mut conn = app.conn().await?;
    let enabled = db::projects::chroots(&mut conn, project.id).await?;
    let known = db::chroots::list(&mut conn, true).await?;
    Ok(known
        .into_iter()
        .filter(|c| enabled.contains(&c.definition.name))
        .map(|c| ChrootChoice {
            checked: sent.is_none_or(|s| s.chroots.iter().any(|n| n == c.definition.name.as_str())),
            name: c.definition.name.to_string(),
            description: c.description,
        })
        .collect())
}

pub(super) async fn small(mut part: Part) -> Result<String, Error> {
    let bytes = whole(&mut part, MAX_PART).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) async fn drain(parts: &mut Parts, limit: u64) {
    let mut left = limit;
    while let Some(Ok(mut part)) = parts.next().await {
        while let Some(Ok(chunk)) = part.next().await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                return;
            }
        }
    }
}
