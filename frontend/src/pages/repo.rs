//! `GET /coprs/{owner}/{dir}/repo/{name_release}/{file}.repo`

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use protocol::ChrootName;

use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;
use crate::operations::{commits, minis, repo_specs};
use crate::repo_file::{RepoFile, file_name};
use crate::results::At;

/// A directory's `.repo` file.
pub async fn of_owner(app: web::Data<App>, req: HttpRequest) -> Result<HttpResponse, Error> {
    let owner = req.match_info().query("owner").to_owned();
    serve(&app, &req, &owner).await
}

/// The same of a group, in Copr's other spelling.
pub async fn of_group(app: web::Data<App>, req: HttpRequest) -> Result<HttpResponse, Error> {
    let owner = format!("@{}", req.match_info().query("group"));
    serve(&app, &req, &owner).await
}

async fn serve(app: &App, req: &HttpRequest, owner: &str) -> Result<HttpResponse, Error> {
    let name_release = req.match_info().query("name_release");
    let asked = |wanted: &str| {
        let mut query = url::form_urlencoded::parse(req.query_string().as_bytes());
        let value = query
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.into_owned());
        value.filter(|value| !value.is_empty())
    };
    let arch = asked("arch");
    let at = asked("at").filter(|at| at != "latest" && at != "current");
    let at = match asked("commit") {
        Some(commit) => Some(At::Commit(commits::typed(&commit)?)),
        None => at
            .map(|at| At::parse(&at).ok_or_else(|| no_snapshot(&at)))
            .transpose()?,
    };
    let of = match (asked("build"), asked("batch")) {
        (Some(build), _) => Some(minis::Of::Build(build)),
        (None, batch) => batch.map(minis::Of::Batch),
    };
    let found = match &of {
        Some(of) => minis::find(app, of).await?,
        None => Vec::new(),
    };
    let mut conn = app.conn().await?;
    let (spec, dir) = repo_specs::find(&mut conn, owner, req.match_info().query("dir")).await?;
    if !spec.dirs.iter().any(|known| known.name == dir) {
        return Err(Error::NotFound(format!(
            "Project {}/{} has no directory {dir}.",
            spec.owner, spec.name
        )));
    }
    let wanted =
        |c: &&ChrootName| c.name_release() == name_release && arch.as_deref().is_none_or(|a| c.arch() == a);
    // What a build made stays when its chroot is disabled.
    let of_mini = found
        .iter()
        .find(|mini| mini.owner == spec.owner && mini.dir == dir && wanted(&&mini.chroot));
    let mini = match (&of, of_mini) {
        (Some(of), None) => return Err(minis::missing(of, &dir, name_release)),
        (_, mini) => mini.map(minis::parsed).transpose()?,
    };
    let chroots = || of_mini.map(|mini| &mini.chroot).into_iter().chain(&spec.chroots);
    let Some(chroot) = chroots().find(wanted) else {
        return Ok(no_such_chroot(&spec.chroots, name_release, arch.as_deref()));
    };
    if let Some(At::Commit(commit)) = &at {
        let of: Vec<&ChrootName> = chroots().filter(wanted).collect();
        commits::check(&mut conn, (&spec.owner, &dir), &of, commit).await?;
    }
    let dependencies = repo_specs::dependencies(&mut conn, &spec).await?;
    drop(conn);
    let file = RepoFile {
        config: &app.config,
        spec: &spec,
        dir: &dir,
        chroot,
        arch: arch.as_deref(),
        at: at.as_ref(),
        mini: mini.as_ref(),
        dependencies: &dependencies,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-cache"))
        .insert_header((
            "content-disposition",
            format!("attachment; filename=\"{}\"", file_name(&spec.owner, &dir)),
        ))
        .body(file.text()))
}

fn no_snapshot(at: &str) -> Error {
    Error::Invalid(format!(
        "at: '{}' names no snapshot; use its number, a pointer, or a time such as 20261121T100000Z",
        shown(at)
    ))
}

/// 404 with what dnf's copr plugin shows: the header lists the chroots that there are.
fn no_such_chroot(chroots: &[ChrootName], name_release: &str, arch: Option<&str>) -> HttpResponse {
    let names: Vec<&str> = chroots.iter().map(ChrootName::as_str).collect();
    let data = serde_json::json!({ "available chroots": names }).to_string();
    let wanted = shown(&match arch {
        Some(arch) => format!("{name_release}-{arch}"),
        None => name_release.to_owned(),
    });
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .insert_header((
            "Copr-Error-Data",
            base64::engine::general_purpose::STANDARD.encode(data),
        ))
        .body(format!(
            "This project has no chroot {wanted}. It has: {}.\n",
            names.join(", ")
        ))
}
