//! Small repositories: what one build made, and what one batch made.

use actix_web::web::{self, Json, Path};
use db::minis::Shown;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::minis::{self, Of};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/build/repository/{id}", of_build).about(
            "The signed repositories that have just what a build made, one for each chroot in which it succeeded. \
             They stay until the build is deleted, whatever else is published; scratch builds have them too.",
        ),
        public(GET, "/batch/repository/{id}", of_batch).about(
            "The signed repositories that have just what the builds of a batch made, one for each directory and \
             chroot. They are made when all builds of the batch have ended.",
        ),
    ]
}

/// Small repositories.
#[derive(Serialize, JsonSchema)]
struct Repositories {
    items: Vec<Repository>,
}

/// A small repository.
#[derive(Serialize, JsonSchema)]
struct Repository {
    ownername: String,
    dirname: String,
    chroot: String,
    /// For `baseurl=`.
    url: String,
    /// For `mirrorlist=`: names the revision that is served, so that metadata and signature belong together.
    mirrorlist: String,
    /// URL of a `.repo` file that demands both signature checks.
    repo_url: String,
    /// Which revision is served; a new key makes a new one.
    revision: i64,
    /// Number of packages.
    packages: i64,
    /// Seconds since 1970.
    made_on: i64,
}

fn models(config: &Config, found: Vec<Shown>) -> Json<Repositories> {
    let model = |mini: Shown| {
        let url = minis::url(config, &mini);
        Repository {
            mirrorlist: format!("{url}mirrorlist"),
            url,
            repo_url: minis::repo_url(config, &mini),
            ownername: mini.owner.to_string(),
            dirname: mini.dir.to_string(),
            chroot: mini.chroot.to_string(),
            revision: mini.revision,
            packages: mini.packages,
            made_on: mini.made_at.timestamp(),
        }
    };
    Json(Repositories {
        items: found.into_iter().map(model).collect(),
    })
}

async fn of_build(app: web::Data<App>, id: Path<String>) -> Result<Json<Repositories>, Error> {
    let found = minis::find(&app, &Of::Build(id.into_inner())).await?;
    Ok(models(&app.config, found))
}

async fn of_batch(app: web::Data<App>, id: Path<String>) -> Result<Json<Repositories>, Error> {
    let found = minis::find(&app, &Of::Batch(id.into_inner())).await?;
    Ok(models(&app.config, found))
}
