//! `GET /login/`, `GET /login/{secret}`, `POST /logout`

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{ContentType, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use db::users;

use super::form::Posted;
use super::visitor::Visitor;
use super::{html, redirect};
use crate::app::App;
use crate::auth::SESSION_COOKIE;
use crate::error::Error;
use crate::templates::context::SignIn;

/// Days that a session lasts.
const SESSION_DAYS: i64 = 14;

/// Says how to sign in.
pub async fn how(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    let page = SignIn {
        expired: false,
        days: SESSION_DAYS,
    };
    html(app.templates.render_sign_in(&visitor.frame(), &page))
}

/// Uses up a one-time link and opens a session.
pub async fn redeem(
    app: web::Data<App>,
    visitor: Visitor,
    secret: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = app.now();
    let mut conn = app.conn().await?;
    let Some(user) = users::redeem_login_link(&mut conn, &secret, now).await? else {
        let page = SignIn {
            expired: true,
            days: SESSION_DAYS,
        };
        let body = app.templates.render_sign_in(&visitor.frame(), &page)?;
        return Ok(HttpResponse::Forbidden()
            .content_type(ContentType::html())
            .body(body));
    };
    let lasts = TimeDelta::days(SESSION_DAYS);
    let cookie = users::new_session(&mut conn, user.id, now, now + lasts, &mut rand_core()).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/"))
        // The link is used up, but it need not show in anybody's log either.
        .insert_header(("referrer-policy", "no-referrer"))
        .cookie(session_cookie(&app, cookie, time::Duration::days(SESSION_DAYS)))
        .finish())
}

/// A generator that may wait across an await, unlike the thread's own.
fn rand_core() -> rand::rngs::StdRng {
    rand::SeedableRng::from_rng(&mut rand::rng())
}

/// Ends the session.
pub async fn logout(app: web::Data<App>, req: HttpRequest, _form: Posted) -> Result<HttpResponse, Error> {
    if let Some(cookie) = req.cookie(SESSION_COOKIE) {
        users::end_session(&mut *app.conn().await?, cookie.value()).await?;
    }
    let mut response = redirect("/");
    let gone = session_cookie(&app, String::new(), time::Duration::ZERO);
    response
        .add_cookie(&gone)
        .map_err(|e| Error::Internal(format!("removing a cookie: {e}")))?;
    Ok(response)
}

fn session_cookie(app: &App, value: String, lasts: time::Duration) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.config.url.starts_with("https:"))
        .max_age(lasts)
        .finish()
}
