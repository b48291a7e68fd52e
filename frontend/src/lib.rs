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
pub mod live_log;
pub mod operations;
mod origin;
pub mod pages;
pub mod repo_file;
pub mod results;
mod shield;
pub mod templates;
mod usage;
pub mod webhooks;

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
    let results_url = Url::parse(&config.results_url).map_err(|e| {
        Error::Internal(format!(
            "'{}' is not usable as results_url: {e}",
            config.results_url
        ))
    })?;
    let gateway =
        results::Gateway::new(storage.clone(), results_url).with_database(pool.clone(), clock.clone());
    let templates = templates::Templates::new()?;
    let served = gateway.served();
    let app = App {
        config,
        pool,
        listener,
        storage,
        clock,
        templates,
        refused_hooks: operations::webhooks::Refused::default(),
        stopping,
    };
    let app = web::Data::new(app);
    let (servers, addresses) = listen(&app, &web::Data::new(gateway))?;
    // The gateway asks no database: what it counts is written down beside it.
    let keeper = tokio::spawn(usage::keep(app.into_inner(), served));
    let result = run(servers, stop, || on_ready(addresses), shutdown).await;
    if tokio::time::timeout(Duration::from_secs(GRACE_S), keeper)
        .await
        .is_err()
    {
        tracing::warn!("the last downloads could not be counted in time");
    }
    result
}

/// Binds the three listeners and starts their workers.
fn listen(
    app: &web::Data<App>,
    gateway: &web::Data<results::Gateway>,
) -> Result<([Server; 3], Addresses), Error> {
    let (config, shared) = (&app.config, app.clone());
    let (people, web) = start(
        "people",
        config.listen,
        config.workers,
        move |services: &mut web::ServiceConfig| {
            services.app_data(shared.clone());
            api_3::configure(services);
            webhooks::configure(services);
            pages::configure(services);
        },
    )?;
    let shared = app.clone();
    let (builders, builder) = start(
        "builders",
        config.builder_listen,
        config.workers,
        move |services| {
            services.app_data(shared.clone());
            builder_api::configure(services);
        },
    )?;
    let shared = gateway.clone();
    let (files, results) = start(
        "results",
        config.results_listen,
        config.workers,
        move |services| {
            services.app_data(shared.clone());
            results::configure(services);
        },
    )?;
    Ok((
        [people, builders, files],
        Addresses {
            web,
            builders: builder,
            results,
        },
    ))
}

fn start(
    what: &'static str,
    address: SocketAddr,
    workers: usize,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<(Server, SocketAddr), Error> {
    let failed = |e: std::io::Error| Error::Internal(format!("listening on {address} for {what}: {e}"));
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .configure(configure.clone())
            .wrap(from_fn(shield::shield))
    })
    .workers(workers.max(1))
    .shutdown_timeout(GRACE_S)
    .disable_signals()
    .bind(address)
    .map_err(failed)?;
    let bound = server
        .addrs()
        .first()
        .copied()
        .ok_or_else(|| failed(std::io::Error::other("no address was bound")))?;
    Ok((server.run(), bound))
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
    // A server sees its stop only while it is polled.
    let ended = tokio::time::timeout(Duration::from_secs(GRACE_S + 2), async {
        tokio::join!(futures_util::future::join_all(stops), all).1
    });
    match ended.await {
        Ok(ended) => ended.map_err(failed),
        // The process is about to end anyway; what is still open is cut.
        Err(_) => Ok(()),
    }
}
