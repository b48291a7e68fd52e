//! Packages of somebody else's repository.

use actix_web::web::{self, Path};
use db::builds::Import;

use crate::api_3::build::{Answer, written};
use crate::api_3::input::Fields;
use crate::api_3::route::{Action, ApiRoute, Field, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::operations::builds::{BuildRequest, project_of_dir, submit_import};

const FIELDS: [Field; 5] = [
    Field::required(
        "url",
        Kind::Text,
        "Address of the repository, the directory that has `repodata/` in it. `$releasever` and `$basearch` stand for each chroot's.",
    ),
    Field::new(
        "chroots",
        Kind::List,
        "Chroots or patterns; all enabled ones when absent. Each gets the packages of its architecture and noarch.",
    ),
    Field::new("exclude_chroots", Kind::List, "Chroots or patterns to leave out."),
    Field::new(
        "packages",
        Kind::List,
        "Names of packages or patterns; all when absent.",
    ),
    Field::new(
        "gpgkey",
        Kind::Text,
        "Armored OpenPGP key, or the URL of one, that the repository's `repomd.xml` is signed with; not checked when absent.",
    ),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Build, POST, "/import/{owner}/{dirname}", create)
            .about(
                "Takes packages of somebody else's repository: a builder fetches those that are not here yet, and they are \
                 published, signed anew and marked as not built here, as one snapshot for each chroot.",
            )
            .body(&FIELDS),
    ]
}

async fn create(app: web::Data<App>, signed: Signed, path: Path<(String, String)>, fields: Fields) -> Answer {
    let project = project_of_dir(&app, &path.0, &path.1).await?;
    signed.actor.may_build(&project)?;
    let request = BuildRequest {
        chroots: fields.list("chroots")?.unwrap_or_default(),
        exclude_chroots: fields.list("exclude_chroots")?.unwrap_or_default(),
        dir: Some(path.1.clone()),
        ..BuildRequest::default()
    };
    let import = Import {
        url: fields.required("url")?,
        packages: fields.list("packages")?.unwrap_or_default(),
        gpgkey: fields.text("gpgkey")?,
    };
    let build = submit_import(&app, &signed.actor, &project, &request, import).await?;
    written(&app, build).await
}
