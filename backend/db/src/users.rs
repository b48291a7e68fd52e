//! Users, one-time login links and sessions. Secrets are stored as SHA-256 only.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName};
use diesel_async::RunQueryDsl as _;
use protocol::UserName;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use crate::connect::{Connection, DbResult, parse};
use crate::rights::{self, Rights};
use crate::schema::{login_links, sessions, users};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: UserName,
    /// Whether they administer the service.
    pub is_admin: bool,
}

#[derive(Queryable)]
struct UserRow(i64, String, bool);

impl UserRow {
    fn user(self) -> DbResult<User> {
        Ok(User {
            id: self.0,
            name: parse("user name", &self.1)?,
            is_admin: self.2,
        })
    }
}

const USER: (users::id, users::name, users::is_admin) = (users::id, users::name, users::is_admin);

/// A new secret: 40 characters of `[A-Za-z0-9]`, some 238 bits.
pub fn new_secret(rng: &mut impl rand::RngCore) -> String {
    let alphabet = rand::distr::Alphanumeric;
    (0..40).map(|_| char::from(rng.sample(alphabet))).collect()
}

pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Finds a user, or makes one.
///
/// # Errors
/// When the query fails.
pub async fn ensure(
    conn: &mut Connection,
    name: &UserName,
    is_admin: bool,
    now: DateTime<Utc>,
) -> DbResult<User> {
    diesel::insert_into(users::table)
        .values((
            users::name.eq(name.as_str()),
            users::is_admin.eq(is_admin),
            users::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    users::table
        .filter(users::name.eq(name.as_str()))
        .select(USER)
        .first::<UserRow>(conn)
        .await?
        .user()
}

/// Finds a user by name.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, name: &UserName) -> DbResult<Option<User>> {
    let row = users::table
        .filter(users::name.eq(name.as_str()))
        .select(USER)
        .first::<UserRow>(conn)
        .await
        .optional()?;
    row.map(UserRow::user).transpose()
}

/// Finds users by name.
///
/// # Errors
/// When the query fails.
pub async fn by_names(conn: &mut Connection, names: &[UserName]) -> DbResult<Vec<User>> {
    let names: Vec<&str> = names.iter().map(UserName::as_str).collect();
    users::table
        .filter(users::name.eq_any(names))
        .select(USER)
        .load::<UserRow>(conn)
        .await?
        .into_iter()
        .map(UserRow::user)
        .collect()
}

/// Finds a user by number.
///
/// # Errors
/// When the query fails.
pub async fn by_id(conn: &mut Connection, id: i64) -> DbResult<Option<User>> {
    let row = users::table
        .find(id)
        .select(USER)
        .first::<UserRow>(conn)
        .await
        .optional()?;
    row.map(UserRow::user).transpose()
}

/// Makes a one-time login link's secret.
///
/// # Errors
/// When the query fails.
pub async fn new_login_link(
    conn: &mut Connection,
    user: i64,
    expires_at: DateTime<Utc>,
    rng: &mut (impl rand::RngCore + Send),
) -> DbResult<String> {
    let secret = new_secret(rng);
    diesel::insert_into(login_links::table)
        .values((
            login_links::token_sha256.eq(hash(&secret)),
            login_links::user_id.eq(user),
            login_links::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(secret)
}

/// Uses up a login link; `None` if it is unknown, used or too old.
///
/// # Errors
/// When the query fails.
pub async fn redeem_login_link(
    conn: &mut Connection,
    secret: &str,
    now: DateTime<Utc>,
) -> DbResult<Option<User>> {
    let user: Option<i64> = diesel::update(login_links::table.find(hash(secret)))
        .filter(login_links::used_at.is_null())
        .filter(login_links::expires_at.gt(now))
        .set(login_links::used_at.eq(now))
        .returning(login_links::user_id)
        .get_result(conn)
        .await
        .optional()?;
    match user {
        Some(id) => by_id(conn, id).await,
        None => Ok(None),
    }
}

/// A signed-in browser.
#[derive(Clone)]
pub struct Session {
    /// Who.
    pub user: User,
    /// What they may beyond their own.
    pub rights: Rights,
    /// What every form of this session has to carry.
    pub csrf_token: String,
}

#[derive(QueryableByName)]
struct SessionRow {
    #[diesel(embed)]
    user: rights::Row,
    #[diesel(sql_type = Text)]
    csrf_token: String,
}

/// Opens a session and returns the cookie's secret.
///
/// # Errors
/// When the query fails.
pub async fn new_session(
    conn: &mut Connection,
    user: i64,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    rng: &mut (impl rand::RngCore + Send),
) -> DbResult<String> {
    let (secret, csrf) = (new_secret(rng), new_secret(rng));
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_sha256.eq(hash(&secret)),
            sessions::user_id.eq(user),
            sessions::csrf_token.eq(csrf),
            sessions::created_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(secret)
}

/// The session behind a cookie.
///
/// # Errors
/// When the query fails.
pub async fn session(conn: &mut Connection, secret: &str, now: DateTime<Utc>) -> DbResult<Option<Session>> {
    let rows: Vec<SessionRow> = diesel::sql_query(concat!(
        "SELECT ",
        rights::columns!(),
        ", s.csrf_token FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_sha256 = $1 AND s.expires_at > $2"
    ))
    .bind::<Text, _>(hash(secret))
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let (user, rights) = row.user.read()?;
    Ok(Some(Session {
        user,
        rights,
        csrf_token: row.csrf_token,
    }))
}

/// Ends a session.
///
/// # Errors
/// When the query fails.
pub async fn end_session(conn: &mut Connection, secret: &str) -> DbResult<()> {
    diesel::delete(sessions::table.find(hash(secret)))
        .execute(conn)
        .await?;
    Ok(())
}
