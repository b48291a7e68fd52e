//! How a job's end is written down: in the builds that it was to publish, for its project's page, and in its own row.

use chrono::{DateTime, TimeDelta, Utc};
use db::jobs::{self, Claimed, Job};
use protocol::{FailureKind, TaskId};

use crate::context::Context;
use crate::error::{JobError, lasting};

/// Writes down how a job ended. The job's own row is last: a process that dies before it only repeats this.
pub(crate) async fn settle(
    context: &Context,
    claimed: &Claimed,
    lease: TimeDelta,
    result: &Result<(), JobError>,
) -> Result<(), JobError> {
    let now = (context.clock)();
    let mut conn = context.conn().await?;
    let conn = &mut *conn;
    // Whoever lost the job to another worker meanwhile has no say in its end.
    if !jobs::extend(conn, claimed, now + lease).await? {
        return Ok(());
    }
    let (id, kind) = (claimed.id, claimed.job.kind());
    match result {
        Ok(()) => {
            overcome(conn, &claimed.job).await?;
            jobs::done(conn, claimed).await?;
        }
        Err(JobError::Package { kind, message }) => {
            let tasks = tasks(conn, &claimed.job).await?;
            end_tasks(conn, &tasks, (*kind, message), now).await?;
            if let Job::MakeSnapshot { request } | Job::Promote { request } = &claimed.job {
                db::snapshot_requests::cannot_be(conn, *request, message).await?;
            }
            jobs::done(conn, claimed).await?;
        }
        Err(JobError::Retry(reason)) => {
            // 0.5 s, 1 s, 2 s … up to a minute, for as long as it takes.
            let wait = TimeDelta::milliseconds(500 << (claimed.attempt - 1).clamp(0, 7));
            tracing::warn!(job.id = id, "job {id} ({kind}) will be tried again: {reason}");
            note_set_up(conn, &claimed.job, reason).await?;
            let project = concerns(conn, &claimed.job).await?;
            let at = now + wait.min(TimeDelta::seconds(60));
            jobs::retry(conn, claimed, at, reason, project).await?;
        }
        Err(JobError::Fail(reason)) => {
            tracing::error!(job.id = id, "job {id} ({kind}) needs the administrator: {reason}");
            let project = concerns(conn, &claimed.job).await?;
            let tasks = tasks(conn, &claimed.job).await?;
            end_tasks(conn, &tasks, (FailureKind::Builder, &lasting(reason)), now).await?;
            note_set_up(conn, &claimed.job, reason).await?;
            jobs::fail(conn, claimed, now, reason, project).await?;
        }
    }
    Ok(())
}

/// Fails tasks that are being published, each with its attempt.
pub(crate) async fn end_tasks(
    conn: &mut db::Connection,
    tasks: &[(TaskId, i32)],
    (kind, message): (FailureKind, &str),
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    for (task, attempt) in tasks {
        // Rows that nobody will publish would stand in the way of the same package's next build.
        db::rpms::discard(conn, task.0).await?;
        db::tasks::fail_publishing(conn, *task, *attempt, kind, message, now).await?;
    }
    Ok(())
}

/// The tasks that nobody else would end.
async fn tasks(conn: &mut db::Connection, job: &Job) -> Result<Vec<(TaskId, i32)>, JobError> {
    Ok(match job {
        Job::PublishTask { task, attempt } | Job::AcceptSource { task, attempt } => {
            vec![(TaskId(*task), *attempt)]
        }
        Job::ForkProject { project, from } => {
            let pieces = db::forks::pieces(conn, *from, *project).await?;
            pieces.into_iter().map(|piece| (piece.task, 0)).collect()
        }
        Job::Promote { request } => {
            let pieces = db::promotions::pieces(conn, *request).await?;
            pieces.into_iter().map(|piece| (piece.task, 0)).collect()
        }
        _ => Vec::new(),
    })
}

/// The project whose page says that the job does not get on.
async fn concerns(conn: &mut db::Connection, job: &Job) -> Result<Option<i64>, JobError> {
    Ok(match job {
        Job::SetUpProject { project, .. }
        | Job::Republish { project, .. }
        | Job::ForkProject { project, .. }
        | Job::RemoveBuilds { project }
        | Job::Retain { project, .. }
        | Job::ChangeKey { project, .. }
        | Job::RenewKeys { project } => Some(*project),
        Job::BatchRepository { project, .. } => *project,
        Job::PublishTask { task, .. } | Job::MiniRepository { task } => {
            db::tasks::project(conn, TaskId(*task)).await?
        }
        Job::WritePointers { repository } => {
            let repository = db::repositories::by_id(conn, *repository).await?;
            repository.map(|repository| repository.project)
        }
        Job::MakeSnapshot { request } | Job::Promote { request } => {
            match db::snapshot_requests::find(conn, *request).await? {
                Some(request) => {
                    let repository = db::repositories::by_id(conn, request.repository).await?;
                    repository.map(|repository| repository.project)
                }
                None => None,
            }
        }
        Job::StoreLog { .. }
        | Job::AcceptSource { .. }
        | Job::RetainBlobs
        | Job::RemoveProject { .. }
        | Job::RemoveDirectory { .. } => None,
    })
}

/// What one such job achieved shows that others of its kind, which were given up, are a thing of the past. For a new
/// snapshot of what was published that holds only if it is one of everything, for which somebody has to ask.
async fn overcome(conn: &mut db::Connection, job: &Job) -> Result<(), JobError> {
    if let Job::PublishTask { .. } | Job::SetUpProject { .. } | Job::ChangeKey { .. } = job
        && let Some(project) = concerns(conn, job).await?
    {
        jobs::set_aside(conn, project, Some(job.kind())).await?;
    }
    Ok(())
}

/// Whoever waits for a new project is told why it takes so long.
async fn note_set_up(conn: &mut db::Connection, job: &Job, reason: &str) -> Result<(), JobError> {
    if let Job::SetUpProject {
        project,
        directory: None,
    } = job
    {
        db::projects::set_ready(conn, *project, Err(reason)).await?;
    }
    Ok(())
}
