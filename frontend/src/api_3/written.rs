//! Answers that are written at once, from what is borrowed.

use std::marker::PhantomData;

use actix_web::body::BoxBody;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::route::Answer;
use crate::error::Error;

/// The JSON of a `T`, which need not outlive the handler: long lists borrow from the database's rows.
pub(super) struct Written<T> {
    json: Vec<u8>,
    of: PhantomData<T>,
}

impl<T: JsonSchema + 'static> Written<T> {
    /// Writes a value; `size` is a guess of its length in bytes, so that memory is taken once.
    ///
    /// # Errors
    /// When the value cannot be JSON, which is a fault of ours.
    pub fn new(value: &impl Serialize, size: usize) -> Result<Self, Error> {
        let mut json = Vec::with_capacity(size);
        serde_json::to_writer(&mut json, value)
            .map_err(|e| Error::Internal(format!("writing an answer: {e}")))?;
        Ok(Self {
            json,
            of: PhantomData,
        })
    }
}

impl<T> Responder for Written<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(self.json)
    }
}

impl<T: JsonSchema + 'static> Answer for Written<T> {
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}
