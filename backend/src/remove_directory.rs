//! The objects of a directory whose rows are gone. Blobs stay, since others may name the same content. Set-up and
//! publishing of a new directory of the same name wait for this.

use protocol::DirName;
use storage::StoragePrefix;

use crate::context::Context;
use crate::error::JobError;

pub(crate) async fn run(context: &Context, project: i64, dir: &DirName) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, project).await? else {
        return Ok(());
    };
    drop(conn);
    let (owner, dir) = (project.owner, dir.clone());
    for prefix in [
        StoragePrefix::Dir {
            owner: owner.clone(),
            dir: dir.clone(),
        },
        StoragePrefix::Keys { owner, dir },
    ] {
        context.storage.delete_prefix(&prefix).await?;
    }
    Ok(())
}
