//! The frontend: APIv3 and pages for people and `copr-cli`, the builder API, and the results gateway, each on a
//! listener of its own.

pub mod access;
pub mod api_3;
pub mod app;
pub mod auth;
mod body;
pub mod builder_api;
pub mod config;
pub mod error;
pub mod operations;
pub mod pages;
pub mod results;
mod shield;
pub mod templates;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use tokio::sync::watch;
use url::Url;

pub use app::App;
pub use config::Config;
pub use error::Error;

/// Seconds that requests in progress may go on after the shutdown began.
const GRACE_S: u64 = 5;

/// The bound addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// APIv3 and pages.
    pub web: SocketAddr,
    /// The builder API.
    pub builders: SocketAddr,
    /// Results.
    pub results: SocketAddr,
}

/// Serves all three listeners until `shutdown` completes, then lets requests in progress end (5 seconds at most).
///
/// `on_ready` gets the bound addresses once requests are accepted. The configuration's URLs are used as they are: with
/// port 0 the caller has to know the ports beforehand, or serve the URLs from elsewhere.
///
/// # Errors
/// When the templates do not load, an address is taken, or a listener fails.
pub async fn serve(
    config: Config,
    pool: db::Pool,
    listener: db::Listener,
    storage: storage::Storage,
    clock: db::Clock,
    on_ready: impl FnOnce(Addresses),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (stop, stopping) = watch::channel(false);
    let results_url = Url::parse(&config.results_url)
        .map_err(|e| Error::Internal(format!("'{}' is not usable as results_url: {e}", config.results_url)))?;
    let gateway = web::Data::new(results::Gateway::new(storage.clone(), results_url));
    let templates = templates::Templates::new()?;
    let app = web::Data::new(App { config, pool, listener, storage, clock, templates, stopping });
    let workers = app.config.workers.max(1);

    let bind_error = |what: &str, address: SocketAddr| {
        let what = what.to_owned();
        move |e: std::io::Error| Error::Internal(format!("listening on {address} for {what}: {e}"))
    };
    let shared = app.clone();
    let people = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(shared.clone())
            .configure(api_3::configure)
            .configure(pages::configure)
            .wrap(from_fn(shield::shield))
    })
    .workers(workers)
    .shutdown_timeout(GRACE_S)
    .disable_signals()
    .bind(app.config.listen)
    .map_err(bind_error("people", app.config.listen))?;
    let shared = app.clone();
    let builders = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(shared.clone())
            .configure(builder_api::configure)
            .wrap(from_fn(shield::shield))
    })
    .workers(workers)
    .shutdown_timeout(GRACE_S)
    .disable_signals()
    .bind(app.config.builder_listen)
    .map_err(bind_error("builders", app.config.builder_listen))?;
    let files = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(gateway.clone())
            .configure(results::configure)
            .wrap(from_fn(shield::shield_results))
    })
    .workers(workers)
    .shutdown_timeout(GRACE_S)
    .disable_signals()
    .bind(app.config.results_listen)
    .map_err(bind_error("results", app.config.results_listen))?;

    let first = |addresses: Vec<SocketAddr>| {
        addresses
            .first()
            .copied()
            .ok_or_else(|| Error::Internal("a listener has no address".to_owned()))
    };
    let addresses = Addresses {
        web: first(people.addrs())?,
        builders: first(builders.addrs())?,
        results: first(files.addrs())?,
    };
    run([people.run(), builders.run(), files.run()], stop, || on_ready(addresses), shutdown).await
}

async fn run(
    servers: [Server; 3],
    stop: watch::Sender<bool>,
    on_ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let handles: Vec<ServerHandle> = servers.iter().map(Server::handle).collect();
    let [people, builders, files] = servers;
    let all = async { tokio::try_join!(people, builders, files).map(|_| ()) };
    tokio::pin!(all);
    on_ready();
    let failed = |e: std::io::Error| Error::Internal(format!("a listener failed: {e}"));
    tokio::select! {
        ended = &mut all => return ended.map_err(failed),
        () = shutdown => {}
    }
    // Open long polls and streams see this and end by themselves.
    let _ = stop.send(true);
    let stops: Vec<_> = handles.iter().map(|handle| handle.stop(true)).collect();
    let ended = tokio::time::timeout(Duration::from_secs(GRACE_S + 2), async {
        for stop in stops {
            stop.await;
        }
        all.await
    });
    match ended.await {
        Ok(ended) => ended.map_err(failed),
        // The process is about to end anyway; what is still open is cut.
        Err(_) => Ok(()),
    }
}
