//! The API's version, tokens, and the list of chroots.

use std::collections::BTreeMap;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Json};
use actix_web::{FromRequest as _, HttpRequest};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::route::{Action, ApiRoute, GET, POST, public, token};
use crate::app::App;
use crate::auth::{Signed, session};
use crate::error::Error;
use crate::operations::tokens;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "", version).about("The API's version."),
        token(Action::Account, GET, "/auth-check", auth_check).about("Whose token this is."),
        public(GET, "/gssapi_login", who_am_i)
            .about("Who one is, by a token or a browser's session. Copr's clients ask here for Kerberos, which this service does not have."),
        token(Action::Tokens, POST, "/api-token", new_token)
            .about("A new token in place of the one that asks, with the same name, limits and end."),
        public(GET, "/mock-chroots/list", mock_chroots).about("Active chroots, each with its comment."),
    ]
}

/// The API's version.
#[derive(Serialize, JsonSchema)]
struct Version {
    version: u32,
}

async fn version() -> Result<Json<Version>, Error> {
    Ok(Json(Version { version: 3 }))
}

/// A user.
#[derive(Serialize, JsonSchema)]
struct Identity {
    id: i64,
    name: String,
}

async fn auth_check(signed: Signed) -> Result<Json<Identity>, Error> {
    Ok(Json(Identity {
        id: signed.user.id,
        name: signed.user.name.to_string(),
    }))
}

async fn who_am_i(app: web::Data<App>, request: HttpRequest) -> Result<Json<Identity>, Error> {
    let user = match session(&app, &request).await? {
        Some(session) => session.user,
        None if request.headers().contains_key(AUTHORIZATION) => Signed::extract(&request).await?.user,
        None => {
            return Err(Error::Unauthenticated(format!(
                "This service has no Kerberos. Make an API token at {}/api/ and put what that page shows into ~/.config/copr.",
                app.config.url
            )));
        }
    };
    Ok(Json(Identity {
        id: user.id,
        name: user.name.to_string(),
    }))
}

/// A new token; the only time that it is shown.
#[derive(Serialize, JsonSchema)]
struct NewToken {
    api_login: String,
    api_token: String,
    /// Day, `YYYY-MM-DD`, or `never`.
    expiration: String,
}

async fn new_token(app: web::Data<App>, signed: Signed) -> Result<Json<NewToken>, Error> {
    let pair = tokens::renew(&app, &signed.actor, signed.token).await?;
    Ok(Json(NewToken {
        api_login: pair.login.clone(),
        api_token: pair.token.clone(),
        expiration: pair.expiration(),
    }))
}

async fn mock_chroots(app: web::Data<App>) -> Result<Json<BTreeMap<String, String>>, Error> {
    let mut conn = app.conn().await?;
    let active = db::chroots::list(&mut conn, true).await?;
    let map = active
        .into_iter()
        .map(|c| (c.definition.name.to_string(), c.description));
    Ok(Json(map.collect()))
}
