//! Users without a login service: one-time links and tokens, made by the administrator on this machine.

use anyhow::Context as _;
use chrono::TimeDelta;
use db::tokens::{DEFAULT_NAME, NewToken, Scope};
use protocol::UserName;

use crate::config::Config;

/// How long a login link may wait for its use.
const LINK_DAYS: i64 = 7;

async fn user(config: &Config, name: &str) -> anyhow::Result<(db::Pool, db::users::User)> {
    let name: UserName = name.parse()?;
    let pool = config.pool()?;
    let mut conn = pool
        .get()
        .await
        .context("reaching the database; does the service run?")?;
    let admin = name.as_str() == config.up.user;
    let user = db::users::ensure(&mut conn, &name, admin, (db::SystemClock())()).await?;
    drop(conn);
    Ok((pool, user))
}

/// A one-time link that signs a user in.
///
/// # Errors
/// When the database cannot be reached or the name is not one.
pub async fn login_link(config: &Config, name: &str) -> anyhow::Result<String> {
    let (pool, user) = user(config, name).await?;
    let mut conn = pool.get().await.context("reaching the database")?;
    let until = (db::SystemClock())() + TimeDelta::days(LINK_DAYS);
    let secret = db::users::new_login_link(&mut conn, user.id, until, &mut rand_chacha()).await?;
    Ok(format!("{}/login/{secret}", config.service.url))
}

/// A new token as the file that `copr-cli` reads.
///
/// # Errors
/// When the database cannot be reached or the name is not one.
pub async fn copr_config(config: &Config, name: &str) -> anyhow::Result<String> {
    let (pool, user) = user(config, name).await?;
    let mut conn = pool.get().await.context("reaching the database")?;
    let now = (db::SystemClock())();
    let new = NewToken {
        name: DEFAULT_NAME,
        scope: &Scope::default(),
        expires_at: Some(now + TimeDelta::days(config.frontend.token_days)),
    };
    let pair = db::tokens::replace(&mut conn, &user, &new, now, &mut rand_chacha()).await?;
    // Over plain http the client refuses to start unless this says that it may.
    let plain = if config.service.url.starts_with("http://") {
        "encrypted = False\n"
    } else {
        ""
    };
    Ok(format!(
        "[copr-cli]\nlogin = {}\nusername = {}\ntoken = {}\ncopr_url = {}\n{plain}# expiration date: {}\n",
        pair.login,
        user.name,
        pair.token,
        config.service.url,
        pair.expiration()
    ))
}

/// A generator that may wait across an await, unlike the thread's.
fn rand_chacha() -> rand::rngs::StdRng {
    use rand::SeedableRng as _;
    rand::rngs::StdRng::from_os_rng()
}
