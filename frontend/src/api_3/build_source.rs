//! Builds of sources that a source build makes into a package: `build/create/{scm,distgit,pypi,rubygems,custom}`.

use actix_web::web::{self, Json};
use db::builds::Recipe;
use serde_json::{Map, Value};

use crate::api_3::build::{model, project_of};
use crate::api_3::input::Fields;
use crate::api_3::models;
use crate::api_3::route::fields::BUILD;
use crate::api_3::route::{Action, ApiRoute, Field, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::builds::submit_source;
use crate::operations::sources::{self, SourceType};

type Answer = Result<Json<models::Build>, Error>;

const COMMITTISH: Field = Field::new("committish", Kind::Text, "Branch, tag or commit.");

const SCM: [Field; 6] = [
    Field::required("clone_url", Kind::Text, "Address of the repository."),
    COMMITTISH,
    Field::new(
        "subdirectory",
        Kind::Text,
        "Where the package lies in the repository.",
    ),
    Field::new("spec", Kind::Text, "The spec file, seen from the subdirectory."),
    Field::new(
        "scm_type",
        Kind::Choice(&["git", "svn"]),
        "Kind of the repository.",
    ),
    Field::new(
        "source_build_method",
        Kind::Choice(&["rpkg", "tito", "tito_test", "make_srpm"]),
        "What makes the source package.",
    ),
];
const DISTGIT: [Field; 4] = [
    Field::required("package_name", Kind::Text, "Name of the package there."),
    Field::new("distgit", Kind::Text, "Which service."),
    Field::new("namespace", Kind::Text, "Such as `forks/user`."),
    COMMITTISH,
];
const PYPI: [Field; 5] = [
    Field::required("pypi_package_name", Kind::Text, "Name in the index."),
    Field::new(
        "pypi_package_version",
        Kind::Text,
        "Version; the latest when empty.",
    ),
    Field::new(
        "spec_generator",
        Kind::Choice(&["pyp2spec", "pyp2rpm"]),
        "What writes the spec file.",
    ),
    Field::new(
        "spec_template",
        Kind::Choice(&["", "default", "fedora", "epel7", "mageia", "pld"]),
        "Template of pyp2rpm.",
    ),
    Field::new("python_versions", Kind::Numbers, "3, 2 or both."),
];
const RUBYGEMS: [Field; 1] = [Field::required("gem_name", Kind::Text, "Name of the gem.")];
const CUSTOM: [Field; 5] = [
    Field::required("script", Kind::Text, "The script, 4 KiB at most."),
    Field::new("chroot", Kind::Text, "Chroot that the script runs in."),
    Field::new("builddeps", Kind::List, "Packages that the script needs."),
    Field::new("resultdir", Kind::Text, "Where the script leaves its results."),
    Field::new("repos", Kind::List, "More repositories for the script."),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Build, POST, "/build/create/scm", scm)
            .about("Submits a build of a git or Subversion repository.")
            .body(&BUILD)
            .body(&SCM),
        token(Action::Build, POST, "/build/create/distgit", distgit)
            .about("Submits a build of a package of a distribution's git service.")
            .body(&BUILD)
            .body(&DISTGIT),
        token(Action::Build, POST, "/build/create/pypi", pypi)
            .about("Submits a build of a package of the Python package index.")
            .body(&BUILD)
            .body(&PYPI),
        token(Action::Build, POST, "/build/create/rubygems", rubygems)
            .about("Submits a build of a gem.")
            .body(&BUILD)
            .body(&RUBYGEMS),
        token(Action::Build, POST, "/build/create/custom", custom)
            .about("Submits a build of what a script makes.")
            .body(&BUILD)
            .body(&CUSTOM),
    ]
}

/// The fields of a source as they were given, with stored names.
fn given(fields: &Fields, source: SourceType) -> Result<Map<String, Value>, Error> {
    let (texts, lists): (&[(&str, &str)], &[&str]) = match source {
        SourceType::Scm => (
            &[
                ("clone_url", "clone_url"),
                ("committish", "committish"),
                ("subdirectory", "subdirectory"),
                ("spec", "spec"),
                ("scm_type", "type"),
                ("source_build_method", "srpm_build_method"),
            ],
            &[],
        ),
        SourceType::Distgit => (
            &[
                ("distgit", "distgit"),
                ("namespace", "namespace"),
                ("committish", "committish"),
            ],
            &[],
        ),
        SourceType::Pypi => (
            &[
                ("pypi_package_name", "pypi_package_name"),
                ("pypi_package_version", "pypi_package_version"),
                ("spec_generator", "spec_generator"),
                ("spec_template", "spec_template"),
            ],
            &[],
        ),
        SourceType::Rubygems => (&[("gem_name", "gem_name")], &[]),
        SourceType::Custom => (
            &[
                ("script", "script"),
                ("chroot", "chroot"),
                ("resultdir", "resultdir"),
            ],
            &["builddeps", "repos"],
        ),
    };
    let mut given = Map::new();
    for (name, stored) in texts {
        if let Some(text) = fields.text(name)? {
            given.insert((*stored).to_owned(), text.into());
        }
    }
    for name in lists {
        if let Some(list) = fields.list(name)? {
            given.insert((*name).to_owned(), list.join(" ").into());
        }
    }
    if source == SourceType::Pypi
        && let Some(versions) = fields.words("python_versions")?
    {
        given.insert("python_versions".to_owned(), versions.into());
    }
    Ok(given)
}

async fn create(app: &App, signed: &Signed, fields: &Fields, source: SourceType) -> Answer {
    let project = project_of(app, fields).await?;
    signed.actor.may_build(&project)?;
    let package = match source {
        SourceType::Distgit => Some(sources::dist_git_package(&fields.required("package_name")?)?),
        _ => None,
    };
    let active: Vec<_> = db::chroots::list(&mut *app.conn().await?, true)
        .await?
        .into_iter()
        .map(|c| c.definition.name)
        .collect();
    let checked = sources::check(
        source,
        &given(fields, source)?,
        package.as_ref().map(protocol::PackageName::as_str),
        &active,
    )?;
    let recipe = Recipe {
        kind: source.as_str(),
        fields: checked,
    };
    let request = fields.build_request()?;
    let made = submit_source(app, Some(&signed.actor), &project, &request, recipe, None).await?;
    Ok(Json(model(app, made).await?))
}

async fn scm(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    create(&app, &signed, &fields, SourceType::Scm).await
}

async fn distgit(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    create(&app, &signed, &fields, SourceType::Distgit).await
}

async fn pypi(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    create(&app, &signed, &fields, SourceType::Pypi).await
}

async fn rubygems(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    create(&app, &signed, &fields, SourceType::Rubygems).await
}

async fn custom(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    create(&app, &signed, &fields, SourceType::Custom).await
}
