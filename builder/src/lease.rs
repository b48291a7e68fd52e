//! The right to work on a task, and its loss.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::FailureKind;
use protocol::builder_api::{Heartbeat, Phase, Task};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::hub::{Backoff, Fence, Hub, HubError};
use crate::outcome::{End, fail};

/// A claimed task's lease. Heartbeats run while it lives.
pub struct Lease {
    hub: Arc<Hub>,
    fence: Fence,
    length: Duration,
    phase: Mutex<Phase>,
    end: watch::Sender<Option<End>>,
    beating: Mutex<Option<AbortHandle>>,
}

impl Lease {
    /// Starts the heartbeats of a task that was claimed just now. `shutdown` turns true when the builder stops.
    pub fn start(hub: Arc<Hub>, task: &Task, mut shutdown: watch::Receiver<bool>) -> Arc<Self> {
        let lease = Arc::new(Self {
            hub,
            fence: Fence {
                task: task.id,
                attempt: task.attempt,
            },
            length: Duration::from_secs(task.lease_s.max(1)),
            phase: Mutex::new(Phase::Preparing),
            end: watch::Sender::new(None),
            beating: Mutex::new(None),
        });
        let beating = Arc::clone(&lease);
        let handle = tokio::spawn(async move {
            tokio::select! {
                () = beating.beat() => {}
                _ = shutdown.wait_for(|stop| *stop) => beating.finish(End::Shutdown),
            }
        });
        *lock(&lease.beating) = Some(handle.abort_handle());
        lease
    }

    /// Task and attempt.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// The hub that gave it.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Says where the attempt stands, with the next heartbeat.
    pub fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }

    /// Waits until the work has to stop.
    pub async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Dropped),
            Err(_) => End::Dropped,
        }
    }

    /// Stops the heartbeats.
    pub fn stop(&self) {
        if let Some(handle) = lock(&self.beating).take() {
            handle.abort();
        }
    }

    fn finish(&self, end: End) {
        self.end.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(end);
            }
            first
        });
    }

    /// Beats four times per lease. A hub that has been away for the length of the lease has given the task away.
    async fn beat(&self) {
        let mut good_until = Instant::now() + self.length;
        let mut backoff = Backoff::default();
        let mut next = Duration::ZERO;
        loop {
            tokio::time::sleep(next).await;
            let beat = Heartbeat {
                phase: *lock(&self.phase),
            };
            let asked = Instant::now();
            let answer = tokio::time::timeout_at(good_until, self.hub.heartbeat(self.fence, &beat)).await;
            match answer {
                Ok(Ok(reply)) if reply.cancel => return self.finish(End::Canceled),
                Ok(Ok(_)) => {
                    good_until = asked + self.length;
                    backoff = Backoff::default();
                    next = self.length / 4;
                }
                Ok(Err(HubError::Unavailable { reason, after })) => {
                    tracing::warn!(task = %self.fence.task, %reason, "heartbeat failed");
                    backoff.wait(after).await;
                    next = Duration::ZERO;
                }
                Ok(Err(error)) => {
                    tracing::warn!(task = %self.fence.task, %error, "lease lost");
                    return self.finish(End::Dropped);
                }
                Err(_) => {}
            }
            if Instant::now() >= good_until {
                tracing::warn!(task = %self.fence.task, "lease lost: the hub has been away for its length");
                return self.finish(End::Dropped);
            }
        }
    }

    /// Makes a call until the hub answers it, or the work has to stop.
    pub async fn call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, End>
    where
        F: Future<Output = Result<T, HubError>>,
    {
        let mut backoff = Backoff::default();
        let attempt = async {
            loop {
                match call().await {
                    Ok(value) => return Ok(value),
                    Err(HubError::Unavailable { after, .. }) => backoff.wait(after).await,
                    Err(HubError::Gone(reason)) => {
                        tracing::warn!(task = %self.fence.task, %reason, "lease lost");
                        self.finish(End::Dropped);
                        return Err(End::Dropped);
                    }
                    Err(error) => {
                        return Err(fail(FailureKind::Builder, format!("the hub refused: {error}")));
                    }
                }
            }
        };
        tokio::select! {
            done = attempt => done,
            end = self.ended() => Err(end),
        }
    }

    /// As [`Lease::call`], but a wish to stop does not end it: for the last word on a task.
    pub async fn last_call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, HubError>
    where
        F: Future<Output = Result<T, HubError>>,
    {
        let mut backoff = Backoff::default();
        let deadline = Instant::now() + self.length;
        loop {
            match call().await {
                Err(HubError::Unavailable { after, .. }) if Instant::now() < deadline => {
                    backoff.wait(after).await
                }
                result => return result,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
