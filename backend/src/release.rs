//! What passed its test comes to users when the project's time is over.

use crate::context::Context;
use crate::error::JobError;

/// Asks for the snapshots that are due. Any number of backends may do this at the same time. Returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn release(context: &Context) -> Result<usize, JobError> {
    let mut conn = context.conn().await?;
    let now = (context.clock)();
    if !db::gates::any_due(&mut conn, now).await? {
        return Ok(0);
    }
    context.faults.pass("release.before_requests");
    let released = db::gates::release(&mut conn, now).await?;
    context.faults.pass("release.after_requests");
    Ok(released)
}
