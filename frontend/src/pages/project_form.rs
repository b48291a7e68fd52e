//! `/coprs/add/`, `/coprs/{owner}/{project}/edit/`, `/coprs/{owner}/{project}/delete/`

use actix_web::{HttpResponse, web};
use db::projects::ProjectSettings;
use protocol::{ChrootName, OwnerName, ProjectName};

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{create_project, delete_project, edit_project, find_project};
use crate::templates::context::{ChrootChoice, Field, ProjectDelete, ProjectEdit, ProjectForm, ProjectNew};

const FIELDS: &[&str] = &[
    "name",
    "chroots",
    "description",
    "instructions",
    "homepage",
    "contact",
];

/// The form for a new project.
pub async fn new(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    visitor.actor.signed_in()?;
    let mut chroots = choices(&app, &[], &[]).await?;
    // With one chroot there is nothing to choose.
    if let [only] = chroots.as_mut_slice() {
        only.checked = true;
    }
    let form = ProjectForm {
        chroots,
        ..ProjectForm::default()
    };
    html(
        app.templates
            .render_project_new(&visitor.frame(), &ProjectNew { form }),
    )
}

/// Makes a project.
pub async fn create(app: web::Data<App>, form: Posted) -> Result<HttpResponse, Error> {
    let actor = &form.visitor.actor;
    let owner = OwnerName::from(actor.signed_in()?.name.clone());
    let (chosen, strange) = chosen_chroots(&form);
    let name: Result<ProjectName, _> = form.get("name").trim().parse();
    let result = match (name, strange) {
        (Ok(name), None) => {
            let settings = settings(&form, ProjectSettings::default());
            create_project(&app, actor, &owner, &name, &chosen, settings, false).await
        }
        (Err(error), _) => Err(Error::Invalid(format!("name: {error}"))),
        (_, Some(message)) => Err(Error::Invalid(message)),
    };
    match result {
        Ok(project) => Ok(redirect(&views::project_path(&project))),
        Err(Error::Invalid(message)) => {
            let chroots = choices(&app, &chosen, &[]).await?;
            let form_again = typed(&form, chroots, &message);
            let page = ProjectNew { form: form_again };
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
    let s = &project.settings;
    let form = ProjectForm {
        chroots: choices(&app, &enabled, &enabled).await?,
        description: Field::of(&s.description),
        instructions: Field::of(&s.instructions),
        homepage: Field::of(&s.homepage),
        contact: Field::of(&s.contact),
        enable_net: s.enable_net,
        unlisted_on_hp: s.unlisted_on_hp,
        ..ProjectForm::default()
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
    let result = match strange {
        None => {
            edit_project(
                &app,
                actor,
                &project,
                settings(&form, project.settings.clone()),
                changed,
            )
            .await
        }
        Some(message) => Err(Error::Invalid(message)),
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

fn settings(form: &Posted, old: ProjectSettings) -> ProjectSettings {
    ProjectSettings {
        description: form.text("description"),
        instructions: form.text("instructions"),
        homepage: form.text("homepage"),
        contact: form.text("contact"),
        enable_net: form.ticked("enable_net"),
        unlisted_on_hp: form.ticked("unlisted_on_hp"),
        ..old
    }
}

/// The form as it was typed, with what is wrong with each field.
fn typed(form: &Posted, chroots: Vec<ChrootChoice>, message: &str) -> ProjectForm {
    let field = |name: &str| Field {
        value: form.text(name),
        error: about(message, name),
    };
    ProjectForm {
        error: about_none(message, FIELDS),
        name: field("name"),
        chroots,
        chroots_error: about(message, "chroots"),
        description: field("description"),
        instructions: field("instructions"),
        homepage: field("homepage"),
        contact: field("contact"),
        enable_net: form.ticked("enable_net"),
        unlisted_on_hp: form.ticked("unlisted_on_hp"),
    }
}
