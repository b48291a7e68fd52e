//! How all packages of a project stand.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web;
use db::read::monitor::{self, Newest};
use protocol::DirName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::route::fields::{OWNER, PROJECT};
use crate::api_3::route::{ApiRoute, Field, GET, Kind, public};
use crate::api_3::written::Written;
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::projects::{missing_project, names, shown};

/// What can be asked for beside the state.
const ADDITIONAL: [&str; 3] = ["url_build_log", "url_backend_log", "url_build"];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/monitor", get)
            .about("The newest build of every package in every enabled chroot of a directory.")
            .query(&[
                OWNER,
                PROJECT,
                Field::new(
                    "project_dirname",
                    Kind::Text,
                    "Result directory; the main one when absent.",
                ),
                Field::new(
                    "additional_fields[]",
                    Kind::List,
                    "`url_build_log`, `url_backend_log`, `url_build`; may be repeated.",
                ),
            ]),
    ]
}

/// How the packages stand.
#[derive(Serialize, JsonSchema)]
struct Monitor<'a> {
    output: &'static str,
    message: &'static str,
    packages: Vec<Package<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MonitorPackage")]
struct Package<'a> {
    name: &'a str,
    chroots: BTreeMap<&'a str, Chroot<'a>>,
}

/// The newest build of a package in a chroot.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MonitorChroot")]
struct Chroot<'a> {
    state: &'a str,
    /// Copr's number of the state.
    status: u32,
    build_id: i64,
    /// Version and release; null until they are known.
    pkg_version: Option<&'a str>,
    /// Null until there is a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    url_build_log: Option<Option<String>>,
    /// Always null: there is one log, and it holds what goes wrong after the build as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    url_backend_log: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_build: Option<String>,
}

/// Copr's number of a state.
fn status(state: &str) -> u32 {
    match state {
        "failed" => 0,
        "succeeded" => 1,
        "canceled" => 2,
        "running" => 3,
        "pending" => 4,
        "skipped" => 5,
        "starting" => 6,
        "importing" => 7,
        "forked" => 8,
        "waiting" => 9,
        _ => 1_000,
    }
}

/// What is told of each build.
struct Teller<'a> {
    config: &'a Config,
    owner: &'a str,
    project: &'a str,
    dir: &'a str,
    fields: &'a BTreeSet<&'a str>,
}

impl Teller<'_> {
    fn chroot<'n>(&self, newest: &'n Newest, chroot: &str, state: &'n str) -> Chroot<'n> {
        Chroot {
            state,
            status: status(state),
            build_id: newest.build,
            pkg_version: newest.version.as_deref(),
            url_build_log: self
                .fields
                .contains(ADDITIONAL[0])
                .then(|| self.log_url(newest, chroot, state)),
            url_backend_log: self.fields.contains(ADDITIONAL[1]).then_some(()),
            url_build: self.fields.contains(ADDITIONAL[2]).then(|| {
                format!(
                    "{}/coprs/{}/{}/build/{}/",
                    self.config.url, self.owner, self.project, newest.build
                )
            }),
        }
    }

    /// Logs are there from the start of a build, and compressed once it has ended.
    fn log_url(&self, newest: &Newest, chroot: &str, state: &str) -> Option<String> {
        let tail = match state {
            "running" | "starting" => "",
            "succeeded" | "failed" | "canceled" => ".gz",
            _ => return None,
        };
        Some(format!(
            "{}/{}/{}/{chroot}/{:08}-{}/builder-live.log{tail}",
            self.config.results_url, self.owner, self.dir, newest.build, newest.package
        ))
    }

    fn packages<'n>(&self, rows: &'n [Newest], enabled: &[String]) -> Vec<Package<'n>> {
        let mut packages: Vec<Package<'n>> = Vec::with_capacity(rows.len());
        for row in rows {
            if packages.last().is_none_or(|last| last.name != row.package) {
                packages.push(Package {
                    name: &row.package,
                    chroots: BTreeMap::new(),
                });
            }
            let Some(package) = packages.last_mut() else {
                continue;
            };
            package.chroots.extend(
                row.states()
                    .filter(|(chroot, _)| enabled.iter().any(|e| e == chroot))
                    .map(|(chroot, state)| (chroot, self.chroot(row, chroot, state))),
            );
        }
        packages.retain(|p| !p.chroots.is_empty());
        packages
    }
}

fn additional(query: &Query) -> Result<BTreeSet<&str>, Error> {
    let fields: BTreeSet<&str> = query.all("additional_fields[]")?.into_iter().collect();
    let wrong: Vec<&str> = fields
        .iter()
        .copied()
        .filter(|f| !ADDITIONAL.contains(f))
        .collect();
    if wrong.is_empty() {
        return Ok(fields);
    }
    Err(Error::Invalid(format!(
        "Wrong additional_fields argument(s): {}",
        shown(&wrong.join(", "))
    )))
}

async fn get(app: web::Data<App>, query: Query) -> Result<Written<Monitor<'static>>, Error> {
    let (owner, project) = (query.required("ownername")?, query.required("projectname")?);
    let fields = additional(&query)?;
    let (owner_name, project_name) = names(owner, project)?;
    let dir = query.get("project_dirname")?.unwrap_or(project);
    let no_directory = || {
        Error::NotFound(format!(
            "Directory {} does not exist in {owner}/{project}.",
            shown(dir)
        ))
    };
    let dir_name: DirName = dir.parse().map_err(|_| no_directory())?;
    let mut conn = app.conn().await?;
    let directory = monitor::directory(&mut conn, &owner_name, &project_name, &dir_name)
        .await?
        .ok_or_else(|| missing_project(owner, project))?;
    if !directory.exists {
        return Err(no_directory());
    }
    let rows = monitor::newest(&mut conn, directory.project, &dir_name).await?;
    // Writing takes longer than reading; somebody else may have the connection meanwhile.
    drop(conn);
    let teller = Teller {
        config: &app.config,
        owner,
        project,
        dir,
        fields: &fields,
    };
    let monitor = Monitor {
        output: "ok",
        message: "Project monitor request successful",
        packages: teller.packages(&rows, &directory.chroots),
    };
    Written::new(&monitor, 128 + rows.len() * 128 * directory.chroots.len().max(1))
}
