//! The live log on its way to the hub.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::FailureKind;
use tokio::sync::Notify;

use crate::hub::HubError;
use crate::lease::Lease;
use crate::outcome::{End, fail};

/// A chunk leaves when it is this old, or this large.
const AGE: Duration = Duration::from_millis(250);
const READY: usize = 32 << 10;
/// Most bytes of one request.
const CHUNK: usize = 256 << 10;
/// Unsent bytes that are held before the guest has to wait.
const ROOM: usize = 4 << 20;
/// Sent bytes that are kept in case the hub turns out to lack them.
const KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
struct Buffer {
    /// Offset of the first byte in `bytes`.
    base: u64,
    /// Bytes of `bytes` that the hub has.
    sent: usize,
    bytes: Vec<u8>,
    closed: bool,
}

impl Buffer {
    fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent > 2 * KEPT {
            let old = self.sent - KEPT;
            self.bytes.drain(..old);
            self.base += old as u64;
            self.sent -= old;
        }
    }

    /// Goes on where the hub's copy ends, as far as that is still known here.
    fn seek(&mut self, offset: u64) {
        let within = offset.saturating_sub(self.base);
        self.sent = usize::try_from(within)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
    }
}

/// A log with a limit.
#[derive(Debug)]
pub struct Log {
    buffer: Mutex<Buffer>,
    limit: u64,
    grown: Notify,
    shrunk: Notify,
}

impl Log {
    /// An empty log that takes `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            buffer: Mutex::new(Buffer::default()),
            limit,
            grown: Notify::new(),
            shrunk: Notify::new(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Buffer) -> T) -> T {
        work(&mut self.buffer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends; waits while too much is unsent. More than the limit ends the build.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), End> {
        loop {
            let room = self.shrunk.notified();
            if self.with(|buffer| buffer.unsent()) < ROOM {
                break;
            }
            room.await;
        }
        let fits = self.with(|buffer| {
            let room = usize::try_from(self.limit.saturating_sub(buffer.end())).unwrap_or(usize::MAX);
            let taken = bytes.len().min(room);
            buffer
                .bytes
                .extend_from_slice(bytes.get(..taken).unwrap_or_default());
            taken == bytes.len()
        });
        self.grown.notify_one();
        if fits {
            return Ok(());
        }
        let message = format!(
            "the build printed more than {} bytes of log and was stopped",
            self.limit
        );
        Err(fail(FailureKind::LogTooLong, message))
    }

    /// Appends a line of the builder's own, whatever the limit.
    pub fn say(&self, text: &str) {
        self.with(|buffer| {
            if buffer.bytes.last().is_some_and(|last| *last != b'\n') {
                buffer.bytes.push(b'\n');
            }
            buffer
                .bytes
                .extend_from_slice(format!("koper: {text}\n").as_bytes());
        });
        self.grown.notify_one();
    }

    /// All that it holds.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.with(|buffer| String::from_utf8_lossy(&buffer.bytes).into_owned())
    }

    /// No more will come.
    pub fn close(&self) {
        self.with(|buffer| buffer.closed = true);
        self.grown.notify_one();
    }

    fn take(&self) -> (u64, Vec<u8>) {
        self.with(|buffer| {
            let end = buffer.bytes.len().min(buffer.sent + CHUNK);
            let bytes = buffer.bytes.get(buffer.sent..end).unwrap_or_default().to_vec();
            (buffer.base + buffer.sent as u64, bytes)
        })
    }

    async fn ripe(&self) -> bool {
        loop {
            let grown = self.grown.notified();
            let (unsent, closed) = self.with(|buffer| (buffer.unsent(), buffer.closed));
            match (unsent, closed) {
                (0, true) => return false,
                (0, false) => grown.await,
                (READY.., _) | (_, true) => return true,
                _ => {
                    let full = async {
                        while self.with(|buffer| buffer.unsent() < READY && !buffer.closed) {
                            self.grown.notified().await;
                        }
                    };
                    let _ = tokio::time::timeout(AGE, full).await;
                    return true;
                }
            }
        }
    }

    /// Ships until the log is closed and the hub has it all, or the lease is lost. A wish to stop does not end it: the
    /// log of a stopped build is wanted, too.
    pub async fn ship(&self, lease: &Lease) {
        while self.ripe().await {
            let (offset, bytes) = self.take();
            let count = bytes.len();
            let answer = lease
                .last_call(|| lease.hub().log(lease.fence(), offset, bytes.clone()))
                .await;
            match answer {
                Ok(None) => self.with(|buffer| buffer.advance(count)),
                Ok(Some(at)) if at.offset == offset => {
                    tracing::warn!("the hub refuses the log at the offset that it names");
                    self.with(|buffer| buffer.advance(count));
                }
                Ok(Some(at)) => self.with(|buffer| buffer.seek(at.offset)),
                Err(HubError::Gone(_)) => {
                    // The heartbeat will hear the same; here it is sooner.
                    let _ = lease
                        .call::<(), _>(|| async { Err(HubError::Gone("log".to_owned())) })
                        .await;
                    return self.discard();
                }
                Err(error) => {
                    tracing::warn!(%error, "the log cannot be sent");
                    self.with(|buffer| buffer.advance(count));
                }
            }
            self.shrunk.notify_waiters();
        }
    }

    /// Takes everything and keeps nothing, so that nobody waits for room.
    fn discard(&self) {
        self.with(|buffer| {
            let end = buffer.bytes.len();
            buffer.advance(end);
        });
        self.shrunk.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_limit_cuts_and_fails() {
        let log = Log::new(5);
        log.write(b"abc").await.unwrap();
        let end = log.write(b"defg").await.unwrap_err();
        assert!(matches!(
            end,
            End::Failed {
                kind: FailureKind::LogTooLong,
                ..
            }
        ));
        assert_eq!(log.take(), (0, b"abcde".to_vec()));
        log.say("stopped");
        assert_eq!(log.take().1, b"abcde\nkoper: stopped\n");
    }

    #[test]
    fn offsets_survive_the_hubs_corrections() {
        let mut buffer = Buffer {
            bytes: vec![b'x'; 3 * KEPT],
            ..Buffer::default()
        };
        buffer.advance(3 * KEPT);
        assert_eq!((buffer.base, buffer.sent), (2 * KEPT as u64, KEPT));
        buffer.seek(2 * KEPT as u64 + 10);
        assert_eq!((buffer.sent, buffer.unsent()), (10, KEPT - 10));
        buffer.seek(5);
        assert_eq!(buffer.sent, 0);
        buffer.seek(u64::MAX);
        assert_eq!(buffer.unsent(), 0);
    }
}
