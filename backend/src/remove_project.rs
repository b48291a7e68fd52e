//! A deleted project's objects. Other projects may name the same content, so of blobs it is only said that nothing of this
//! one names them any more. A new project of the same
//! name has the same folder: its set-up waits for this, and this waits for whatever still works on the deleted one.

use protocol::DirName;

use crate::context::Context;
use crate::error::JobError;
use crate::remove_directory::remove_objects;

pub(crate) async fn run(context: &Context, id: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if db::projects::is_worked_on(&mut conn, id).await? {
        return Err(JobError::retry("jobs of the deleted project are still under way"));
    }
    let repositories = db::repositories::of_project(&mut conn, id).await?;
    drop(conn);
    let mut dirs: Vec<DirName> = repositories.into_iter().map(|r| r.dir).collect();
    dirs.push(project.name.clone().into());
    dirs.sort();
    dirs.dedup();
    db::blobs::loosen_project(&mut *context.conn().await?, id).await?;
    for dir in dirs {
        remove_objects(context, &project.owner, &dir).await?;
    }
    Ok(())
}
