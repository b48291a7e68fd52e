//! `GetObject` and `HeadObject`: conditions, ranges, and the stream of an open file.

use std::io::{self, Seek, SeekFrom};

use fs_err::File;
use http::HeaderMap;
use s3s::dto::{ETagCondition, Range, StreamingBlob, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::body::disk_error;
use crate::object::Meta;
use crate::store::holds;

/// Bytes read from the disk at a time.
const CHUNK: usize = 128 << 10;

/// What S3 says of an object whose uploader said nothing.
pub(crate) const DEFAULT_TYPE: &str = "binary/octet-stream";

/// The conditional headers of a read, in the order of RFC 9110, section 13.2.2.
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// 412 or 304 if the client wants no body.
    pub(crate) fn check(&self, meta: &Meta) -> S3Result<()> {
        self.check_match(meta)?;
        if self.is_unchanged(meta) {
            Err(not_modified(meta))
        } else {
            Ok(())
        }
    }

    /// The same for the source of a copy, where everything is 412.
    pub(crate) fn check_copy(&self, meta: &Meta) -> S3Result<()> {
        self.check_match(meta)?;
        if self.is_unchanged(meta) {
            Err(s3_error!(PreconditionFailed))
        } else {
            Ok(())
        }
    }

    fn check_match(&self, meta: &Meta) -> S3Result<()> {
        let met = match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) => holds(wanted, &meta.e_tag()),
            (None, Some(since)) => meta.last_modified() <= *since,
            (None, None) => true,
        };
        if met {
            Ok(())
        } else {
            Err(s3_error!(PreconditionFailed))
        }
    }

    fn is_unchanged(&self, meta: &Meta) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(known), _) => holds(known, &meta.e_tag()),
            (None, Some(since)) => meta.last_modified() <= *since,
            (None, None) => false,
        }
    }
}

/// 304 with the headers that RFC 9110, section 15.4.5 asks for.
fn not_modified(meta: &Meta) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = meta.e_tag().to_http_header() {
        headers.insert(http::header::ETAG, tag);
    }
    let mut date = Vec::new();
    if meta
        .last_modified()
        .format(TimestampFormat::HttpDate, &mut date)
        .is_ok()
        && let Ok(date) = http::HeaderValue::from_bytes(&date)
    {
        headers.insert(http::header::LAST_MODIFIED, date);
    }
    if let Some(Ok(value)) = meta.attributes.cache_control.as_ref().map(|text| text.parse()) {
        headers.insert(http::header::CACHE_CONTROL, value);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}

/// An object that is about to be sent.
pub(crate) struct Opened {
    file: File,
    pub(crate) meta: Meta,
    pub(crate) length: u64,
    /// The value of `Content-Range`.
    pub(crate) range: Option<String>,
}

impl Opened {
    /// Positions the file at the start of the range.
    pub(crate) fn new(file: File, meta: Meta, range: Option<Range>) -> S3Result<Self> {
        let (start, end) = match range {
            None => (0, meta.size),
            Some(_) if meta.size == 0 => return Err(s3_error!(InvalidRange)),
            Some(range) => {
                let range = range.check(meta.size)?;
                (range.start, range.end)
            }
        };
        let content_range = range.map(|_| format!("bytes {start}-{}/{}", end - 1, meta.size));
        let mut file = file;
        file.seek(SeekFrom::Start(start)).map_err(disk_error)?;
        Ok(Self {
            file,
            meta,
            length: end - start,
            range: content_range,
        })
    }

    /// The bytes. Dropping the stream closes the file.
    pub(crate) fn into_body(self) -> StreamingBlob {
        let file = tokio::fs::File::from_std(self.file.into_parts().0);
        StreamingBlob::wrap(ReaderStream::with_capacity(file.take(self.length), CHUNK))
    }
}

/// Positions a file at its start.
pub(crate) fn rewind(file: &File) -> io::Result<()> {
    file.file().seek(SeekFrom::Start(0)).map(|_| ())
}

/// Fills the fields that `GetObject` and `HeadObject` share.
macro_rules! described {
    ($output:ident, $opened:expr, $mode:expr) => {{
        let meta = &$opened.meta;
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from($opened.length).ok(),
            content_range: $opened.range.clone(),
            content_type: Some(
                meta.attributes
                    .content_type
                    .clone()
                    .unwrap_or_else(|| reading::DEFAULT_TYPE.to_owned()),
            ),
            content_encoding: meta.attributes.content_encoding.clone(),
            content_disposition: meta.attributes.content_disposition.clone(),
            content_language: meta.attributes.content_language.clone(),
            cache_control: meta.attributes.cache_control.clone(),
            expires: meta.attributes.expires.clone(),
            e_tag: Some(meta.e_tag()),
            last_modified: Some(meta.last_modified()),
            metadata: Some(meta.attributes.user.clone().into_iter().collect()),
            ..$output::default()
        };
        // A checksum of the whole object says nothing about a part of it.
        if $mode
            .as_ref()
            .is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
            && $opened.range.is_none()
        {
            set_sums!(output, &meta.sums);
        }
        output
    }};
}

pub(crate) use described;
