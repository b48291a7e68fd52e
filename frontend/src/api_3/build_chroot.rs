//! Chroots of builds.

use actix_web::web::{self, Json};
use db::builds::Build;
use db::projects::Project;
use db::tasks::TaskRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::models::{self, BuildChroot, BuiltPackages, Paged};
use crate::api_3::project_chroot::{self, BuildConfig};
use crate::api_3::route::fields::{BUILD_ID, CHROOT, PAGE};
use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::error::Error;
use crate::operations::builds::find_build;
use crate::operations::projects::shown;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/build-chroot", get)
            .about("One chroot of a build.")
            .query(&[BUILD_ID, CHROOT]),
        public(GET, "/build-chroot/list", list)
            .about("The chroots of a build.")
            .query(&[BUILD_ID])
            .query(&PAGE),
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

fn task<'a>(build: &'a Build, query: &Query) -> Result<&'a TaskRow, Error> {
    let name = query.required("chrootname")?;
    build
        .tasks
        .iter()
        .find(|t| t.chroot.as_ref().is_some_and(|c| c.as_str() == name))
        .ok_or_else(|| {
            Error::NotFound(format!(
                "Chroot {} does not exist in build {}.",
                shown(name),
                build.id
            ))
        })
}

async fn get(app: web::Data<App>, query: Query) -> Result<Json<BuildChroot>, Error> {
    let (build, project) = find(&app, &query).await?;
    let task = task(&build, &query)?;
    models::build_chroot(&app.config, &build, &project, task)
        .map(Json)
        .ok_or_else(|| Error::Internal(format!("task {} has no chroot", task.id)))
}

async fn list(app: web::Data<App>, query: Query) -> Result<Json<Paged<BuildChroot>>, Error> {
    let page = query.page()?;
    let (build, project) = find(&app, &query).await?;
    let mut all: Vec<BuildChroot> = build
        .tasks
        .iter()
        .filter_map(|task| models::build_chroot(&app.config, &build, &project, task))
        .collect();
    if page.descending {
        all.reverse();
    }
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit()).unwrap_or(0);
    Ok(Json(page.answer(all.into_iter().skip(skip).take(take).collect())))
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
    let mut config = project_chroot::config_of(&app, project, &build.dir, chroot, set).await?;
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
