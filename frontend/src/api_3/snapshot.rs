//! Snapshots of repositories, and the pointers to them.

use actix_web::web::{self, Json, Path};
use db::pointers::Pointer as PointerRow;
use db::snapshots::{Package as PackageRow, Snapshot as Row};
use protocol::{BuildId, CommitId, PointerName};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::{Fields, Query};
use crate::api_3::page::window;
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, POST, public, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::snapshots::{self, Changed, Choice, Difference, Intent, Place};

/// Most snapshots of one answer.
const MOST: i64 = 100;

const EXPECTED: Field = Field::new(
    "expected",
    Kind::Number,
    "The snapshot that the pointer has to name now, 0 for none; else nothing happens, and the answer is 409 with where it is.",
);
const CAUSE: Field = Field::new("cause", Kind::Text, "Why, for the history.");
const LATEST: Field = Field::new("pointer", Kind::Text, "Which pointer; `latest` when absent.");
const FROM: Field = Field::required("from", Kind::Text, "The snapshot: number, pointer or time.");
const PACKAGES: Field = Field::new(
    "packages",
    Kind::List,
    "Names, `name-version-release.arch`, or file names of packages.",
);
const BUILD: Field = Field::new("build_id", Kind::Number, "All packages of this build.");

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/snapshot/list/{owner}/{dir}/{chroot}", list)
            .about("Snapshots of a repository, newest first.")
            .query(&[
                Field::new("limit", Kind::Number, "Most items to give, up to 100."),
                Field::new("before", Kind::Number, "Only those with smaller numbers."),
            ]),
        public(GET, "/snapshot/show/{owner}/{dir}/{chroot}/{snapshot}", show)
            .about("A snapshot, and its difference to its parent: by number, pointer or time, or by a commit that was built."),
        public(
            GET,
            "/snapshot/packages/{owner}/{dir}/{chroot}/{snapshot}",
            packages,
        )
        .about("All packages of a snapshot."),
        public(GET, "/snapshot/diff/{owner}/{dir}/{chroot}/{snapshot}", diff)
            .about("What a snapshot has that another lacks, and the other way round.")
            .query(&[Field::new(
                "from",
                Kind::Text,
                "The other snapshot: number, pointer or time; its parent when absent.",
            )]),
        public(GET, "/pointer/list/{owner}/{dir}/{chroot}", pointers)
            .about("The pointers of a repository, also those that the service alone moves."),
        token(
            Action::Edit,
            POST,
            "/pointer/move/{owner}/{dir}/{chroot}",
            move_pointer,
        )
        .about("Moves a pointer to a snapshot by compare-and-swap, or makes it there.")
        .body(&[
            Field::required("pointer", Kind::Text, "Its name, such as `stable`."),
            Field::required("to", Kind::Text, "The snapshot: number, pointer or time."),
            EXPECTED,
            CAUSE,
        ]),
        token(
            Action::Edit,
            POST,
            "/pointer/delete/{owner}/{dir}/{chroot}",
            delete_pointer,
        )
        .about("Removes a pointer.")
        .body(&[
            Field::required("pointer", Kind::Text, "Its name."),
            EXPECTED,
            CAUSE,
        ]),
        token(
            Action::Edit,
            POST,
            "/snapshot/rollback/{owner}/{dir}/{chroot}",
            roll_back,
        )
        .about("Moves a pointer back.")
        .body(&[
            LATEST,
            Field::new(
                "to",
                Kind::Text,
                "The snapshot; when absent the one that the pointer's was made from.",
            ),
            EXPECTED,
            CAUSE,
        ]),
        token(Action::Edit, POST, "/snapshot/yank/{owner}/{dir}/{chroot}", yank)
            .about(
                "Takes packages back: a new snapshot without them. Builds and earlier snapshots keep them.",
            )
            .body(&[LATEST, PACKAGES, BUILD, EXPECTED, CAUSE]),
        token(
            Action::Edit,
            POST,
            "/snapshot/promote/{owner}/{dir}/{chroot}",
            promote,
        )
        .about("Gives a snapshot, or some of its packages, to those who follow a pointer, here or in another repository.")
        .body(&[
            Field::new(
                "pointer",
                Kind::Text,
                "Which pointer; it is made when there is none. Has to be named here; elsewhere `latest` when absent.",
            ),
            FROM,
            PACKAGES,
            BUILD,
            Field::new(
                "into",
                Kind::Text,
                "Another repository, `owner/project` or `owner/directory`: packages are signed with its project's key and come to what it has.",
            ),
            Field::new(
                "into_chroot",
                Kind::Text,
                "Its chroot, of the same distribution and architecture; the same when absent.",
            ),
            EXPECTED,
            CAUSE,
        ]),
        token(
            Action::Edit,
            POST,
            "/snapshot/merge/{owner}/{dir}/{chroot}",
            merge,
        )
        .about("Brings to a pointer what another line of snapshots has changed since both were one.")
        .body(&[
            Field::required("pointer", Kind::Text, "Which pointer."),
            FROM,
            EXPECTED,
            CAUSE,
        ]),
    ]
}

/// A snapshot.
#[derive(Serialize, JsonSchema)]
struct Snapshot {
    number: i64,
    /// The one that it was made from; 0 for none.
    parent: i64,
    /// Seconds since 1970.
    created_on: i64,
    cause: String,
    /// Who asked for it; `null` for the service itself.
    actor: Option<String>,
    /// Number of packages.
    packages: i64,
    /// Packages that its parent did not have.
    added: usize,
    /// Packages that only its parent had.
    removed: usize,
    /// Pointers that name it.
    pointers: Vec<String>,
    /// Builds of commits whose packages it was the first to have.
    commits: Vec<Commit>,
    /// SHA-256 of its `repomd.xml`.
    repomd_sha256: String,
    /// Fingerprint of the key that signed that; `null` where that was not written down.
    signed_by: Option<String>,
    /// Its own repository, for good.
    url: String,
    /// Whether what it brought can be installed; `null` where nobody was asked.
    check: Option<Check>,
}

/// What builders found out about a snapshot: whether a clean machine can install what it brought, and one with the snapshot
/// before upgrade to it.
#[derive(Serialize, JsonSchema)]
struct Check {
    /// `waiting`, `running`, `passed`, `failed`, `error` (nobody could find out) or `skipped`.
    state: &'static str,
    /// Why; of a failure what the package manager said.
    message: String,
    /// Seconds since 1970.
    ended_on: Option<i64>,
}

impl From<db::checks::Check> for Check {
    fn from(check: db::checks::Check) -> Self {
        Self {
            state: check.state.as_str(),
            message: check.message,
            ended_on: check.ended_at.map(|at| at.timestamp()),
        }
    }
}

/// What was built of a commit, and what was there already.
#[derive(Serialize, JsonSchema)]
struct Commit {
    /// Its whole hash.
    commit: String,
    /// The build, which may have been deleted.
    build_id: i64,
    /// The repository, as long as that is the newest good build of it.
    url: String,
}

/// What is said of snapshots besides what they are.
struct Known {
    pointers: Vec<PointerRow>,
    /// By the snapshots' numbers.
    commits: Vec<(i64, BuildId, CommitId)>,
    checks: Vec<db::checks::Check>,
}

impl Known {
    async fn of(app: &App, place: &Place, rows: &[Row]) -> Result<Self, Error> {
        Ok(Self {
            pointers: snapshots::pointers_of(app, place).await?,
            commits: snapshots::commits_of(app, place, rows).await?,
            checks: snapshots::checks(app, place, rows).await?,
        })
    }
}

fn snapshot(app: &App, place: &Place, known: &Known, row: Row) -> Snapshot {
    let check = known.checks.iter().find(|check| check.snapshot == row.number);
    let names = known.pointers.iter().filter(|p| p.snapshot == row.number);
    let commits = known.commits.iter().filter(|(number, ..)| *number == row.number);
    let commits = commits.map(|(_, build, commit)| Commit {
        commit: commit.to_string(),
        build_id: build.0,
        url: format!("{}{}/", base(app, place), commit.folder()),
    });
    Snapshot {
        number: row.number,
        parent: row.parent,
        created_on: row.created_at.timestamp(),
        cause: row.cause,
        actor: row.actor,
        packages: row.packages,
        added: row.added.len(),
        removed: row.removed.len(),
        pointers: names.map(|p| p.name.to_string()).collect(),
        commits: commits.collect(),
        repomd_sha256: row.repomd_sha256,
        signed_by: row.signed_by,
        url: url(app, place, &row.number.to_string()),
        check: check.cloned().map(Check::from),
    }
}

/// The address of the repository.
fn base(app: &App, place: &Place) -> String {
    let repository = &place.repository;
    app.config
        .repository_url(&place.project.owner, &repository.dir, &repository.chroot)
}

/// The address of what stands behind an `@`.
fn url(app: &App, place: &Place, at: &str) -> String {
    format!("{}@{at}/", base(app, place))
}

/// A package of a snapshot.
#[derive(Serialize, JsonSchema)]
struct Package {
    name: String,
    epoch: i32,
    version: String,
    release: String,
    arch: String,
    file_name: String,
    /// Bytes.
    size: i64,
    /// `null` when the build was deleted.
    build_id: Option<i64>,
}

impl From<PackageRow> for Package {
    fn from(row: PackageRow) -> Self {
        Self {
            name: row.name,
            epoch: row.epoch,
            version: row.version,
            release: row.release,
            arch: row.arch,
            file_name: row.file_name,
            size: row.size,
            build_id: row.build,
        }
    }
}

fn models(rows: Vec<PackageRow>) -> Vec<Package> {
    rows.into_iter().map(Package::from).collect()
}

/// Snapshots.
#[derive(Serialize, JsonSchema)]
struct Snapshots {
    items: Vec<Snapshot>,
}

type At = Path<(String, String, String)>;
type AtSnapshot = Path<(String, String, String, String)>;

async fn find(app: &App, at: &At) -> Result<Place, Error> {
    snapshots::find(app, &at.0, &at.1, &at.2).await
}

/// For whoever may change it, which is asked before anything of the body is judged.
async fn editable(app: &App, signed: &Signed, at: &At) -> Result<Place, Error> {
    let place = find(app, at).await?;
    signed.actor.may_edit(&place.project)?;
    Ok(place)
}

async fn find_snapshot(app: &App, at: &AtSnapshot) -> Result<(Place, Row), Error> {
    let place = snapshots::find(app, &at.0, &at.1, &at.2).await?;
    let row = snapshots::resolve(app, &place, &at.3).await?;
    Ok((place, row))
}

async fn list(app: web::Data<App>, at: At, query: Query) -> Result<Json<Snapshots>, Error> {
    let place = find(&app, &at).await?;
    let (before, limit) = window(&query, MOST)?;
    let rows = snapshots::list(&app, &place, before, limit).await?;
    let known = Known::of(&app, &place, &rows).await?;
    let items = rows.into_iter().map(|row| snapshot(&app, &place, &known, row));
    Ok(Json(Snapshots {
        items: items.collect(),
    }))
}

/// A snapshot, and its difference to its parent.
#[derive(Serialize, JsonSchema)]
struct Shown {
    #[serde(flatten)]
    snapshot: Snapshot,
    difference: Diff,
}

/// Packages that came and went.
#[derive(Serialize, JsonSchema)]
struct Diff {
    added: Vec<Package>,
    removed: Vec<Package>,
}

impl From<Difference> for Diff {
    fn from(difference: Difference) -> Self {
        Self {
            added: models(difference.added),
            removed: models(difference.removed),
        }
    }
}

async fn show(app: web::Data<App>, at: AtSnapshot) -> Result<Json<Shown>, Error> {
    let (place, row) = find_snapshot(&app, &at).await?;
    let difference = snapshots::difference(&app, &place, row.parent, row.number).await?;
    let known = Known::of(&app, &place, std::slice::from_ref(&row)).await?;
    Ok(Json(Shown {
        snapshot: snapshot(&app, &place, &known, row),
        difference: difference.into(),
    }))
}

/// Packages of a snapshot.
#[derive(Serialize, JsonSchema)]
struct Packages {
    snapshot: i64,
    packages: Vec<Package>,
}

async fn packages(app: web::Data<App>, at: AtSnapshot) -> Result<Json<Packages>, Error> {
    let (place, row) = find_snapshot(&app, &at).await?;
    let packages = snapshots::packages(&app, &place, row.number).await?;
    Ok(Json(Packages {
        snapshot: row.number,
        packages: models(packages),
    }))
}

async fn diff(app: web::Data<App>, at: AtSnapshot, query: Query) -> Result<Json<Diff>, Error> {
    let (place, row) = find_snapshot(&app, &at).await?;
    let from = match query.get("from")? {
        Some(from) => snapshots::resolve(&app, &place, from).await?.number,
        None => row.parent,
    };
    let difference = snapshots::difference(&app, &place, from, row.number).await?;
    Ok(Json(difference.into()))
}

/// A pointer.
#[derive(Serialize, JsonSchema)]
struct Pointer {
    name: String,
    snapshot: i64,
    /// Seconds since 1970.
    moved_on: i64,
    /// `null` for the service itself.
    actor: Option<String>,
    /// Whether the service alone moves it.
    read_only: bool,
    /// What follows it.
    url: String,
}

/// Pointers.
#[derive(Serialize, JsonSchema)]
struct Pointers {
    items: Vec<Pointer>,
}

async fn pointers(app: web::Data<App>, at: At) -> Result<Json<Pointers>, Error> {
    let place = find(&app, &at).await?;
    let base = base(&app, &place);
    let items = snapshots::all_pointers(&app, &place)
        .await?
        .into_iter()
        .map(|row| Pointer {
            url: match row.name.as_str() {
                "latest" => base.clone(),
                "devel" => format!("{base}devel/"),
                name => url(&app, &place, name),
            },
            read_only: row.name.is_read_only(),
            name: row.name.to_string(),
            snapshot: row.snapshot,
            moved_on: row.moved_at.timestamp(),
            actor: row.actor,
        });
    Ok(Json(Pointers {
        items: items.collect(),
    }))
}

/// A pointer that changed.
#[derive(Serialize, JsonSchema)]
struct Answer {
    pointer: String,
    /// The snapshot that it names now; `null` when it is gone.
    snapshot: Option<i64>,
    /// The one that it named before, 0 for none; `null` where that is not known.
    before: Option<i64>,
    /// The snapshot that was asked for, where the key that signed it has ended: the one that is named now has the same
    /// packages, but those of deleted builds, and new signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_anew: Option<i64>,
}

fn answer(changed: Changed) -> Json<Answer> {
    Json(Answer {
        pointer: changed.pointer.to_string(),
        snapshot: changed.snapshot,
        before: changed.before,
        signed_anew: changed.signed_anew,
    })
}

fn intent(fields: &Fields, otherwise: Option<PointerName>) -> Result<Intent, Error> {
    let pointer = match (fields.text("pointer")?, otherwise) {
        (None, Some(otherwise)) => otherwise,
        _ => fields.required("pointer")?.parse()?,
    };
    Ok(Intent {
        pointer,
        expected: fields.number("expected")?,
        cause: fields.text("cause")?.unwrap_or_default(),
    })
}

fn choice(fields: &Fields) -> Result<Choice, Error> {
    Ok(Choice {
        names: fields.words("packages")?.unwrap_or_default(),
        build: fields.number("build_id")?.map(BuildId),
    })
}

async fn move_pointer(
    app: web::Data<App>,
    signed: Signed,
    at: At,
    fields: Fields,
) -> Result<Json<Answer>, Error> {
    let place = editable(&app, &signed, &at).await?;
    let intent = intent(&fields, None)?;
    let to = snapshots::resolve(&app, &place, &fields.required("to")?).await?;
    let changed = snapshots::move_pointer(&app, &signed.actor, &place, &intent, to.number).await?;
    Ok(answer(changed))
}

async fn delete_pointer(
    app: web::Data<App>,
    signed: Signed,
    at: At,
    fields: Fields,
) -> Result<Json<Answer>, Error> {
    let place = editable(&app, &signed, &at).await?;
    let intent = intent(&fields, None)?;
    Ok(answer(
        snapshots::remove_pointer(&app, &signed.actor, &place, &intent).await?,
    ))
}

async fn roll_back(
    app: web::Data<App>,
    signed: Signed,
    at: At,
    fields: Fields,
) -> Result<Json<Answer>, Error> {
    let place = editable(&app, &signed, &at).await?;
    let intent = intent(&fields, Some(PointerName::latest()))?;
    let to = match fields.text("to")? {
        Some(to) => Some(snapshots::resolve(&app, &place, &to).await?.number),
        None => None,
    };
    Ok(answer(
        snapshots::roll_back(&app, &signed.actor, &place, &intent, to).await?,
    ))
}

async fn yank(app: web::Data<App>, signed: Signed, at: At, fields: Fields) -> Result<Json<Answer>, Error> {
    let place = editable(&app, &signed, &at).await?;
    let intent = intent(&fields, Some(PointerName::latest()))?;
    let changed = snapshots::yank(&app, &signed.actor, &place, &intent, &choice(&fields)?).await?;
    Ok(answer(changed))
}

async fn promote(app: web::Data<App>, signed: Signed, at: At, fields: Fields) -> Result<Json<Answer>, Error> {
    let Some(to) = target(&app, &signed, &at, &fields).await? else {
        let place = editable(&app, &signed, &at).await?;
        let intent = intent(&fields, None)?;
        let from = snapshots::resolve(&app, &place, &fields.required("from")?).await?;
        let choice = choice(&fields)?;
        let changed = snapshots::promote(&app, &signed.actor, &place, &intent, &from, &choice).await?;
        return Ok(answer(changed));
    };
    let place = find(&app, &at).await?;
    let intent = intent(&fields, Some(PointerName::latest()))?;
    let from = snapshots::resolve(&app, &place, &fields.required("from")?).await?;
    let choice = choice(&fields)?;
    let from = (&place, &from);
    let changed = snapshots::promote_into(&app, &signed.actor, from, &to, &intent, &choice).await?;
    Ok(answer(changed))
}

/// The other repository that a promotion goes to, for whoever may change that.
async fn target(app: &App, signed: &Signed, at: &At, fields: &Fields) -> Result<Option<Place>, Error> {
    let chroot = fields.text("into_chroot")?;
    let Some(into) = fields.text("into")? else {
        return match chroot {
            Some(_) => Err(Error::Invalid(
                "into: This field is required with into_chroot.".to_owned(),
            )),
            None => Ok(None),
        };
    };
    let to = snapshots::other(app, &into, chroot.as_deref().unwrap_or(&at.2)).await?;
    signed.actor.may_edit(&to.project)?;
    Ok(Some(to))
}

async fn merge(app: web::Data<App>, signed: Signed, at: At, fields: Fields) -> Result<Json<Answer>, Error> {
    let place = editable(&app, &signed, &at).await?;
    let intent = intent(&fields, None)?;
    let from = snapshots::resolve(&app, &place, &fields.required("from")?).await?;
    let changed = snapshots::merge(&app, &signed.actor, &place, &intent, &from).await?;
    Ok(answer(changed))
}
