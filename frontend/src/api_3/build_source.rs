//! Builds of sources that a source build makes into a package: `build/create/{scm,distgit,pypi,rubygems,custom}`.

use actix_web::web;
use db::builds::Recipe;

use crate::api_3::build::{Answer, project_of, written};
use crate::api_3::input::Fields;
use crate::api_3::route::fields::BUILD;
use crate::api_3::route::{Action, ApiRoute, Field, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::operations::builds::submit_source;
use crate::operations::sources::{self, Of, SourceType};

const COMMITTISH: Field = Field::new("committish", Kind::Text, "Branch, tag or commit.");

const SCM: [Field; 7] = [
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
    Field::new(
        "srpm_build_method",
        Kind::Choice(&["rpkg", "tito", "tito_test", "make_srpm"]),
        "The same, as packages call it.",
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
        &source.read(Of::Build, fields)?,
        package.as_ref().map(protocol::PackageName::as_str),
        &active,
    )?;
    let recipe = Recipe {
        kind: source.as_str(),
        fields: checked,
    };
    let request = fields.build_request()?;
    let made = submit_source(app, Some(&signed.actor), &project, &request, recipe, None).await?;
    written(app, made).await
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
