//! Other signatures for packages in the store: their headers are read, and what comes behind is copied by the store where
//! it can be, and read only for its checksum.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use repodata::RpmFile;
use sha2::{Digest as _, Sha256};
use storage::{StorageKey, Tail};

use crate::blob;
use crate::context::Context;
use crate::error::JobError;

/// Most headers are smaller than this, in bytes.
const HEAD: u64 = 128 << 10;

/// A package in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob<'a> {
    /// File name.
    pub name: &'a str,
    /// SHA-256 of the file.
    pub sha256: &'a str,
}

/// A package's headers, or why they cannot be read.
pub(crate) async fn read(context: &Context, of: Blob<'_>) -> Result<Result<RpmFile, String>, JobError> {
    let blob = StorageKey::Blob(of.sha256.parse().map_err(JobError::fail)?);
    let storage = &context.storage;
    let gone = || Ok(Err(format!("the file {} is gone and cannot be signed", of.name)));
    let Some(size) = storage.exists(&blob).await? else {
        return gone();
    };
    let mut wanted = HEAD;
    loop {
        let last = wanted.min(size);
        let range = Some((0, Some(last.saturating_sub(1))));
        let Some(object) = storage.get_stream(&blob, range).await? else {
            return gone();
        };
        let bytes = object
            .stream
            .try_fold(Vec::new(), async |mut all, chunk| {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await?;
        match RpmFile::parse(&bytes, size) {
            Ok(rpm) => return Ok(Ok(rpm)),
            // Its headers are longer.
            Err(_) if last < size => wanted *= 8,
            Err(error) => return Ok(Err(format!("{} cannot be read back: {error}", of.name))),
        }
    }
}

/// Stores a package with another signature header, beside the one that is there; its headers, SHA-256 and size.
pub(crate) async fn with_signature(
    context: &Context,
    of: Blob<'_>,
    rpm: &RpmFile,
    packet: &[u8],
) -> Result<(RpmFile, String, u64), JobError> {
    let signed = repodata::add_signature(rpm, packet).map_err(JobError::fail)?;
    let mut head = rpm.lead().to_vec();
    head.extend_from_slice(&signed.bytes);
    head.extend_from_slice(rpm.header().as_bytes());
    let old = StorageKey::Blob(of.sha256.parse().map_err(JobError::fail)?);
    let tail = Tail {
        of: &old,
        size: rpm.file_size(),
        start: rpm.header_end(),
    };
    let size = head.len() as u64 + tail.size.saturating_sub(tail.start);
    let sha256 = hash(context, &head, tail, of.name).await?;
    let new = StorageKey::Blob(sha256.parse().map_err(JobError::fail)?);
    let storage = &context.storage;
    let rpm = RpmFile::parse(&head, size)
        .map_err(|e| JobError::fail(format!("{} cannot be read back: {e}", of.name)))?;
    blob::claim(context, &sha256.parse().map_err(JobError::fail)?).await?;
    if storage.exists(&new).await? != Some(size) {
        storage.splice(&new, Bytes::from(head), tail).await?;
    }
    Ok((rpm, sha256, size))
}

async fn hash(context: &Context, head: &[u8], tail: Tail<'_>, name: &str) -> Result<String, JobError> {
    let mut hasher = Sha256::new_with_prefix(head);
    if tail.start < tail.size {
        let object = context
            .storage
            .get_stream(tail.of, Some((tail.start, None)))
            .await?;
        let object = object.ok_or_else(|| JobError::fail(format!("the file {name} is gone")))?;
        let mut stream = object.stream;
        while let Some(chunk) = stream.next().await {
            hasher.update(&chunk?);
        }
    }
    Ok(hex::encode(hasher.finalize()))
}
