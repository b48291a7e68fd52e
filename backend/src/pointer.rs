//! The pointer object in the store, written from the database's pointer.

use db::projects::Project;
use storage::{Pointer, StorageKey};

use crate::context::Context;
use crate::error::JobError;

/// Writes the object that says which snapshot a repository serves, and looks afterwards whether the database still
/// says the same. Two writers can overtake each other between reading and writing, but each leaves only when what it
/// read last is what it wrote last, so the last word is always the database's.
pub(crate) async fn write(context: &Context, project: &Project, repository: i64) -> Result<(), JobError> {
    let mut written = None;
    loop {
        let mut conn = context.conn().await?;
        let Some(now) = db::repositories::by_id(&mut conn, repository).await? else {
            return Ok(());
        };
        drop(conn);
        if written == Some(now.generation) || now.current_snapshot == 0 {
            return Ok(());
        }
        let key = StorageKey::latest(&project.owner, &now.dir, &now.chroot);
        let document = Pointer {
            snapshot: now.current_snapshot,
            moved_at: (context.clock)().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        };
        context.storage.put_json(&key, &document).await?;
        written = Some(now.generation);
    }
}
