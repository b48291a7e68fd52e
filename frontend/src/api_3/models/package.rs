//! A package: a name with a default source.

use std::borrow::Cow;

use db::read::packages::Listed;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::Build;

/// A package.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api_3) struct Package<'a> {
    pub id: i64,
    pub name: &'a str,
    pub projectname: &'a str,
    pub ownername: &'a str,
    /// `scm`, `pypi`, `rubygems`, `distgit`, `custom`; `link` or `upload` of a package that a build made known; `unset`.
    pub source_type: &'a str,
    /// The fields of that type; none when it is unset.
    #[schemars(with = "Map<String, Value>")]
    pub source_dict: Cow<'a, RawValue>,
    /// Whether webhooks rebuild it.
    pub auto_rebuild: bool,
    /// Always there: `copr-cli` stops without it.
    pub builds: LatestBuilds<'a>,
}

/// The latest builds of a package; null when there is none, or none was asked for.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::api_3) struct LatestBuilds<'a> {
    pub latest: Option<Build<'a>>,
    pub latest_succeeded: Option<Build<'a>>,
}

/// About how many bytes of JSON a package is, without its builds.
pub(in crate::api_3) const PACKAGE_BYTES: usize = 512;

/// A package with those of its latest builds that were asked for.
pub(in crate::api_3) fn package<'a>(
    row: &'a Listed,
    owner: &'a str,
    project: &'a str,
    builds: LatestBuilds<'a>,
) -> Package<'a> {
    Package {
        id: row.id,
        name: &row.name,
        projectname: project,
        ownername: owner,
        source_type: &row.source_type,
        source_dict: source_dict(&row.source),
        auto_rebuild: row.webhook_rebuild,
        builds,
    }
}

/// Almost always what is stored; one field is stored with the name that Copr's server uses, and its API has another.
fn source_dict(stored: &RawValue) -> Cow<'_, RawValue> {
    const STORED: &str = "srpm_build_method";
    if !stored.get().contains(STORED) {
        return Cow::Borrowed(stored);
    }
    let renamed = serde_json::from_str::<Map<String, Value>>(stored.get()).and_then(|mut fields| {
        if let Some(method) = fields.remove(STORED) {
            fields.insert("source_build_method".to_owned(), method);
        }
        to_raw_value(&fields)
    });
    renamed.map_or(Cow::Borrowed(stored), Cow::Owned)
}
