//! Batches: whether a build may refer to another one's.

use db::batches::{self, Batch, BatchOf};
use protocol::BuildId;

use super::BuildRequest;
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

/// Reads a request's wish for a batch and checks it.
pub(super) async fn check(
    app: &App,
    actor: Option<&Actor>,
    request: &BuildRequest,
) -> Result<Option<BatchOf>, Error> {
    let (field, id, of) = match (request.after_build, request.with_build) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Error::Invalid(
                "after_build_id: Only one batch option can be specified".to_owned(),
            ));
        }
        (Some(id), None) => ("after_build_id", id, BatchOf::After(BuildId(id))),
        (None, Some(id)) => ("with_build_id", id, BatchOf::With(BuildId(id))),
    };
    let wrong = |what: String| Error::Invalid(format!("{field}: {what}"));
    let mut conn = app.conn().await?;
    let found = db::builds::find_with_project(&mut conn, BuildId(id)).await?;
    let (build, project) = found.ok_or_else(|| wrong(format!("Build {id} not found")))?;
    let may = actor.is_some_and(|a| a.may_build(&project).is_ok());
    let who = actor.map_or("webhook", Actor::name);
    match build.batch {
        // Everybody may wait for a batch, whoever it belongs to.
        Some(_) if matches!(of, BatchOf::After(_)) => Ok(Some(of)),
        Some(batch) if batches::is_finished(&mut conn, batch).await? => {
            Err(wrong(format!("Batch {batch} is already finished")))
        }
        Some(batch) if !may => Err(wrong(format!(
            "The batch {batch} belongs to the project {}/{}. You are not allowed to build there, so you neither can \
             edit the batch.",
            project.owner, project.name
        ))),
        None if !may => Err(wrong(format!(
            "Build {id} is not yet in any batch, and user '{who}' doesn't have the build permissions in project \
             '{}/{}' to create a new one",
            project.owner, project.name
        ))),
        None if build.is_final() => Err(wrong(format!(
            "Build {id} is not yet in any batch, and new batch can not be created because the build has already \
             finished"
        ))),
        _ => Ok(Some(of)),
    }
}

/// Finds a batch.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_batch(app: &App, id: &str) -> Result<Batch, Error> {
    let missing = || Error::NotFound(format!("Batch {} does not exist.", shown(id)));
    let id: i64 = id.parse().map_err(|_| missing())?;
    batches::find(&mut *app.conn().await?, id)
        .await?
        .ok_or_else(missing)
}
