//! Packages: adding, changing, building and deleting them.

use actix_web::web::{self, Path};
use db::package_edit::Package;
use db::projects::Project;
use db::read::packages::Listed;

use crate::api_3::build::{self, project_of};
use crate::api_3::input::Fields;
use crate::api_3::models::{self, LatestBuilds, PACKAGE_BYTES};
use crate::api_3::route::fields::{BUILD, OWNER, PROJECT};
use crate::api_3::route::{Action, ApiRoute, DELETE, Field, Kind, POST, PUT, token};
use crate::api_3::written::Written;
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::packages::{
    PackageChange, add_package, build_package, delete_package, edit_package, find_package, reset_package,
    source_type,
};
use crate::operations::projects::find_project;
use crate::operations::sources::{Of, SourceType};

type Answer = Result<Written<models::Package<'static>>, Error>;

const NAME: Field = Field::required("package_name", Kind::Text, "Name of the package.");

/// What a package has whatever its source.
const OPTIONS: [Field; 5] = [
    Field::new("package_name", Kind::Text, "As in the path."),
    Field::new(
        "webhook_rebuild",
        Kind::Flag,
        "Rebuild it when a webhook says that its source changed.",
    ),
    Field::new(
        "max_builds",
        Kind::Number,
        "Builds to keep, 0 to 100; 0 keeps all.",
    ),
    Field::new(
        "timeout",
        Kind::Number,
        "Seconds that its builds may take, 0 to 108000; 0 is the service's default.",
    ),
    Field::new(
        "chroot_denylist",
        Kind::Text,
        "Patterns of chroots it is not built for, with commas between them.",
    ),
];

/// The fields of all sources: which ones count is up to the type.
const SOURCE: [Field; 20] = [
    Field::new("clone_url", Kind::Text, "scm: address of the repository."),
    Field::new("committish", Kind::Text, "scm, distgit: branch, tag or commit."),
    Field::new(
        "subdirectory",
        Kind::Text,
        "scm: where the package lies in the repository.",
    ),
    Field::new(
        "spec",
        Kind::Text,
        "scm: the spec file, seen from the subdirectory.",
    ),
    Field::new(
        "scm_type",
        Kind::Choice(&["git", "svn"]),
        "scm: kind of the repository.",
    ),
    Field::new(
        "source_build_method",
        Kind::Choice(&["rpkg", "tito", "tito_test", "make_srpm"]),
        "scm: what makes the source package.",
    ),
    Field::new(
        "srpm_build_method",
        Kind::Text,
        "Another name of source_build_method.",
    ),
    Field::new("pypi_package_name", Kind::Text, "pypi: name in the index."),
    Field::new(
        "pypi_package_version",
        Kind::Text,
        "pypi: version; the latest when empty.",
    ),
    Field::new(
        "spec_generator",
        Kind::Choice(&["pyp2spec", "pyp2rpm"]),
        "pypi: what writes the spec file.",
    ),
    Field::new(
        "spec_template",
        Kind::Choice(&["", "default", "fedora", "epel7", "mageia", "pld"]),
        "pypi: template of pyp2rpm.",
    ),
    Field::new("python_versions", Kind::Numbers, "pypi: 3, 2 or both."),
    Field::new("gem_name", Kind::Text, "rubygems: name of the gem."),
    Field::new("distgit", Kind::Text, "distgit: which service."),
    Field::new("namespace", Kind::Text, "distgit: such as `forks/user`."),
    Field::new("script", Kind::Text, "custom: the script, 4 KiB at most."),
    Field::new(
        "script_chroot",
        Kind::Text,
        "custom: chroot that the script runs in.",
    ),
    Field::new(
        "script_builddeps",
        Kind::List,
        "custom: packages that the script needs.",
    ),
    Field::new(
        "script_resultdir",
        Kind::Text,
        "custom: where the script leaves its results.",
    ),
    Field::new(
        "script_repos",
        Kind::List,
        "custom: more repositories for the script.",
    ),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(
            Action::Edit,
            POST,
            "/package/add/{owner}/{project}/{package}/{type}",
            add,
        )
        .about("Adds a package with a default source of the type scm, pypi, rubygems, distgit or custom.")
        .body(&OPTIONS)
        .body(&SOURCE),
        token(
            Action::Edit,
            POST,
            "/package/edit/{owner}/{project}/{package}/{type}",
            edit,
        )
        .about("Changes a package; what is not given stays. The type `None` keeps the source's own.")
        .body(&OPTIONS)
        .body(&SOURCE),
        token(
            Action::Edit,
            POST,
            "/package/edit/{owner}/{project}/{package}",
            edit_same,
        )
        .about("Changes a package; what is not given stays.")
        .body(&OPTIONS)
        .body(&SOURCE),
        token(Action::Edit, PUT, "/package/reset", reset)
            .about("Takes a package's default source away.")
            .body(&[OWNER, PROJECT, NAME]),
        token(Action::Build, POST, "/package/build", rebuild)
            .about("Builds a package from its default source.")
            .body(&BUILD)
            .body(&[NAME]),
        token(Action::Edit, DELETE, "/package/delete", delete)
            .about("Deletes a package with all its builds.")
            .body(&[OWNER, PROJECT, NAME]),
    ]
}

fn change(fields: &Fields, source: SourceType) -> Result<PackageChange, Error> {
    Ok(PackageChange {
        source: source.read(Of::Package, fields)?,
        webhook_rebuild: fields.flag("webhook_rebuild")?,
        max_builds: fields.number("max_builds")?,
        timeout: fields.number("timeout")?,
        chroot_denylist: fields.text("chroot_denylist")?,
    })
}

/// A package that was just written: nobody asks for its builds.
fn answer(package: &Package, project: &Project) -> Answer {
    let (owner, name) = (project.owner.as_str(), project.name.as_str());
    let package = Listed::of(package)?;
    let model = models::package(&package, owner, name, LatestBuilds::default());
    Written::new(&model, PACKAGE_BYTES)
}

async fn add(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String, String, String)>,
    fields: Fields,
) -> Answer {
    let (owner, project, name, kind) = path.into_inner();
    let project = find_project(&app, &owner, &project).await?;
    signed.actor.may_edit(&project)?;
    let kind = source_type(&kind)?;
    let change = change(&fields, kind)?;
    let package = add_package(&app, &signed.actor, &project, &name, kind, &change).await?;
    answer(&package, &project)
}

async fn edit(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String, String, String)>,
    fields: Fields,
) -> Answer {
    let (owner, project, name, kind) = path.into_inner();
    // What python's `copr` makes of a type that is not given.
    let kind = Some(kind).filter(|k| k != "None");
    edit_as(&app, &signed, [&owner, &project, &name], kind.as_deref(), &fields).await
}

async fn edit_same(
    app: web::Data<App>,
    signed: Signed,
    path: Path<(String, String, String)>,
    fields: Fields,
) -> Answer {
    edit_as(&app, &signed, [&path.0, &path.1, &path.2], None, &fields).await
}

async fn edit_as(
    app: &App,
    signed: &Signed,
    [owner, project, name]: [&str; 3],
    kind: Option<&str>,
    fields: &Fields,
) -> Answer {
    let project = find_project(app, owner, project).await?;
    signed.actor.may_edit(&project)?;
    let package = find_package(app, &project, name).await?;
    let kind = source_type(kind.unwrap_or(&package.source_type))?;
    let change = change(fields, kind)?;
    let package = edit_package(app, &signed.actor, &project, &package, kind, &change).await?;
    answer(&package, &project)
}

async fn reset(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &fields.required("package_name")?).await?;
    let package = reset_package(&app, &signed.actor, &project, &package).await?;
    answer(&package, &project)
}

async fn rebuild(app: web::Data<App>, signed: Signed, fields: Fields) -> build::Answer {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_build(&project)?;
    let package = find_package(&app, &project, &fields.required("package_name")?).await?;
    let build = build_package(&app, &signed.actor, &project, &package, &fields.build_request()?).await?;
    build::written(&app, build).await
}

async fn delete(app: web::Data<App>, signed: Signed, fields: Fields) -> Answer {
    let project = project_of(&app, &fields).await?;
    signed.actor.may_edit(&project)?;
    let package = find_package(&app, &project, &fields.required("package_name")?).await?;
    delete_package(&app, &signed.actor, &project, &package).await?;
    answer(&package, &project)
}
