//! One lock per key that somebody is changing right now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type LockTable = Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>;

/// The locks, by bucket and key.
#[derive(Default)]
pub(crate) struct KeyLocks(LockTable);

impl KeyLocks {
    /// Waits for the key's lock.
    pub(crate) async fn lock(&self, name: String) -> KeyGuard {
        let lock = {
            let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            table.entry(name.clone()).or_default().clone()
        };
        // Made before the wait, so that a request dropped while it waits cleans up as well.
        let mut guard = KeyGuard {
            table: self.0.clone(),
            name,
            held: None,
        };
        guard.held = Some(lock.lock_owned().await);
        guard
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

/// A held lock; the last one to let go of a key removes its entry.
pub(crate) struct KeyGuard {
    table: LockTable,
    name: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table
            .get(&self.name)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            table.remove(&self.name);
        }
    }
}
