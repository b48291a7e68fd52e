//! Chroots of projects.

use actix_web::web::{self, Json};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::route::fields::{CHROOT, OWNER, PROJECT};
use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{find_project, shown};

type Answer = Result<Json<ProjectChroot>, Error>;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/project-chroot", get)
            .about("What a project sets for one chroot.")
            .query(&[OWNER, PROJECT, CHROOT]),
    ]
}

/// What a project sets for one chroot.
#[derive(Serialize, JsonSchema)]
struct ProjectChroot {
    mock_chroot: String,
    projectname: String,
    ownername: String,
    comps_name: Option<String>,
    additional_repos: Vec<String>,
    additional_packages: Vec<String>,
    additional_modules: Vec<String>,
    with_opts: Vec<String>,
    without_opts: Vec<String>,
    delete_after_days: Option<i32>,
    isolation: String,
}

async fn get(app: web::Data<App>, query: Query) -> Answer {
    let project = find_project(&app, query.required("ownername")?, query.required("projectname")?).await?;
    let name = query.required("chrootname")?;
    let mut conn = app.conn().await?;
    let enabled = db::projects::chroots(&mut conn, project.id).await?;
    let chroot = enabled.iter().find(|c| c.as_str() == name).ok_or_else(|| {
        Error::NotFound(format!(
            "Chroot {} does not exist in {}/{}.",
            shown(name),
            project.owner,
            project.name
        ))
    })?;
    Ok(Json(ProjectChroot {
        mock_chroot: chroot.to_string(),
        projectname: project.name.to_string(),
        ownername: project.owner.to_string(),
        comps_name: None,
        additional_repos: Vec::new(),
        additional_packages: Vec::new(),
        additional_modules: Vec::new(),
        with_opts: Vec::new(),
        without_opts: Vec::new(),
        delete_after_days: None,
        isolation: "unchanged".to_owned(),
    }))
}
