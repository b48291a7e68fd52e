//! The objects of a directory whose rows are gone. Others may name the same
//! content, so of blobs it is only said that nothing of this names them any more. Nobody gets a new
//! directory of the same name before this is done.

use protocol::{DirName, OwnerName};
use storage::StoragePrefix;

use crate::context::Context;
use crate::error::JobError;
use crate::retain::blobs;

pub(crate) async fn run(context: &Context, project: i64, dir: &DirName) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, project).await? else {
        return Ok(());
    };
    // It would remove what a new directory of the same name gets.
    if db::jobs::is_retaining(&mut conn, project.id, (context.clock)()).await? {
        return Err(JobError::retry(
            "something of the project's past is being removed",
        ));
    }
    drop(conn);
    remove_objects(context, &project.owner, dir).await
}

/// Removes whatever the store has of a directory, but blobs.
pub(crate) async fn remove_objects(
    context: &Context,
    owner: &OwnerName,
    dir: &DirName,
) -> Result<(), JobError> {
    let (owner, dir) = (owner.clone(), dir.clone());
    let all = StoragePrefix::Dir {
        owner: owner.clone(),
        dir: dir.clone(),
    };
    blobs::loosen(context, &all).await?;
    for prefix in [all, StoragePrefix::Keys { owner, dir }] {
        context.storage.delete_prefix(&prefix).await?;
    }
    Ok(())
}
