//! The signer's process: keys on disk, a log, and an HTTP face on loopback.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{App, HttpServer, middleware};

use crate::names::Secret;

pub(crate) mod clock;
pub(crate) mod error;
mod files;
mod http;
mod lifecycle;
pub(crate) mod limit;
pub(crate) mod log;
mod master;
mod openpgp;
mod pool;
mod rsa;
mod signer;
mod store;

use clock::Clock;
use error::Error;
use limit::RateLimit;

/// A token shorter than this can be guessed.
const SHORTEST_TOKEN: usize = 16;
/// How long a stop waits for requests in flight, in seconds.
const STOP_SECONDS: u64 = 5;

/// A year of the 365-day kind: machines that are off for months still meet a key before its end.
const EXTEND_BEFORE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a signer runs.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where master key, keys, pool and log are.
    pub data_dir: PathBuf,
    /// The bearer token that every request must carry, 16 characters or more.
    pub token: Secret,
    /// How many signatures each key may make.
    pub rate_limit: RateLimit,
    /// How many RSA keys to make ahead of time; 0 makes them on demand only.
    pub rsa_pool: usize,
    /// How many keys stay unlocked in memory.
    pub cached_keys: usize,
    /// After which time new keys expire, and by how much the end of those that expire soon is put off; they do not
    /// expire by default.
    pub key_lifetime: Option<Duration>,
    /// How long before its end a key is extended when somebody asks for it; half of the lifetime at most.
    pub extend_before: Duration,
}

impl ServerConfig {
    /// The usual settings: 4 keys ahead, 256 unlocked, no expiry.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>, token: Secret) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            token,
            rate_limit: RateLimit::default(),
            rsa_pool: 4,
            cached_keys: 256,
            key_lifetime: None,
            extend_before: EXTEND_BEFORE,
        }
    }
}

/// Runs a signer until `shutdown` is ready; calls `on_ready` with the bound address once it accepts requests.
pub async fn serve(
    config: ServerConfig,
    clock: impl Clock,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    if !config.listen.ip().is_loopback() {
        return Err(Error::NotLoopback(config.listen));
    }
    if config.token.expose().len() < SHORTEST_TOKEN {
        return Err(Error::WeakToken);
    }
    let listener = TcpListener::bind(config.listen).map_err(Error::io("listen for requests"))?;
    let address = listener.local_addr().map_err(Error::io("listen for requests"))?;
    let token = config.token.clone();
    let (signer, lock) = tokio::task::spawn_blocking(move || signer::Signer::open(&config, Box::new(clock)))
        .await
        .map_err(|_| Error::Worker("open the keys"))??;
    let signer = Arc::new(signer);
    let state = Data::new(http::State::new(Arc::clone(&signer), &token)?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(middleware::from_fn(http::authenticate))
            .configure(http::routes)
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(STOP_SECONDS)
    .listen(listener)
    .map_err(Error::io("listen for requests"))?
    .run();

    let handle = server.handle();
    tokio::pin!(server);
    on_ready(address);
    let outcome = tokio::select! {
        outcome = &mut server => outcome,
        () = shutdown => tokio::join!(handle.stop(true), server).1,
    };
    signer.stop();
    drop(lock);
    outcome.map_err(Error::io("serve requests"))
}
