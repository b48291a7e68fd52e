//! Packages, as they are read.

use actix_web::web;
use db::read::packages::{self, Order, Wanted, With, WithBuilds};
use protocol::PackageName;

use crate::api_3::input::Query;
use crate::api_3::models::{self, BUILD_BYTES, LatestBuilds, PACKAGE_BYTES, Paged};
use crate::api_3::route::fields::{OWNER, PACKAGE, PROJECT, page_by};
use crate::api_3::route::{ApiRoute, Field, GET, Kind, public};
use crate::api_3::written::Written;
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::projects::{missing_project, names, shown};

/// How lists can be sorted.
const ORDERS: [Field; 4] = page_by(&["id", "name"]);

const WITH: [Field; 2] = [
    Field::new("with_latest_build", Kind::Flag, "With the newest build."),
    Field::new(
        "with_latest_succeeded_build",
        Kind::Flag,
        "With the newest build that succeeded.",
    ),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/package", get)
            .about("A package.")
            .query(&[OWNER, PROJECT, PACKAGE])
            .query(&WITH),
        public(GET, "/package/list", list)
            .about("The packages of a project.")
            .query(&[OWNER, PROJECT])
            .query(&WITH)
            .query(&ORDERS),
    ]
}

fn with(query: &Query) -> Result<With, Error> {
    Ok(With {
        latest: query.flag("with_latest_build")?,
        latest_succeeded: query.flag("with_latest_succeeded_build")?,
    })
}

/// About how many bytes of JSON a package is.
fn bytes(with: With) -> usize {
    let builds = usize::from(with.latest) + usize::from(with.latest_succeeded);
    PACKAGE_BYTES + builds * BUILD_BYTES
}

fn model<'a>(
    config: &'a Config,
    owner: &'a str,
    project: &'a str,
    row: &'a WithBuilds,
) -> models::Package<'a> {
    let build = |line: &'a db::read::builds::Line| models::build_line(config, owner, project, line);
    let builds = LatestBuilds {
        latest: row.latest.as_ref().map(build),
        latest_succeeded: row.latest_succeeded.as_ref().map(build),
    };
    models::package(&row.package, owner, project, builds)
}

async fn get(app: web::Data<App>, query: Query) -> Result<Written<models::Package<'static>>, Error> {
    let (owner, project) = (query.required("ownername")?, query.required("projectname")?);
    let (owner_name, project_name) = names(owner, project)?;
    let name = query.required("packagename")?;
    let missing = || {
        Error::NotFound(format!(
            "No package with name {} in copr {owner}/{project}: it does not exist.",
            shown(name)
        ))
    };
    let package: PackageName = name.parse().map_err(|_| missing())?;
    let wanted = Wanted {
        name: Some(&package),
        with: with(&query)?,
        limit: 1,
        ..Wanted::default()
    };
    let found = packages::list(&mut *app.conn().await?, &owner_name, &project_name, wanted).await?;
    let found = found.ok_or_else(|| missing_project(owner, project))?;
    let row = found.first().ok_or_else(missing)?;
    Written::new(&model(&app.config, owner, project, row), bytes(wanted.with))
}

async fn list(app: web::Data<App>, query: Query) -> Result<Written<Paged<models::Package<'static>>>, Error> {
    let page = query.page()?;
    let (owner, project) = (query.required("ownername")?, query.required("projectname")?);
    let (owner_name, project_name) = names(owner, project)?;
    let wanted = Wanted {
        with: with(&query)?,
        order: match (page.order, page.descending) {
            ("name", false) => Order::Name,
            ("name", true) => Order::NameLastFirst,
            (_, false) => Order::Number,
            (_, true) => Order::LastFirst,
        },
        limit: page.limit(),
        offset: page.offset,
        ..Wanted::default()
    };
    let found = packages::list(&mut *app.conn().await?, &owner_name, &project_name, wanted).await?;
    let found = found.ok_or_else(|| missing_project(owner, project))?;
    let model = |row| model(&app.config, owner, project, row);
    page.written(found.iter().map(model).collect(), bytes(wanted.with))
}
