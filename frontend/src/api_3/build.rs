//! Builds.

use actix_web::web::{self, Json, Path};
use db::builds::Build;
use db::projects::Project;
use protocol::BuildId;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::{Fields, Query};
use crate::api_3::models::{self, BuiltPackages, Paged, SourceChroot, Whole};
use crate::api_3::route::fields::{BUILD, OWNER, PAGE, PROJECT};
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, POST, PUT, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::builds::{self, find_build};
use crate::operations::projects::find_project;

type Answer = Result<Json<models::Build>, Error>;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/build/list", list)
            .about("Builds of a project, newest first.")
            .query(&[
                OWNER,
                PROJECT,
                Field::new("packagename", Kind::Text, "Only of this package."),
                Field::new("status", Kind::Text, "Only in this state."),
            ])
            .query(&PAGE),
        public(GET, "/build/{id:\\d+}", get).about("A build."),
        public(GET, "/build/source-chroot/{id}", source_chroot).about("The source part of a build."),
        public(GET, "/build/built-packages/{id}", built_packages).about("What a build made, by chroot."),
        token(Action::Build, PUT, "/build/cancel/{id}", cancel).about("Cancels what is left of a build."),
        token(Action::Build, POST, "/build/check-before-build", check)
            .about("Says whether a build could be submitted, before its file is uploaded.")
            .body(&BUILD),
        token(Action::Build, POST, "/build/create/url", create_url)
            .about("Submits one build for each URL of a source package.")
            .body(&BUILD)
            .body(&[Field::required("pkgs", Kind::List, "URLs.")]),
    ]
}

/// Word that a build could be submitted.
#[derive(Serialize, JsonSchema)]
struct Possible {
    message: &'static str,
}

/// Builds that one look at the database takes when a state is asked for, which only code can tell.
const BATCH: i64 = 500;

async fn get(app: web::Data<App>, id: Path<String>) -> Answer {
    let (build, project) = find_build(&app, &id).await?;
    Ok(Json(models::build(&app.config, &build, &project)))
}

/// The model of a build that has just been made.
pub(super) async fn model(app: &App, id: BuildId) -> Result<models::Build, Error> {
    let (build, project) = find_build(app, &id.to_string()).await?;
    Ok(models::build(&app.config, &build, &project))
}

async fn list(app: web::Data<App>, query: Query) -> Result<Json<Paged<models::Build>>, Error> {
    let page = query.page()?;
    let project = find_project(&app, query.required("ownername")?, query.required("projectname")?).await?;
    let package = query.get("packagename")?;
    let found = match query.get("status")? {
        None => {
            let mut conn = app.conn().await?;
            db::builds::list(&mut conn, project.id, package, page.limit(), page.offset).await?
        }
        Some(state) => in_state(&app, &project, package, state, page.limit(), page.offset).await?,
    };
    let items = found
        .iter()
        .map(|b| models::build(&app.config, b, &project))
        .collect();
    Ok(Json(page.answer(items)))
}

async fn in_state(
    app: &App,
    project: &Project,
    package: Option<&str>,
    state: &str,
    limit: i64,
    offset: i64,
) -> Result<Vec<Build>, Error> {
    let mut found = Vec::new();
    let (mut skip, mut at) = (offset, 0);
    let mut conn = app.conn().await?;
    loop {
        let batch = db::builds::list(&mut conn, project.id, package, BATCH, at).await?;
        let last = batch.is_empty();
        for build in batch.into_iter().filter(|b| b.state() == state) {
            if skip > 0 {
                skip -= 1;
            } else {
                found.push(build);
            }
        }
        at += BATCH;
        let wanted = usize::try_from(limit).unwrap_or(0);
        if last || found.len() >= wanted {
            found.truncate(wanted);
            return Ok(found);
        }
    }
}

async fn source_chroot(app: web::Data<App>, id: Path<String>) -> Result<Json<SourceChroot>, Error> {
    let (build, project) = find_build(&app, &id).await?;
    Ok(Json(models::source_chroot(&app.config, &build, &project)))
}

async fn built_packages(
    app: web::Data<App>,
    id: Path<String>,
) -> Result<Json<BTreeMap<String, BuiltPackages>>, Error> {
    let (build, _) = find_build(&app, &id).await?;
    let mut conn = app.conn().await?;
    let rpms = db::rpms::of_build(&mut conn, build.id.0).await?;
    let chroots = build
        .tasks
        .iter()
        .filter_map(|t| t.chroot.as_ref())
        .map(|chroot| (chroot.to_string(), models::built_packages(&rpms, chroot)))
        .collect();
    Ok(Json(chroots))
}

async fn cancel(app: web::Data<App>, signed: Signed, id: Path<String>) -> Answer {
    let (build, project) = find_build(&app, &id).await?;
    builds::cancel_build(&app, &signed.actor, &build, &project).await?;
    Ok(Json(model(&app, build.id).await?))
}

/// The project that the fields name.
pub(super) async fn project_of(app: &App, fields: &Fields) -> Result<Project, Error> {
    find_project(
        app,
        &fields.required("ownername")?,
        &fields.required("projectname")?,
    )
    .await
}

async fn check(app: web::Data<App>, signed: Signed, fields: Fields) -> Result<Json<Possible>, Error> {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_build(&project)?;
    builds::check_before_build(&app, &signed.actor, &project, &fields.build_request()?).await?;
    Ok(Json(Possible {
        message: "It is possible to build in this project.",
    }))
}

async fn create_url(
    app: web::Data<App>,
    signed: Signed,
    fields: Fields,
) -> Result<Json<Whole<models::Build>>, Error> {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_build(&project)?;
    let urls = fields.list("pkgs")?.unwrap_or_default();
    let made = builds::submit_url(&app, &signed.actor, &project, &fields.build_request()?, &urls).await?;
    let mut items = Vec::with_capacity(made.len());
    for id in made {
        items.push(model(&app, id).await?);
    }
    Ok(Json(Whole::new(items)))
}
