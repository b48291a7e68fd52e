//! Builds.

use actix_web::web::{self, Json, Path};
use db::projects::Project;
use db::read::builds::{self as read, Column, Order, STATES, Wanted};
use protocol::{BuildId, PackageName};
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::{Fields, Query};
use crate::api_3::models::{self, BUILD_BYTES, BuiltPackages, Paged, SourceChroot, Whole};
use crate::api_3::page::Page;
use crate::api_3::route::fields::{BUILD, OWNER, PROJECT, page_by};
use crate::api_3::route::{Action, ApiRoute, DELETE, Field, GET, Kind, POST, PUT, public, token};
use crate::api_3::written::Written;
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::builds::{self, find_build, missing_build};
use crate::operations::projects::{find_project, missing_project, names, shown};
use crate::operations::webhooks::HOOK_DATA;

/// The answer that a build is.
pub(super) type Answer = Result<Written<models::Build<'static>>, Error>;

/// How lists can be sorted.
const ORDERS: [Field; 4] = page_by(&[
    "id",
    "submitted_on",
    "started_on",
    "ended_on",
    "packagename",
    "state",
]);

fn order(page: &Page) -> Order {
    let by = match page.order {
        "started_on" => Column::Started,
        "ended_on" => Column::Ended,
        "packagename" => Column::Package,
        "state" => Column::State,
        _ => Column::Number,
    };
    let reversed = if by == Column::Number {
        !page.descending
    } else {
        page.descending
    };
    Order { by, reversed }
}

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/build/list", list)
            .about("Builds of a project, newest first unless an order is named.")
            .query(&[
                OWNER,
                PROJECT,
                Field::new("packagename", Kind::Text, "Only of this package."),
                Field::new("status", Kind::Text, "Only in this state."),
            ])
            .query(&ORDERS),
        public(GET, "/build/{id:\\d+}", get).about("A build."),
        public(GET, "/build/source-chroot/{id}", source_chroot).about("The source part of a build."),
        public(GET, "/build/built-packages/{id}", built_packages).about("What a build made, by chroot."),
        public(GET, "/build/source-build-config/{id}", source_build_config)
            .about("Where the source of a build comes from. What a webhook brought along, only those see who may edit the project."),
        token(Action::Build, DELETE, "/build/delete/list", delete_list)
            .about("Deletes finished builds, all of them or none.")
            .body(&[Field::required("builds", Kind::Numbers, "Numbers of builds.")]),
        token(Action::Build, DELETE, "/build/delete/{id:\\d+}", delete)
            .about("Deletes a build at any state; what runs of it is stopped."),
        token(Action::Build, POST, "/build/resubmit/{id}", resubmit)
            .about("Builds the same source once more, with the same choices."),
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

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// Numbers of the builds.
    builds: Vec<i64>,
}

/// Where a build's source comes from, and what its source part may use.
#[derive(Serialize, JsonSchema)]
struct SourceBuildConfig {
    /// Copr's word: link, upload, scm, distgit, pypi, rubygems, custom or `rpm_upload`; and `import`, which is ours.
    source_type: String,
    /// The fields of that type.
    source_dict: serde_json::Map<String, serde_json::Value>,
    /// MiB.
    memory_limit: u64,
    /// Seconds.
    timeout: u64,
    is_background: bool,
}

/// Word that a build could be submitted.
#[derive(Serialize, JsonSchema)]
struct Possible {
    message: &'static str,
}

async fn get(app: web::Data<App>, id: Path<String>) -> Answer {
    let missing = || missing_build(&id);
    written(&app, id.parse().map_err(|_| missing())?).await
}

/// The model of a build.
pub(super) async fn written(app: &App, id: BuildId) -> Answer {
    let found = read::find(&mut *app.conn().await?, id).await?;
    let found = found.ok_or_else(|| missing_build(&id.to_string()))?;
    let line = models::build_line(&app.config, &found.owner, &found.project, &found.line);
    let build = models::Build {
        promoted_from: found.promoted_from.as_ref().map(Into::into),
        commit: found.commit.as_deref(),
        ..line
    };
    Written::new(&build, BUILD_BYTES)
}

async fn list(app: web::Data<App>, query: Query) -> Result<Written<Paged<models::Build<'static>>>, Error> {
    let mut page = query.page_newest_first()?;
    // As in Copr, a direction alone changes nothing.
    page.descending |= query.get("order")?.is_none();
    let (owner, project) = (query.required("ownername")?, query.required("projectname")?);
    let (owner_name, project_name) = names(owner, project)?;
    let state = query.get("status")?;
    if let Some(other) = state.filter(|s| !STATES.contains(s)) {
        return Err(Error::Invalid(format!(
            "status: '{}' is not a valid choice for this field, use one of {}",
            shown(other),
            STATES.join(", ")
        )));
    }
    let package = match query.get("packagename")?.map(str::parse::<PackageName>) {
        None => None,
        Some(Ok(name)) => Some(name),
        // No package can be called so.
        Some(Err(_)) => return page.written(Vec::<models::Build<'_>>::new(), 0),
    };
    let wanted = Wanted {
        package: package.as_ref(),
        state,
        order: order(&page),
        limit: page.limit(),
        offset: page.offset,
    };
    let found = read::list(&mut *app.conn().await?, &owner_name, &project_name, wanted).await?;
    let found = found.ok_or_else(|| missing_project(owner, project))?;
    let model = |line| models::build_line(&app.config, owner, project, line);
    page.written(found.iter().map(model).collect(), BUILD_BYTES)
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
    written(&app, build.id).await
}

async fn source_build_config(
    app: web::Data<App>,
    signed: Option<Signed>,
    id: Path<String>,
) -> Result<Json<SourceBuildConfig>, Error> {
    let (build, project) = find_build(&app, &id).await?;
    let source = models::source_chroot(&app.config, &build, &project).result_url;
    let mut source_dict = match build.source {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    // What a program sent to the project's webhook, which may be private.
    if signed.is_none_or(|signed| signed.actor.may_edit(&project).is_err()) {
        source_dict.remove(HOOK_DATA);
    }
    if let ("upload", Some(name)) = (
        build.source_kind.as_str(),
        source_dict.get("pkg").and_then(|p| p.as_str()),
    ) {
        let url = format!("{source}{name}");
        source_dict.insert("url".to_owned(), url.into());
    }
    Ok(Json(SourceBuildConfig {
        source_type: build.source_kind,
        source_dict,
        memory_limit: app.config.limits.memory_mib,
        timeout: build.options.timeout_s.unwrap_or(app.config.limits.timeout_s),
        is_background: build.options.background,
    }))
}

async fn delete(app: web::Data<App>, signed: Signed, id: Path<String>) -> Answer {
    let (build, project) = find_build(&app, &id).await?;
    let before = written(&app, build.id).await?;
    builds::delete_build(&app, &signed.actor, &build, &project).await?;
    Ok(before)
}

async fn delete_list(app: web::Data<App>, signed: Signed, fields: Fields) -> Result<Json<Deleted>, Error> {
    let builds = fields.numbers("builds")?.unwrap_or_default();
    builds::delete_builds(&app, &signed.actor, &builds).await?;
    Ok(Json(Deleted { builds }))
}

async fn resubmit(app: web::Data<App>, signed: Signed, id: Path<String>) -> Answer {
    let (build, project) = find_build(&app, &id).await?;
    let made = builds::resubmit(&app, &signed.actor, &build, &project).await?;
    written(&app, made).await
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
) -> Result<Written<Whole<models::Build<'static>>>, Error> {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_build(&project)?;
    let urls = fields.list("pkgs")?.unwrap_or_default();
    let made = builds::submit_url(&app, &signed.actor, &project, &fields.build_request()?, &urls).await?;
    let found = read::find_all(&mut *app.conn().await?, &made).await?;
    let models = found
        .iter()
        .map(|(owner, project, line)| models::build_line(&app.config, owner, project, line));
    let whole = Whole::new(models.collect());
    Written::new(&whole, 128 + found.len() * BUILD_BYTES)
}
