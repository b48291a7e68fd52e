//! A package: a name with a default source.

use db::package_edit::Package as PackageRow;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Build;

/// A package.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api_3) struct Package {
    pub id: i64,
    pub name: String,
    pub projectname: String,
    pub ownername: String,
    /// `scm`, `pypi`, `rubygems`, `distgit`, `custom`; `link` or `upload` of a package that a build made known; `unset`.
    pub source_type: String,
    /// The fields of that type; none when it is unset.
    pub source_dict: Map<String, Value>,
    /// Whether webhooks rebuild it.
    pub auto_rebuild: bool,
    /// Always there: `copr-cli` stops without it.
    pub builds: LatestBuilds,
}

/// The latest builds of a package; null when there is none, or none was asked for.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::api_3) struct LatestBuilds {
    pub latest: Option<Build>,
    pub latest_succeeded: Option<Build>,
}

/// A package with those of its latest builds that were asked for.
pub(in crate::api_3) fn package(
    row: &PackageRow,
    owner: &str,
    project: &str,
    builds: LatestBuilds,
) -> Package {
    let mut source_dict = row.source.clone();
    // Stored with the name that Copr's server uses; its API has another.
    if let Some(method) = source_dict.remove("srpm_build_method") {
        source_dict.insert("source_build_method".to_owned(), method);
    }
    Package {
        id: row.id,
        name: row.name.clone(),
        projectname: project.to_owned(),
        ownername: owner.to_owned(),
        source_type: row.source_type.clone(),
        source_dict,
        auto_rebuild: row.webhook_rebuild,
        builds,
    }
}
