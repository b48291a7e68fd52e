//! What all handlers share.

use chrono::{DateTime, Utc};
use db::{Clock, DbError, Listener, Pool};
use storage::Storage;
use tokio::sync::watch;

use crate::config::Config;
use crate::error::Error;
use crate::templates::Templates;

/// What all handlers share, as `web::Data<App>`.
pub struct App {
    /// Settings.
    pub config: Config,
    /// Database connections.
    pub pool: Pool,
    /// Hints about changes.
    pub listener: Listener,
    /// Objects.
    pub storage: Storage,
    /// Now.
    pub clock: Clock,
    /// Pages.
    pub templates: Templates,
    /// Becomes true when the service stops: whoever holds a request open ends it then.
    pub stopping: watch::Receiver<bool>,
}

/// A connection of the pool.
pub type PooledConnection = diesel_pool::Object;

mod diesel_pool {
    use db::Pool;

    /// What [`Pool::get`] gives.
    pub type Object = <Pool as Get>::Object;

    /// Names the pool's type of connection without naming the pool's crate.
    pub trait Get {
        /// The connection.
        type Object;
    }
}

impl App {
    /// Takes a connection of the pool.
    ///
    /// # Errors
    /// When none can be had, which is worth another try.
    pub async fn conn(&self) -> Result<PooledConnection, Error> {
        self.pool.get().await.map_err(|e| Error::from(DbError::from(e)))
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Returns when the service stops.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // A closed channel means that the server is gone.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}
