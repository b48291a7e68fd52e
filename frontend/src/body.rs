//! Bodies that are read as a whole, up to a limit.

use std::future::Future;
use std::pin::Pin;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::error::Error;

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// 413 for more, 400 when the client breaks off.
pub(crate) async fn read(mut payload: Payload, max: usize) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| Error::Invalid(format!("The request's body cannot be read: {e}")))?;
        if body.len() + chunk.len() > max {
            return Err(Error::TooLarge(format!(
                "The request's body is longer than {max} bytes."
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The parts of a form, up to the first that cannot be read: to ask a [`Multipart`] for more after that is a panic.
pub(crate) struct Parts(Option<Multipart>);

impl Parts {
    /// The parts of a request's body.
    pub fn new(request: &HttpRequest, payload: actix_web::web::Payload) -> Self {
        Self(Some(Multipart::new(request.headers(), payload)))
    }

    /// The next part.
    pub async fn next(&mut self) -> Option<Result<Field, MultipartError>> {
        let next = self.0.as_mut()?.next().await;
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }

    /// The next part.
    ///
    /// # Errors
    /// 400 when what comes is no part of a form.
    pub async fn field(&mut self) -> Result<Option<Field>, Error> {
        self.next().await.transpose().map_err(|e| broken(&e))
    }
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::Invalid(format!("The form cannot be read: {error}"))
}

/// Reads a part of at most `max` bytes as a whole.
///
/// # Errors
/// 413 for more, 400 when the client breaks off.
pub(crate) async fn whole(field: &mut Field, max: usize) -> Result<Bytes, Error> {
    let name = field.name().unwrap_or_default().to_owned();
    field
        .bytes(max)
        .await
        .map_err(|_| Error::TooLarge(format!("{name}: longer than {max} bytes")))?
        .map_err(|e| broken(&e))
}

/// A body of at most `MAX` bytes.
pub(crate) struct Body<const MAX: usize>(pub Bytes);

impl<const MAX: usize> FromRequest for Body<MAX> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        Box::pin(async move { read(payload, MAX).await.map(Self) })
    }
}
