//! Who asks: an API token, or a browser's session. What they may do is [`crate::access`]'s business.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use base64::Engine as _;
use db::tokens;
use db::users::{self, Session, User};
use sha2::{Digest as _, Sha256};

use crate::access::{Account, Actor};
use crate::api_3::{Access, Address};
use crate::app::App;
use crate::error::{Error, LOGIN_INVALID};

/// Name of the cookie that holds a session's secret.
pub const SESSION_COOKIE: &str = "koper_session";

/// A user who proved an API token that allows the route's action. A cookie never makes one, so no foreign page can make
/// a browser write through the API.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Who.
    pub user: User,
    /// The same, for [`crate::operations`].
    pub actor: Actor,
    /// Number of the token.
    pub token: i64,
}

impl FromRequest for Signed {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The API's door asks first, before anything of the body is read.
        if let Some(known) = req.extensions().get::<Self>() {
            return Box::pin(ready(Ok(known.clone())));
        }
        let app = req.app_data::<web::Data<App>>().cloned();
        let header = req.headers().get(AUTHORIZATION).cloned();
        let access = Address::of(req).map(|reads| reads.access);
        Box::pin(async move {
            let app =
                app.ok_or_else(|| Error::Internal("the handlers' shared state is missing".to_owned()))?;
            let (login, token) = header
                .and_then(|value| basic(value.to_str().ok()?))
                .ok_or_else(|| Error::Unauthenticated(LOGIN_INVALID.to_owned()))?;
            let now = app.now();
            let mut conn = app.conn().await?;
            let found = tokens::authenticate(&mut conn, &login, &token, now)
                .await?
                .ok_or_else(|| Error::Unauthenticated(LOGIN_INVALID.to_owned()))?;
            db::audit::presents(&format!("token {}", found.token));
            let actor = Actor::User(Arc::new(Account {
                user: found.user.clone(),
                rights: found.rights,
                scope: found.scope,
                ends_at: found.expires_at,
            }));
            match access {
                Some(Access::Public) => {}
                Some(Access::Token(action)) => actor.may_act(action)?,
                // A handler of no route of the API has no action that a token could allow.
                None => return Err(Error::Internal("a token outside of the API".to_owned())),
            }
            Ok(Self {
                user: found.user,
                actor,
                token: found.token,
            })
        })
    }
}

/// Splits the value of a Basic authorization into its two parts.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(rest.trim())
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (login, token) = text.split_once(':')?;
    Some((login.to_owned(), token.to_owned()))
}

/// The session of a browser, if it has one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn session(app: &App, req: &HttpRequest) -> Result<Option<Session>, Error> {
    let Some(cookie) = req.cookie(SESSION_COOKIE) else {
        return Ok(None);
    };
    let mut conn = app.conn().await?;
    let session = users::session(&mut conn, cookie.value(), app.now()).await?;
    if session.is_some() {
        db::audit::presents("session");
    }
    Ok(session)
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
pub fn same_secret(a: &str, b: &str) -> bool {
    // Digests have one length, and the loop looks at all of it.
    let (a, b) = (Sha256::digest(a.as_bytes()), Sha256::digest(b.as_bytes()));
    a.iter()
        .zip(b.iter())
        .fold(0_u8, |differs, (x, y)| differs | (x ^ y))
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read() {
        assert_eq!(basic("Basic YTpiOmM="), Some(("a".to_owned(), "b:c".to_owned())));
        for bad in ["", "Basic", "Bearer YTpi", "Basic ???", "Basic YWI="] {
            assert_eq!(basic(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_compare_by_value() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", ""));
    }
}
