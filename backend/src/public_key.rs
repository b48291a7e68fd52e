//! The file with a project's public keys, which machines import.

use db::projects::Project;
use db::repositories::Repository;
use keys::PublicKey;
use protocol::DirName;
use storage::StorageKey;

use crate::context::Context;
use crate::error::JobError;

/// A project's keys as the database has them, oldest first.
pub(crate) async fn all(context: &Context, project: &Project) -> Result<Vec<PublicKey>, JobError> {
    let mut conn = context.conn().await?;
    let keys = db::keys::of_project(&mut conn, project.id).await?;
    let keys = keys.map_or_else(Vec::new, |keys| keys.all);
    keys.into_iter()
        .map(|key| {
            serde_json::from_value(key)
                .map_err(|e| JobError::fail(format!("the stored public key cannot be read: {e}")))
        })
        .collect()
}

/// Puts the keys beside the results of each directory, and of `dir`, whose repositories may not be there yet. Looks
/// afterwards whether the database still says the same: of two that write, the later has the last word.
pub(crate) async fn write(
    context: &Context,
    project: &Project,
    repositories: &[Repository],
    dir: &DirName,
) -> Result<(), JobError> {
    let mut dirs: Vec<&DirName> = repositories.iter().map(|r| &r.dir).collect();
    dirs.push(dir);
    dirs.sort();
    dirs.dedup();
    let mut written = None;
    loop {
        let text = keys::export(&all(context, project).await?);
        if written.as_ref() == Some(&text) {
            return Ok(());
        }
        for dir in &dirs {
            let file = StorageKey::PublicKey {
                owner: project.owner.clone(),
                dir: (*dir).clone(),
            };
            context.storage.put(&file, text.clone()).await?;
        }
        written = Some(text);
    }
}
