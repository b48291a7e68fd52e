//! What of the past is kept, and what goes when: nothing here removes anything.

use actix_web::web::{self, Json};
use chrono::{DateTime, Utc};
use db::retention::{Going, GoingPackage, Policy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::route::{Action, ApiRoute, GET, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::retention;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Admin, GET, "/retention", service)
            .about("What the whole service stores, and how much of that is about to go; for its administrators."),
        token(Action::Edit, GET, "/retention/{owner}/{dirname}/{chroot}", repository).about(
            "Which snapshots of a repository go, and when, if nothing comes to name them; for whoever may change the \
             project. This only lists.",
        ),
    ]
}

/// How much is kept.
#[derive(Serialize, JsonSchema)]
struct Kept {
    /// So many of the newest snapshots of each repository.
    snapshots: u32,
    /// What a pointer named within so many days.
    days: u32,
    /// What a commit has an address for, within so many days.
    commit_days: u32,
    /// Hours between the decision that something goes and its end.
    grace_hours: i64,
}

impl Kept {
    fn of(policy: &Policy) -> Self {
        Self {
            snapshots: policy.snapshots,
            days: policy.days,
            commit_days: policy.commit_days,
            grace_hours: policy.grace.num_hours(),
        }
    }
}

/// What the service stores.
#[derive(Serialize, JsonSchema)]
struct Service {
    policy: Kept,
    /// Bytes of packages and sources, counted for each project that has them.
    named_bytes: i64,
    /// The same as it is on disk: equal content once.
    stored_bytes: i64,
    /// Of the latter: packages that are kept for snapshots only, as their builds are deleted or they were signed anew. With
    /// the snapshots that have them they would go.
    past_bytes: i64,
    /// Of these: packages that no snapshot has any more, and that go after the time of grace.
    going_bytes: i64,
    /// Snapshots that can be read.
    snapshots: i64,
    /// Those of them that are about to go.
    marked: i64,
    /// Files that may be named by nothing: they were just stored, or something that named them went.
    loose_files: i64,
}

async fn service(app: web::Data<App>, signed: Signed) -> Result<Json<Service>, Error> {
    let stored = retention::stored(&app, &signed.actor).await?;
    Ok(Json(Service {
        policy: Kept::of(&app.config.retention),
        named_bytes: stored.named_bytes,
        stored_bytes: stored.stored_bytes,
        past_bytes: stored.past_bytes,
        going_bytes: stored.going_bytes,
        snapshots: stored.snapshots,
        marked: stored.marked,
        loose_files: stored.loose,
    }))
}

/// A snapshot that goes.
#[derive(Serialize, JsonSchema)]
struct Snapshot {
    snapshot: i64,
    #[schemars(with = "String")]
    created_at: DateTime<Utc>,
    cause: String,
    /// When its files go, at the earliest.
    #[schemars(with = "String")]
    goes_at: DateTime<Utc>,
    /// Whether this is decided already.
    marked: bool,
}

impl From<Going> for Snapshot {
    fn from(going: Going) -> Self {
        Self {
            snapshot: going.facts.number,
            created_at: going.facts.created_at,
            cause: going.facts.cause,
            goes_at: going.goes_at,
            marked: going.facts.purge_at.is_some(),
        }
    }
}

/// A package's file that goes.
#[derive(Serialize, JsonSchema)]
struct File {
    file_name: String,
    /// Bytes.
    size: i64,
    /// When it goes, at the earliest; not before the last snapshot that has it.
    #[schemars(with = "String")]
    goes_at: DateTime<Utc>,
}

impl From<GoingPackage> for File {
    fn from(going: GoingPackage) -> Self {
        Self {
            file_name: going.file_name,
            size: going.size,
            goes_at: going.goes_at,
        }
    }
}

/// What would go of a repository.
#[derive(Serialize, JsonSchema)]
struct Plan {
    policy: Kept,
    /// The snapshots that go, by number.
    items: Vec<Snapshot>,
    /// How many snapshots stay.
    kept: usize,
    /// Packages of deleted builds that no snapshot has that stays.
    packages: usize,
    /// Bytes of their files.
    bytes: i64,
    /// These packages, a thousand at most.
    files: Vec<File>,
    /// Parts of metadata that no snapshot names any more.
    metadata_objects: i64,
}

async fn repository(
    app: web::Data<App>,
    signed: Signed,
    path: web::Path<(String, String, String)>,
) -> Result<Json<Plan>, Error> {
    let (owner, dir, chroot) = path.into_inner();
    let plan = retention::plan(&app, &signed.actor, (&owner, &dir, &chroot)).await?;
    Ok(Json(Plan {
        policy: Kept::of(&plan.policy),
        files: plan.packages.into_iter().map(File::from).collect(),
        metadata_objects: plan.metadata,
        items: plan.going.into_iter().map(Snapshot::from).collect(),
        kept: plan.kept,
        packages: plan.orphans.ids.len(),
        bytes: plan.orphans.bytes,
    }))
}
