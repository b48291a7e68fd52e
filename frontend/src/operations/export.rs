//! A project's definition as a text that can be compared and kept: no numbers, no dates, and the same bytes however the
//! project was made.

use std::collections::BTreeMap;

use db::project_chroots::ChrootSettings;
use db::projects::{Project, ProjectSettings};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::Error;

/// What a project is, apart from what was built in it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Definition {
    /// Name.
    pub name: String,
    /// Texts and switches, by Copr's names.
    pub settings: Map<String, Value>,
    /// Enabled chroots and what is set for each.
    pub chroots: BTreeMap<String, Chroot>,
    /// Packages with their default sources, by name.
    pub packages: BTreeMap<String, Package>,
}

/// A chroot of a project.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Chroot {
    /// What differs from the project's settings, by Copr's names.
    pub settings: Map<String, Value>,
    /// SHA-256 of the groups of packages.
    pub comps_sha256: Option<String>,
}

/// A package.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Package {
    /// Copr's word for where it comes from.
    pub source_type: String,
    /// The fields of that type.
    pub source: Map<String, Value>,
    /// Whether webhooks rebuild it.
    pub webhook_rebuild: bool,
    /// Builds to keep; 0: all.
    pub max_builds: i32,
    /// Seconds that its builds may take.
    pub timeout: Option<i32>,
    /// Chroots that it is not built for.
    pub chroot_denylist: String,
}

/// Puts a project's definition together.
///
/// # Errors
/// When the database fails.
pub async fn definition(app: &App, project: &Project) -> Result<Definition, Error> {
    let mut conn = app.conn().await?;
    let chroots = db::project_chroots::enabled(&mut conn, project.id).await?;
    let packages = db::package_edit::all(&mut conn, project.id).await?;
    drop(conn);
    Ok(Definition {
        name: project.name.to_string(),
        settings: fields(&project.settings, &ProjectSettings::default(), true)?,
        chroots: chroots
            .into_iter()
            .map(|chroot| {
                let settings = fields(&chroot.settings, &ChrootSettings::default(), false)?;
                let comps_sha256 = chroot.comps.map(|c| c.sha256.to_string());
                let set = Chroot {
                    settings,
                    comps_sha256,
                };
                Ok((chroot.chroot.to_string(), set))
            })
            .collect::<Result<_, Error>>()?,
        packages: packages
            .into_iter()
            .map(|package| {
                let set = package.settings;
                let definition = Package {
                    source_type: set.source_type,
                    source: set.source,
                    webhook_rebuild: set.webhook_rebuild,
                    max_builds: set.max_builds,
                    timeout: set.timeout_s,
                    chroot_denylist: set.chroot_denylist,
                };
                (package.name, definition)
            })
            .collect(),
    })
}

/// The definition as YAML.
///
/// # Errors
/// When it cannot be written, which is a fault of ours.
pub fn yaml(definition: &Definition) -> Result<String, Error> {
    serde_yaml_ng::to_string(definition).map_err(|e| Error::Internal(format!("writing YAML: {e}")))
}

/// The fields of a type in the order of their names: all, or those that differ from the default.
fn fields<T: Serialize>(value: &T, default: &T, all: bool) -> Result<Map<String, Value>, Error> {
    let object = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::Internal("settings are no object".to_owned())),
        Err(e) => Err(Error::Internal(format!("writing settings: {e}"))),
    };
    let default = object(default)?;
    let mut sorted: Vec<(String, Value)> = object(value)?.into_iter().collect();
    sorted.retain(|(name, value)| all || default.get(name) != Some(value));
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(sorted.into_iter().collect())
}
