//! The API's version, tokens, and the list of chroots.

use actix_web::web::{self, Json};
use chrono::TimeDelta;
use rand::SeedableRng as _;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;

pub(super) async fn version() -> Json<Value> {
    Json(json!({"version": 3}))
}

pub(super) async fn auth_check(signed: Signed) -> Json<Value> {
    Json(json!({"id": signed.user.id, "name": signed.user.name}))
}

pub(super) async fn new_token(app: web::Data<App>, signed: Signed) -> Result<Json<Value>, Error> {
    let now = app.now();
    let expires_at = now + TimeDelta::days(app.config.token_days);
    let mut rng = rand::rngs::StdRng::from_os_rng();
    let mut conn = app.conn().await?;
    let pair = db::users::new_token(&mut conn, signed.user.id, now, expires_at, &mut rng).await?;
    Ok(Json(json!({
        "api_login": pair.login,
        "api_token": pair.token,
        "expiration": pair.expires_at.format("%Y-%m-%d").to_string(),
    })))
}

pub(super) async fn mock_chroots(app: web::Data<App>) -> Result<Json<Value>, Error> {
    let mut conn = app.conn().await?;
    let active = db::chroots::list(&mut conn, true).await?;
    let map: Map<String, Value> = active
        .into_iter()
        .map(|c| (c.definition.name.to_string(), c.description.into()))
        .collect();
    Ok(Json(map.into()))
}
