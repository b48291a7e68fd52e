//! Why a request is not answered with what it asked for.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use chrono::{DateTime, Utc};
use db::DbError;
use storage::{PlanError, StorageError};

/// Seconds after which a client may come back.
const COME_BACK: &str = "5";

#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    #[error("there is no such result")]
    NotFound,
    #[error("snapshot {number} was removed on {}: this service keeps a repository's past for a limited time; what pointers such as `latest` name is always there", .at.format("%Y-%m-%d"))]
    Purged { number: i64, at: DateTime<Utc> },
    #[error("{0}")]
    NoCommit(String),
    #[error("the object store does not answer at the moment; try again in a few seconds")]
    Unavailable,
    #[error("the object store holds something unreadable here; the log of the service says what")]
    Store(StorageError),
    #[error("the object store holds something unreadable here; the log of the service says what")]
    Plan(#[from] PlanError),
    #[error("a part of this file is missing; the log of the service says which")]
    NoFrame(String),
    #[error("this cannot be looked up at the moment; try again in a few seconds")]
    Database(#[from] DbError),
}

impl GatewayError {
    /// The answer; what the store said goes to the log only.
    pub fn respond(&self, path: &str) -> HttpResponse {
        let mut response = match self {
            Self::NotFound | Self::NoCommit(_) => HttpResponse::NotFound(),
            Self::Purged { .. } => HttpResponse::Gone(),
            Self::Unavailable => HttpResponse::ServiceUnavailable(),
            Self::Store(error) => {
                tracing::error!(%error, path, "a result cannot be served");
                HttpResponse::InternalServerError()
            }
            Self::Plan(error) => {
                tracing::error!(%error, path, "a result cannot be served");
                HttpResponse::InternalServerError()
            }
            Self::NoFrame(frame) => {
                tracing::error!(
                    frame,
                    path,
                    "a part of a metadata file is missing or has the wrong length"
                );
                HttpResponse::InternalServerError()
            }
            Self::Database(error) => {
                tracing::warn!(%error, path, "the database was not reached for a result");
                HttpResponse::ServiceUnavailable()
            }
        };
        if matches!(self, Self::Unavailable | Self::Database(_)) {
            response.insert_header((RETRY_AFTER, COME_BACK));
        }
        response
            .insert_header((CACHE_CONTROL, "no-store"))
            .content_type("text/plain; charset=utf-8")
            .body(format!("{self}\n"))
    }
}
