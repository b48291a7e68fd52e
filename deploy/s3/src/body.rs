//! Receiving a body into a file, with flat memory.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fs_err::File;
use futures_util::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, s3_error};

use crate::digest::{self, Expected, Sums};
use crate::object::TempFile;

/// Bytes gathered before they are hashed and written in one go on a blocking thread.
const BATCH: usize = 1 << 20;

/// A verified body in an unsealed file.
pub(crate) struct Received {
    pub(crate) temp: TempFile,
    pub(crate) size: u64,
    /// Hex.
    pub(crate) md5: String,
    pub(crate) sums: Sums,
}

struct Writer {
    temp: TempFile,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl Writer {
    fn create(directory: &Path, hasher: ChecksumHasher) -> io::Result<Self> {
        Ok(Self {
            temp: TempFile::create(directory)?,
            size: 0,
            md5: Md5::new(),
            hasher,
        })
    }

    fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        for chunk in batch {
            self.md5.update(chunk);
            self.hasher.update(chunk);
            self.temp.file.write_all(chunk)?;
            self.size += chunk.len() as u64;
        }
        Ok(())
    }
}

/// Writes `body` to a new file in `directory` and verifies all that the request says about it.
pub(crate) async fn receive(
    directory: PathBuf,
    body: Option<StreamingBlob>,
    expected: Expected,
) -> S3Result<Received> {
    let mut hasher = Some(expected.hasher());
    let mut writer: Option<Writer> = None;
    let mut body = body;
    let mut ended = false;
    while !ended {
        let mut batch = Vec::new();
        let mut gathered = 0;
        while gathered < BATCH {
            let next = match &mut body {
                Some(body) => body.next().await,
                None => None,
            };
            let Some(chunk) = next else {
                ended = true;
                break;
            };
            let chunk = chunk.map_err(body_error)?;
            gathered += chunk.len();
            batch.push(chunk);
        }
        let (current, first, directory) = (writer.take(), hasher.take(), directory.clone());
        writer = Some(
            blocking(move || {
                let mut writer = match current {
                    Some(writer) => writer,
                    None => Writer::create(&directory, first.unwrap_or_default()).map_err(disk_error)?,
                };
                writer.write(&batch).map_err(disk_error)?;
                Ok(writer)
            })
            .await?,
        );
    }
    let Some(Writer {
        temp,
        size,
        md5,
        hasher,
    }) = writer
    else {
        return Err(s3_error!(InternalError, "no file was made for the body"));
    };
    let (md5, sums) = (md5.finalize(), digest::finish(hasher));
    expected.verify(size, md5.as_ref(), &sums)?;
    Ok(Received {
        temp,
        size,
        md5: hex::encode(md5),
        sums,
    })
}

/// Copies bytes of a file to a new one in `directory`, as if they had been received.
pub(crate) fn copy(directory: &Path, from: &mut File, first: u64, length: u64) -> io::Result<Received> {
    from.seek(SeekFrom::Start(first))?;
    let mut writer = Writer::create(directory, ChecksumHasher::default())?;
    let mut left = length;
    while left > 0 {
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(BATCH).min(BATCH)];
        from.read_exact(&mut chunk)?;
        left -= chunk.len() as u64;
        writer.write(&[Bytes::from(chunk)])?;
    }
    Ok(Received {
        temp: writer.temp,
        size: writer.size,
        md5: hex::encode(writer.md5.finalize()),
        sums: digest::finish(writer.hasher),
    })
}

/// Runs file work off the async threads. The work goes on to its end even if the request is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "file work ended early");
            Err(s3_error!(
                InternalError,
                "the server failed while working on its files"
            ))
        }
    }
}

/// What the client is told when the disk fails; the details go to the log.
pub(crate) fn disk_error(error: io::Error) -> S3Error {
    tracing::error!(%error, "the object store's disk");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let mut answer = S3Error::with_message(
                S3ErrorCode::Custom("InsufficientStorage".into()),
                "The disk of the object store is full; nothing was changed.",
            );
            answer.set_status_code(http::StatusCode::INSUFFICIENT_STORAGE);
            answer
        }
        kind => s3_error!(InternalError, "the object store's disk failed: {kind}"),
    }
}

/// The stream's error types are private to the protocol layer, so their text decides.
fn body_error(error: StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        s3_error!(
            BadDigest,
            "x-amz-content-sha256 does not match the received bytes"
        )
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "a chunk's signature does not match")
    } else {
        s3_error!(IncompleteBody, "the body broke off: {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named() {
        // ENOSPC on Linux.
        let error = disk_error(io::Error::from_raw_os_error(28));
        assert_eq!(error.status_code(), Some(http::StatusCode::INSUFFICIENT_STORAGE));
        assert!(error.message().is_some_and(|text| text.contains("full")));
        let error = disk_error(io::Error::other("secret path"));
        assert_eq!(error.status_code(), Some(http::StatusCode::INTERNAL_SERVER_ERROR));
        assert!(error.message().is_some_and(|text| !text.contains("secret")));
    }
}
