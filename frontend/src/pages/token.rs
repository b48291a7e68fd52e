//! `GET /api/`, `POST /api/new/`

use actix_web::{HttpResponse, web};
use db::tokens::TokenPair;

use super::form::Posted;
use super::html;
use super::visitor::Visitor;
use crate::app::App;
use crate::error::Error;
use crate::operations::tokens;
use crate::templates::context::Token;

const COMMANDS: &str = "copr-cli whoami\ncopr-cli list-chroots\ncopr-cli create tools --chroot CHROOT\ncopr-cli build tools hello-1.0-1.src.rpm";

/// Explains tokens. It cannot show one: only hashes are kept.
pub async fn show(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    let page = Token {
        block: None,
        days: app.config.token_days,
        commands: COMMANDS.to_owned(),
    };
    html(app.templates.render_token(&visitor.frame(), &page))
}

/// Makes a token and shows it, this once.
pub async fn make(app: web::Data<App>, form: Posted) -> Result<HttpResponse, Error> {
    let user = form.visitor.actor.signed_in()?;
    let pair = tokens::make_default(&app, &form.visitor.actor).await?;
    let page = Token {
        block: Some(config_block(user.name.as_str(), &pair, &app.config.url)),
        days: app.config.token_days,
        commands: COMMANDS.to_owned(),
    };
    html(app.templates.render_token(&form.visitor.frame(), &page))
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
