//! The pointer objects in the store, written from the database's: `latest`, which users see, and `devel`, which builds of
//! a project in devel mode see.

use db::projects::Project;
use storage::{Pointer, PointerName, StorageKey};

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
        if written == Some(now.generation) || now.seen_by_builds() == 0 {
            return Ok(());
        }
        let devel = now.seen_by_builds() != now.current_snapshot || project.settings.devel_mode;
        for (name, snapshot, wanted) in [
            (
                PointerName::LATEST,
                now.current_snapshot,
                now.current_snapshot > 0,
            ),
            (PointerName::DEVEL, now.seen_by_builds(), devel),
        ] {
            if !wanted {
                continue;
            }
            let key = StorageKey::Pointer {
                owner: project.owner.clone(),
                dir: now.dir.clone(),
                chroot: now.chroot.clone(),
                name,
            };
            let moved_at = (context.clock)().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            context
                .storage
                .put_json(&key, &Pointer { snapshot, moved_at })
                .await?;
        }
        written = Some(now.generation);
    }
}
