//! Packages: names with a default source, which builds and webhooks use.

use db::DbError;
use db::builds::Recipe;
use db::package_edit::{self, NAME_TAKEN, Package, PackageSettings, UNSET};
use db::projects::Project;
use protocol::{BuildId, ChrootName, PackageName, fnmatch};
use serde_json::{Map, Value};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::BuildRequest;
use crate::operations::builds::{delete_builds, submit_source};
use crate::operations::projects::shown;
use crate::operations::sources::{self, SourceType};

/// Most builds that a package can be told to keep (Copr's).
const MAX_BUILDS: i64 = 100;
/// Longest time that a package's builds may be given, in seconds (Copr's).
const MAX_TIMEOUT_S: i64 = 108_000;
/// Builds that are deleted at once with their package.
const MAX_BATCH: i64 = 500;
/// What a pattern of the denylist may hold; the rule is Copr's, and so is its wording.
const DENYLIST_RULE: &str = "^[a-z0-9-_*.+]+$";

/// What a request sets of a package; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct PackageChange {
    /// Fields of the source, with stored names; those that are missing stay.
    pub source: Map<String, Value>,
    /// Whether webhooks rebuild it.
    pub webhook_rebuild: Option<bool>,
    /// Builds to keep; 0: all.
    pub max_builds: Option<i64>,
    /// Seconds that its builds may take; 0: the service's default.
    pub timeout: Option<i64>,
    /// Patterns of chroots, with commas between them.
    pub chroot_denylist: Option<String>,
}

/// Finds a package of a project.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_package(app: &App, project: &Project, name: &str) -> Result<Package, Error> {
    package_edit::find(&mut *app.conn().await?, project.id, name)
        .await?
        .ok_or_else(|| {
            Error::NotFound(format!(
                "No package with name {} in copr {}",
                shown(name),
                project.name
            ))
        })
}

/// Reads the type of a source.
///
/// # Errors
/// 400 with Copr's words.
pub fn source_type(text: &str) -> Result<SourceType, Error> {
    SourceType::parse(text)
        .ok_or_else(|| Error::Invalid(format!("Unsupported package source type {}", shown(text))))
}

/// Adds a package.
///
/// # Errors
/// 403 for whoever may not edit the project, 400 for fields that are wrong, 409 when it exists.
pub async fn add_package(
    app: &App,
    actor: &Actor,
    project: &Project,
    name: &str,
    source: SourceType,
    change: &PackageChange,
) -> Result<Package, Error> {
    actor.may_edit(project)?;
    let name = package_name(name)?;
    let settings = changed(app, name.as_str(), &PackageSettings::default(), source, change).await?;
    let now = app.now();
    let mut conn = app.conn().await?;
    match package_edit::add(&mut conn, project, &name, &settings, actor.name(), now).await {
        Err(DbError::Duplicate(constraint)) if constraint == NAME_TAKEN => Err(Error::Conflict(format!(
            "Package {name} already exists in copr {}/{}.",
            project.owner, project.name
        ))),
        other => Ok(other?),
    }
}

/// Changes a package, and makes its source one of this type.
///
/// # Errors
/// 403 for whoever may not edit the project, 400 for fields that are wrong.
pub async fn edit_package(
    app: &App,
    actor: &Actor,
    project: &Project,
    package: &Package,
    source: SourceType,
    change: &PackageChange,
) -> Result<Package, Error> {
    actor.may_edit(project)?;
    let settings = changed(app, &package.name, &package.settings, source, change).await?;
    write(app, actor, project, package, &settings).await
}

/// Builds a package from its default source.
///
/// # Errors
/// 403 for whoever may not build in the project, 400 when the package has no default source, and as
/// [`crate::operations::builds::check_before_build`].
pub async fn build_package(
    app: &App,
    actor: &Actor,
    project: &Project,
    package: &Package,
    request: &BuildRequest,
) -> Result<BuildId, Error> {
    actor.may_build(project)?;
    submit_source(
        app,
        Some(actor),
        project,
        request,
        recipe(package)?,
        Some(package),
    )
    .await
}

/// The same for a webhook, whose secret has been checked; `change` replaces a field of the source, such as the commit.
///
/// # Errors
/// As [`build_package`], without the 403.
pub async fn build_by_webhook(
    app: &App,
    project: &Project,
    package: &Package,
    request: &BuildRequest,
    change: Option<(&str, Value)>,
) -> Result<BuildId, Error> {
    let mut recipe = recipe(package)?;
    if let Some((field, value)) = change {
        recipe.fields.insert(field.to_owned(), value);
    }
    submit_source(app, None, project, request, recipe, Some(package)).await
}

fn recipe(package: &Package) -> Result<Recipe, Error> {
    let source = SourceType::parse(&package.source_type).ok_or_else(|| {
        Error::Invalid(format!(
            "Unset default source for package {}: give it one with 'copr-cli edit-package-scm' or its kind, or submit the source package itself",
            package.name
        ))
    })?;
    Ok(Recipe {
        kind: source.as_str(),
        fields: package.source.clone(),
    })
}

/// Deletes a package and all its builds; their packages leave the repositories.
///
/// # Errors
/// 403 for whoever may not edit the project, 400 that names builds that still run.
pub async fn delete_package(
    app: &App,
    actor: &Actor,
    project: &Project,
    package: &Package,
) -> Result<(), Error> {
    actor.may_edit(project)?;
    loop {
        let ids = package_edit::builds(&mut *app.conn().await?, package.id, MAX_BATCH).await?;
        if ids.is_empty() {
            break;
        }
        delete_builds(app, actor, &ids).await?;
    }
    let now = app.now();
    let mut conn = app.conn().await?;
    Ok(package_edit::delete(&mut conn, project, package, actor.name(), now).await?)
}

/// Takes a package's default source away.
///
/// # Errors
/// 403 for whoever may not edit the project.
pub async fn reset_package(
    app: &App,
    actor: &Actor,
    project: &Project,
    package: &Package,
) -> Result<Package, Error> {
    actor.may_edit(project)?;
    let settings = PackageSettings {
        source_type: UNSET.to_owned(),
        source: Map::new(),
        ..package.settings.clone()
    };
    write(app, actor, project, package, &settings).await
}

async fn write(
    app: &App,
    actor: &Actor,
    project: &Project,
    package: &Package,
    settings: &PackageSettings,
) -> Result<Package, Error> {
    let now = app.now();
    let mut conn = app.conn().await?;
    Ok(package_edit::edit(&mut conn, project, package, settings, actor.name(), now).await?)
}

fn package_name(text: &str) -> Result<PackageName, Error> {
    text.parse().map_err(|e: protocol::NameError| {
        Error::Invalid(format!(
            "package_name: Please enter a valid package name in ^[-+_.a-zA-Z0-9]+$: {}",
            e.rule
        ))
    })
}

/// The settings after a change.
async fn changed(
    app: &App,
    name: &str,
    old: &PackageSettings,
    source: SourceType,
    change: &PackageChange,
) -> Result<PackageSettings, Error> {
    let active: Vec<ChrootName> = db::chroots::list(&mut *app.conn().await?, true)
        .await?
        .into_iter()
        .map(|c| c.definition.name)
        .collect();
    let mut fields = Map::new();
    if old.source_type == source.as_str() {
        fields.extend(old.source.clone());
    }
    fields.extend(change.source.clone());
    let mut wrong = Vec::new();
    let checked = sources::check(source, &fields, Some(name), &active).unwrap_or_else(|e| {
        wrong.push(e.to_string());
        Map::new()
    });
    let mut number = |field: &str, value: Option<i64>, max: i64| {
        let value = value?;
        let number = i32::try_from(value).ok().filter(|_| (0..=max).contains(&value));
        if number.is_none() {
            wrong.push(format!("{field}: Number must be between 0 and {max}."));
        }
        number
    };
    let max_builds = number("max_builds", change.max_builds, MAX_BUILDS);
    let timeout = number("timeout", change.timeout, MAX_TIMEOUT_S);
    let chroot_denylist = match &change.chroot_denylist {
        None => old.chroot_denylist.clone(),
        Some(text) => denylist(text, &active).unwrap_or_else(|what| {
            wrong.push(format!("chroot_denylist: {what}"));
            String::new()
        }),
    };
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong.join("\n")));
    }
    Ok(PackageSettings {
        source_type: source.as_str().to_owned(),
        source: checked,
        webhook_rebuild: change.webhook_rebuild.unwrap_or(old.webhook_rebuild),
        max_builds: max_builds.unwrap_or(old.max_builds),
        timeout_s: timeout.map_or(old.timeout_s, |t| (t > 0).then_some(t)),
        chroot_denylist,
    })
}

/// Checks a denylist, and writes it evenly; the wording is Copr's.
fn denylist(text: &str, active: &[ChrootName]) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let patterns: Vec<&str> = text.split(',').map(str::trim).collect();
    for pattern in &patterns {
        let fits = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '*' | '.' | '+')
        };
        if pattern.is_empty() || pattern.len() > 100 || !pattern.chars().all(fits) {
            return Err(format!(
                "Pattern \"{}\" does not match \"{DENYLIST_RULE}\"",
                shown(pattern)
            ));
        }
        if !active.iter().any(|c| fnmatch(pattern, c.as_str())) {
            return Err(format!("no chroot matched by pattern \"{pattern}\""));
        }
    }
    let all = active
        .iter()
        .all(|c| patterns.iter().any(|p| fnmatch(p, c.as_str())));
    if all {
        return Err("patterns are deny-listing all chroots".to_owned());
    }
    Ok(patterns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denylists_match_something_and_not_everything() {
        let active: Vec<ChrootName> = ["fedora-44-x86_64", "fedora-44-aarch64", "epel-9-x86_64"]
            .iter()
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(
            denylist("fedora-*-aarch64,epel-*", &active).as_deref(),
            Ok("fedora-*-aarch64, epel-*")
        );
        assert_eq!(denylist(" ", &active).as_deref(), Ok(""));
        for (bad, why) in [
            ("Fedora-*", "does not match"),
            ("fedora-*,", "does not match"),
            ("fedora-*;x", "does not match"),
            ("debian-*", "no chroot matched by pattern \"debian-*\""),
            ("*", "deny-listing all"),
            ("fedora-*,epel-*", "deny-listing all"),
        ] {
            let error = denylist(bad, &active).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
