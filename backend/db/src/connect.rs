//! Connections, the pool, migrations and the clock.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::result::{DatabaseErrorKind, Error as Diesel};
use diesel_async::pooled_connection::deadpool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod,
};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

/// A connection.
pub type Connection = AsyncPgConnection;

/// The pool that handlers and jobs take connections from.
pub type Pool = deadpool::Pool<AsyncPgConnection>;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Result of a query.
pub type DbResult<T> = Result<T, DbError>;

/// A query that failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// There is no such row.
    #[error("no such row")]
    NotFound,
    /// A unique constraint stands against it; the text is the constraint's name.
    #[error("the row exists already ({0})")]
    Duplicate(String),
    /// What had this name before is still being removed; trying again a little later helps.
    #[error("an earlier {0} is still being removed; try again in a minute")]
    BeingRemoved(String),
    /// The database cannot be reached or gave up the connection; trying again later may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("the database refused a query: {0}")]
    Query(#[source] Diesel),
    /// A stored value is not what the code expects.
    #[error("stored value of {what} cannot be read: {reason}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<Diesel> for DbError {
    fn from(error: Diesel) -> Self {
        match error {
            Diesel::NotFound => Self::NotFound,
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Duplicate(info.constraint_name().unwrap_or("unknown constraint").to_owned())
            }
            Diesel::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            // The server says so while it starts, stops or recovers.
            Diesel::DatabaseError(_, ref info)
                if info.message().contains("the database system is")
                    || info.message().contains("terminating connection")
                    || info.message().contains("connection closed") =>
            {
                Self::Unavailable(info.message().to_owned())
            }
            Diesel::BrokenTransactionManager => {
                Self::Unavailable("a connection broke in a transaction".to_owned())
            }
            other => Self::Query(other),
        }
    }
}

impl From<PoolError> for DbError {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<deadpool::PoolError> for DbError {
    fn from(error: deadpool::PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl DbError {
    /// Whether trying again later may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
            || match self {
                Self::Query(Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
                // diesel has no kind of its own for it.
                Self::Query(Diesel::DatabaseError(_, info)) => info.message() == "deadlock detected",
                _ => false,
            }
    }
}

/// Where "now" comes from.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's clock.
#[expect(non_snake_case, reason = "reads like the value that it makes")]
pub fn SystemClock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock comes in"
    )]
    Arc::new(Utc::now)
}

/// Makes a pool of at most `size` connections; opens none.
///
/// # Errors
/// When the pool cannot be built.
pub fn pool(database_url: &str, size: usize) -> DbResult<Pool> {
    // A connection that broke is known to be closed and thrown away, so asking each before its use would double the
    // number of round trips for nothing.
    let mut how = ManagerConfig::default();
    how.recycling_method = RecyclingMethod::Fast;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(database_url, how);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(Duration::from_secs(10)))
        .create_timeout(Some(Duration::from_secs(5)))
        .recycle_timeout(Some(Duration::from_secs(5)))
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .map_err(|e| DbError::Unavailable(e.to_string()))
}

/// Applies all migrations that the database lacks, under an advisory lock, so that several processes may start at
/// once.
///
/// # Errors
/// When the database cannot be reached or a migration fails; the text names it.
pub async fn migrate(database_url: &str) -> DbResult<()> {
    use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
    let mut lock = AsyncPgConnection::establish(database_url)
        .await
        .map_err(|e| DbError::Unavailable(e.to_string()))?;
    // "kopermig" as a number; any constant will do that no other advisory lock here uses.
    diesel::sql_query("SELECT pg_advisory_lock(7741254)")
        .execute(&mut lock)
        .await?;
    let conn = AsyncPgConnection::establish(database_url)
        .await
        .map_err(|e| DbError::Unavailable(e.to_string()))?;
    let result = tokio::task::spawn_blocking(move || {
        AsyncMigrationHarness::new(conn)
            .run_pending_migrations(MIGRATIONS)
            .map(|_| ())
            .map_err(|e| e.to_string())
    })
    .await;
    diesel::sql_query("SELECT pg_advisory_unlock(7741254)")
        .execute(&mut lock)
        .await?;
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(DbError::Corrupt {
            what: "the schema",
            reason,
        }),
        Err(join) => Err(DbError::Corrupt {
            what: "the schema",
            reason: join.to_string(),
        }),
    }
}

/// Reads a stored text as a name.
pub(crate) fn parse<T>(what: &'static str, text: &str) -> DbResult<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| DbError::Corrupt {
        what,
        reason: e.to_string(),
    })
}

/// Reads stored JSON as a type.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    value: serde_json::Value,
) -> DbResult<T> {
    serde_json::from_value(value).map_err(|e| DbError::Corrupt {
        what,
        reason: e.to_string(),
    })
}

/// Writes a type as JSON.
pub(crate) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> DbResult<serde_json::Value> {
    serde_json::to_value(value).map_err(|e| DbError::Corrupt {
        what,
        reason: e.to_string(),
    })
}
