//! What owners use and may use.

use actix_web::web::{self, Json};
use db::quotas::{DAYS, Limits};
use protocol::OwnerName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Fields;
use crate::api_3::route::{Action, ApiRoute, Field, GET, Kind, PUT, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::quotas::{self, Quota};

/// What a limit may be.
const LIMITS: [Field; 5] = [
    Field::new(
        "concurrent_builds",
        Kind::Number,
        "Chroots that are built at the same time; more wait.",
    ),
    Field::new("queued_builds", Kind::Number, "Builds that wait for a machine."),
    Field::new(
        "cpu_seconds",
        Kind::Number,
        "Seconds of build machines times their processors, in 30 days.",
    ),
    Field::new(
        "stored_bytes",
        Kind::Number,
        "Bytes of published and source packages.",
    ),
    Field::new(
        "served_bytes",
        Kind::Number,
        "Bytes that are downloaded, in 30 days.",
    ),
];

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Account, GET, "/quota/{owner}", show)
            .about("What a user or group uses and may use, over all projects that they hold."),
        token(Action::Admin, PUT, "/quota/{owner}", set)
            .about("Gives a user or group limits of their own, in place of those they had. What is absent is as in the rest of the service; -1 is no limit.")
            .body(&LIMITS),
    ]
}

/// A number and its limit.
#[derive(Serialize, JsonSchema)]
struct Use {
    used: i64,
    /// `null` where there is none.
    limit: Option<i64>,
    /// Days over which it is counted; `null` where it is what there is now.
    days: Option<i32>,
}

/// What an owner uses.
#[derive(Serialize, JsonSchema)]
struct Shown {
    owner: String,
    concurrent_builds: Use,
    queued_builds: Use,
    cpu_seconds: Use,
    stored_bytes: Use,
    stored_files: Files,
    served_bytes: Use,
}

/// Files of packages and sources. `stored_bytes` counts one for each that names it; here the same content counts once.
#[derive(Serialize, JsonSchema)]
struct Files {
    /// Bytes of those that nobody else's projects have.
    own_bytes: i64,
    /// Bytes of those that projects of others have as well.
    shared_bytes: i64,
}

fn shown(owner: &OwnerName, quota: &Quota) -> Shown {
    let now = |used: i64, limit: Option<i64>| Use {
        used,
        limit,
        days: None,
    };
    let lately = |used: i64, limit: Option<i64>| Use {
        used,
        limit,
        days: Some(DAYS),
    };
    let (usage, limits) = (&quota.usage, &quota.limits);
    Shown {
        owner: owner.to_string(),
        concurrent_builds: now(usage.concurrent_builds, limits.concurrent_builds.map(i64::from)),
        queued_builds: now(usage.queued_builds, limits.queued_builds.map(i64::from)),
        cpu_seconds: lately(usage.cpu_seconds, limits.cpu_seconds),
        stored_bytes: now(usage.stored_bytes.unwrap_or_default(), limits.stored_bytes),
        stored_files: Files {
            own_bytes: quota.files.own_bytes,
            shared_bytes: quota.files.shared_bytes,
        },
        served_bytes: lately(usage.served_bytes, limits.served_bytes),
    }
}

async fn show(app: web::Data<App>, signed: Signed, path: web::Path<String>) -> Result<Json<Shown>, Error> {
    let owner: OwnerName = path.parse()?;
    let quota = quotas::show(&app, &signed.actor, &owner).await?;
    Ok(Json(shown(&owner, &quota)))
}

async fn set(
    app: web::Data<App>,
    signed: Signed,
    path: web::Path<String>,
    fields: Fields,
) -> Result<Json<Shown>, Error> {
    let owner: OwnerName = path.parse()?;
    let count = |name| -> Result<Option<i32>, Error> {
        let wrong = |_| Error::Invalid(format!("{name}: Not a valid integer value"));
        fields.number(name)?.map(i32::try_from).transpose().map_err(wrong)
    };
    let limits = Limits {
        concurrent_builds: count("concurrent_builds")?,
        queued_builds: count("queued_builds")?,
        cpu_seconds: fields.number("cpu_seconds")?,
        stored_bytes: fields.number("stored_bytes")?,
        served_bytes: fields.number("served_bytes")?,
    };
    quotas::set(&app, &signed.actor, &owner, &limits).await?;
    let quota = quotas::show(&app, &signed.actor, &owner).await?;
    Ok(Json(shown(&owner, &quota)))
}
