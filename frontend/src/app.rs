//! What all handlers share.

use std::ops::DerefMut;

use chrono::{DateTime, Utc};
use db::{Clock, Connection, DbError, Listener, Pool};
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

impl App {
    /// Takes a connection of the pool.
    ///
    /// # Errors
    /// When none can be had, which is worth another try.
    pub async fn conn(&self) -> Result<impl DerefMut<Target = Connection>, Error> {
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
