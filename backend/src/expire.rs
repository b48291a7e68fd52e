//! What ends by the clock: directories of pull requests without builds, and temporary projects.

use chrono::TimeDelta;

use crate::context::Context;
use crate::error::JobError;

/// Removes everything whose time has come, each in a transaction of its own. Any number of backends may do this at the
/// same time. Returns how many directories and projects went.
///
/// # Errors
/// When the database cannot be reached; what is left goes the next time.
pub async fn expire(context: &Context) -> Result<usize, JobError> {
    let now = (context.clock)();
    let idle_since = now - TimeDelta::days(i64::from(context.keep_pr_dirs_days));
    let mut conn = context.conn().await?;
    let mut gone = 0;
    while let Some(directory) = db::directories::expire_one(&mut conn, idle_since, now).await? {
        tracing::info!("the directory {directory} had no build since {idle_since} and is removed");
        gone += 1;
    }
    while let Some(project) = db::projects::end_one(&mut conn, now).await? {
        tracing::info!("the temporary project {}/{} ends", project.owner, project.name);
        gone += 1;
    }
    Ok(gone)
}
