//! API tokens: making, renewing and revoking them.

use chrono::{DateTime, TimeDelta, Utc};
use db::DbError;
use db::tokens::{self, NewToken, Scope, Token, TokenPair};

use crate::access::{Action, Actor};
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

/// Most tokens of one user.
const MAX_TOKENS: usize = 100;
/// Longest name, in characters.
const MAX_NAME: usize = 60;
/// Most projects in one token's limits.
const MAX_PROJECTS: usize = 100;
/// Longest life that can be asked for, in days.
const MAX_DAYS: i64 = 3_650;

/// What a user asks for. Texts as they came in.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// What it shall be called.
    pub name: String,
    /// `owner/name` or `owner/*`; empty: all projects.
    pub projects: Vec<String>,
    /// Words of [`Action`]; empty: everything.
    pub actions: Vec<String>,
    /// Days until it ends; 0: it never does; `None`: when the token that asks does.
    pub days: Option<i64>,
}

/// A generator that may wait across an await, unlike the thread's own.
fn generator() -> rand::rngs::StdRng {
    rand::SeedableRng::from_rng(&mut rand::rng())
}

/// Makes a token beside those that there are.
///
/// # Errors
/// 400 for a name that is taken and for limits that are none, 403 for limits wider, or an end later, than those of the
/// token that asks.
pub async fn add(app: &App, actor: &Actor, request: &TokenRequest) -> Result<(Token, TokenPair), Error> {
    let user = actor.signed_in()?;
    let now = app.now();
    let scope = scope(request)?;
    let expires_at = expiry(actor, request.days, now)?;
    actor.may_handle_token(&scope, expires_at)?;
    let name = name(&request.name)?;
    let taken = || Error::Invalid(format!("name: You already have a token named '{name}'."));
    let mut conn = app.conn().await?;
    if tokens::list(&mut conn, user.id).await?.len() >= MAX_TOKENS {
        return Err(Error::Invalid(format!(
            "You have {MAX_TOKENS} tokens; revoke some that you do not need."
        )));
    }
    let new = NewToken {
        name,
        scope: &scope,
        expires_at,
    };
    match tokens::add(&mut conn, user, &new, now, &mut generator()).await {
        Err(DbError::Duplicate(constraint)) if constraint == "api_tokens_name" => Err(taken()),
        other => Ok(other?),
    }
}

/// Makes a token in place of the one of its name, as Copr's page does with its only one. Needs an unlimited actor: the
/// token that goes may have been unlimited.
///
/// # Errors
/// 400 for limits that are none, 403 for a limited token.
pub async fn put(app: &App, actor: &Actor, request: &TokenRequest) -> Result<TokenPair, Error> {
    let user = actor.signed_in()?;
    actor.may_handle_token(&Scope::default(), None)?;
    let now = app.now();
    let new = NewToken {
        name: name(&request.name)?,
        scope: &scope(request)?,
        expires_at: expiry(actor, request.days, now)?,
    };
    Ok(tokens::replace(&mut *app.conn().await?, user, &new, now, &mut generator()).await?)
}

/// Makes a token in place of the one that asks: with its name, its limits and its end. An end that moved on with each
/// renewal would be none.
///
/// # Errors
/// 401 when the one that asks was revoked meanwhile.
pub async fn renew(app: &App, actor: &Actor, token: i64) -> Result<TokenPair, Error> {
    let user = actor.signed_in()?;
    let now = app.now();
    let mut conn = app.conn().await?;
    let old = tokens::find(&mut conn, user.id, token)
        .await?
        .ok_or_else(|| Error::Unauthenticated(crate::error::LOGIN_INVALID.to_owned()))?;
    let new = NewToken {
        name: &old.name,
        scope: &old.scope,
        expires_at: old.expires_at,
    };
    Ok(tokens::replace(&mut conn, user, &new, now, &mut generator()).await?)
}

/// The tokens that the actor may know of.
///
/// # Errors
/// 401 for nobody.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Token>, Error> {
    let user = actor.signed_in()?;
    let all = tokens::list(&mut *app.conn().await?, user.id).await?;
    Ok(all
        .into_iter()
        .filter(|token| actor.may_handle_token(&token.scope, token.expires_at).is_ok())
        .collect())
}

/// Ends a token at once.
///
/// # Errors
/// 404 when the user has no such token, 403 when it may more than the one that asks.
pub async fn revoke(app: &App, actor: &Actor, id: &str) -> Result<Token, Error> {
    let user = actor.signed_in()?;
    let missing = || Error::NotFound(format!("You have no token with the number {}.", shown(id)));
    let number: i64 = id.parse().map_err(|_| missing())?;
    let mut conn = app.conn().await?;
    let token = tokens::find(&mut conn, user.id, number)
        .await?
        .ok_or_else(missing)?;
    actor.may_handle_token(&token.scope, token.expires_at)?;
    tokens::revoke(&mut conn, user, &token, app.now()).await?;
    Ok(token)
}

fn name(text: &str) -> Result<&str, Error> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "name: Call the token something, in 1 to {MAX_NAME} characters"
        )));
    }
    Ok(name)
}

fn expiry(actor: &Actor, days: Option<i64>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
    match days {
        None => Ok(actor.ends_at()),
        Some(0) => Ok(None),
        Some(days @ 1..=MAX_DAYS) => Ok(Some(now + TimeDelta::days(days))),
        Some(_) => Err(Error::Invalid(format!(
            "days: Number must be between 1 and {MAX_DAYS}, or 0 for a token that does not expire"
        ))),
    }
}

fn scope(request: &TokenRequest) -> Result<Scope, Error> {
    let mut wrong = Vec::new();
    let mut projects = Vec::new();
    for text in &request.projects {
        match text.parse() {
            Ok(pattern) => projects.push(pattern),
            Err(error) => wrong.push(format!("projects: {error}")),
        }
    }
    if projects.len() > MAX_PROJECTS {
        wrong.push(format!("projects: At most {MAX_PROJECTS} can be named"));
    }
    for text in &request.actions {
        if !Action::ALL.iter().any(|action| action.as_str() == text) {
            wrong.push(format!(
                "actions: '{}' is not a valid choice for this field",
                shown(text)
            ));
        }
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong.join("\n")));
    }
    Ok(Scope {
        projects: (!projects.is_empty()).then_some(projects),
        actions: (!request.actions.is_empty()).then(|| request.actions.clone()),
    })
}
