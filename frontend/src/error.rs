//! The one error of all handlers: what happened, which status that is, and the sentence for whoever asked.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use db::DbError;
use serde_json::json;
use storage::StorageError;

/// Why a request was not done. As a response it is JSON with the key `error`, by which `copr-cli` tells failure from
/// success; pages find it again with [`actix_web::Error::as_error`] and show a page instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object, or the asker must not know of it: 404.
    #[error("{0}")]
    NotFound(String),
    /// There is no such URL: 404.
    #[error("no such endpoint: {0}")]
    NoSuchEndpoint(String),
    /// The URL exists, but not for this method: 405.
    #[error("this address does not take the method {0}")]
    Method(String),
    /// The input cannot be used: 400.
    #[error("{0}")]
    Invalid(String),
    /// No or wrong or expired credentials: 401.
    #[error("{0}")]
    Unauthenticated(String),
    /// Known, but not allowed: 403.
    #[error("{0}")]
    Forbidden(String),
    /// Not in the state that this needs: 409.
    #[error("{0}")]
    Conflict(String),
    /// A pointer is not where it has to be for this: 409, with where it is.
    #[error("The pointer '{pointer}' names {} now, so nothing was changed; look at that, and ask again with expected={current}.",
        if *current == 0 { "no snapshot".to_owned() } else { format!("snapshot {current}") })]
    PointerMoved {
        /// Which one.
        pointer: String,
        /// The snapshot that it names; 0 for none.
        current: i64,
    },
    /// A lease that is no longer the caller's: 410.
    #[error("{0}")]
    Gone(String),
    /// More bytes than the limit: 413.
    #[error("{0}")]
    TooLarge(String),
    /// A quota is used up: 429.
    #[error("{0}")]
    TooMany(String),
    /// Not ready yet, or a part of the service does not answer: 503, try again.
    #[error("{0}")]
    NotReady(String),
    /// The database failed.
    #[error("{0}")]
    Db(#[from] DbError),
    /// The object store failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A fault of the service: 500. The text goes to the log only.
    #[error("{0}")]
    Internal(String),
}

/// Bytes of the longest answer about what is wrong; a list of thousands of wrong values helps nobody.
const MAX_MESSAGE: usize = 2_000;

/// The first lines of a text, as many as fit.
fn shortened(text: String) -> String {
    if text.len() <= MAX_MESSAGE {
        return text;
    }
    let cut = text.floor_char_boundary(MAX_MESSAGE);
    let start = &text[..cut];
    let whole = start.rsplit_once('\n').map_or(start, |(lines, _)| lines);
    let left = text[whole.len()..].lines().filter(|l| !l.is_empty()).count();
    format!("{whole}\n… and {left} more")
}

/// Seconds after which a used-up quota may look different.
const QUOTA_RETRY_S: &str = "300";

/// What `copr-cli` shows for wrong credentials.
pub const LOGIN_INVALID: &str =
    "Login invalid/expired. Please visit the page /api/ of this service to get a new API token.";

impl Error {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::NoSuchEndpoint(_) | Self::Db(DbError::NotFound) => {
                StatusCode::NOT_FOUND
            }
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) | Self::PointerMoved { .. } => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::TooLarge(_) | Self::Storage(StorageError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Storage(StorageError::Input { .. }) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(DbError::BeingRemoved(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Storage(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(_) | Self::Storage(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which the same request may be answered otherwise.
    pub fn retry_after(&self) -> Option<&'static str> {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some("1"),
            StatusCode::TOO_MANY_REQUESTS => Some(QUOTA_RETRY_S),
            _ => None,
        }
    }

    /// The sentence for whoever asked; faults of the service say no more than that.
    pub fn public_message(&self) -> String {
        match self {
            Self::Db(DbError::NotFound) => "The object does not exist.".to_owned(),
            Self::Db(DbError::BeingRemoved(name)) => {
                format!("An earlier {name} is still being removed. Please try again in a minute.")
            }
            Self::Storage(StorageError::TooLarge { limit, .. }) => {
                format!("The file is too large: at most {limit} bytes are taken.")
            }
            Self::Storage(StorageError::Input { .. }) => "The upload broke off before its end.".to_owned(),
            Self::Db(_) | Self::Storage(_) if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                "A part of the service does not answer right now. Please try again in a moment.".to_owned()
            }
            Self::Db(_) | Self::Storage(_) | Self::Internal(_) => {
                "The service failed at this request; its administrator finds the reason in the log."
                    .to_owned()
            }
            other => shortened(other.to_string()),
        }
    }
}

impl From<protocol::NameError> for Error {
    fn from(error: protocol::NameError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!("a request failed: {self}");
        } else if matches!(self, Self::Db(_) | Self::Storage(_)) && status == StatusCode::SERVICE_UNAVAILABLE
        {
            tracing::warn!("a request has to be tried again: {self}");
        }
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if matches!(self, Self::Unauthenticated(_)) {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"api\""));
            return response.json(json!({"error": self.public_message(), "output": "notok"}));
        }
        if let Self::PointerMoved { current, .. } = self {
            return response.json(json!({"error": self.public_message(), "current": current}));
        }
        response.json(json!({"error": self.public_message()}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_asks_for_another_try_and_tells_no_details() {
        let error = Error::from(DbError::Unavailable("host=/secret/path".to_owned()));
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(!error.public_message().contains("secret"));
    }

    #[test]
    fn a_long_list_of_mistakes_is_cut_at_a_line() {
        let all: Vec<String> = (0..500)
            .map(|i| format!("chroots: 'ü{i}' is not a valid choice"))
            .collect();
        let shown = Error::Invalid(all.join("\n")).public_message();
        assert!(shown.len() < MAX_MESSAGE + 50, "{}", shown.len());
        let (lines, last) = shown.rsplit_once('\n').unwrap();
        let left: usize = last.split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(lines.lines().count() + left, 500);
        assert!(lines.ends_with("is not a valid choice"));
    }

    #[test]
    fn faults_of_the_service_stay_in_its_log() {
        let error = Error::Internal("the key is 123".to_owned());
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.public_message().contains("123"));
        assert_eq!(Error::from(DbError::NotFound).status(), StatusCode::NOT_FOUND);
        let error = Error::from(DbError::BeingRemoved("tools:pr:1".to_owned()));
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            error.public_message(),
            "An earlier tools:pr:1 is still being removed. Please try again in a minute."
        );
    }
}
