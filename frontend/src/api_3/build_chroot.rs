//! Chroots of builds.

use actix_web::web::{self, Json};
use db::builds::Build;
use db::projects::Project;
use db::read::build_chroots::{self, Parts, Wanted};
use db::tasks::TaskRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::models::{self, BuildChroot, BuiltPackages, Paged};
use crate::api_3::project_chroot::{self, BuildConfig};
use crate::api_3::route::fields::{BUILD_ID, CHROOT, page_by};
use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::error::Error;
use crate::operations::builds::{find_build, missing_build};
use crate::operations::projects::shown;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/build-chroot", get)
            .about("One chroot of a build.")
            .query(&[BUILD_ID, CHROOT]),
        public(GET, "/build-chroot/list", list)
            .about("The chroots of a build.")
            .query(&[BUILD_ID])
            .query(&page_by(&["name", "id"])),
        public(GET, "/build-chroot/build-config", build_config)
            .about("What a build is given in one chroot, as it would be now.")
            .query(&[BUILD_ID, CHROOT]),
        public(GET, "/build-chroot/built-packages", built_packages)
            .about("The packages that a build made for one chroot.")
            .query(&[BUILD_ID, CHROOT]),
    ]
}

async fn find(app: &App, query: &Query) -> Result<(Build, Project), Error> {
    find_build(app, query.required("build_id")?).await
}

fn missing(name: &str, build: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("Chroot {} does not exist in build {build}.", shown(name)))
}

fn task<'a>(build: &'a Build, query: &Query) -> Result<&'a TaskRow, Error> {
    let name = query.required("chrootname")?;
    build
        .tasks
        .iter()
        .find(|t| t.chroot.as_ref().is_some_and(|c| c.as_str() == name))
        .ok_or_else(|| missing(name, build.id))
}

async fn parts(app: &App, build: &str, wanted: Wanted<'_>) -> Result<Parts, Error> {
    let id = build.parse().map_err(|_| missing_build(build))?;
    let found = build_chroots::list(&mut *app.conn().await?, id, wanted).await?;
    found.ok_or_else(|| missing_build(build))
}

fn models_of(app: &App, found: &Parts) -> Vec<BuildChroot> {
    let base = format!("{}/{}/{}", app.config.results_url, found.owner, found.dir);
    let model = |part| models::build_chroot(&base, part);
    found.parts.iter().map(model).collect()
}

async fn get(app: web::Data<App>, query: Query) -> Result<Json<BuildChroot>, Error> {
    let (build, name) = (query.required("build_id")?, query.required("chrootname")?);
    // The database holds no zero byte, and none can be asked for.
    if name.contains('\0') {
        return Err(missing(name, shown(build)));
    }
    let wanted = Wanted {
        name: Some(name),
        limit: 1,
        ..Wanted::default()
    };
    let found = parts(&app, build, wanted).await?;
    let model = models_of(&app, &found).pop();
    model.map(Json).ok_or_else(|| missing(name, shown(build)))
}

async fn list(app: web::Data<App>, query: Query) -> Result<Json<Paged<BuildChroot>>, Error> {
    let page = query.page()?;
    let wanted = Wanted {
        name: None,
        descending: page.descending,
        limit: page.limit(),
        offset: page.offset,
    };
    let found = parts(&app, query.required("build_id")?, wanted).await?;
    page.answer(models_of(&app, &found))
}

/// What a build is given in one chroot.
#[derive(Serialize, JsonSchema)]
struct ChrootBuildConfig {
    #[serde(flatten)]
    config: BuildConfig,
    /// MiB.
    memory_limit: u64,
    /// Seconds.
    timeout: u64,
    is_background: bool,
}

async fn build_config(app: web::Data<App>, query: Query) -> Result<Json<ChrootBuildConfig>, Error> {
    let (build, project) = find(&app, &query).await?;
    let task = task(&build, &query)?;
    let chroot = task
        .chroot
        .as_ref()
        .ok_or_else(|| Error::Internal(format!("task {} has no chroot", task.id)))?;
    // A chroot that the project has no more has no settings either.
    let row = db::project_chroots::find(&mut *app.conn().await?, project.id, chroot).await?;
    let set = row.map(|row| row.settings).unwrap_or_default();
    let mut config =
        project_chroot::config_of(&app, project, (&build.dir, build.options.flow()), chroot, set).await?;
    let options = build.options;
    let chosen = |own: Option<String>| own.filter(|own| own != "unchanged");
    config.enable_net = options.enable_net.unwrap_or(config.enable_net);
    config.bootstrap = chosen(options.bootstrap).unwrap_or(config.bootstrap);
    config.isolation = chosen(options.isolation).unwrap_or(config.isolation);
    Ok(Json(ChrootBuildConfig {
        config,
        memory_limit: app.config.limits.memory_mib,
        timeout: options.timeout_s.unwrap_or(app.config.limits.timeout_s),
        is_background: options.background,
    }))
}

async fn built_packages(app: web::Data<App>, query: Query) -> Result<Json<BuiltPackages>, Error> {
    let (build, _) = find(&app, &query).await?;
    let task = task(&build, &query)?;
    let mut conn = app.conn().await?;
    let rpms = db::rpms::of_build(&mut conn, build.id.0).await?;
    let model = task
        .chroot
        .as_ref()
        .map(|chroot| models::built_packages(&rpms, chroot));
    Ok(Json(model.unwrap_or_default()))
}
