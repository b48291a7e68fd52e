//! Answers with an object's bytes: whole, in part, or not at all because the client has them.

use std::time::{Duration, SystemTime};

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HttpDate, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use storage::{ObjectStream, StorageKey};

use crate::results::error::GatewayError;
use crate::results::{Gateway, SNAPSHOT};

/// Of what never changes under its URL.
pub(super) const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Of what may change at any moment.
pub(super) const FRESH: &str = "no-cache";

/// What an answer says about the bytes that it carries.
pub(super) struct About {
    /// Without quotes.
    pub etag: String,
    pub content_type: String,
    pub gzip: bool,
    pub cache_control: &'static str,
    /// Seconds since 1970.
    pub modified: Option<i64>,
    pub snapshot: Option<i64>,
}

impl About {
    /// Something that has no better identity than its bytes.
    pub fn bytes(bytes: &[u8], content_type: &str, cache_control: &'static str) -> Self {
        Self {
            etag: hex::encode(Sha256::digest(bytes)),
            content_type: content_type.to_owned(),
            gzip: false,
            cache_control,
            modified: None,
            snapshot: None,
        }
    }

    pub fn at(mut self, snapshot: Option<i64>) -> Self {
        self.snapshot = snapshot;
        self
    }

    /// Writes them.
    pub fn headers(&self, response: &mut HttpResponseBuilder) {
        response
            .insert_header((ETAG, format!("\"{}\"", self.etag)))
            .insert_header((CACHE_CONTROL, self.cache_control));
        if let Some(snapshot) = self.snapshot {
            response.insert_header((SNAPSHOT, snapshot.to_string()));
        }
        if let Some(seconds) = self.modified.and_then(|seconds| u64::try_from(seconds).ok()) {
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            // Later years have no date in HTTP.
            if let Some(time) = time.filter(|_| seconds < 253_402_300_800) {
                response.insert_header((LAST_MODIFIED, HttpDate::from(time)));
            }
        }
    }
}

/// Which bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// First byte and the one after the last.
    Range(u64, u64),
    Unsatisfiable,
}

/// Answers from bytes in memory.
pub(super) fn send_bytes(request: &HttpRequest, about: &About, bytes: &Bytes) -> HttpResponse {
    let size = bytes.len() as u64;
    match prepare(request, about, size) {
        Prepared::Done(done) => done,
        Prepared::Send(mut response, first, last) => {
            let slice = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            response.body(bytes.slice(slice(first)..slice(last)))
        }
    }
}

impl Gateway {
    /// Answers from an object of `size` bytes, streaming it.
    pub(super) async fn send_object(
        &self,
        request: &HttpRequest,
        about: &About,
        key: StorageKey,
        size: u64,
    ) -> Result<HttpResponse, GatewayError> {
        let (mut response, first, last) = match prepare(request, about, size) {
            Prepared::Done(done) => return Ok(done),
            Prepared::Send(response, first, last) => (response, first, last),
        };
        if *request.method() == Method::HEAD || first == last {
            let nothing = stream::empty::<Result<Bytes, GatewayError>>();
            return Ok(response.body(SizedStream::new(last - first, nothing)));
        }
        let stream = self.open(&key, first, last).await?;
        let bytes = resuming(self.clone(), key, stream, first, last);
        Ok(response.body(SizedStream::new(last - first, bytes.boxed_local())))
    }

    async fn open(&self, key: &StorageKey, first: u64, last: u64) -> Result<ObjectStream, GatewayError> {
        let range = Some((first, Some(last - 1)));
        let object = self.patiently(|| self.storage.get_stream(key, range)).await?;
        object.map(|object| object.stream).ok_or(GatewayError::NotFound)
    }
}

/// The bytes from `first` to before `last`; where the store breaks off, they are asked for again from there. Objects
/// served in this way never change, so the halves fit.
fn resuming(
    gateway: Gateway,
    key: StorageKey,
    stream: ObjectStream,
    first: u64,
    last: u64,
) -> impl Stream<Item = Result<Bytes, GatewayError>> {
    stream::try_unfold((stream, first), move |(mut stream, at)| {
        let (gateway, key) = (gateway.clone(), key.clone());
        async move {
            if at >= last {
                return Ok(None);
            }
            loop {
                match stream.next().await {
                    Some(Ok(bytes)) => {
                        let at = at + bytes.len() as u64;
                        return Ok(Some((bytes, (stream, at))));
                    }
                    Some(Err(error)) if error.is_retryable() => {
                        tracing::debug!(%error, at, "a download is taken up again");
                        stream = gateway.open(&key, at, last).await?;
                    }
                    Some(Err(error)) => return Err(GatewayError::Store(error)),
                    None => return Ok(None),
                }
            }
        }
    })
}

/// What precedes the bytes.
pub(super) enum Prepared {
    /// There are none: the answer is complete.
    Done(HttpResponse),
    /// The head, the first byte and the one after the last.
    Send(HttpResponseBuilder, u64, u64),
}

/// The head of the answer and the bytes to send, or the whole answer if there are none.
pub(super) fn prepare(request: &HttpRequest, about: &About, size: u64) -> Prepared {
    if unchanged(request, &about.etag) {
        let mut response = HttpResponse::NotModified();
        about.headers(&mut response);
        return Prepared::Done(response.finish());
    }
    let part = part(request, &about.etag, size);
    let mut response = HttpResponse::build(match part {
        Part::Whole => StatusCode::OK,
        Part::Range(..) => StatusCode::PARTIAL_CONTENT,
        Part::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
    });
    if part == Part::Unsatisfiable {
        let range = format!("bytes */{size}");
        return Prepared::Done(response.insert_header((CONTENT_RANGE, range)).finish());
    }
    about.headers(&mut response);
    response
        .insert_header((ACCEPT_RANGES, "bytes"))
        .content_type(about.content_type.as_str());
    if about.gzip {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    match part {
        Part::Range(first, last) => {
            response.insert_header((CONTENT_RANGE, format!("bytes {first}-{}/{size}", last - 1)));
            Prepared::Send(response, first, last)
        }
        _ => Prepared::Send(response, 0, size),
    }
}

pub(super) fn header<'a>(
    request: &'a HttpRequest,
    name: &actix_web::http::header::HeaderName,
) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Whether the client has these bytes already.
pub(super) fn unchanged(request: &HttpRequest, etag: &str) -> bool {
    header(request, &IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag)
    })
}

/// Whether a range is of what the client believes to be there.
pub(super) fn in_range(request: &HttpRequest, etag: &str) -> bool {
    header(request, &IF_RANGE).is_none_or(|tag| tag.trim_matches('"') == etag)
}

fn part(request: &HttpRequest, etag: &str, size: u64) -> Part {
    if !in_range(request, etag) {
        return Part::Whole;
    }
    header(request, &RANGE).map_or(Part::Whole, |range| parse_range(range, size))
}

/// One range is honoured; several, or what is no range, mean the whole (RFC 9110, 14.2).
pub(super) fn parse_range(range: &str, size: u64) -> Part {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Part::Whole;
    }
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Err(_), Ok(0)) if first.is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(_)) if first.is_empty() && size == 0 => Part::Unsatisfiable,
        (Err(_), Ok(count)) if first.is_empty() => Part::Range(size.saturating_sub(count), size),
        (Ok(first), Ok(last)) if last < first => Part::Whole,
        (Ok(first), _) if first >= size => Part::Unsatisfiable,
        (Ok(first), Ok(last)) => Part::Range(first, size.min(last.saturating_add(1))),
        (Ok(first), Err(_)) if last.is_empty() => Part::Range(first, size),
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_honoured() {
        for (range, expected) in [
            ("bytes=0-0", Part::Range(0, 1)),
            ("bytes=2-5", Part::Range(2, 6)),
            ("bytes=2-", Part::Range(2, 10)),
            ("bytes=2-99999999999999999999", Part::Whole),
            ("bytes=9-18446744073709551615", Part::Range(9, 10)),
            ("bytes=-3", Part::Range(7, 10)),
            ("bytes=-30", Part::Range(0, 10)),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-12", Part::Unsatisfiable),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(parse_range(range, 10), expected, "{range}");
        }
        assert_eq!(parse_range("bytes=-1", 0), Part::Unsatisfiable);
        assert_eq!(parse_range("bytes=0-", 0), Part::Unsatisfiable);
    }
}
