//! Chroots of projects.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Json, Path, Payload};
use db::project_chroots::{ChrootSettings, ProjectChroot as Row};
use db::projects::Project;
use protocol::{ChrootName, DirName, PointerName};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::{Fields, MAX_BODY, Query};
use crate::api_3::route::fields::{CHROOT, OWNER, PROJECT};
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, PUT, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::body::{Parts, whole};
use crate::error::Error;
use crate::operations::bootstrap::{BOOTSTRAPS_OF_CHROOT, CUSTOM_IMAGE, ISOLATIONS_OR_UNCHANGED};
use crate::operations::build_repos;
use crate::operations::project_chroots::{self, NewComps};
use crate::operations::projects::find_project;

type Answer = Result<Json<ProjectChroot>, Error>;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/project-chroot", get)
            .about("What a project sets for one chroot.")
            .query(&[OWNER, PROJECT, CHROOT]),
        public(GET, "/project-chroot/build-config", build_config)
            .about("What a build for this chroot is given: repositories, packages, options.")
            .query(&[OWNER, PROJECT, CHROOT]),
        token(
            Action::Edit,
            PUT,
            "/project-chroot/edit/{owner}/{project}/{chroot}",
            edit,
        )
        .about("Changes what is given of a chroot's settings.")
        .multipart(&[
            Field::new("upload_comps", Kind::File, "Groups of packages, as `comps.xml`."),
            Field::new("delete_comps", Kind::Flag, "Remove the groups of packages."),
            Field::new(
                "additional_repos",
                Kind::List,
                "Repositories for builds, beside the project's.",
            ),
            Field::new(
                "additional_packages",
                Kind::List,
                "Packages that every build finds installed.",
            ),
            Field::new(
                "additional_modules",
                Kind::List,
                "`name:stream`, or `!name:stream`; with commas or white space between them.",
            ),
            Field::new("with_opts", Kind::List, "`rpmbuild --with`."),
            Field::new("without_opts", Kind::List, "`rpmbuild --without`."),
            Field::new(
                "bootstrap",
                Kind::Choice(BOOTSTRAPS_OF_CHROOT),
                "Kept for Copr's clients.",
            ),
            Field::new("bootstrap_image", Kind::Text, "Kept for Copr's clients."),
            Field::new(
                "isolation",
                Kind::Choice(ISOLATIONS_OR_UNCHANGED),
                "Kept for Copr's clients.",
            ),
            Field::new("reset_fields", Kind::List, "Names of fields to reset."),
        ]),
    ]
}

/// What a project sets for one chroot.
#[derive(Serialize, JsonSchema)]
struct ProjectChroot {
    mock_chroot: String,
    projectname: String,
    ownername: String,
    /// Name of the file with the groups of packages.
    comps_name: Option<String>,
    additional_repos: Vec<String>,
    additional_packages: Vec<String>,
    additional_modules: Vec<String>,
    with_opts: Vec<String>,
    without_opts: Vec<String>,
    bootstrap: String,
    bootstrap_image: Option<String>,
    /// Always null: chroots of this service do not end by themselves.
    delete_after_days: Option<i32>,
    isolation: String,
    /// The project's setting.
    follow_fedora_branching: bool,
}

fn model(project: &Project, row: Row) -> ProjectChroot {
    let set = row.settings;
    ProjectChroot {
        mock_chroot: row.chroot.to_string(),
        projectname: project.name.to_string(),
        ownername: project.owner.to_string(),
        comps_name: row.comps.map(|c| c.name),
        additional_repos: set.additional_repos,
        additional_packages: set.additional_packages,
        additional_modules: set.additional_modules,
        with_opts: set.with_opts,
        without_opts: set.without_opts,
        bootstrap: set.bootstrap,
        bootstrap_image: set.bootstrap_image,
        delete_after_days: None,
        isolation: set.isolation,
        follow_fedora_branching: project.settings.follow_fedora_branching,
    }
}

async fn find(app: &App, query: &Query) -> Result<(Project, Row), Error> {
    let project = find_project(app, query.required("ownername")?, query.required("projectname")?).await?;
    let row = project_chroots::find(app, &project, query.required("chrootname")?).await?;
    Ok((project, row))
}

async fn get(app: web::Data<App>, query: Query) -> Answer {
    let (project, row) = find(&app, &query).await?;
    Ok(Json(model(&project, row)))
}

/// A repository that builds see.
#[derive(Serialize, JsonSchema)]
struct Repo {
    id: String,
    name: String,
    baseurl: String,
    priority: Option<u32>,
    module_hotfixes: bool,
    /// Always false: `copr-cli mock-config` writes it beside `baseurl` and has no line for a key, and dnf ignores a
    /// repository whose metadata it cannot check. Builders are given the key and check.
    repo_gpgcheck: bool,
}

/// What a build for a chroot is given.
#[derive(Serialize, JsonSchema)]
pub(super) struct BuildConfig {
    chroot: String,
    repos: Vec<Repo>,
    additional_repos: Vec<String>,
    additional_packages: Vec<String>,
    additional_modules: Vec<String>,
    pub(super) enable_net: bool,
    with_opts: Vec<String>,
    without_opts: Vec<String>,
    pub(super) bootstrap: String,
    bootstrap_image: Option<String>,
    pub(super) isolation: String,
}

async fn build_config(app: web::Data<App>, query: Query) -> Result<Json<BuildConfig>, Error> {
    let (project, row) = find(&app, &query).await?;
    let dir = DirName::from(project.name.clone());
    let config = config_of(&app, project, (&dir, None), &row.chroot, row.settings).await?;
    Ok(Json(config))
}

/// What a build in this directory, maybe for a pointer, is given for this chroot, as far as the project decides.
pub(super) async fn config_of(
    app: &App,
    project: Project,
    (dir, flow): (&DirName, Option<&PointerName>),
    chroot: &ChrootName,
    set: ChrootSettings,
) -> Result<BuildConfig, Error> {
    let repos = build_repos::of(app, &project, dir, chroot, &set, flow).await?;
    let of_project = project.settings;
    let chosen = |own: String, projects: String| if own == "unchanged" { projects } else { own };
    let mut additional_repos = of_project.additional_repos;
    additional_repos.extend(set.additional_repos);
    Ok(BuildConfig {
        chroot: chroot.to_string(),
        repos: repos
            .into_iter()
            .map(|repo| Repo {
                id: repo.source.id,
                name: repo.source.name,
                baseurl: repo.baseurl,
                priority: repo.source.priority,
                module_hotfixes: repo.module_hotfixes,
                repo_gpgcheck: false,
            })
            .collect(),
        additional_repos,
        additional_packages: set.additional_packages,
        additional_modules: set.additional_modules,
        enable_net: of_project.enable_net,
        with_opts: set.with_opts,
        without_opts: set.without_opts,
        bootstrap: chosen(set.bootstrap, of_project.bootstrap),
        bootstrap_image: set.bootstrap_image.or(of_project.bootstrap_image),
        isolation: chosen(set.isolation, of_project.isolation),
    })
}

async fn edit(
    app: web::Data<App>,
    signed: Signed,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    payload: Payload,
) -> Answer {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_edit(&project)?;
    let old = project_chroots::find(&app, &project, &path.2).await?;
    let mut fields = Fields::of(&request);
    let mut comps = NewComps::Keep;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if content_type.is_some_and(|t| t.starts_with("multipart/")) {
        comps = read_form(Parts::new(&request, payload), &mut fields).await?;
    } else {
        let form = content_type.is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
        let body = crate::body::read(payload.into_inner(), MAX_BODY).await?;
        if form {
            for (name, value) in url::form_urlencoded::parse(&body) {
                fields.add_text(&name, &value);
            }
        } else {
            fields.add_json(&body)?;
        }
    }
    if fields.flag("delete_comps")? == Some(true) {
        comps = NewComps::Delete;
    }
    let mut set = old.settings.clone();
    apply(&fields, &mut set)?;
    let reset = fields.list("reset_fields")?.unwrap_or_default();
    project_chroots::reset(&mut set, &mut comps, &reset)?;
    let new = project_chroots::edit(&app, &signed.actor, &project, &old, set, comps).await?;
    Ok(Json(model(&project, new)))
}

/// Reads the parts of a form: fields, a part `json`, and the file.
async fn read_form(mut form: Parts, fields: &mut Fields) -> Result<NewComps, Error> {
    let mut comps = NewComps::Keep;
    while let Some(mut field) = form.field().await? {
        let part = field.name().unwrap_or_default().to_owned();
        let file = field.content_disposition().and_then(|d| d.get_filename());
        let file = file.unwrap_or_default().to_owned();
        let bytes = whole(&mut field, MAX_BODY).await?;
        match part.as_str() {
            // A browser's form has the part without a file in it.
            "upload_comps" if file.is_empty() && bytes.is_empty() => {}
            "upload_comps" => {
                comps = NewComps::File {
                    name: file,
                    content: bytes.to_vec(),
                }
            }
            name => fields.add_part(name, &bytes)?,
        }
    }
    Ok(comps)
}

fn apply(fields: &Fields, set: &mut ChrootSettings) -> Result<(), Error> {
    for (name, slot) in [
        ("additional_repos", &mut set.additional_repos),
        ("additional_packages", &mut set.additional_packages),
        ("with_opts", &mut set.with_opts),
        ("without_opts", &mut set.without_opts),
    ] {
        if let Some(list) = fields.list(name)? {
            *slot = list;
        }
    }
    if let Some(list) = fields.list("additional_modules")? {
        let modules = list.iter().flat_map(|entry| entry.split(','));
        set.additional_modules = modules.filter(|m| !m.is_empty()).map(str::to_owned).collect();
    }
    if let Some(bootstrap) = fields.text("bootstrap")? {
        set.bootstrap = bootstrap;
    }
    if let Some(image) = fields.text("bootstrap_image")? {
        set.bootstrap_image = Some(image).filter(|i| !i.is_empty());
        if set.bootstrap_image.is_some() {
            CUSTOM_IMAGE.clone_into(&mut set.bootstrap);
        }
    }
    if let Some(isolation) = fields.text("isolation")? {
        set.isolation = isolation;
    }
    Ok(())
}
