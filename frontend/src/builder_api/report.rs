//! What the holder of a claim reports: of a task, or else of a check, since no two of them have one number.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use db::logs::Appended;
use protocol::builder_api::{
    Artifact, FinishRequest, Heartbeat, HeartbeatReply, LogOffset, MAX_ARTIFACTS, RefuseRequest, UploadReply,
    UploadRequest,
};
use protocol::{FailureKind, Outcome, TaskId};
use serde::Deserialize;
use storage::StorageKey;

use crate::app::App;
use crate::body::Body;
use crate::builder_api::{Attempt, attempt, lost, parse};
use crate::error::Error;

/// Room for [`MAX_ARTIFACTS`] with the longest names.
const MANIFEST: usize = 2 << 20;
/// Room beyond the log's limit for the builder's own last words, which say why it stopped the build.
const LAST_WORDS: u64 = 64 << 10;
/// Longest piece of log in one request.
const LOG_PIECE: usize = 1 << 20;
/// Longest message that is stored, in characters.
const MAX_MESSAGE: usize = 4_000;
/// How long an address for an upload is valid.
const UPLOAD_EXPIRES: Duration = Duration::from_secs(3_600);

type Answer = Result<HttpResponse, Error>;

fn done() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Text from outside, as long as a person reads and without what confuses a terminal.
fn tidy(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(MAX_MESSAGE)
        .collect()
}

pub(super) async fn refuse(app: web::Data<App>, path: Attempt, body: Body<65_536>) -> Answer {
    let (task, attempt) = attempt(&path)?;
    let request: RefuseRequest = parse(&body)?;
    let now = app.now();
    let reason = tidy(&request.reason);
    let mut conn = app.conn().await?;
    if db::tasks::refuse(&mut conn, task, attempt, &reason, now).await?
        || db::checks::refuse(&mut conn, task, attempt, &reason, now).await?
    {
        Ok(done())
    } else {
        Err(lost())
    }
}

pub(super) async fn heartbeat(app: web::Data<App>, path: Attempt, body: Body<65_536>) -> Answer {
    let (task, attempt) = attempt(&path)?;
    let request: Heartbeat = parse(&body)?;
    let until = app.now() + TimeDelta::seconds(i64::try_from(app.config.lease_s).unwrap_or(60));
    // Canceling takes the lease away at once, so a lease that is held is a lease that is wanted.
    let mut conn = app.conn().await?;
    if db::tasks::heartbeat(&mut conn, task, attempt, request.phase, until).await?
        || db::checks::heartbeat(&mut conn, task, attempt, until).await?
    {
        Ok(HttpResponse::Ok().json(HeartbeatReply { cancel: false }))
    } else {
        Err(lost())
    }
}

/// The query of a piece of log.
#[derive(Deserialize)]
pub(super) struct At {
    offset: String,
}

pub(super) async fn log(
    app: web::Data<App>,
    path: Attempt,
    query: Option<web::Query<At>>,
    body: Body<LOG_PIECE>,
) -> Answer {
    let (task, attempt) = attempt(&path)?;
    let offset: u64 = query.and_then(|q| q.offset.parse().ok()).ok_or_else(|| {
        Error::Invalid("offset: say where in the log this piece starts, in bytes".to_owned())
    })?;
    let mut conn = app.conn().await?;
    if !db::tasks::is_held(&mut conn, task, attempt).await? {
        // A check says all that it has to say when it ends; its log is the builder's.
        return if db::checks::is_held(&mut conn, task, attempt).await? {
            Ok(done())
        } else {
            Err(lost())
        };
    }
    if offset.saturating_add(body.0.len() as u64) > app.config.limits.log_bytes.saturating_add(LAST_WORDS) {
        return Err(Error::TooLarge(format!(
            "The log is longer than its limit of {} bytes.",
            app.config.limits.log_bytes
        )));
    }
    match db::logs::append(&mut conn, task, attempt, offset, &body.0).await {
        Ok(Appended::Stored) => Ok(done()),
        Ok(Appended::WrongOffset(offset)) => Ok(HttpResponse::Conflict().json(LogOffset { offset })),
        // Two requests with the same piece met; one of them is stored.
        Err(db::DbError::Duplicate(_)) => {
            let offset = db::logs::length(&mut conn, task, attempt).await?;
            Ok(HttpResponse::Conflict().json(LogOffset { offset }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks number and total size of what an attempt announces.
fn check_artifacts(app: &App, files: &[Artifact]) -> Result<(), Error> {
    let limit = app.config.limits.artifact_bytes;
    let total = files.iter().try_fold(0_u64, |sum, f| sum.checked_add(f.size));
    if files.len() > MAX_ARTIFACTS {
        return Err(Error::TooLarge(format!("More than {MAX_ARTIFACTS} artefacts.")));
    }
    if total.is_none_or(|total| total > limit) {
        return Err(Error::TooLarge(format!(
            "The artefacts are larger than {limit} bytes together."
        )));
    }
    Ok(())
}

pub(super) async fn uploads(app: web::Data<App>, path: Attempt, body: Body<MANIFEST>) -> Answer {
    let (task, attempt) = attempt(&path)?;
    let request: UploadRequest = parse(&body)?;
    check_artifacts(&app, &request.files)?;
    if !db::tasks::is_held(&mut *app.conn().await?, task, attempt).await? {
        return Err(lost());
    }
    let mut urls = Vec::with_capacity(request.files.len());
    for (index, file) in (0_u32..).zip(&request.files) {
        let key = StorageKey::Quarantine { task, attempt, index };
        urls.push(app.storage.presign_put(&key, file.size, UPLOAD_EXPIRES).await?);
    }
    Ok(HttpResponse::Ok().json(UploadReply { urls }))
}

pub(super) async fn finish(app: web::Data<App>, path: Attempt, body: Body<MANIFEST>) -> Answer {
    let (task, attempt) = attempt(&path)?;
    let request: FinishRequest = parse(&body)?;
    let outcome = outcome(&app, &request, task);
    let boot_ms = request.boot_ms.and_then(|ms| i64::try_from(ms).ok());
    let now = app.now();
    let mut conn = app.conn().await?;
    let artifacts = if outcome == Outcome::Succeeded {
        &request.artifacts[..]
    } else {
        &[]
    };
    if db::tasks::finish(&mut conn, task, attempt, &outcome, artifacts, boot_ms, now).await?
        || db::checks::finish(&mut conn, task, attempt, &outcome, now).await?
    {
        Ok(done())
    } else {
        Err(lost())
    }
}

/// The outcome to store: a success that announces too much is a failure.
fn outcome(app: &App, request: &FinishRequest, task: TaskId) -> Outcome {
    match &request.outcome {
        Outcome::Succeeded => match check_artifacts(app, &request.artifacts) {
            Ok(()) => Outcome::Succeeded,
            Err(error) => {
                tracing::warn!("task {task} announced more than it may: {error}");
                Outcome::Failed {
                    kind: FailureKind::ArtifactsTooLarge,
                    message: error.to_string(),
                }
            }
        },
        Outcome::Failed { kind, message } => Outcome::Failed {
            kind: *kind,
            message: tidy(message),
        },
        Outcome::Canceled => Outcome::Canceled,
    }
}
