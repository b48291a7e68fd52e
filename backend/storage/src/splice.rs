//! Objects that end as others do.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use percent_encoding::utf8_percent_encode;

use crate::error::Doing;
use crate::upload::{COPY_SOURCE, Multipart, PART};
use crate::{Storage, StorageError, StorageKey};

/// Most bytes of one copied part; S3 takes 5 GiB, and answers sooner for less.
const COPIED_PART: u64 = 512 << 20;
/// Smallest part but the last (Amazon S3 user guide, "multipart upload limits").
const MIN_PART: u64 = 5 << 20;

/// The end of an object.
#[derive(Debug, Clone, Copy)]
pub struct Tail<'a> {
    /// Which.
    pub of: &'a StorageKey,
    /// Its size in bytes.
    pub size: u64,
    /// Where the end starts, in bytes from its beginning.
    pub start: u64,
}

impl Storage {
    /// Writes an object that begins with `head` and ends as another one does. Of a large one the store copies the end by
    /// itself, but for what makes the first part as long as parts have to be; a store that cannot is sent everything.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`] if there is no such end; when the store does not answer or refuses.
    pub async fn splice(&self, key: &StorageKey, head: Bytes, tail: Tail<'_>) -> Result<(), StorageError> {
        let doing = Doing::new("splicing", key);
        let length = tail.size.saturating_sub(tail.start);
        if head.len() as u64 + length > 2 * PART as u64 {
            match self.splice_by_copy(key, head.clone(), tail).await {
                Err(StorageError::Final { reason, .. }) => {
                    tracing::debug!("the object store copies no parts, they are sent: {reason}");
                }
                other => return other,
            }
        }
        let rest = match length {
            0 => None,
            _ => Some(
                self.get_stream(tail.of, Some((tail.start, None)))
                    .await?
                    .ok_or_else(|| doing.not_found())?,
            ),
        };
        let rest = stream::iter(rest).flat_map(|object| object.stream);
        let whole = stream::iter([Ok(head)]).chain(rest);
        self.put_stream(key, whole, u64::MAX).await.map(drop)
    }

    async fn splice_by_copy(
        &self,
        key: &StorageKey,
        head: Bytes,
        tail: Tail<'_>,
    ) -> Result<(), StorageError> {
        let doing = Doing::new("splicing", key);
        let needed = MIN_PART.saturating_sub(head.len() as u64);
        let mut first = Vec::from(head);
        let mut start = tail.start;
        if needed > 0 {
            let object = self
                .get_stream(tail.of, Some((start, Some(start + needed - 1))))
                .await?
                .ok_or_else(|| doing.not_found())?;
            let mut stream = object.stream;
            while let Some(chunk) = stream.next().await {
                first.extend_from_slice(&chunk?);
            }
            start += needed;
        }
        let source = format!("{}/{}", self.bucket, tail.of.path());
        let source = utf8_percent_encode(&source, COPY_SOURCE).to_string();
        let mut upload = Multipart::start(self, key, doing).await?;
        upload.push(ByteStream::from(first)).await?;
        while start < tail.size {
            let left = tail.size - start;
            // What stays for the last part may be short, but nothing before it.
            let length = left.min(COPIED_PART);
            upload.push_copy(&source, start, start + length - 1).await?;
            start += length;
        }
        upload.complete().await
    }
}
