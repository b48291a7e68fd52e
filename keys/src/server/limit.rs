//! A token bucket per key: a stolen hub cannot sign without bound before somebody looks at the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::names::KeyId;
use crate::server::error::Error;

/// How many signatures each key may make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Signatures at once, from rest.
    pub burst: u32,
    /// Signatures per second, in the long run.
    pub per_second: f64,
}

impl Default for RateLimit {
    /// Enough for a mass rebuild of a distribution in one project.
    fn default() -> Self {
        Self {
            burst: 20_000,
            per_second: 200.0,
        }
    }
}

struct Bucket {
    left: f64,
    at: DateTime<Utc>,
}

pub(crate) struct Limiter {
    limit: RateLimit,
    buckets: Mutex<HashMap<KeyId, Bucket>>,
}

impl Limiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            buckets: Mutex::default(),
        }
    }

    /// Takes `count` signatures from the key's bucket. The key exists, which bounds the map.
    pub(crate) fn take(&self, key: &KeyId, count: usize, now: DateTime<Utc>) -> Result<(), Error> {
        let burst = f64::from(self.limit.burst);
        let count = count as f64;
        if count > burst {
            return Err(Error::BatchSize(self.limit.burst as usize));
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry(key.clone())
            .or_insert(Bucket { left: burst, at: now });
        // A clock set back earns nothing.
        let passed = (now - bucket.at).as_seconds_f64().max(0.0);
        bucket.left = (bucket.left + passed * self.limit.per_second).min(burst);
        bucket.at = now;
        if bucket.left >= count {
            bucket.left -= count;
            return Ok(());
        }
        let wait = ((count - bucket.left) / self.limit.per_second.max(0.001)).ceil();
        Err(Error::Limited {
            key: key.clone(),
            retry_after_s: (wait as u64).max(1),
        })
    }
}
