//! A posted form. A handler cannot have one without the check that it comes from a page of ours.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;

use super::visitor::Visitor;
use crate::error::Error;

/// Bytes of a form, its texts included.
const MAX_FORM: usize = 256 << 10;

/// A form that the visitor sent from one of our pages.
pub struct Posted {
    /// Who.
    pub visitor: Visitor,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// The first value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.fields
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// Whether a box is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n == name)
    }

    /// A text as a browser sends it, with line feeds as line ends.
    pub fn text(&self, name: &str) -> String {
        self.get(name).replace("\r\n", "\n").trim().to_owned()
    }
}

impl FromRequest for Posted {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = Visitor::from_request(req, payload);
        let body = Bytes::from_request(req, payload);
        Box::pin(async move {
            let visitor = visitor.await?;
            let body = body
                .await
                .map_err(|_| Error::TooLarge(format!("A form may have {MAX_FORM} bytes at most.")))?;
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
            let csrf = fields
                .iter()
                .find(|(name, _)| name == "csrf")
                .map(|(_, value)| value.as_str());
            visitor.check_csrf(csrf)?;
            Ok(Self { visitor, fields })
        })
    }
}

/// The sentence about a field in an error's text, whose lines read `field: sentence`.
pub fn about(message: &str, field: &str) -> Option<String> {
    let lines: Vec<&str> = message
        .lines()
        .filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "))
        .collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

/// The lines of an error's text that are about none of these fields.
pub fn about_none(message: &str, fields: &[&str]) -> Option<String> {
    let lines: Vec<&str> = message
        .lines()
        .filter(|line| {
            !fields
                .iter()
                .any(|f| line.strip_prefix(f).is_some_and(|rest| rest.starts_with(": ")))
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_find_their_fields() {
        let message = "name: is taken\nchroots: one\nchroots: two\nsomething else";
        assert_eq!(about(message, "name").as_deref(), Some("is taken"));
        assert_eq!(about(message, "chroots").as_deref(), Some("one two"));
        assert_eq!(about(message, "contact"), None);
        assert_eq!(
            about_none(message, &["name", "chroots"]).as_deref(),
            Some("something else")
        );
        assert_eq!(about_none("name: x", &["name"]), None);
    }
}
