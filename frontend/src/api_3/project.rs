//! Projects and their chroots.

use actix_web::web::{self, Json, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::projects::{Filter, Project, ProjectSettings};
use protocol::{ChrootName, OwnerName, ProjectName};
use schemars::{Schema, SchemaGenerator};

use crate::api_3::input::{Fields, Query};
use crate::api_3::models::{self, Paged};
use crate::api_3::page::Page;
use crate::api_3::route::fields::{OWNER, PROJECT, page_by};
use crate::api_3::route::{self, Action, ApiRoute, DELETE, Field, GET, Kind, POST, PUT, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::bootstrap::{BOOTSTRAPS, ISOLATIONS};
use crate::operations::project_settings::{CHECKS, build_pointer, check_installs, forge_project};
use crate::operations::projects::{self, ProjectEdit, find_project, missing_project, names, shown};
use crate::operations::{export, forks};

type Answer = Result<Json<models::Project>, Error>;
/// How lists can be sorted.
const ORDERS: [Field; 4] = page_by(&["id", "name"]);

type List = Result<Json<Paged<models::Project>>, Error>;

/// Settings that both making and editing a project take.
const SETTINGS: [Field; 29] = [
    Field::new("chroots", Kind::List, "Enabled chroots; replaces the set."),
    Field::new("description", Kind::Text, "Markdown."),
    Field::new("instructions", Kind::Text, "Markdown."),
    Field::new("homepage", Kind::Text, "URL."),
    Field::new("contact", Kind::Text, "E-mail address or URL."),
    Field::new(
        "additional_repos",
        Kind::List,
        "Repositories for builds: URLs or `copr://owner/project`.",
    ),
    Field::new(
        "repos",
        Kind::List,
        "The same, by the name that clients use in edits.",
    ),
    Field::new(
        "runtime_dependencies",
        Kind::List,
        "Repositories that users of this one need as well.",
    ),
    Field::new(
        "packit_forge_projects_allowed",
        Kind::List,
        "`forge/namespace/project` that may build through Packit.",
    ),
    Field::new("enable_net", Kind::Flag, "Network in builds."),
    Field::new(
        "unlisted_on_hp",
        Kind::Flag,
        "Hidden from the home page and lists.",
    ),
    Field::new("auto_prune", Kind::Flag, "Remove packages of superseded builds."),
    Field::new(
        "devel_mode",
        Kind::Flag,
        "Publish only on request (regenerate-repos).",
    ),
    Field::new(
        "follow_fedora_branching",
        Kind::Flag,
        "Enable new Fedora branches by themselves.",
    ),
    Field::new(
        "module_hotfixes",
        Kind::Flag,
        "`module_hotfixes=1` in .repo files.",
    ),
    Field::new("appstream", Kind::Flag, "AppStream metadata."),
    Field::new("multilib", Kind::Flag, "32-bit packages beside 64-bit ones."),
    Field::new("fedora_review", Kind::Flag, "Run fedora-review after builds."),
    Field::new("bootstrap", Kind::Choice(BOOTSTRAPS), "Kept for Copr's clients."),
    Field::new("bootstrap_image", Kind::Text, "Kept for Copr's clients."),
    Field::new("isolation", Kind::Choice(ISOLATIONS), "Kept for Copr's clients."),
    Field::new(
        "replace_same_nevra",
        Kind::Flag,
        "A newer package of the same name, version, release and architecture takes the other's place; else it is refused.",
    ),
    Field::new(
        "check_installs",
        Kind::Choice(CHECKS),
        "Whether builders find out, for each snapshot, if what it brings can be installed and upgraded to; `default`: as the service has it.",
    ),
    Field::new("repo_priority", Kind::Number, "`priority=` in .repo files."),
    Field::new(
        "delete_after_days",
        Kind::Number,
        "Days until the project is deleted; -1 or an empty text: never.",
    ),
    Field::new(
        "keep_snapshots",
        Kind::Number,
        "So many of the newest snapshots are kept; -1 or an empty text: the service's rule.",
    ),
    Field::new(
        "keep_days",
        Kind::Number,
        "Snapshots that a pointer named within so many days are kept; -1 or an empty text: the service's rule.",
    ),
    Field::new(
        "release_after_hours",
        Kind::Number,
        "In devel mode: hours after a passed test until users get what builds have, 0 at once; -1 or an empty text: on request.",
    ),
    Field::new(
        "build_pointer",
        Kind::Text,
        "The pointer that builds go to where they name none, such as `candidate`; `latest` or an empty text: everybody sees them.",
    ),
];

/// A text in YAML.
struct Yaml(String);

impl Responder for Yaml {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/yaml; charset=utf-8")
            .body(self.0)
    }
}

impl route::Answer for Yaml {
    const TYPE: &'static str = "text/yaml";

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": true})
    }
}

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/project", get)
            .about("A project.")
            .query(&[OWNER, PROJECT]),
        public(GET, "/project/list", list)
            .about("Projects, of one owner or all that are listed.")
            .query(&[Field::new("ownername", Kind::Text, "Only this owner's.")])
            .query(&ORDERS),
        public(GET, "/project/search", search)
            .about("Projects whose name contains a text; `owner/text` looks among one owner's.")
            .query(&[Field::required("query", Kind::Text, "What to look for.")])
            .query(&ORDERS),
        token(Action::Create, POST, "/project/add/{owner}", add)
            .about("Makes a project.")
            .query(&[Field::new(
                "exist_ok",
                Kind::Text,
                "`True`: answer an existing project as it is.",
            )])
            .body(&[
                Field::required("name", Kind::Text, "Name, `[A-Za-z0-9_.-]+`."),
                Field::new("persistent", Kind::Flag, "Never cleaned up; administrators only."),
                Field::new("storage", Kind::Choice(&["backend"]), "Kept for Copr's clients."),
            ])
            .body(&SETTINGS),
        token(Action::Edit, PUT, "/project/edit/{owner}/{project}", edit)
            .about("Changes the settings that are given.")
            .body(&SETTINGS),
        token(
            Action::Delete,
            DELETE,
            "/project/delete/{owner}/{project}",
            delete,
        )
        .about("Deletes a project with all its builds.")
        .body(&[Field::required("verify", Kind::Flag, "Has to be true.")]),
        token(Action::Create, PUT, "/project/fork/{owner}/{project}", fork)
            .about("Copies a project with the newest build of each package, signed with a key of its own.")
            .body(&[
                Field::required("name", Kind::Text, "Name of the copy."),
                Field::new("ownername", Kind::Text, "Owner of the copy; oneself when absent."),
                Field::new(
                    "confirm",
                    Kind::Flag,
                    "Bring the packages into a project that exists.",
                ),
            ]),
        token(
            Action::Edit,
            PUT,
            "/project/regenerate-repos/{owner}/{project}",
            regenerate,
        )
        .about("Publishes the repositories anew; in devel mode, shows users what builds saw."),
        public(GET, "/project/export/{owner}/{project}", export)
            .about("A project's definition as YAML: settings, chroots and packages; no numbers, no dates."),
        public(GET, "/project/export/{owner}/{project}/json", export_json).about("The same as JSON."),
    ]
}

pub(super) async fn model(app: &App, project: &Project) -> Result<models::Project, Error> {
    named(app, &project.owner, &project.name).await
}

async fn named(app: &App, owner: &OwnerName, name: &ProjectName) -> Result<models::Project, Error> {
    let found = db::read::projects::find(&mut *app.conn().await?, owner, name).await?;
    let found = found.ok_or_else(|| missing_project(owner.as_str(), name.as_str()))?;
    Ok(models::project(&app.config, found))
}

async fn get(app: web::Data<App>, query: Query) -> Answer {
    let (owner, name) = names(query.required("ownername")?, query.required("projectname")?)?;
    Ok(Json(named(&app, &owner, &name).await?))
}

async fn list(app: web::Data<App>, query: Query) -> List {
    let page = query.page()?;
    let owner = match query.get("ownername")? {
        None => None,
        Some(text) => match text.parse::<OwnerName>() {
            Ok(owner) => Some(owner),
            // Nobody of that name can hold a project.
            Err(_) => return page.answer(Vec::new()),
        },
    };
    let filter = Filter {
        listed_only: owner.is_none(),
        owner,
        name_contains: None,
        by_name: page.order == "name",
        newest_first: page.descending,
    };
    answer(&app, &filter, page).await
}

async fn search(app: web::Data<App>, query: Query) -> List {
    let page = query.page()?;
    let text = query.required("query")?;
    let (owner, name) = text
        .split_once('/')
        .map_or((None, text), |(owner, name)| (Some(owner), name));
    let owner = match owner.map(str::parse::<OwnerName>) {
        None => None,
        Some(Ok(owner)) => Some(owner),
        Some(Err(_)) => return page.answer(Vec::new()),
    };
    let filter = Filter {
        owner,
        name_contains: Some(name.to_owned()),
        listed_only: true,
        by_name: page.order == "name",
        newest_first: page.descending,
    };
    answer(&app, &filter, page).await
}

async fn answer(app: &App, filter: &Filter, page: Page) -> List {
    let found = db::read::projects::list(&mut *app.conn().await?, filter, page.limit(), page.offset).await?;
    let model = |project| models::project(&app.config, project);
    page.answer(found.into_iter().map(model).collect())
}

async fn add(
    app: web::Data<App>,
    signed: Signed,
    path: Path<String>,
    query: Query,
    fields: Fields,
) -> Answer {
    let owner: OwnerName = path.into_inner().parse()?;
    // Permissions first: a stranger learns nothing about what is wrong with the rest.
    signed.actor.may_create_for(&owner)?;
    let name = fields.required("name")?;
    let name: ProjectName = name.parse().map_err(|e| Error::Invalid(format!("name: {e}")))?;
    let mut settings = ProjectSettings::default();
    apply(&fields, &mut settings)?;
    settings.persistent = fields.flag("persistent")?.unwrap_or(false);
    match fields.text("storage")?.as_deref() {
        None | Some("" | "backend") => {}
        Some(other) => {
            let other = shown(other);
            return Err(Error::Invalid(format!(
                "storage: '{other}' is not a valid choice for this field"
            )));
        }
    }
    let chroots = chroots(&fields)?.unwrap_or_default();
    let exist_ok = query.get("exist_ok")? == Some("True");
    let made =
        projects::create_project(&app, &signed.actor, &owner, &name, &chroots, settings, exist_ok).await?;
    Ok(Json(model(&app, &made).await?))
}

async fn edit(app: web::Data<App>, signed: Signed, path: Path<(String, String)>, fields: Fields) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_edit(&project)?;
    let mut settings = project.settings.clone();
    apply(&fields, &mut settings)?;
    let chroots = chroots(&fields)?;
    let edit = ProjectEdit {
        settings,
        chroots: chroots.as_deref(),
        renew: fields.has("delete_after_days")?,
    };
    let edited = projects::edit_project(&app, &signed.actor, &project, edit).await?;
    Ok(Json(model(&app, &edited).await?))
}

async fn delete(app: web::Data<App>, signed: Signed, path: Path<(String, String)>, fields: Fields) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_delete(&project)?;
    if fields.flag("verify")? != Some(true) {
        return Err(Error::Invalid(
            "verify: Deleting a project has to be confirmed with verify=true".to_owned(),
        ));
    }
    let before = model(&app, &project).await?;
    projects::delete_project(&app, &signed.actor, &project).await?;
    Ok(Json(before))
}

async fn fork(app: web::Data<App>, signed: Signed, path: Path<(String, String)>, fields: Fields) -> Answer {
    let user = signed.actor.signed_in()?;
    let owner: OwnerName = match fields.text("ownername")?.filter(|o| !o.is_empty()) {
        Some(owner) => owner.parse()?,
        None => user.name.clone().into(),
    };
    // Permissions first: a stranger learns nothing about what is wrong with the rest.
    signed.actor.may_create_for(&owner)?;
    let from = find_project(&app, &path.0, &path.1).await?;
    let name = fields.required("name")?;
    let name: ProjectName = name.parse().map_err(|e| Error::Invalid(format!("name: {e}")))?;
    let confirm = fields.flag("confirm")?.unwrap_or(false);
    let made = forks::fork_project(&app, &signed.actor, &from, &owner, &name, confirm).await?;
    Ok(Json(model(&app, &made).await?))
}

async fn regenerate(app: web::Data<App>, signed: Signed, path: Path<(String, String)>) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    projects::regenerate(&app, &signed.actor, &project).await?;
    Ok(Json(model(&app, &project).await?))
}

async fn export(app: web::Data<App>, path: Path<(String, String)>) -> Result<Yaml, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    Ok(Yaml(export::yaml(&export::definition(&app, &project).await?)?))
}

async fn export_json(
    app: web::Data<App>,
    path: Path<(String, String)>,
) -> Result<Json<export::Definition>, Error> {
    let project = find_project(&app, &path.0, &path.1).await?;
    Ok(Json(export::definition(&app, &project).await?))
}

/// The chroots that are asked for, if they are mentioned.
fn chroots(fields: &Fields) -> Result<Option<Vec<ChrootName>>, Error> {
    let Some(names) = fields.list("chroots")? else {
        return Ok(None);
    };
    let wrong = |name: &str| {
        Error::Invalid(format!(
            "chroots: '{}' is not a valid choice for this field",
            shown(name)
        ))
    };
    names
        .iter()
        .map(|name| name.parse().map_err(|_| wrong(name)))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Changes what the fields mention. Additional repositories travel as `repos` in an edit.
fn apply(fields: &Fields, s: &mut ProjectSettings) -> Result<(), Error> {
    fn set<T>(slot: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *slot = value;
        }
    }
    let small = |name: &str| -> Result<Option<i32>, Error> {
        fields
            .number(name)?
            .map(|n| {
                i32::try_from(n).map_err(|_| Error::Invalid(format!("{name}: Not a valid integer value")))
            })
            .transpose()
    };
    set(&mut s.description, fields.text("description")?);
    set(&mut s.instructions, fields.text("instructions")?);
    set(&mut s.homepage, fields.text("homepage")?);
    set(&mut s.contact, fields.text("contact")?);
    set(&mut s.additional_repos, fields.list("additional_repos")?);
    set(&mut s.additional_repos, fields.list("repos")?);
    set(&mut s.runtime_dependencies, fields.list("runtime_dependencies")?);
    let forges = fields.list("packit_forge_projects_allowed")?;
    let forges = forges.map(|list| list.iter().map(|f| forge_project(f)).collect());
    set(&mut s.packit_forge_projects_allowed, forges);
    set(&mut s.enable_net, fields.flag("enable_net")?);
    set(&mut s.unlisted_on_hp, fields.flag("unlisted_on_hp")?);
    set(&mut s.auto_prune, fields.flag("auto_prune")?);
    set(&mut s.devel_mode, fields.flag("devel_mode")?);
    set(
        &mut s.follow_fedora_branching,
        fields.flag("follow_fedora_branching")?,
    );
    set(&mut s.module_hotfixes, fields.flag("module_hotfixes")?);
    set(&mut s.appstream, fields.flag("appstream")?);
    set(&mut s.multilib, fields.flag("multilib")?);
    set(&mut s.fedora_review, fields.flag("fedora_review")?);
    set(&mut s.replace_same_nevra, fields.flag("replace_same_nevra")?);
    set(&mut s.bootstrap, fields.text("bootstrap")?);
    if let Some(image) = fields.text("bootstrap_image")? {
        s.bootstrap_image = Some(image).filter(|i| !i.is_empty());
        if s.bootstrap_image.is_some() {
            // As in Copr, naming an image asks for it.
            "image".clone_into(&mut s.bootstrap);
        }
    }
    set(&mut s.isolation, fields.text("isolation")?);
    if let Some(choice) = fields.text("check_installs")? {
        s.check_installs = check_installs(&choice)?;
    }
    if let Some(priority) = small("repo_priority")? {
        s.repo_priority = Some(priority);
    }
    if fields.has("delete_after_days")? {
        // Copr's ways to turn it off: -1, and nothing.
        s.delete_after_days = small("delete_after_days")?.filter(|days| *days != -1);
    }
    if fields.has("keep_snapshots")? {
        s.keep_snapshots = small("keep_snapshots")?.filter(|number| *number != -1);
    }
    if fields.has("keep_days")? {
        s.keep_days = small("keep_days")?.filter(|number| *number != -1);
    }
    if fields.has("release_after_hours")? {
        s.release_after_hours = small("release_after_hours")?.filter(|hours| *hours != -1);
    }
    if let Some(pointer) = fields.text("build_pointer")? {
        s.build_pointer = build_pointer(&pointer)?;
    }
    Ok(())
}
