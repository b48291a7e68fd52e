//! API tokens: pairs of a login and a secret, of which a user may have several. Secrets are stored as SHA-256 only.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::ProjectPattern;
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, to_json};
use crate::rights::{self, Rights};
use crate::schema::{api_tokens, users};
use crate::users::{User, hash, new_secret};

/// Name of the token that the page `/api/new/` makes as Copr does, and that there was before tokens had names.
pub const DEFAULT_NAME: &str = "default";

/// What a token is limited to; `None`: no limit of that kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Projects that it may touch, by their address.
    pub projects: Option<Vec<ProjectPattern>>,
    /// What it may do, in the words of the frontend's routes.
    pub actions: Option<Vec<String>>,
}

impl Scope {
    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an action is allowed.
    pub fn allows(&self, action: &str) -> bool {
        self.actions
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|a| a == action))
    }

    /// Whether everything that `other` allows is allowed.
    pub fn covers(&self, other: &Self) -> bool {
        let projects = match (&self.projects, &other.projects) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others.iter().all(|o| own.iter().any(|p| p.covers(o))),
        };
        let actions = match (&self.actions, &other.actions) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others.iter().all(|o| own.contains(o)),
        };
        projects && actions
    }

    fn column(&self) -> DbResult<Option<serde_json::Value>> {
        if self.is_unlimited() {
            return Ok(None);
        }
        to_json("a token's scope", self).map(Some)
    }

    fn read(column: Option<serde_json::Value>) -> DbResult<Self> {
        column.map_or_else(|| Ok(Self::default()), |json| from_json("a token's scope", json))
    }
}

/// A token pair as `copr-cli` stores it; shown once.
#[derive(Clone)]
pub struct TokenPair {
    /// The public half.
    pub login: String,
    /// The secret half.
    pub token: String,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

impl TokenPair {
    /// The day of its end, `YYYY-MM-DD`, or `never`.
    pub fn expiration(&self) -> String {
        self.expires_at
            .map_or("never".to_owned(), |at| at.format("%Y-%m-%d").to_string())
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Number.
    pub id: i64,
    /// What its user calls it; unique among theirs.
    pub name: String,
    /// The public half.
    pub login: String,
    /// Limits.
    pub scope: Scope,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Queryable)]
struct Row(
    i64,
    String,
    String,
    Option<serde_json::Value>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
);

impl Row {
    fn token(self) -> DbResult<Token> {
        Ok(Token {
            id: self.0,
            name: self.1,
            login: self.2,
            scope: Scope::read(self.3)?,
            created_at: self.4,
            expires_at: self.5,
            last_used_at: self.6,
        })
    }
}

type Columns = (
    api_tokens::id,
    api_tokens::name,
    api_tokens::login,
    api_tokens::scope,
    api_tokens::created_at,
    api_tokens::expires_at,
    api_tokens::last_used_at,
);
const COLUMNS: Columns = (
    api_tokens::id,
    api_tokens::name,
    api_tokens::login,
    api_tokens::scope,
    api_tokens::created_at,
    api_tokens::expires_at,
    api_tokens::last_used_at,
);

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Whose it is.
    pub user: User,
    /// What they may beyond their own.
    pub rights: Rights,
    /// Number of the token.
    pub token: i64,
    /// What the token is limited to.
    pub scope: Scope,
    /// When the token ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct AuthRow {
    #[diesel(embed)]
    user: rights::Row,
    #[diesel(sql_type = BigInt)]
    token_id: i64,
    #[diesel(sql_type = Nullable<Jsonb>)]
    scope: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_used_at: Option<DateTime<Utc>>,
}

/// What a token pair stands for, if it is right and has not expired: one query, and a write once a minute.
///
/// # Errors
/// When a query fails.
pub async fn authenticate(
    conn: &mut Connection,
    login: &str,
    token: &str,
    now: DateTime<Utc>,
) -> DbResult<Option<Authenticated>> {
    let rows: Vec<AuthRow> = diesel::sql_query(concat!(
        "SELECT ",
        rights::columns!(),
        ", t.id AS token_id, t.scope, t.expires_at, t.last_used_at FROM api_tokens t JOIN users u ON u.id = t.user_id
         WHERE t.login = $1 AND t.token_sha256 = $2 AND coalesce(t.expires_at > $3, true)"
    ))
    .bind::<Text, _>(login)
    .bind::<Text, _>(hash(token))
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    // Once a minute is enough to show "last used"; a write per request is not.
    if row.last_used_at.is_none_or(|t| now - t > TimeDelta::minutes(1)) {
        diesel::update(api_tokens::table.find(row.token_id))
            .set(api_tokens::last_used_at.eq(now))
            .execute(conn)
            .await?;
    }
    let (user, rights) = row.user.read()?;
    Ok(Some(Authenticated {
        user,
        rights,
        token: row.token_id,
        scope: Scope::read(row.scope)?,
        expires_at: row.expires_at,
    }))
}

/// What a new token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken<'a> {
    /// Unique among the user's.
    pub name: &'a str,
    /// Limits.
    pub scope: &'a Scope,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a token. One of that name that has expired goes.
///
/// # Errors
/// [`DbError::Duplicate`] with `api_tokens_name` when the user has one of that name.
pub async fn add(
    conn: &mut Connection,
    user: &User,
    new: &NewToken<'_>,
    now: DateTime<Utc>,
    rng: &mut (impl rand::RngCore + Send),
) -> DbResult<(Token, TokenPair)> {
    let (login, token) = (new_secret(rng), new_secret(rng));
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::delete(api_tokens::table)
            .filter(api_tokens::user_id.eq(user.id))
            .filter(api_tokens::name.eq(new.name))
            .filter(api_tokens::expires_at.le(now))
            .execute(conn)
            .await?;
        insert(conn, user, new, (&login, &token), now, "token.add").await
    })
    .await
}

/// Makes a token in place of one of the same name, which ends.
///
/// # Errors
/// When a query fails.
pub async fn replace(
    conn: &mut Connection,
    user: &User,
    new: &NewToken<'_>,
    now: DateTime<Utc>,
    rng: &mut (impl rand::RngCore + Send),
) -> DbResult<TokenPair> {
    let (login, token) = (new_secret(rng), new_secret(rng));
    conn.transaction::<_, DbError, _>(async |conn| {
        // Two that replace the same token at once would both find the name free.
        users::table
            .find(user.id)
            .select(users::id)
            .for_no_key_update()
            .first::<i64>(conn)
            .await?;
        diesel::delete(api_tokens::table)
            .filter(api_tokens::user_id.eq(user.id))
            .filter(api_tokens::name.eq(new.name))
            .execute(conn)
            .await?;
        let made = insert(conn, user, new, (&login, &token), now, "token.replace").await?;
        Ok(made.1)
    })
    .await
}

async fn insert(
    conn: &mut Connection,
    user: &User,
    new: &NewToken<'_>,
    (login, token): (&str, &str),
    now: DateTime<Utc>,
    action: &str,
) -> DbResult<(Token, TokenPair)> {
    let row: Row = diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::user_id.eq(user.id),
            api_tokens::login.eq(login),
            api_tokens::token_sha256.eq(hash(token)),
            api_tokens::created_at.eq(now),
            api_tokens::expires_at.eq(new.expires_at),
            api_tokens::name.eq(new.name),
            api_tokens::scope.eq(new.scope.column()?),
        ))
        .returning(COLUMNS)
        .get_result(conn)
        .await?;
    let detail = serde_json::json!({"name": new.name, "scope": new.scope, "expires_at": new.expires_at});
    let object = format!("user:{}", user.name);
    audit::record(conn, now, user.name.as_str(), action, &object, detail).await?;
    let pair = TokenPair {
        login: login.to_owned(),
        token: token.to_owned(),
        expires_at: new.expires_at,
    };
    Ok((row.token()?, pair))
}

/// A user's tokens, by name; expired ones too.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, user: i64) -> DbResult<Vec<Token>> {
    api_tokens::table
        .filter(api_tokens::user_id.eq(user))
        .order(api_tokens::name)
        .select(COLUMNS)
        .load::<Row>(conn)
        .await?
        .into_iter()
        .map(Row::token)
        .collect()
}

/// One token of a user's.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, user: i64, id: i64) -> DbResult<Option<Token>> {
    let row: Option<Row> = api_tokens::table
        .filter(api_tokens::user_id.eq(user))
        .filter(api_tokens::id.eq(id))
        .select(COLUMNS)
        .first(conn)
        .await
        .optional()?;
    row.map(Row::token).transpose()
}

/// Ends a token of a user's at once.
///
/// # Errors
/// When a query fails.
pub async fn revoke(conn: &mut Connection, user: &User, token: &Token, now: DateTime<Utc>) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::delete(api_tokens::table)
            .filter(api_tokens::user_id.eq(user.id))
            .filter(api_tokens::id.eq(token.id))
            .execute(conn)
            .await?;
        let object = format!("user:{}", user.name);
        let detail = serde_json::json!({"name": token.name});
        audit::record(conn, now, user.name.as_str(), "token.revoke", &object, detail).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(projects: Option<&[&str]>, actions: Option<&[&str]>) -> Scope {
        Scope {
            projects: projects.map(|list| list.iter().map(|p| p.parse().unwrap()).collect()),
            actions: actions.map(|list| list.iter().map(|a| (*a).to_owned()).collect()),
        }
    }

    #[test]
    fn a_scope_covers_narrower_ones_only() {
        let all = Scope::default();
        let wide = scope(Some(&["a/*", "b/x"]), Some(&["build", "edit"]));
        let narrow = scope(Some(&["a/y"]), Some(&["build"]));
        assert!(all.covers(&wide) && wide.covers(&narrow) && wide.covers(&wide));
        assert!(!narrow.covers(&wide) && !wide.covers(&all));
        assert!(!wide.covers(&scope(Some(&["a/y"]), None)));
        assert!(!wide.covers(&scope(None, Some(&["build"]))));
        assert!(!wide.covers(&scope(Some(&["b/*"]), Some(&["build"]))));
    }
}
