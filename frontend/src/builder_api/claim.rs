//! `POST /v1/claim`.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use db::Topic;
use db::tasks::TaskRow;
use protocol::builder_api::{ClaimRequest, PROTOCOL};
use protocol::{FailureKind, Outcome};
use tokio::time::Instant;

use crate::app::App;
use crate::body::Body;
use crate::builder_api::{checks, parse, work};
use crate::error::Error;

/// Longest time that a request is held open, in seconds.
const MAX_WAIT_S: u64 = 60;
/// How long a lost hint can delay a claim.
const SLOW_POLL: Duration = Duration::from_secs(10);

pub(super) async fn claim(app: web::Data<App>, body: Body<65_536>) -> Result<HttpResponse, Error> {
    let protocol = parse::<serde_json::Value, _>(&body)?.get("protocol").cloned();
    if protocol != Some(PROTOCOL.into()) {
        return Err(Error::Conflict(format!(
            "This hub speaks version {PROTOCOL} of the builder protocol; install the builder of the hub's release."
        )));
    }
    let request: ClaimRequest = parse(&body)?;
    let now = app.now();
    db::builders::seen(&mut *app.conn().await?, &request.builder, &request.arches, now).await?;
    let deadline = Instant::now() + Duration::from_secs(request.wait_s.min(MAX_WAIT_S));
    // Interest comes before the look, so that a task that appears in between is not slept over.
    let mut hints = app.listener.subscribe(Topic::Tasks);
    loop {
        if let Some(task) = take(&app, &request).await? {
            if let Some(reply) = hand_out(&app, &task, &request).await? {
                return Ok(HttpResponse::Ok().json(reply));
            }
            continue;
        }
        // Builds come first: what is published is served whether it is checked or not.
        if let Some(claimed) = checks::take(&app, &request).await? {
            if let Some(reply) = checks::hand_out(&app, &claimed, &request).await? {
                return Ok(HttpResponse::Ok().json(reply));
            }
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(HttpResponse::NoContent().finish());
        }
        tokio::select! {
            () = hints.wait(left.min(SLOW_POLL)) => {}
            () = app.stopped() => return Ok(HttpResponse::NoContent().finish()),
        }
    }
}

/// For how long a claim is good without a word of the builder.
pub(super) fn lease(app: &App) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(app.config.lease_s).unwrap_or(60))
}

async fn take(app: &App, request: &ClaimRequest) -> Result<Option<TaskRow>, Error> {
    let now = app.now();
    Ok(db::tasks::claim(&mut *app.conn().await?, request, now, lease(app)).await?)
}

/// Makes the answer to a claim. A task whose answer cannot be made is not left to its lease: it is offered again at
/// once, or counted as the service's failure.
async fn hand_out(
    app: &App,
    task: &TaskRow,
    request: &ClaimRequest,
) -> Result<Option<protocol::builder_api::Task>, Error> {
    match work::assemble(app, task, request).await {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if error.status().as_u16() == 503 => {
            let now = app.now();
            let reason = "the hub could not put the task together and offers it again";
            db::tasks::refuse(&mut *app.conn().await?, task.id, task.attempt, reason, now).await?;
            Err(error)
        }
        Err(error) => {
            tracing::error!("task {} cannot be handed out: {error}", task.id);
            let outcome = Outcome::Failed {
                kind: FailureKind::Builder,
                message: format!("the task cannot be handed to a builder: {error}; tell the administrator"),
            };
            let now = app.now();
            db::tasks::finish(
                &mut *app.conn().await?,
                task.id,
                task.attempt,
                &outcome,
                &[],
                None,
                now,
            )
            .await?;
            Ok(None)
        }
    }
}
