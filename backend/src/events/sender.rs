//! The loop that empties the outbox: one of all backends at a time, in order, at least once.

use std::time::Duration;

use chrono::TimeDelta;
use db::events;
use db::notify::Subscription;
use db::{Connection, Listener, Topic};
use tokio::sync::watch;

use super::bus::Bus;
use super::config::EventsConfig;
use super::message::waves;

/// What the sender is given.
#[derive(Clone)]
pub struct Parts {
    /// Database; one connection of it is kept.
    pub pool: db::Pool,
    /// Hints.
    pub listener: Listener,
    /// Time.
    pub clock: db::Clock,
}

/// Events that are read at once.
const BATCH: i64 = 500;
/// How long to wait before the first try after a failure; doubled with each, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// How often to drop old events.
const PRUNE: Duration = Duration::from_secs(600);

/// Sends events and drops old ones, until `stop` changes.
pub async fn run(config: EventsConfig, parts: Parts, stop: watch::Receiver<bool>) {
    tokio::join!(
        send_all(&config, &parts, stop.clone()),
        prune_all(&config, &parts, stop)
    );
}

/// Waits; true when it is time to stop.
async fn stopped(stop: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    *stop.borrow() || tokio::time::timeout(wait, stop.changed()).await.is_ok()
}

async fn send_all(config: &EventsConfig, parts: &Parts, mut stop: watch::Receiver<bool>) {
    if !config.is_on() {
        return;
    }
    let mut hints = parts.listener.subscribe(Topic::Events);
    let mut wait = SHORTEST;
    loop {
        let mut sent = 0;
        match session(config, parts, &mut hints, &mut stop, &mut sent).await {
            Ok(()) => return,
            Err(error) => {
                if sent > 0 {
                    wait = SHORTEST;
                }
                // The first failure is news, the thousandth is not.
                if wait == SHORTEST {
                    tracing::warn!("events wait in the outbox: {error}");
                } else {
                    tracing::debug!("events wait in the outbox: {error}");
                }
            }
        }
        if stopped(&mut stop, wait).await {
            return;
        }
        wait = (wait * 2).min(LONGEST);
    }
}

/// Sends until it is time to stop, or something fails.
async fn session(
    config: &EventsConfig,
    parts: &Parts,
    hints: &mut Subscription,
    stop: &mut watch::Receiver<bool>,
    sent: &mut usize,
) -> Result<(), String> {
    let poll = Duration::from_secs(u64::from(config.poll_s.max(1)));
    let mut conn = parts.pool.get().await.map_err(|e| e.to_string())?;
    while !events::become_sender(&mut conn)
        .await
        .map_err(|e| e.to_string())?
    {
        if stopped(stop, poll).await {
            return Ok(());
        }
    }
    let result = async {
        let bus = Bus::connect(config).await?;
        let result = empty(&bus, parts, &mut conn, (hints, poll), stop, sent).await;
        bus.close().await;
        result
    }
    .await;
    // A connection that broke holds the lock no longer.
    if let Err(error) = events::resign(&mut conn).await {
        tracing::debug!("letting another backend send failed: {error}");
    }
    result
}

async fn empty(
    bus: &Bus,
    parts: &Parts,
    conn: &mut Connection,
    (hints, poll): (&mut Subscription, Duration),
    stop: &mut watch::Receiver<bool>,
    sent: &mut usize,
) -> Result<(), String> {
    while !*stop.borrow() {
        let batch = events::unsent(conn, BATCH).await.map_err(|e| e.to_string())?;
        if batch.is_empty() {
            tokio::select! { () = hints.wait(poll) => {}, _ = stop.changed() => {} }
            continue;
        }
        for wave in waves(batch) {
            let now = (parts.clock)();
            let (taken, result) = bus.send(&wave, now).await;
            events::mark_sent(conn, &taken, now)
                .await
                .map_err(|e| e.to_string())?;
            *sent += taken.len();
            result?;
        }
    }
    Ok(())
}

async fn prune_all(config: &EventsConfig, parts: &Parts, mut stop: watch::Receiver<bool>) {
    loop {
        match prune(config, parts).await {
            Ok(0) => {}
            Ok(n) => tracing::debug!("{n} old events were dropped"),
            Err(error) => tracing::debug!("dropping old events failed, trying again: {error}"),
        }
        if stopped(&mut stop, PRUNE).await {
            return;
        }
    }
}

async fn prune(config: &EventsConfig, parts: &Parts) -> db::DbResult<usize> {
    let mut conn = parts.pool.get().await?;
    let until = (parts.clock)() - TimeDelta::days(i64::from(config.keep_days));
    let mut dropped = 0;
    loop {
        match events::prune(&mut conn, until, !config.is_on()).await? {
            0 => return Ok(dropped),
            n => dropped += n,
        }
    }
}
