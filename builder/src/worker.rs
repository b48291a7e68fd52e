//! The claim loop.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use protocol::builder_api::{ClaimRequest, PROTOCOL};
use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::error::Error;
use crate::hub::{Backoff, Hub, HubError};
use crate::lease::Lease;
use crate::root_image::Images;
use crate::task::{self, Shop};
use crate::{kernel, vm};

/// Seconds that a claim waits at the hub.
const WAIT_S: u64 = 30;

/// Runs a builder until `shutdown` is ready: then running VMs are killed and their tasks are handed back.
///
/// # Errors
/// When a setting is unusable, the machine cannot be prepared, or the hub refuses the token or the protocol.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let hub = Arc::new(Hub::new(&config.hub_url, config.token.clone())?);
    let request = ClaimRequest {
        protocol: PROTOCOL,
        builder: config.builder_name()?,
        arches: vec![config.arch.clone()],
        chroots: config.chroots.clone(),
        memory_mib: config.memory_mib,
        wait_s: WAIT_S,
        checks: true,
    };
    let mut shutdown = std::pin::pin!(shutdown);
    let shop = tokio::select! {
        shop = open(config) => Arc::new(shop?),
        () = &mut shutdown => return Ok(()),
    };
    let stop = watch::Sender::new(false);
    let mut slots = JoinSet::new();
    for _ in 0..shop.config.slots.max(1) {
        slots.spawn(slot(
            Arc::clone(&shop),
            Arc::clone(&hub),
            request.clone(),
            stop.subscribe(),
        ));
    }
    let mut result = Ok(());
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = slots.join_next() => match ended {
                None => return result,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    result = Err(error);
                    stop.send_replace(true);
                }
                Some(Err(error)) => {
                    result = Err(Error::Prepare(anyhow::anyhow!("a slot of the builder broke: {error}")));
                    stop.send_replace(true);
                }
            },
            () = &mut shutdown, if !stopping => {
                stopping = true;
                stop.send_replace(true);
            }
        }
    }
}

/// Makes everything ready that does not depend on a task, so that the first one starts at once.
async fn open(mut config: Config) -> Result<Shop, Error> {
    let relay = config.relay()?;
    fs_err::create_dir_all(&config.data_dir).map_err(|error| Error::Prepare(error.into()))?;
    // QEMU runs in another directory.
    config.data_dir = fs_err::canonicalize(&config.data_dir).map_err(|error| Error::Prepare(error.into()))?;
    sweep(&config.data_dir.join("tasks")).map_err(Error::Prepare)?;
    let kernel = kernel::prepare(&config).await.map_err(Error::Prepare)?;
    let acceleration = vm::probe(&config, &kernel).await.map_err(Error::Prepare)?;
    tracing::info!(?acceleration, "the builder is ready");
    Ok(Shop {
        images: Images::new(config.data_dir.join("roots")),
        kernel,
        acceleration,
        relay,
        config,
    })
}

/// Removes what a builder that was killed left behind; its VMs died with it.
fn sweep(tasks: &Path) -> anyhow::Result<()> {
    if tasks.exists() {
        fs_err::remove_dir_all(tasks).context("remove the files of earlier tasks")?;
    }
    fs_err::create_dir_all(tasks).context("make room for tasks")
}

async fn slot(
    shop: Arc<Shop>,
    hub: Arc<Hub>,
    request: ClaimRequest,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    let mut away = false;
    loop {
        let stopped = stop.clone();
        let claimed = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            claimed = hub.claim(&request) => claimed,
        };
        match claimed {
            Ok(task) => {
                if std::mem::take(&mut away) {
                    tracing::info!(hub = %hub.url(), "the hub is back");
                }
                backoff = Backoff::default();
                if let Some(task) = task {
                    let lease = Lease::start(Arc::clone(&hub), &task, stopped);
                    task::run(&shop, &task, &lease).await;
                    lease.stop();
                }
            }
            Err(HubError::Refused { status, reason })
                if matches!(
                    status,
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::CONFLICT
                ) =>
            {
                return Err(Error::Refused {
                    hub: hub.url().to_string(),
                    reason: format!("{status} {reason}"),
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(hub = %hub.url(), %error, "the hub does not answer; trying on");
                }
                let after = if let HubError::Unavailable { after, .. } = error {
                    after
                } else {
                    None
                };
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    () = backoff.wait(after) => {}
                }
            }
        }
    }
}
