//! The keys on disk, and the ones unlocked in memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sequoia_openpgp::crypto::KeyPair;
use serde::{Deserialize, Serialize};

use crate::names::{KeyId, PublicKey};
use crate::server::error::Error;
use crate::server::files;
use crate::server::master::{Master, Wrapped};
use crate::server::openpgp::SecretKey;

/// More than the threads that create keys at once.
const STRIPES: usize = 64;

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    public: PublicKey,
    #[serde(flatten)]
    wrapped: Wrapped,
}

/// A key that is ready to sign.
pub(crate) struct Unlocked {
    pub public: PublicKey,
    pub pair: KeyPair,
}

#[derive(Default)]
struct Cache {
    tick: u64,
    keys: HashMap<KeyId, (u64, Arc<Unlocked>)>,
}

pub(crate) struct Store {
    folder: PathBuf,
    master: Arc<Master>,
    capacity: usize,
    cache: Mutex<Cache>,
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
}

impl Store {
    pub(crate) fn new(folder: PathBuf, capacity: usize, master: Arc<Master>) -> Self {
        Self {
            folder,
            master,
            capacity: capacity.max(1),
            cache: Mutex::default(),
            stripes: [const { Mutex::new(()) }; STRIPES],
            hasher: RandomState::new(),
        }
    }

    /// The key's public half, if there is such a key.
    pub(crate) fn public(&self, key: &KeyId) -> Result<Option<PublicKey>, Error> {
        Ok(self.read(key)?.map(|stored| stored.public))
    }

    /// Returns the key, or makes it with `make`; of several at once, one makes it.
    pub(crate) fn get_or_create(
        &self,
        key: &KeyId,
        make: impl FnOnce() -> Result<(PublicKey, SecretKey), Error>,
    ) -> Result<PublicKey, Error> {
        let stripe = self.hasher.hash_one(key) as usize % STRIPES;
        let _making = self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(public) = self.public(key)? {
            return Ok(public);
        }
        let (public, secret) = make()?;
        let wrapped = self.master.wrap(&context(&public), secret.to_bytes()?)?;
        let stored = Stored { public, wrapped };
        let path = self.path(key);
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|error| Error::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        files::write_new(&path, &bytes).map_err(Error::io("write a key"))?;
        Ok(stored.public)
    }

    /// The key, unlocked: from memory, or from disk in place of the one unused for longest.
    pub(crate) fn unlock(&self, key: &KeyId) -> Result<Arc<Unlocked>, Error> {
        {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.tick += 1;
            let tick = cache.tick;
            if let Some((used, unlocked)) = cache.keys.get_mut(key) {
                *used = tick;
                return Ok(Arc::clone(unlocked));
            }
        }
        let stored = self.read(key)?.ok_or_else(|| Error::UnknownKey(key.clone()))?;
        let bytes = self
            .master
            .unwrap(key.as_str(), &context(&stored.public), &stored.wrapped)?;
        let pair = SecretKey::from_bytes(bytes)?.pair()?;
        let unlocked = Arc::new(Unlocked {
            public: stored.public,
            pair,
        });
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.keys.len() >= self.capacity {
            let oldest = cache
                .keys
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                cache.keys.remove(&oldest);
            }
        }
        let tick = cache.tick;
        cache.keys.insert(key.clone(), (tick, Arc::clone(&unlocked)));
        Ok(unlocked)
    }

    fn path(&self, key: &KeyId) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn read(&self, key: &KeyId) -> Result<Option<Stored>, Error> {
        let path = self.path(key);
        let bytes = match fs_err::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read a key"))?,
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        if stored.public.key != *key {
            return Err(Error::Malformed {
                path,
                reason: format!("holds key {}", stored.public.key),
            });
        }
        Ok(Some(stored))
    }
}

/// Binds a wrapped secret to all that the file says about it.
fn context(public: &PublicKey) -> Vec<u8> {
    let PublicKey {
        key,
        algorithm,
        fingerprint,
        user_id,
        created,
        public_key_armored,
    } = public;
    format!("koper key 1\0{key}\0{algorithm}\0{fingerprint}\0{user_id}\0{created}\0{public_key_armored}")
        .into_bytes()
}
