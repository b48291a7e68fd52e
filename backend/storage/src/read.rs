//! Reading objects.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use protocol::Sha256;
use serde::de::DeserializeOwned;
use sha2::Digest;
use tokio::io::AsyncWriteExt;

use crate::error::Doing;
use crate::{Hashed, Storage, StorageError, StorageKey};

/// An object, or the asked-for part of it, while it is being read.
pub struct Object {
    /// Bytes that the stream will give.
    pub size: u64,
    /// The bytes; an error ends them.
    pub stream: ObjectStream,
}

/// The bytes of an object as they arrive. Fails when the connection breaks or fewer bytes come than were announced.
pub struct ObjectStream {
    body: ByteStream,
    doing: Doing,
    left: u64,
}

impl Stream for ObjectStream {
    type Item = Result<Bytes, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Pin::new(&mut this.body).poll_next(cx).map(|chunk| match chunk {
            Some(Ok(chunk)) => {
                this.left = this.left.saturating_sub(chunk.len() as u64);
                Some(Ok(chunk))
            }
            Some(Err(error)) => Some(Err(this.doing.retryable(error))),
            None if this.left > 0 => {
                let missing = std::mem::take(&mut this.left);
                Some(Err(this
                    .doing
                    .retryable(format!("the answer ended {missing} bytes early"))))
            }
            None => None,
        })
    }
}

impl Storage {
    /// The size in bytes of an object, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn exists(&self, key: &StorageKey) -> Result<Option<u64>, StorageError> {
        let doing = Doing::new("looking up", key);
        match self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key.path())
            .send()
            .await
        {
            Ok(head) => length(&doing, head.content_length).map(Some),
            Err(error) => absent(doing.sdk(error)),
        }
    }

    /// The bytes of an object of at most `max` bytes, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] above `max`; when the store does not answer or refuses.
    pub async fn get(&self, key: &StorageKey, max: u64) -> Result<Option<Bytes>, StorageError> {
        let Some(mut object) = self.get_stream(key, None).await? else {
            return Ok(None);
        };
        if object.size > max {
            return Err(object.stream.doing.too_large(max));
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(object.size).unwrap_or_default());
        while let Some(chunk) = object.stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(Some(bytes.freeze()))
    }

    /// A JSON object of at most `max` bytes, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`], and when the text is not what `T` expects.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        key: &StorageKey,
        max: u64,
    ) -> Result<Option<T>, StorageError> {
        let Some(bytes) = self.get(key, max).await? else {
            return Ok(None);
        };
        let value =
            serde_json::from_slice(&bytes).map_err(|error| Doing::new("parsing", key).refused(error))?;
        Ok(Some(value))
    }

    /// An object as a stream, or `None` if it does not exist. `range` is the first and the last byte (inclusive).
    ///
    /// # Errors
    ///
    /// When the store does not answer, refuses, or the range lies outside the object.
    pub async fn get_stream(
        &self,
        key: &StorageKey,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Option<Object>, StorageError> {
        let doing = Doing::new("reading", key);
        let range = range.map(|(first, last)| match last {
            Some(last) => format!("bytes={first}-{last}"),
            None => format!("bytes={first}-"),
        });
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.path())
            .set_range(range);
        match get.send().await {
            Ok(object) => {
                let size = length(&doing, object.content_length)?;
                let stream = ObjectStream {
                    body: object.body,
                    doing,
                    left: size,
                };
                Ok(Some(Object { size, stream }))
            }
            Err(error) => absent(doing.sdk(error)),
        }
    }

    /// Writes an object of at most `limit` bytes to a local file, which is made or truncated, and hashes it on the
    /// way. `None` if the object does not exist; the file is removed again if reading fails.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] above `limit`; when the store does not answer or refuses, or writing fails.
    pub async fn get_to_file(
        &self,
        key: &StorageKey,
        path: &Path,
        limit: u64,
    ) -> Result<Option<Hashed>, StorageError> {
        let Some(object) = self.get_stream(key, None).await? else {
            return Ok(None);
        };
        if object.size > limit {
            return Err(object.stream.doing.too_large(limit));
        }
        let written = write(object.stream, path).await;
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs_err::tokio::remove_file(path).await;
        }
        written.map(Some)
    }
}

async fn write(mut stream: ObjectStream, path: &Path) -> Result<Hashed, StorageError> {
    let doing = stream.doing.clone();
    let failed = |error| doing.file(path, error);
    let mut file = fs_err::tokio::File::create(path).await.map_err(failed)?;
    let mut hasher = sha2::Sha256::new();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(Hashed {
        size,
        sha256: Sha256::from_bytes(&hasher.finalize().into()),
    })
}

fn absent<T>(error: StorageError) -> Result<Option<T>, StorageError> {
    if error.is_not_found() {
        Ok(None)
    } else {
        Err(error)
    }
}

fn length(doing: &Doing, length: Option<i64>) -> Result<u64, StorageError> {
    length
        .and_then(|length| u64::try_from(length).ok())
        .ok_or_else(|| doing.retryable("the answer has no length"))
}
