//! `GET /api/`, `POST /api/new/`, `POST /api/revoke/{id}/`

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use db::tokens::{DEFAULT_NAME, Token as Row, TokenPair};

use super::form::{Posted, about, about_none};
use super::visitor::Visitor;
use super::{html, html_again, redirect, views};
use crate::access::Action;
use crate::app::App;
use crate::error::Error;
use crate::operations::tokens::{self, TokenRequest};
use crate::templates::accounts::{Token, TokenLine};
use crate::templates::context::{ChrootChoice, Field};

const COMMANDS: &str = "copr-cli whoami\ncopr-cli list-chroots\ncopr-cli create tools --chroot CHROOT\ncopr-cli build tools hello-1.0-1.src.rpm";
const FIELDS: &[&str] = &["name", "projects", "days"];

/// The tokens, and the form for a new one. It cannot show a secret: only hashes are kept.
pub async fn show(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    let page = page(&app, &visitor).await?;
    html(app.templates.render_token(&visitor.frame(), &page))
}

/// The page with an empty form.
async fn page(app: &App, visitor: &Visitor) -> Result<Token, Error> {
    let now = app.now();
    let rows = match visitor.actor.user() {
        Some(_) => tokens::list(app, &visitor.actor).await?,
        None => Vec::new(),
    };
    Ok(Token {
        block: None,
        tokens: rows.iter().map(|row| line(row, now)).collect(),
        error: None,
        name: Field::default(),
        projects: Field::default(),
        actions: choices(&[]),
        days: Field::of(app.config.token_days.to_string()),
        commands: COMMANDS.to_owned(),
    })
}

fn line(row: &Row, now: DateTime<Utc>) -> TokenLine {
    TokenLine {
        id: row.id,
        name: row.name.clone(),
        projects: row
            .scope
            .projects
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        actions: row.scope.actions.iter().flatten().cloned().collect(),
        created: views::moment(row.created_at, now),
        last_used: row.last_used_at.map(|at| views::moment(at, now)),
        expires: row.expires_at.map(|at| at.format("%Y-%m-%d").to_string()),
        expired: row.expires_at.is_some_and(|at| at <= now),
    }
}

fn choices(chosen: &[String]) -> Vec<ChrootChoice> {
    Action::ALL
        .iter()
        .map(|action| ChrootChoice {
            name: action.as_str().to_owned(),
            description: action.about().to_owned(),
            checked: chosen.iter().any(|c| c == action.as_str()),
        })
        .collect()
}

/// Makes a token and shows it, this once.
pub async fn make(app: web::Data<App>, form: Posted) -> Result<HttpResponse, Error> {
    let user = form.visitor.actor.signed_in()?;
    let name = form.text("name");
    let days = if form.ticked("days") {
        form.text("days")
    } else {
        app.config.token_days.to_string()
    };
    let request = TokenRequest {
        // Copr's page makes one token, in place of the one before.
        name: if name.is_empty() {
            DEFAULT_NAME.to_owned()
        } else {
            name.clone()
        },
        projects: form
            .text("projects")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        actions: form.all("actions"),
        days: None,
    };
    let made = match days.parse::<i64>() {
        Ok(days) => {
            let request = TokenRequest {
                days: Some(days),
                ..request.clone()
            };
            if request.name == DEFAULT_NAME {
                tokens::put(&app, &form.visitor.actor, &request).await
            } else {
                tokens::add(&app, &form.visitor.actor, &request)
                    .await
                    .map(|made| made.1)
            }
        }
        Err(_) => Err(Error::Invalid("days: Not a valid integer value".to_owned())),
    };
    match made {
        Ok(pair) => {
            let page = Token {
                block: Some(config_block(user.name.as_str(), &pair, &app.config.url)),
                ..page(&app, &form.visitor).await?
            };
            html(app.templates.render_token(&form.visitor.frame(), &page))
        }
        Err(Error::Invalid(message)) => {
            let field = |field: &str, value: String| Field {
                value,
                error: about(&message, field),
            };
            let page = Token {
                error: about_none(&message, FIELDS),
                name: field("name", name),
                projects: field("projects", form.text("projects")),
                actions: choices(&request.actions),
                days: field("days", days),
                ..page(&app, &form.visitor).await?
            };
            html_again(app.templates.render_token(&form.visitor.frame(), &page))
        }
        Err(error) => Err(error),
    }
}

/// Ends a token.
pub async fn revoke(app: web::Data<App>, form: Posted, id: web::Path<String>) -> Result<HttpResponse, Error> {
    tokens::revoke(&app, &form.visitor.actor, &id).await?;
    Ok(redirect("/api/"))
}

/// What belongs into `~/.config/copr`.
pub fn config_block(user: &str, pair: &TokenPair, url: &str) -> String {
    // copr-cli refuses a plain http address unless told that this is meant.
    let encrypted = if url.starts_with("http:") {
        "encrypted = False\n"
    } else {
        ""
    };
    format!(
        "[copr-cli]\nlogin = {}\nusername = {user}\ntoken = {}\ncopr_url = {url}\n{encrypted}# expiration date: {}\n",
        pair.login,
        pair.token,
        pair.expiration()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_coprs() {
        let pair = TokenPair {
            login: "l".to_owned(),
            token: "t".to_owned(),
            expires_at: chrono::DateTime::from_timestamp(1_800_000_000, 0),
        };
        assert_eq!(
            config_block("alice", &pair, "https://h"),
            "[copr-cli]\nlogin = l\nusername = alice\ntoken = t\ncopr_url = https://h\n# expiration date: 2027-01-15\n"
        );
        assert!(config_block("alice", &pair, "http://h").contains("\nencrypted = False\n"));
    }
}
