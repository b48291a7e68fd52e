//! An S3 server inside the process: [`s3s`] speaks the protocol, files below one directory hold the objects.
//!
//! An answered change is durable: its file and its directory have been fsynced. A kill at any instant leaves each key
//! either old or new. A body whose checksum does not match never replaces anything. Of several conditional writes to
//! one key exactly one wins. Keys go up to 1024 arbitrary bytes, and a listing reads only the directories it needs.

mod body;
mod digest;
mod key;
mod listing;
mod locks;
mod multipart;
mod object;
mod pages;
mod reading;
mod service;
mod store;
mod uploading;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;

use crate::key::BucketName;
use crate::service::Service;
use crate::store::Store;

/// How long requests in progress may go on after the shutdown began.
const GRACE: Duration = Duration::from_secs(10);
/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time, from which objects have theirs.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Where and for whom to serve.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Directory of the objects; made if it is missing. One process at a time can use it.
    pub data_dir: PathBuf,
    /// The only access key that is let in (AWS Signature Version 4; any region).
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Buckets that are made at start if they are missing.
    pub buckets: Vec<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the lock file.
    #[error("the object store's directory {} is in use by another process", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The data directory cannot be made, locked or swept.
    #[error("opening the object store's directory {}: {source}", path.display())]
    DataDir {
        /// The data directory.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A bucket of the configuration cannot be made.
    #[error("making the bucket {name:?}: {reason}")]
    Bucket {
        /// The configured name.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("listening on {address} for the object store: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// The thread that opened the data directory panicked.
    #[error("opening the object store was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Serves until `shutdown` completes, then lets requests in progress end (10 seconds at most).
///
/// `on_ready` gets the bound address once requests are accepted.
///
/// # Errors
///
/// When the directory is held by another process or unusable, a bucket name is invalid, or the address is taken.
pub async fn serve(
    config: Config,
    on_ready: impl FnOnce(SocketAddr) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    serve_by(Arc::new(SystemTime::now), config, on_ready, shutdown).await
}

/// The same by another clock than the machine's.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_by(
    clock: Clock,
    config: Config,
    on_ready: impl FnOnce(SocketAddr) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let (data_dir, buckets) = (config.data_dir, config.buckets);
    let store = tokio::task::spawn_blocking(move || open(&data_dir, clock, &buckets)).await??;
    let mut builder = S3ServiceBuilder::new(Service { store });
    builder.set_auth(SimpleAuth::from_single(config.access_key, config.secret_key));
    let service = builder.build();

    let failed = |source| Error::Listen {
        address: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    on_ready(address);
    tracing::debug!(%address, "the object store listens");
    accept(listener, service, shutdown).await;
    Ok(())
}

fn open(data_dir: &std::path::Path, clock: Clock, buckets: &[String]) -> Result<Arc<Store>, Error> {
    let store = Store::open(data_dir, clock)?;
    for name in buckets {
        let failed = |reason: &dyn fmt::Display| Error::Bucket {
            name: name.clone(),
            reason: reason.to_string(),
        };
        let bucket = BucketName::parse(name).map_err(|_| failed(&"not a valid bucket name"))?;
        store.create_bucket(&bucket).map_err(|error| failed(&error))?;
    }
    if let Err(error) = store.sweep_uploads() {
        tracing::warn!(%error, "abandoned uploads stay");
    }
    Ok(Arc::new(store))
}

async fn accept(listener: TcpListener, service: S3Service, shutdown: impl Future<Output = ()> + Send) {
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection to the object store");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let service = service.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| answer(service.clone(), request)),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the object store ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests to the object store were cut off at shutdown");
    }
}

/// Answers one request and logs it; the query stays out of the log because it may hold a signature.
async fn answer(
    service: S3Service,
    request: hyper::Request<Incoming>,
) -> Result<s3s::HttpResponse, Infallible> {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match hyper::service::Service::call(&service, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(?error, %method, path, "the object store could not answer");
            let mut response = s3s::HttpResponse::new(s3s::Body::empty());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    tracing::debug!(%method, path, status = response.status().as_u16(), elapsed = ?started.elapsed(), "object store");
    Ok(response)
}
