//! What all handlers share.

use std::ops::DerefMut;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Clock, Connection, DbError, Listener, Pool};
use storage::Storage;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::operations::webhooks::Refused;
use crate::templates::Templates;

/// How long a request waits for the database; clients give up after 30 s and more.
const PATIENCE: Duration = Duration::from_secs(25);

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
    /// Deliveries that came with a wrong secret.
    pub refused_hooks: Refused,
    /// Becomes true when the service stops: whoever holds a request open ends it then.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// Takes a connection of the pool; while the database is away, waits for it, so that a restart of PostgreSQL is a
    /// pause for clients and not an error.
    ///
    /// # Errors
    /// When none can be had for [`PATIENCE`], or the service stops; both are worth another try.
    pub async fn conn(&self) -> Result<impl DerefMut<Target = Connection>, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.pool.get().await {
                Ok(conn) => return Ok(conn),
                Err(error) if Instant::now() > deadline || *self.stopping.borrow() => {
                    return Err(Error::from(DbError::from(error)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
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
