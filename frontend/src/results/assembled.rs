//! Metadata files that are stored in pieces, put together while they are sent.

use actix_web::body::SizedStream;
use actix_web::http::header::{ACCEPT_RANGES, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use storage::{Piece, Plan, PlanFrame, StorageError, StorageKey};

use crate::results::Gateway;
use crate::results::address::Place;
use crate::results::download::{About, Prepared, prepare, unchanged};
use crate::results::error::GatewayError;
use crate::results::ranges::{Range, several};
use crate::results::repository::METADATA_AGE;

/// Bytes of a frame that are fetched at once; frames up to this size are fetched whole, and kept.
const PIECE: u32 = 1 << 20;
/// Pieces that are fetched ahead of what the client takes, so that their latencies do not add up. With [`PIECE`] they
/// bound what an answer holds in memory.
const AHEAD: usize = 4;

impl Gateway {
    /// Answers with a file that a plan describes: whole, one range, or several.
    pub(super) async fn send_plan(
        &self,
        request: &HttpRequest,
        about: &About,
        place: Place,
        plan: &Plan,
    ) -> Result<HttpResponse, GatewayError> {
        let size = plan.size();
        let get = *request.method() == Method::GET;
        if let Some(ranges) =
            several(request, &about.etag, size).filter(|_| get && !unchanged(request, &about.etag))
        {
            return self.send_ranges(about, place, plan, &ranges).await;
        }
        let (mut response, first, last) = match prepare(request, about, size) {
            Prepared::Done(done) => return Ok(done),
            Prepared::Send(response, first, last) => (response, first, last),
        };
        let pieces = if get {
            plan.pieces(first, last, PIECE)
        } else {
            Vec::new()
        };
        let body = self.pieces(place, pieces).await?;
        Ok(response.body(SizedStream::new(last - first, body.boxed_local())))
    }

    /// Several ranges as `multipart/byteranges` (RFC 9110, 14.6).
    async fn send_ranges(
        &self,
        about: &About,
        place: Place,
        plan: &Plan,
        ranges: &[Range],
    ) -> Result<HttpResponse, GatewayError> {
        // Begins with the SHA-256 of the file, which nobody gets to write into the file itself.
        let boundary: String = about
            .etag
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(32)
            .collect();
        let mut pieces = Vec::new();
        let mut length = 0;
        for (first, last) in ranges {
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: bytes {first}-{}/{}\r\n\r\n",
                about.content_type,
                last - 1,
                plan.size()
            );
            length += head.len() as u64 + (last - first);
            pieces.push(Piece::Bytes(head.into()));
            pieces.extend(plan.pieces(*first, *last, PIECE));
        }
        let end = format!("\r\n--{boundary}--\r\n");
        length += end.len() as u64;
        pieces.push(Piece::Bytes(end.into()));
        let body = self.pieces(place, pieces).await?;
        let mut response = HttpResponse::build(StatusCode::PARTIAL_CONTENT);
        about.headers(&mut response);
        response
            .insert_header((ACCEPT_RANGES, "bytes"))
            .insert_header((CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}")));
        Ok(response.body(SizedStream::new(length, body.boxed_local())))
    }

    /// The bytes of pieces, one after the other. The first frame is there before the answer begins, so that trouble with
    /// the store shows as what it is.
    async fn pieces(
        &self,
        place: Place,
        pieces: Vec<Piece>,
    ) -> Result<impl Stream<Item = Result<Bytes, GatewayError>> + use<>, GatewayError> {
        let first = pieces.iter().find(|piece| matches!(piece, Piece::Frame(..)));
        if let Some(first) = first {
            self.piece(&place, first).await?;
        }
        let gateway = self.clone();
        let fetched = stream::iter(pieces).map(move |piece| {
            let (gateway, place) = (gateway.clone(), place.clone());
            async move { gateway.piece(&place, &piece).await }
        });
        Ok(fetched.buffered(AHEAD))
    }

    async fn piece(&self, place: &Place, piece: &Piece) -> Result<Bytes, GatewayError> {
        let (frame, from, to) = match piece {
            Piece::Bytes(bytes) => return Ok(bytes.clone()),
            Piece::Frame(frame, from, to) => (frame, *from, *to),
        };
        let key = frame.key((&place.owner, &place.dir, &place.chroot));
        if frame.size > PIECE {
            return self.part(&key, (from, to)).await;
        }
        let whole = self.frame(&key, frame).await?;
        // Lengths were compared when it was fetched.
        Ok(whole.slice(from as usize..to as usize))
    }

    /// A whole frame, from memory if it was fetched lately.
    async fn frame(&self, key: &StorageKey, frame: &PlanFrame) -> Result<Bytes, GatewayError> {
        let path = key.path();
        if let Some(bytes) = self.cache.get(&path, METADATA_AGE) {
            return Ok(bytes);
        }
        let bytes = self.part(key, (0, frame.size)).await?;
        self.cache.insert(path, bytes.clone());
        Ok(bytes)
    }

    /// Bytes of an object: the first, and the one after the last. Where the store breaks off, they are asked for again.
    async fn part(&self, key: &StorageKey, (from, to): (u32, u32)) -> Result<Bytes, GatewayError> {
        let range = Some((u64::from(from), Some(u64::from(to) - 1)));
        let read = async || -> Result<Option<Bytes>, StorageError> {
            let Some(mut object) = self.storage.get_stream(key, range).await? else {
                return Ok(None);
            };
            let mut bytes = BytesMut::with_capacity((to - from) as usize);
            while let Some(some) = object.stream.next().await {
                bytes.extend_from_slice(&some?);
            }
            Ok(Some(bytes.freeze()))
        };
        let bytes = self.patiently(read).await?;
        bytes
            .filter(|bytes| bytes.len() == (to - from) as usize)
            .ok_or_else(|| GatewayError::NoFrame(key.path()))
    }
}
