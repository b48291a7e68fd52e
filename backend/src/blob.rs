//! Blobs: content under its own hash, stored once for everybody. Whoever names one claims it first, since it may be on its
//! way out.

use std::path::Path;

use bytes::Bytes;
use protocol::Sha256;
use storage::StorageKey;

use crate::context::Context;
use crate::error::JobError;

/// Claims a blob that is about to be named, whether or not it is there already.
///
/// # Errors
/// When it is being deleted at the moment, which passes; when the query fails.
pub(crate) async fn claim(context: &Context, sha256: &Sha256) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if db::blobs::claim(&mut conn, sha256).await? {
        return Ok(());
    }
    Err(is_going(sha256))
}

/// Claims blobs that only a list of results is about to name.
pub(crate) async fn claim_listed(context: &Context, blobs: &[Sha256]) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if db::blobs::claim_listed(&mut conn, blobs).await? {
        return Ok(());
    }
    Err(JobError::retry(
        "a file of the same content is being removed at the moment",
    ))
}

fn is_going(sha256: &Sha256) -> JobError {
    JobError::retry(format!(
        "the file with the SHA-256 {sha256} is being removed at the moment"
    ))
}

/// Stores a file that a row is about to name, unless it is there.
pub(crate) async fn put_file(
    context: &Context,
    sha256: &Sha256,
    size: u64,
    path: &Path,
) -> Result<(), JobError> {
    claim(context, sha256).await?;
    let key = StorageKey::Blob(sha256.clone());
    if context.storage.exists(&key).await? != Some(size) {
        context.storage.put_file(&key, path).await?;
    }
    Ok(())
}

/// Stores content that only a list of results is about to name.
pub(crate) async fn put_listed(
    context: &Context,
    sha256: &Sha256,
    bytes: impl Into<Bytes>,
) -> Result<(), JobError> {
    claim_listed(context, std::slice::from_ref(sha256)).await?;
    Ok(context
        .storage
        .put(&StorageKey::Blob(sha256.clone()), bytes)
        .await?)
}
