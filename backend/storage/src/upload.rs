//! Writing objects.

use std::fmt;
use std::path::Path;
use std::pin::pin;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::Sha256;
use serde::Serialize;
use sha2::Digest;
use tokio::task::JoinSet;

use crate::error::Doing;
use crate::{Storage, StorageError, StorageKey};

/// Size of the parts of a streamed upload; S3 wants 5 MiB at least in all but the last.
pub(crate) const PART: usize = 8 << 20;
/// Parts in flight beside the one that fills: an upload holds three parts at most.
const IN_FLIGHT: usize = 2;
/// S3 takes no more parts in one upload.
const MAX_PARTS: u64 = 10_000;
/// Files above this size go up in parts.
const WHOLE_FILE: u64 = 64 << 20;
/// What stays as it is in the header that names the source of a copy.
pub(crate) const COPY_SOURCE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Size and hash of what went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Sha256,
}

impl Storage {
    /// Writes an object, replacing what was there.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn put(&self, key: &StorageKey, bytes: impl Into<Bytes>) -> Result<(), StorageError> {
        self.put_body(key, ByteStream::from(bytes.into())).await
    }

    /// Writes a value as JSON, replacing what was there.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON; when the store does not answer or refuses.
    pub async fn put_json<T: Serialize>(&self, key: &StorageKey, value: &T) -> Result<(), StorageError> {
        let json = serde_json::to_vec(value).map_err(|error| Doing::new("writing", key).refused(error))?;
        self.put(key, json).await
    }

    /// Writes a local file, streaming, and says its size in bytes. The file must not change meanwhile.
    ///
    /// # Errors
    ///
    /// When the file cannot be read; when the store does not answer or refuses.
    pub async fn put_file(&self, key: &StorageKey, path: &Path) -> Result<u64, StorageError> {
        let doing = Doing::new("uploading", key);
        let metadata = fs_err::tokio::metadata(path)
            .await
            .map_err(|error| doing.file(path, error))?;
        let size = metadata.len();
        if size <= WHOLE_FILE {
            let body = slice(&doing, path, 0, size).await?;
            self.put_body(key, body).await?;
            return Ok(size);
        }
        let part = size.div_ceil(MAX_PARTS).max(2 * PART as u64);
        let mut upload = Multipart::start(self, key, doing.clone()).await?;
        let mut offset = 0;
        while offset < size {
            let length = part.min(size - offset);
            upload.push(slice(&doing, path, offset, length).await?).await?;
            offset += length;
        }
        upload.complete().await?;
        Ok(size)
    }

    /// Writes a stream of at most `limit` bytes and hashes it on the way; memory stays below four parts of 8 MiB
    /// whatever the length. The object appears only when the whole stream has arrived.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] as soon as `limit` is passed, [`StorageError::Input`] when the stream fails; when
    /// the store does not answer or refuses. In all cases nothing is written and the parts are given up.
    pub async fn put_stream<S, E>(
        &self,
        key: &StorageKey,
        stream: S,
        limit: u64,
    ) -> Result<Hashed, StorageError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: fmt::Display,
    {
        let doing = Doing::new("uploading", key);
        let limit = limit.min(MAX_PARTS * PART as u64);
        let mut stream = pin!(stream);
        let mut hasher = sha2::Sha256::new();
        let mut size = 0;
        let mut part = BytesMut::new();
        let mut upload = None;
        while let Some(chunk) = stream.next().await {
            let mut chunk = chunk.map_err(|error| doing.input(error))?;
            hasher.update(&chunk);
            size += chunk.len() as u64;
            if size > limit {
                return Err(doing.too_large(limit));
            }
            while part.len() + chunk.len() >= PART {
                part.extend_from_slice(&chunk.split_to(PART - part.len()));
                let full = std::mem::replace(&mut part, BytesMut::with_capacity(PART)).freeze();
                let upload = match &mut upload {
                    Some(upload) => upload,
                    none => none.insert(Multipart::start(self, key, doing.clone()).await?),
                };
                upload.push(ByteStream::from(full)).await?;
            }
            part.extend_from_slice(&chunk);
        }
        let rest = part.freeze();
        match upload {
            None => self.put(key, rest).await?,
            Some(mut upload) => {
                if !rest.is_empty() {
                    upload.push(ByteStream::from(rest)).await?;
                }
                upload.complete().await?;
            }
        }
        Ok(Hashed {
            size,
            sha256: Sha256::from_bytes(&hasher.finalize().into()),
        })
    }

    /// Copies an object inside the store (5 GiB at most, as S3 has it), replacing what was there.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`] if there is nothing to copy; when the store does not answer or refuses.
    pub async fn copy(&self, from: &StorageKey, to: &StorageKey) -> Result<(), StorageError> {
        let source = format!("{}/{}", self.bucket, from.path());
        self.client
            .copy_object()
            .bucket(&self.bucket)
            .key(to.path())
            .copy_source(utf8_percent_encode(&source, COPY_SOURCE).to_string())
            // The copy is of another kind than the original, so it gets its own headers.
            .metadata_directive(aws_sdk_s3::types::MetadataDirective::Replace)
            .content_type(to.content_type())
            .cache_control(to.cache_control())
            .send()
            .await
            .map_err(|error| Doing::new("copying", format_args!("{from} to {to}")).sdk(error))?;
        Ok(())
    }

    async fn put_body(&self, key: &StorageKey, body: ByteStream) -> Result<(), StorageError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.path())
            .content_type(key.content_type())
            .cache_control(key.cache_control())
            .body(body)
            .send()
            .await
            .map_err(|error| Doing::new("writing", key).sdk(error))?;
        Ok(())
    }
}

/// A part of a file, read when it is sent, and again when it is sent again.
async fn slice(doing: &Doing, path: &Path, offset: u64, length: u64) -> Result<ByteStream, StorageError> {
    if length == 0 {
        return Ok(ByteStream::from_static(b""));
    }
    ByteStream::read_from()
        .path(path)
        .offset(offset)
        .length(Length::Exact(length))
        .build()
        .await
        .map_err(|error| doing.file(path, std::io::Error::other(error)))
}

/// An upload in parts; dropped before it is complete, it is given up in the background.
pub(crate) struct Multipart {
    client: Client,
    bucket: String,
    path: String,
    doing: Doing,
    /// `None` once the upload is complete.
    id: Option<String>,
    started: i32,
    sending: JoinSet<Result<CompletedPart, StorageError>>,
    sent: Vec<CompletedPart>,
}

impl Multipart {
    pub async fn start(storage: &Storage, key: &StorageKey, doing: Doing) -> Result<Self, StorageError> {
        let created = storage
            .client
            .create_multipart_upload()
            .bucket(&storage.bucket)
            .key(key.path())
            .content_type(key.content_type())
            .cache_control(key.cache_control())
            .send()
            .await
            .map_err(|error| doing.sdk(error))?;
        let id = created
            .upload_id
            .ok_or_else(|| doing.refused("the object store gave no upload id"))?;
        Ok(Self {
            client: storage.client.clone(),
            bucket: storage.bucket.clone(),
            path: key.path(),
            doing,
            id: Some(id),
            started: 0,
            sending: JoinSet::new(),
            sent: Vec::new(),
        })
    }

    /// Starts to send the next part, waiting for an earlier one first if enough are in flight.
    pub async fn push(&mut self, body: ByteStream) -> Result<(), StorageError> {
        while self.sending.len() >= IN_FLIGHT {
            self.settle().await?;
        }
        self.started += 1;
        let number = self.started;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.path)
            .set_upload_id(self.id.clone())
            .part_number(number)
            .body(body);
        let doing = self.doing.clone();
        self.sending.spawn(async move {
            let part = request.send().await.map_err(|error| doing.sdk(error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .build())
        });
        Ok(())
    }

    /// Starts to copy the next part from another object: its bytes from `first` to `last` (inclusive).
    pub async fn push_copy(&mut self, source: &str, first: u64, last: u64) -> Result<(), StorageError> {
        while self.sending.len() >= IN_FLIGHT {
            self.settle().await?;
        }
        self.started += 1;
        let number = self.started;
        let request = self
            .client
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(&self.path)
            .set_upload_id(self.id.clone())
            .part_number(number)
            .copy_source(source)
            .copy_source_range(format!("bytes={first}-{last}"));
        let doing = self.doing.clone();
        self.sending.spawn(async move {
            let part = request.send().await.map_err(|error| doing.sdk(error))?;
            let tag = part.copy_part_result.and_then(|result| result.e_tag);
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(tag)
                .build())
        });
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StorageError> {
        if let Some(part) = self.sending.join_next().await {
            self.sent
                .push(part.map_err(|error| self.doing.retryable(error))??);
        }
        Ok(())
    }

    pub async fn complete(mut self) -> Result<(), StorageError> {
        while !self.sending.is_empty() {
            self.settle().await?;
        }
        self.sent.sort_by_key(|part| part.part_number);
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.sent)))
            .build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.path)
            .set_upload_id(self.id.clone())
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| match self.doing.sdk(error) {
                // The first answer was lost, most likely; whether the object is whole only another upload tells.
                StorageError::NotFound { .. } => self
                    .doing
                    .retryable("the upload was given up or is complete already"),
                other => other,
            })?;
        self.id = None;
        Ok(())
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let mut sending = std::mem::take(&mut self.sending);
        let abort = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.path)
            .upload_id(id);
        let doing = Doing::new("giving up the upload of", &self.path);
        runtime.spawn(async move {
            // A part that arrives after the abort would stay.
            sending.shutdown().await;
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %doing.sdk(error), "parts of an upload stay in the object store");
            }
        });
    }
}
