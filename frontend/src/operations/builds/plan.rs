//! What a request for a build comes to in its project.

use db::builds::Target;
use db::package_edit::Package;
use db::projects::{self, Project};
use protocol::{ChrootName, DirName, PointerName, fnmatch};
use repodata::Arches;

use super::{BuildRequest, Plan, batch};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::bootstrap::{BOOTSTRAPS_OF_BUILD, ISOLATIONS_OR_UNCHANGED, wrong_choice};
use crate::operations::commits;
use crate::operations::project_settings::{allows, pointer_name};
use crate::operations::projects::shown;
use crate::operations::quotas;

/// Longest time that a submitter may ask for, in seconds (Copr's).
const MAX_TIMEOUT_S: u64 = 108_000;

/// Checks everything about a build but its source.
///
/// # Errors
/// 403 when the actor may not build here, 429 when the holder's quota is used up, 400 for options that cannot be met.
pub async fn check_before_build(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
) -> Result<(), Error> {
    plan(app, Some(actor), project, request, None, 1).await?;
    Ok(())
}

/// The same for so many builds, maybe of a known package, whose denylist and time-out count where the request names none;
/// without an actor for webhooks, which have proved themselves otherwise.
pub(super) async fn plan(
    app: &App,
    actor: Option<&Actor>,
    project: &Project,
    request: &BuildRequest,
    package: Option<&Package>,
    builds: usize,
) -> Result<Plan, Error> {
    if let Some(actor) = actor {
        actor.may_build(project)?;
    }
    check_options(project, request)?;
    quotas::check(app, &project.holder, builds).await?;
    let batch = batch::check(app, actor, request).await?;
    let dir = directory(project, request)?;
    let mut conn = app.conn().await?;
    let enabled = projects::chroots(&mut conn, project.id).await?;
    let active = db::chroots::list(&mut conn, true).await?;
    drop(conn);
    if enabled.is_empty() {
        return Err(Error::Invalid(format!(
            "chroots: Can't create build - project {}/{} has no active chroots",
            project.owner, project.name
        )));
    }
    let mut chroots: Vec<ChrootName> = choose_chroots(&enabled, request)?
        .into_iter()
        .filter(|c| active.iter().any(|a| a.definition.name == *c))
        .collect();
    if chroots.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected; none of the chosen ones is active".to_owned(),
        ));
    }
    let mut options = request.options.clone();
    options.pointer = pointer(actor, project, request)?;
    options.commit = commits::maybe(request.commit.as_deref())?.or(options.commit);
    options.chroots_named = !request.chroots.is_empty();
    options.chroots_excluded.clone_from(&request.exclude_chroots);
    if let Some(package) = package {
        if !options.chroots_named {
            chroots.retain(|c| !package.denied().any(|pattern| fnmatch(pattern, c.as_str())));
        }
        if chroots.is_empty() {
            return Err(Error::Invalid(format!(
                "chroots: No chroots selected (or automatically selectable) for the package \"{}\" in \"{}\"",
                package.name, project.name
            )));
        }
        let own = package.timeout_s.and_then(|t| u64::try_from(t).ok());
        options.timeout_s = options.timeout_s.or(own.filter(|t| *t > 0));
    }
    Ok(Plan {
        dir,
        chroots,
        options,
        batch,
    })
}

impl Plan {
    /// The chroots, of which those are skipped that the source package excludes.
    pub(super) fn targets(&self, arches: Option<&Arches>) -> Vec<Target> {
        self.chroots
            .iter()
            .map(|chroot| Target {
                chroot: chroot.clone(),
                skipped: arches.is_some_and(|a| !a.builds_for(chroot.arch())),
            })
            .collect()
    }
}

fn check_options(project: &Project, request: &BuildRequest) -> Result<(), Error> {
    let options = &request.options;
    if options
        .timeout_s
        .is_some_and(|t| !(1..=MAX_TIMEOUT_S).contains(&t))
    {
        return Err(Error::Invalid(format!(
            "timeout: Number must be between 1 and {MAX_TIMEOUT_S}."
        )));
    }
    for (field, value, choices) in [
        ("bootstrap", &options.bootstrap, BOOTSTRAPS_OF_BUILD),
        ("isolation", &options.isolation, ISOLATIONS_OR_UNCHANGED),
    ] {
        if let Some(wrong) = value.as_deref().and_then(|v| wrong_choice(field, v, choices)) {
            return Err(Error::Invalid(wrong));
        }
    }
    if let Some(forge) = options.packit_forge_project.as_deref().filter(|f| !f.is_empty())
        && !project
            .settings
            .packit_forge_projects_allowed
            .iter()
            .any(|entry| allows(entry, forge))
    {
        return Err(Error::Forbidden(format!(
            "Forge project {} can't build in this Copr via Packit. The owner of {}/{} can allow it in the project's \
             settings (packit_forge_projects_allowed).",
            shown(forge),
            project.owner,
            project.name
        )));
    }
    Ok(())
}

/// The pointer that a build goes to. Whoever may build goes where the project's builds go; another pointer is for those
/// who may move it.
fn pointer(
    actor: Option<&Actor>,
    project: &Project,
    request: &BuildRequest,
) -> Result<Option<PointerName>, Error> {
    let set = &project.settings.build_pointer;
    let named = match request.pointer.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(pointer_name("pointer", text)?),
        None => request.options.pointer.clone(),
    };
    let Some(named) = named else {
        return Ok(set.clone());
    };
    let usual = set.clone().unwrap_or_else(PointerName::latest);
    if named != usual {
        let Some(actor) = actor else {
            return Ok(set.clone());
        };
        actor.may_edit(project).map_err(|_| {
            Error::Forbidden(format!(
                "Builds of {}/{} go to '{usual}'; only who may edit the project lets one go to '{named}'.",
                project.owner, project.name
            ))
        })?;
    }
    Ok(Some(named))
}

fn directory(project: &Project, request: &BuildRequest) -> Result<DirName, Error> {
    let Some(text) = request.dir.as_deref().filter(|d| !d.is_empty()) else {
        return Ok(DirName::from(project.name.clone()));
    };
    text.parse::<DirName>()
        .ok()
        .filter(|d| d.project() == project.name && d.is_well_formed())
        .ok_or_else(|| {
            Error::Invalid(format!(
                "project_dirname: '{}' is not a directory of this project. Please use directory format {name}:custom:<suffix> or {name}:pr:<id>",
                shown(text),
                name = project.name
            ))
        })
}

fn choose_chroots(enabled: &[ChrootName], request: &BuildRequest) -> Result<Vec<ChrootName>, Error> {
    let matching = |patterns: &[String]| -> Result<Vec<ChrootName>, Error> {
        let mut chosen = Vec::new();
        let mut wrong = Vec::new();
        for pattern in patterns {
            let before = chosen.len();
            chosen.extend(enabled.iter().filter(|c| fnmatch(pattern, c.as_str())).cloned());
            if chosen.len() == before {
                wrong.push(format!(
                    "chroots: '{}' is not a valid choice for this field",
                    shown(pattern)
                ));
            }
        }
        if wrong.is_empty() {
            Ok(chosen)
        } else {
            Err(Error::Invalid(wrong.join("\n")))
        }
    };
    let chosen = if request.chroots.is_empty() {
        enabled.to_vec()
    } else {
        matching(&request.chroots)?
    };
    // A pattern to leave out may match nothing: people use one for many projects.
    let mut left: Vec<ChrootName> = chosen
        .into_iter()
        .filter(|c| {
            !request
                .exclude_chroots
                .iter()
                .any(|pattern| fnmatch(pattern, c.as_str()))
        })
        .collect();
    left.sort();
    left.dedup();
    if left.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected".to_owned(),
        ));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroots_are_chosen_among_the_enabled_ones() {
        let enabled: Vec<ChrootName> = ["a-1-x86_64", "b-1-x86_64", "b-2-aarch64"]
            .iter()
            .map(|c| c.parse().unwrap())
            .collect();
        let chosen = |chroots: &[&str], without: &[&str]| {
            let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
            let request = BuildRequest {
                chroots: list(chroots),
                exclude_chroots: list(without),
                ..Default::default()
            };
            choose_chroots(&enabled, &request).map(|c| c.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[], &[]).unwrap().len(), 3);
        assert_eq!(
            chosen(&["b-*"], &["*-aarch64", "nothing-*"]).unwrap(),
            ["b-1-x86_64"]
        );
        assert!(
            chosen(&["c-1-x86_64"], &[])
                .unwrap_err()
                .to_string()
                .contains("is not a valid choice for this field")
        );
        assert!(
            chosen(&[], &["*"])
                .unwrap_err()
                .to_string()
                .contains("At least one chroot must be selected")
        );
    }
}
