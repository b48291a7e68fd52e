//! The keys on disk, and the ones unlocked in memory.
//!
//! A name's first key is `<name>.json`, those that followed it `<name>.2.json` and so on; none is ever removed, and the
//! last one is the active one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sequoia_openpgp::crypto::KeyPair;
use serde::{Deserialize, Serialize};

use crate::names::{Fingerprint, KeyId, PublicKey};
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
    keys: HashMap<(KeyId, Fingerprint), (u64, Arc<Unlocked>)>,
}

pub(crate) struct Store {
    folder: PathBuf,
    master: Arc<Master>,
    capacity: usize,
    cache: Mutex<Cache>,
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
}

/// The right to change a name's keys, which one thread has at a time.
pub(crate) struct Changing<'a> {
    store: &'a Store,
    name: &'a KeyId,
    _turn: MutexGuard<'a, ()>,
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

    /// The public halves of a name's keys, oldest first; none if the name is unknown.
    pub(crate) fn all(&self, name: &KeyId) -> Result<Vec<PublicKey>, Error> {
        let mut keys = Vec::new();
        while let Some(stored) = self.read(name, keys.len() + 1)? {
            keys.push(stored.public);
        }
        Ok(keys)
    }

    /// Waits for the turn to change a name's keys.
    pub(crate) fn change<'a>(&'a self, name: &'a KeyId) -> Changing<'a> {
        let stripe = self.hasher.hash_one(name) as usize % STRIPES;
        let turn = self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Changing {
            store: self,
            name,
            _turn: turn,
        }
    }

    /// The key, unlocked: from memory, or from disk in place of the one unused for longest. The active one where no
    /// fingerprint is given.
    pub(crate) fn unlock(&self, name: &KeyId, wanted: Option<Fingerprint>) -> Result<Arc<Unlocked>, Error> {
        let remembered = wanted.and_then(|wanted| self.cached(name, wanted));
        if let Some(unlocked) = remembered {
            return Ok(unlocked);
        }
        // Whoever revokes a key meanwhile has to find it in memory, or it would sign on from there.
        let changing = self.change(name);
        let keys = self.all(name)?;
        if keys.is_empty() {
            return Err(Error::UnknownKey(name.clone()));
        }
        let place = match wanted {
            Some(wanted) => keys.iter().position(|key| key.fingerprint == wanted),
            None => Some(keys.len() - 1),
        };
        let number = match (place, wanted) {
            (Some(place), _) => place + 1,
            (None, Some(wanted)) => return Err(Error::UnknownFingerprint(name.clone(), wanted)),
            (None, None) => return Err(Error::UnknownKey(name.clone())),
        };
        let (public, secret) = changing.open(number)?;
        if public.revoked.is_some() {
            return Err(Error::Revoked(name.clone(), public.fingerprint));
        }
        let pair = secret.pair()?;
        Ok(self.remember(Unlocked { public, pair }))
    }

    fn cached(&self, name: &KeyId, wanted: Fingerprint) -> Option<Arc<Unlocked>> {
        let mut cache = self.cache();
        cache.tick += 1;
        let tick = cache.tick;
        let (used, unlocked) = cache.keys.get_mut(&(name.clone(), wanted))?;
        *used = tick;
        Some(Arc::clone(unlocked))
    }

    fn remember(&self, unlocked: Unlocked) -> Arc<Unlocked> {
        let unlocked = Arc::new(unlocked);
        let mut cache = self.cache();
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
        let place = (unlocked.public.key.clone(), unlocked.public.fingerprint);
        let tick = cache.tick;
        cache.keys.insert(place, (tick, Arc::clone(&unlocked)));
        unlocked
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &KeyId, number: usize) -> PathBuf {
        // A name has no dot.
        self.folder.join(match number {
            1 => format!("{name}.json"),
            number => format!("{name}.{number}.json"),
        })
    }

    fn read(&self, name: &KeyId, number: usize) -> Result<Option<Stored>, Error> {
        let path = self.path(name, number);
        let bytes = match fs_err::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read a key"))?,
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        if stored.public.key != *name {
            return Err(Error::Malformed {
                path,
                reason: format!("holds key {}", stored.public.key),
            });
        }
        Ok(Some(stored))
    }
}

impl Changing<'_> {
    /// The name's keys, oldest first.
    pub(crate) fn all(&self) -> Result<Vec<PublicKey>, Error> {
        self.store.all(self.name)
    }

    /// A key with its secret, by its number from 1.
    pub(crate) fn open(&self, number: usize) -> Result<(PublicKey, SecretKey), Error> {
        let stored = self
            .store
            .read(self.name, number)?
            .ok_or_else(|| Error::UnknownKey(self.name.clone()))?;
        let context = context(&stored.public, number)?;
        let bytes = self
            .store
            .master
            .unwrap(self.name.as_str(), &context, &stored.wrapped)?;
        Ok((stored.public, SecretKey::from_bytes(bytes)?))
    }

    /// Writes a new key under a number that is free.
    pub(crate) fn add(
        &self,
        number: usize,
        public: PublicKey,
        secret: &SecretKey,
    ) -> Result<PublicKey, Error> {
        let (path, bytes) = self.wrap(number, &public, secret)?;
        files::write_new(&path, &bytes).map_err(Error::io("write a key"))?;
        Ok(public)
    }

    /// Writes a key anew with another public half. It has to be unlocked again after that.
    pub(crate) fn replace(
        &self,
        number: usize,
        public: PublicKey,
        secret: &SecretKey,
    ) -> Result<PublicKey, Error> {
        let (path, bytes) = self.wrap(number, &public, secret)?;
        files::replace(&path, &bytes).map_err(Error::io("write a key anew"))?;
        let place = (self.name.clone(), public.fingerprint);
        self.store.cache().keys.remove(&place);
        Ok(public)
    }

    fn wrap(
        &self,
        number: usize,
        public: &PublicKey,
        secret: &SecretKey,
    ) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.store.path(self.name, number);
        let context = context(public, number)?;
        let stored = Stored {
            public: public.clone(),
            wrapped: self.store.master.wrap(&context, secret.to_bytes()?)?,
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|error| Error::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        Ok((path, bytes))
    }
}

/// Binds a wrapped secret to all that the file says about it, and to its place. What the first keys were written with
/// stays as it was.
fn context(public: &PublicKey, number: usize) -> Result<Vec<u8>, Error> {
    let PublicKey {
        key,
        algorithm,
        fingerprint,
        user_id,
        created,
        public_key_armored,
        expires,
        revoked,
    } = public;
    let mut context =
        format!("koper key 1\0{key}\0{algorithm}\0{fingerprint}\0{user_id}\0{created}\0{public_key_armored}");
    if number > 1 || expires.is_some() || revoked.is_some() {
        let more = serde_json::to_string(&(number, expires, revoked)).map_err(|error| Error::Malformed {
            path: PathBuf::from(key.as_str()),
            reason: error.to_string(),
        })?;
        context.push_str(&format!("\0koper key 2\0{more}"));
    }
    Ok(context.into_bytes())
}
