//! `GET /api_3/rpmrepo/{owner}/{dirname}/{name_release}`, by which dnf5's copr plugin enables a project.
//!
//! Made after Copr's `apiv3_rpmrepo.py` and dnf5's `copr_repo.cpp`: the plugin composes the URLs by itself, of
//! `results_url`, owner, directory and chroot.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{self, Json};
use chrono::{DateTime, TimeDelta, Utc};
use db::repo_specs::{Dependency, RepoDir, RepoOptions, RepoSpec};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::repo_specs;
use crate::repo_file::{MULTILIB_COST, dependency_id, dependency_name, key_url, multilib_partner};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/rpmrepo/{owner}/{dirname}/{name_release}", get).about(
            "What dnf5's copr plugin enables a project by: its chroots, directories and runtime dependencies. The \
             answer is the same for all directories and releases of a project.",
        ),
    ]
}

/// A project's repositories, for dnf5.
#[derive(Serialize, JsonSchema)]
struct RpmRepo {
    /// Base of all results; a repository is at `<results_url>/<owner>/<dirname>/<chroot>/`.
    results_url: String,
    /// URL of the key that signs packages and metadata.
    pubkey_url: String,
    /// By `<os>-<version>`.
    repos: BTreeMap<String, Release>,
    /// By name.
    directories: BTreeMap<String, Lifetime>,
    dependencies: Vec<RuntimeDependency>,
    /// Days after which the whole project is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_after_days: Option<i64>,
}

/// The chroots of a release.
#[derive(Default, Serialize, JsonSchema)]
struct Release {
    /// By architecture.
    arch: BTreeMap<String, Repo>,
}

/// A repository.
#[derive(Serialize, JsonSchema)]
struct Repo {
    opts: Options,
    /// 32-bit repositories that machines of this architecture take as well, by architecture.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multilib: BTreeMap<String, Second>,
}

/// A repository beside another one.
#[derive(Serialize, JsonSchema)]
struct Second {
    opts: Options,
}

/// Options of a repository, as in a `.repo` file: all are texts.
#[derive(Default, Serialize, JsonSchema)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_hotfixes: Option<String>,
}

impl Options {
    fn of(options: RepoOptions) -> Self {
        Self {
            priority: options.priority.map(|p| p.to_string()),
            module_hotfixes: options.module_hotfixes.then(|| "1".to_owned()),
            ..Self::default()
        }
    }
}

/// How long something is kept; empty for ever.
#[derive(Serialize, JsonSchema)]
struct Lifetime {
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_after_days: Option<i64>,
}

/// A repository that the project's packages need.
#[derive(Serialize, JsonSchema)]
struct RuntimeDependency {
    opts: Options,
    #[serde(flatten)]
    at: Location,
}

/// Where a dependency is.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
enum Location {
    /// A project of this service.
    Copr { owner: String, projectname: String },
    /// A `baseurl`, with `$chroot` and `$distname` for the client to replace.
    ExternalBaseurl { pattern: String },
}

async fn get(app: web::Data<App>, req: HttpRequest) -> Result<Json<RpmRepo>, Error> {
    let (owner, dir) = (req.match_info().query("owner"), req.match_info().query("dirname"));
    let mut conn = app.conn().await?;
    let (spec, _) = repo_specs::find(&mut conn, owner, dir).await?;
    let dependencies = repo_specs::dependencies(&mut conn, &spec).await?;
    drop(conn);
    let now = app.now();
    Ok(Json(RpmRepo {
        results_url: app.config.results_url.clone(),
        pubkey_url: key_url(&app.config, &spec.owner, &spec.name),
        repos: repos(&spec),
        directories: spec
            .dirs
            .iter()
            .map(|dir| (dir.name.to_string(), lifetime(&app.config, dir, now)))
            .collect(),
        dependencies: runtime(&app.config, &spec, &dependencies),
        delete_after_days: spec.delete_at.map(|at| days(at, now)),
    }))
}

/// Whole days that are left.
fn days(until: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (until - now).num_days().max(0)
}

fn lifetime(config: &Config, dir: &RepoDir, now: DateTime<Utc>) -> Lifetime {
    let kept = TimeDelta::days(config.keep_pr_dirs_days.into());
    let ends = dir.name.as_str().contains(":pr:");
    Lifetime {
        delete_after_days: dir.used_at.filter(|_| ends).map(|at| days(at + kept, now)),
    }
}

fn repos(spec: &RepoSpec) -> BTreeMap<String, Release> {
    let mut releases: BTreeMap<String, Release> = BTreeMap::new();
    for chroot in &spec.chroots {
        let second = multilib_partner(spec, chroot, chroot.arch()).map(|second| {
            let opts = Options {
                cost: Some(MULTILIB_COST.to_string()),
                ..Options::of(spec.options)
            };
            (second.arch().to_owned(), Second { opts })
        });
        let repo = Repo {
            opts: Options::of(spec.options),
            multilib: second.into_iter().collect(),
        };
        let release = releases.entry(chroot.name_release().to_owned()).or_default();
        release.arch.insert(chroot.arch().to_owned(), repo);
    }
    releases
}

fn runtime(config: &Config, spec: &RepoSpec, dependencies: &[Dependency]) -> Vec<RuntimeDependency> {
    let describe = |(index, dependency): (usize, &Dependency)| {
        let (options, at) = match dependency {
            // The plugin makes both URLs, of the repository and of the key, from this name.
            Dependency::Project { owner, dir, options } => {
                let (owner, projectname) = (owner.to_string(), dir.to_string());
                (*options, Location::Copr { owner, projectname })
            }
            Dependency::External { url, priority, .. } => {
                let options = RepoOptions {
                    module_hotfixes: false,
                    priority: *priority,
                };
                let pattern = url.clone();
                (options, Location::ExternalBaseurl { pattern })
            }
            Dependency::Missing(_) => return None,
        };
        let opts = Options {
            id: dependency_id(config, dependency),
            name: Some(dependency_name(config, spec, dependency, index + 1)),
            ..Options::of(options)
        };
        Some(RuntimeDependency { opts, at })
    };
    dependencies.iter().enumerate().filter_map(describe).collect()
}
