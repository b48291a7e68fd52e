//! The result gateway: repositories, packages and logs over HTTP, read from the object store alone.
//!
//! Clients see the store through it, so it outlives the database: it asks nothing else, but for the log of a build that
//! runs, for which snapshot was the latest at some time or has a commit, and whether one that is not there was removed. A pointer is read again for every request, because a client that saw *succeeded* must find its package. While the store does not answer, the
//! gateway does: it holds requests and retries until its patience ends.
//!
//! What is served was written by users. Nothing here redirects, and every answer forbids scripts and sniffing.

mod address;
mod assembled;
mod at;
mod cache;
mod download;
mod error;
mod listing;
mod live;
mod mini;
mod past;
mod ranges;
mod repository;
mod served;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use storage::{Storage, StorageError, StorageKey};
use tokio::time::Instant;
use url::Url;

use crate::results::address::Address;
pub(crate) use crate::results::at::At;
use crate::results::cache::Cache;
use crate::results::error::GatewayError;
pub(crate) use crate::results::past::no_commit;
pub(crate) use crate::results::served::Served;

/// How long a request waits for a store that does not answer; dnf gives up after 30 s without data.
const PATIENCE: Duration = Duration::from_secs(25);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Bytes of immutable objects kept in memory.
const CACHE_SIZE: usize = 64 << 20;
/// Largest pointer, key, index or `repomd.xml` that is believed.
const MAX_SMALL: u64 = 4 << 20;

/// The number of the snapshot that an answer belongs to.
const SNAPSHOT: HeaderName = HeaderName::from_static("x-koper-snapshot");

/// What the handlers share: the store, where it is seen from outside, and the cache. Clones share the cache.
#[derive(Clone)]
pub struct Gateway {
    storage: Storage,
    /// Without a final `/`.
    results_url: Arc<str>,
    cache: Arc<Cache>,
    patience: Duration,
    served: Arc<Served>,
    /// Where the logs of running builds are, and which snapshot was the latest at what time.
    database: Option<(db::Pool, db::Clock)>,
}

impl Gateway {
    /// A gateway over `storage`; `results_url` is the outer address of its `/results`, which mirror lists name.
    pub fn new(storage: Storage, results_url: Url) -> Self {
        Self {
            storage,
            results_url: results_url.as_str().trim_end_matches('/').into(),
            cache: Arc::new(Cache::new(CACHE_SIZE)),
            patience: PATIENCE,
            served: Arc::default(),
            database: None,
        }
    }

    /// Serves what is in the database as well: the logs of running builds, and snapshots by time.
    #[must_use]
    pub fn with_database(mut self, pool: db::Pool, clock: db::Clock) -> Self {
        self.database = Some((pool, clock));
        self
    }

    /// Counts what is downloaded.
    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.clone()
    }

    /// Sets how long a request waits for a store that does not answer before it fails with 503; 25 s unless set.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Repeats a read until it is answered or the patience ends.
    async fn patiently<T, F>(&self, read: impl Fn() -> F) -> Result<T, GatewayError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match tokio::time::timeout_at(deadline, read()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if error.is_retryable() => {
                    if Instant::now() + pause >= deadline {
                        tracing::warn!(%error, "the object store did not answer in time");
                        return Err(GatewayError::Unavailable);
                    }
                    tracing::debug!(%error, "the object store does not answer, trying again");
                }
                Ok(Err(error)) => return Err(GatewayError::Store(error)),
                Err(_) => {
                    tracing::warn!(patience = ?self.patience, "the object store did not answer in time");
                    return Err(GatewayError::Unavailable);
                }
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn small(&self, key: &StorageKey) -> Result<Bytes, GatewayError> {
        let bytes = self.patiently(|| self.storage.get(key, MAX_SMALL)).await?;
        bytes.ok_or(GatewayError::NotFound)
    }

    async fn json<T: DeserializeOwned>(&self, key: &StorageKey) -> Result<Option<T>, GatewayError> {
        self.patiently(|| self.storage.get_json(key, MAX_SMALL)).await
    }
}

/// Adds `/results/…` and `/distro/…`; the application's data must hold a `web::Data<Gateway>`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/results/{path:.*}", web::route().to(serve))
        .route("/distro/{path:.*}", web::route().to(serve));
}

async fn serve(request: HttpRequest, gateway: web::Data<Gateway>) -> HttpResponse {
    let mut response = if matches!(*request.method(), Method::GET | Method::HEAD) {
        answer(&request, &gateway)
            .await
            .unwrap_or_else(|error| error.respond(request.path()))
    } else {
        HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, "GET, HEAD"))
            .finish()
    };
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("sandbox"),
    );
    response
}

async fn answer(request: &HttpRequest, gateway: &Gateway) -> Result<HttpResponse, GatewayError> {
    // The raw path: names are decoded one by one, after they were split.
    let address = Address::parse(request.uri().path()).ok_or(GatewayError::NotFound)?;
    let project = address.project();
    let response = find(request, gateway, address).await?;
    Ok(match (project, request.method()) {
        (Some(project), &Method::GET) => Served::count(&gateway.served, project, response),
        _ => response,
    })
}

async fn find(
    request: &HttpRequest,
    gateway: &Gateway,
    address: Address,
) -> Result<HttpResponse, GatewayError> {
    match address {
        Address::PublicKey { owner, dir } => gateway.public_key(request, owner, dir).await,
        Address::SourceBuilds { owner, dir, base } => gateway.source_builds(owner, dir, &base).await,
        Address::SourceBuild {
            owner,
            dir,
            build,
            file,
        } => {
            let key = StorageKey::SourceIndex { owner, dir, build };
            gateway.results(request, &key, file).await
        }
        Address::Repository { place, at, item } => gateway.repository(request, place, at, item).await,
        Address::Distro { chroot, path } => gateway.distro(request, chroot, path).await,
    }
}
