//! What the signer does, without HTTP. Everything here blocks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::intent;
use crate::names::{Fingerprint, KeyId};
use crate::server::ServerConfig;
use crate::server::clock::Clock;
use crate::server::error::Error;
use crate::server::files;
use crate::server::limit::Limiter;
use crate::server::log::{Event, Log};
use crate::server::master::Master;
use crate::server::openpgp;
use crate::server::pool::Pool;
use crate::server::store::Store;
use crate::wire::{Health, MAX_BATCH, Numbers, SignItem};

pub(crate) struct Signer {
    pub(super) clock: Box<dyn Clock>,
    pub(super) store: Store,
    pub(super) pool: Option<Arc<Pool>>,
    limiter: Limiter,
    log: Mutex<Log>,
    pub(super) key_lifetime: Option<Duration>,
    pub(super) extend_before: Duration,
}

impl Signer {
    /// Opens everything. The file is the lock on the folder: the caller keeps it while the server runs (the server's
    /// threads may drop the signer a moment after it has stopped, too late for a restart at once).
    pub(crate) fn open(config: &ServerConfig, clock: Box<dyn Clock>) -> Result<(Self, fs_err::File), Error> {
        let root = &config.data_dir;
        let (keys, pool, log) = (root.join("keys"), root.join("pool"), root.join("log"));
        for folder in [root, &keys, &pool, &log] {
            files::private_folder(folder).map_err(Error::io("make the signer's folder"))?;
        }
        let lock = fs_err::File::create(root.join("lock")).map_err(Error::io("open the lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::Locked(root.clone())),
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Error::Io {
                    operation: "lock the signer's folder",
                    source,
                });
            }
        }
        let master = Arc::new(Master::open(&root.join("master.key"), &keys)?);
        let log = Mutex::new(Log::open(&log.join("signatures.log"))?);
        let pool = match config.rsa_pool {
            0 => None,
            target => Some(Pool::open(pool, target, Arc::clone(&master))?),
        };
        let signer = Self {
            clock,
            store: Store::new(keys, config.cached_keys, master),
            pool,
            limiter: Limiter::new(config.rate_limit),
            log,
            key_lifetime: config.key_lifetime,
            extend_before: config.extend_before,
        };
        Ok((signer, lock))
    }

    pub(crate) fn stop(&self) {
        if let Some(pool) = &self.pool {
            pool.stop();
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> Health {
        let log = self.log();
        Health {
            pooled_rsa_keys: self.pool.as_ref().map_or(0, |pool| pool.len()),
            log_entries: log.summary().entries,
            log_head: log.summary().head.clone(),
        }
    }

    /// Signs all items or none. They are in the log before the first signature leaves.
    pub(crate) fn sign(
        &self,
        peer: &str,
        (key, fingerprint): (&KeyId, Option<Fingerprint>),
        items: &[SignItem],
    ) -> Result<Vec<Numbers>, Error> {
        if items.is_empty() || items.len() > MAX_BATCH {
            return Err(Error::BatchSize(MAX_BATCH));
        }
        let mut digests = Vec::with_capacity(items.len());
        for item in items {
            item.intent.check()?;
            digests.push(intent::digest("digest_sha256", &item.digest_sha256)?);
        }
        let unlocked = self.store.unlock(key, fingerprint)?;
        self.limiter.take(key, items.len(), self.clock.now())?;
        let signatures = openpgp::sign(&unlocked.pair, &digests)?;
        let events: Vec<Event<'_>> = items
            .iter()
            .map(|item| Event::Signature {
                digest_sha256: &item.digest_sha256,
                intent: &item.intent,
            })
            .collect();
        let signer = (key, unlocked.public.fingerprint);
        self.log().append(self.clock.now(), peer, signer, &events)?;
        Ok(signatures)
    }
}
