//! `/coprs/add/`, `/coprs/{owner}/{project}/edit/`, `/coprs/{owner}/{project}/delete/`

use actix_web::{HttpResponse, web};
use db::projects::ProjectSettings;
use protocol::{ChrootName, OwnerName, ProjectName};
use serde::Deserialize;

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::bootstrap::{BOOTSTRAPS, ISOLATIONS};
use crate::operations::project_settings::{CHECKS, build_pointer, check_installs, forge_project};
use crate::operations::projects::{self, create_project, delete_project, edit_project, find_project};
use crate::templates::context::{
    Choice, ChrootChoice, Field, ProjectDelete, ProjectEdit, ProjectForm, ProjectNew, Switch,
};

const FIELDS: &[&str] = &[
    "name",
    "chroots",
    "description",
    "instructions",
    "homepage",
    "contact",
    "additional_repos",
    "runtime_dependencies",
    "packit_forge_projects_allowed",
    "repo_priority",
    "build_pointer",
    "release_after_hours",
    "delete_after_days",
    "keep_snapshots",
    "keep_days",
    "bootstrap",
    "bootstrap_image",
    "isolation",
    "check_installs",
];

/// What a link to the form for a new project may say.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    /// For whom the project shall be.
    #[serde(default)]
    pub owner: String,
}

/// The form for a new project.
pub async fn new(
    app: web::Data<App>,
    visitor: Visitor,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, Error> {
    let own = visitor.actor.signed_in()?.name.to_string();
    let mut chroots = choices(&app, &[], &[]).await?;
    // With one chroot there is nothing to choose.
    if let [only] = chroots.as_mut_slice() {
        only.checked = true;
    }
    let form = ProjectForm {
        chroots,
        ..filled(&ProjectSettings::default())
    };
    let owners = visitor.actor.creates_for();
    let page = ProjectNew {
        owner: owners
            .iter()
            .find(|owner| **owner == wanted.owner)
            .cloned()
            .unwrap_or(own),
        owners,
        form,
    };
    html(app.templates.render_project_new(&visitor.frame(), &page))
}

/// Makes a project.
pub async fn create(app: web::Data<App>, form: Posted) -> Result<HttpResponse, Error> {
    let actor = &form.visitor.actor;
    let owner = match form.get("owner") {
        "" => OwnerName::from(actor.signed_in()?.name.clone()),
        text => text.parse()?,
    };
    actor.may_create_for(&owner)?;
    let (chosen, strange) = chosen_chroots(&form);
    let name: Result<ProjectName, _> = form.get("name").trim().parse();
    let result = match (name, strange) {
        (Ok(name), None) => match settings(&form, ProjectSettings::default()) {
            Ok(settings) => create_project(&app, actor, &owner, &name, &chosen, settings, false).await,
            Err(message) => Err(Error::Invalid(message)),
        },
        (Err(error), _) => Err(Error::Invalid(format!("name: {error}"))),
        (_, Some(message)) => Err(Error::Invalid(message)),
    };
    match result {
        Ok(project) => Ok(redirect(&views::project_path(&project))),
        Err(Error::Invalid(message)) => {
            let chroots = choices(&app, &chosen, &[]).await?;
            let form_again = typed(&form, chroots, &message);
            let page = ProjectNew {
                owners: actor.creates_for(),
                owner: owner.to_string(),
                form: form_again,
            };
            html_again(app.templates.render_project_new(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// A project's settings.
pub async fn edit(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_edit(&project)?;
    let enabled = db::projects::chroots(&mut *app.conn().await?, project.id).await?;
    let form = ProjectForm {
        chroots: choices(&app, &enabled, &enabled).await?,
        ..filled(&project.settings)
    };
    let page = ProjectEdit {
        project: visitor.head(&project),
        form,
    };
    html(app.templates.render_project_edit(&visitor.frame(), &page))
}

/// Writes a project's settings.
pub async fn save(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let actor = &form.visitor.actor;
    let project = find_project(&app, &path.0, &path.1).await?;
    actor.may_edit(&project)?;
    let enabled = db::projects::chroots(&mut *app.conn().await?, project.id).await?;
    let (mut chosen, strange) = chosen_chroots(&form);
    chosen.sort();
    // Unchanged chroots need no new repositories, and so no waiting.
    let changed = (chosen != enabled).then_some(chosen.as_slice());
    let result = match (settings(&form, project.settings.clone()), strange) {
        (Ok(settings), None) => {
            let edit = projects::ProjectEdit {
                settings,
                chroots: changed,
                renew: false,
            };
            edit_project(&app, actor, &project, edit).await
        }
        (Err(message), _) | (_, Some(message)) => Err(Error::Invalid(message)),
    };
    match result {
        Ok(project) => Ok(redirect(&views::project_path(&project))),
        Err(Error::Invalid(message)) => {
            let chroots = choices(&app, &chosen, &enabled).await?;
            let page = ProjectEdit {
                project: form.visitor.head(&project),
                form: typed(&form, chroots, &message),
            };
            html_again(app.templates.render_project_edit(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Asks before a project goes.
pub async fn ask_delete(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    visitor.actor.may_delete(&project)?;
    let page = ProjectDelete {
        project: visitor.head(&project),
        confirm: Field::default(),
    };
    html(app.templates.render_project_delete(&visitor.frame(), &page))
}

/// Deletes a project, if its name was typed.
pub async fn delete(
    app: web::Data<App>,
    form: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    form.visitor.actor.may_delete(&project)?;
    let typed = form.get("confirm").trim();
    if typed != project.name.as_str() {
        let page = ProjectDelete {
            project: form.visitor.head(&project),
            confirm: Field {
                value: typed.to_owned(),
                error: Some(format!("Type {} to delete it.", project.name)),
            },
        };
        return html_again(app.templates.render_project_delete(&form.visitor.frame(), &page));
    }
    delete_project(&app, &form.visitor.actor, &project).await?;
    Ok(redirect(&format!("/coprs/{}/", project.owner)))
}

/// Active chroots, and those that the project has.
async fn choices(
    app: &App,
    checked: &[ChrootName],
    enabled: &[ChrootName],
) -> Result<Vec<ChrootChoice>, Error> {
    let all = db::chroots::list(&mut *app.conn().await?, false).await?;
    Ok(all
        .into_iter()
        .filter(|c| c.active || enabled.contains(&c.definition.name))
        .map(|c| ChrootChoice {
            checked: checked.contains(&c.definition.name),
            name: c.definition.name.to_string(),
            description: if c.active {
                c.description
            } else {
                format!("{}, no longer built for", c.description)
            },
        })
        .collect())
}

/// The ticked chroots, and what is wrong with those that are none.
fn chosen_chroots(form: &Posted) -> (Vec<ChrootName>, Option<String>) {
    let mut chosen = Vec::new();
    let mut strange = None;
    for name in form.all("chroots") {
        match name.parse() {
            Ok(name) => chosen.push(name),
            Err(error) => strange = Some(format!("chroots: {error}")),
        }
    }
    (chosen, strange)
}

type Slot = fn(&mut ProjectSettings) -> &mut bool;

/// What is on or off: name, label, hint, and where it is stored.
const SWITCHES: &[(&str, &str, &str, Slot)] = &[
    (
        "enable_net",
        "Network during builds",
        "Off is better: without network a build gives the same result again.",
        |s| &mut s.enable_net,
    ),
    (
        "unlisted_on_hp",
        "Keep off the home page",
        "Everybody who knows the address can still use it.",
        |s| &mut s.unlisted_on_hp,
    ),
    (
        "devel_mode",
        "Publish only on request",
        "Builds see new packages at once, users after you ask for it (regenerate-repos).",
        |s| &mut s.devel_mode,
    ),
    (
        "replace_same_nevra",
        "Replace packages of the same version",
        "A newer build may bring a name, version and release once more; else it is refused. Earlier snapshots keep the older package.",
        |s| &mut s.replace_same_nevra,
    ),
    (
        "auto_prune",
        "Remove packages of superseded builds",
        "Only administrators can switch this off.",
        |s| &mut s.auto_prune,
    ),
    (
        "follow_fedora_branching",
        "Follow Fedora's branching",
        "New branches are enabled by themselves.",
        |s| &mut s.follow_fedora_branching,
    ),
    (
        "multilib",
        "32-bit packages beside 64-bit ones",
        "Repository files name both.",
        |s| &mut s.multilib,
    ),
    (
        "module_hotfixes",
        "Win over modules",
        "Puts module_hotfixes=1 into repository files.",
        |s| &mut s.module_hotfixes,
    ),
    (
        "appstream",
        "AppStream metadata",
        "Kept for Copr's clients.",
        |s| &mut s.appstream,
    ),
    (
        "fedora_review",
        "fedora-review",
        "Kept for Copr's clients.",
        |s| &mut s.fedora_review,
    ),
];

/// The switches as they stand in settings.
fn switches(settings: &ProjectSettings) -> Vec<Switch> {
    let mut settings = settings.clone();
    SWITCHES
        .iter()
        .map(|(name, label, hint, slot)| Switch {
            name,
            label,
            hint,
            checked: *slot(&mut settings),
        })
        .collect()
}

/// The settings that a form asks for, from the old ones for what it does not have; or what is wrong, by field.
fn settings(form: &Posted, mut old: ProjectSettings) -> Result<ProjectSettings, String> {
    // A box that is not ticked is not sent: which ones the form had stands in `boxes`.
    let boxes = form.all("boxes");
    for (name, _, _, slot) in SWITCHES {
        if form.ticked(name) {
            *slot(&mut old) = true;
        } else if boxes.iter().any(|b| b == name) {
            *slot(&mut old) = false;
        }
    }
    let list = |name: &str, old: Vec<String>| match form.ticked(name) {
        true => form.get(name).split_whitespace().map(str::to_owned).collect(),
        false => old,
    };
    let word = |name: &str, old: String| match form.ticked(name) {
        true => form.text(name),
        false => old,
    };
    let number = |name: &str, old: Option<i32>| match form.text(name).as_str() {
        "" if form.ticked(name) => Ok(None),
        "" => Ok(old),
        text => text
            .parse()
            .map(|n| Some(n).filter(|n| *n != -1))
            .map_err(|_| format!("{name}: Not a valid integer value")),
    };
    let forges = list("packit_forge_projects_allowed", old.packit_forge_projects_allowed);
    let pointer = word(
        "build_pointer",
        old.build_pointer
            .as_ref()
            .map_or(String::new(), ToString::to_string),
    );
    let checks = word("check_installs", old.check_installs.as_str().to_owned());
    let image = word("bootstrap_image", old.bootstrap_image.unwrap_or_default());
    Ok(ProjectSettings {
        description: form.text("description"),
        instructions: form.text("instructions"),
        homepage: form.text("homepage"),
        contact: form.text("contact"),
        additional_repos: list("additional_repos", old.additional_repos),
        runtime_dependencies: list("runtime_dependencies", old.runtime_dependencies),
        packit_forge_projects_allowed: forges.iter().map(|f| forge_project(f)).collect(),
        repo_priority: number("repo_priority", old.repo_priority)?,
        delete_after_days: number("delete_after_days", old.delete_after_days)?,
        keep_snapshots: number("keep_snapshots", old.keep_snapshots)?,
        keep_days: number("keep_days", old.keep_days)?,
        release_after_hours: number("release_after_hours", old.release_after_hours)?,
        build_pointer: build_pointer(&pointer).map_err(|error| error.to_string())?,
        bootstrap: word("bootstrap", old.bootstrap),
        bootstrap_image: Some(image).filter(|i| !i.is_empty()),
        isolation: word("isolation", old.isolation),
        check_installs: check_installs(&checks).map_err(|error| error.to_string())?,
        ..old
    })
}

/// The form with what is set.
fn filled(s: &ProjectSettings) -> ProjectForm {
    let lines = |list: &[String]| Field::of(list.join("\n"));
    let number = |n: Option<i32>| Field::of(n.map_or(String::new(), |n| n.to_string()));
    let choice = |value: &str, options| Choice {
        value: value.to_owned(),
        options,
        error: None,
    };
    ProjectForm {
        description: Field::of(&s.description),
        instructions: Field::of(&s.instructions),
        homepage: Field::of(&s.homepage),
        contact: Field::of(&s.contact),
        additional_repos: lines(&s.additional_repos),
        runtime_dependencies: lines(&s.runtime_dependencies),
        packit_forge_projects_allowed: lines(&s.packit_forge_projects_allowed),
        repo_priority: number(s.repo_priority),
        delete_after_days: number(s.delete_after_days),
        keep_snapshots: number(s.keep_snapshots),
        keep_days: number(s.keep_days),
        release_after_hours: number(s.release_after_hours),
        build_pointer: Field::of(
            s.build_pointer
                .as_ref()
                .map_or(String::new(), ToString::to_string),
        ),
        bootstrap: choice(&s.bootstrap, BOOTSTRAPS),
        bootstrap_image: Field::of(s.bootstrap_image.clone().unwrap_or_default()),
        isolation: choice(&s.isolation, ISOLATIONS),
        check_installs: choice(s.check_installs.as_str(), CHECKS),
        switches: switches(s),
        ..ProjectForm::default()
    }
}

/// The form as it was typed, with what is wrong with each field.
fn typed(form: &Posted, chroots: Vec<ChrootChoice>, message: &str) -> ProjectForm {
    let field = |name: &str| Field {
        value: form.text(name),
        error: about(message, name),
    };
    let choice = |name: &str, options| Choice {
        value: form.text(name),
        options,
        error: about(message, name),
    };
    let mut switches = switches(&ProjectSettings::default());
    for switch in &mut switches {
        switch.checked = form.ticked(switch.name);
    }
    ProjectForm {
        error: about_none(message, FIELDS),
        name: field("name"),
        chroots,
        chroots_error: about(message, "chroots"),
        description: field("description"),
        instructions: field("instructions"),
        homepage: field("homepage"),
        contact: field("contact"),
        additional_repos: field("additional_repos"),
        runtime_dependencies: field("runtime_dependencies"),
        packit_forge_projects_allowed: field("packit_forge_projects_allowed"),
        repo_priority: field("repo_priority"),
        delete_after_days: field("delete_after_days"),
        keep_snapshots: field("keep_snapshots"),
        keep_days: field("keep_days"),
        build_pointer: field("build_pointer"),
        release_after_hours: field("release_after_hours"),
        bootstrap: choice("bootstrap", BOOTSTRAPS),
        bootstrap_image: field("bootstrap_image"),
        isolation: choice("isolation", ISOLATIONS),
        check_installs: choice("check_installs", CHECKS),
        switches,
    }
}
