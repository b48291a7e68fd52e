//! API tokens, of which Copr has one for each user: here there are several, with names and limits.

use actix_web::web::{self, Json, Path};
use db::tokens::{Token, TokenPair};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Fields;
use crate::api_3::models::{Whole, epoch};
use crate::api_3::route::{Action, ApiRoute, DELETE, Field, GET, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::tokens::{self, TokenRequest};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Tokens, GET, "/token/list", list)
            .about("One's own tokens, without their secrets: those that may no more than the one that asks."),
        token(Action::Tokens, POST, "/token/add", add)
            .about("Makes a token beside those that there are; the only time that its secret is shown.")
            .body(&[
                Field::required("name", Kind::Text, "What to call it."),
                Field::new(
                    "projects",
                    Kind::List,
                    "Only these: `owner/name`, or `owner/*`. Empty: all.",
                ),
                Field::new(
                    "actions",
                    Kind::List,
                    "Only these: account, build, edit, create, delete, groups, tokens, admin. Empty: all.",
                ),
                Field::new(
                    "days",
                    Kind::Number,
                    "Days until it ends, not after the token that asks; 0: never. Absent: with the token that asks.",
                ),
            ]),
        token(Action::Tokens, DELETE, "/token/delete/{id}", delete).about("Ends a token at once."),
    ]
}

/// A token. Times are seconds since the epoch.
#[derive(Debug, Serialize, JsonSchema)]
struct TokenModel {
    id: i64,
    name: String,
    /// The public half.
    login: String,
    /// Projects that it is limited to; empty: none.
    projects: Vec<String>,
    /// Actions that it is limited to; empty: none.
    actions: Vec<String>,
    created_on: i64,
    /// Null: never used.
    last_used_on: Option<i64>,
    /// Null: it does not end.
    expires_on: Option<i64>,
    /// Whether it is the one that asks.
    current: bool,
}

fn model(token: &Token, current: i64) -> TokenModel {
    TokenModel {
        id: token.id,
        name: token.name.clone(),
        login: token.login.clone(),
        projects: token
            .scope
            .projects
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        actions: token.scope.actions.iter().flatten().cloned().collect(),
        created_on: token.created_at.timestamp(),
        last_used_on: epoch(token.last_used_at),
        expires_on: epoch(token.expires_at),
        current: token.id == current,
    }
}

/// A new token with its secret.
#[derive(Debug, Serialize, JsonSchema)]
struct NewToken {
    #[serde(flatten)]
    token: TokenModel,
    api_login: String,
    api_token: String,
    /// Day, `YYYY-MM-DD`, or `never`.
    expiration: String,
}

fn new_token(token: &Token, pair: &TokenPair, current: i64) -> NewToken {
    NewToken {
        token: model(token, current),
        api_login: pair.login.clone(),
        api_token: pair.token.clone(),
        expiration: pair.expiration(),
    }
}

async fn list(app: web::Data<App>, signed: Signed) -> Result<Json<Whole<TokenModel>>, Error> {
    let all = tokens::list(&app, &signed.actor).await?;
    Ok(Json(Whole::new(
        all.iter().map(|t| model(t, signed.token)).collect(),
    )))
}

async fn add(app: web::Data<App>, signed: Signed, fields: Fields) -> Result<Json<NewToken>, Error> {
    let request = TokenRequest {
        name: fields.required("name")?,
        projects: fields.list("projects")?.unwrap_or_default(),
        actions: fields.list("actions")?.unwrap_or_default(),
        days: fields.number("days")?,
    };
    let (token, pair) = tokens::add(&app, &signed.actor, &request).await?;
    Ok(Json(new_token(&token, &pair, signed.token)))
}

async fn delete(app: web::Data<App>, signed: Signed, id: Path<String>) -> Result<Json<TokenModel>, Error> {
    let token = tokens::revoke(&app, &signed.actor, &id).await?;
    Ok(Json(model(&token, signed.token)))
}
