//! RSA keys made ahead of time, so that a new project does not wait for primes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::names::{Algorithm, Secret};
use crate::server::error::Error;
use crate::server::files;
use crate::server::master::{Master, Wrapped};
use crate::server::openpgp::SecretKey;

struct State {
    waiting: Vec<PathBuf>,
    stopped: bool,
}

pub(crate) struct Pool {
    folder: PathBuf,
    target: usize,
    master: Arc<Master>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Pool {
    /// Finds the keys that an earlier run left, and starts the one thread that refills the pool, one key at a time.
    pub(crate) fn open(folder: PathBuf, target: usize, master: Arc<Master>) -> Result<Arc<Self>, Error> {
        let list = Error::io("list the pool of keys");
        let entries: Result<Vec<_>, _> = match fs_err::read_dir(&folder) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(error) => Err(error),
        };
        let mut waiting = entries.map_err(list)?;
        waiting.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        let state = Mutex::new(State {
            waiting,
            stopped: false,
        });
        let pool = Arc::new(Self {
            folder,
            target,
            master,
            state,
            changed: Condvar::new(),
        });
        let filler = Arc::clone(&pool);
        std::thread::Builder::new()
            .name("rsa-pool".to_owned())
            .spawn(move || filler.fill())
            .map_err(Error::io("start the pool's thread"))?;
        Ok(pool)
    }

    pub(crate) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Ends the refilling. A key that is being generated is dropped.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// A key from the pool, or a new one if it is empty. The pooled file is gone before the key is used: a crash may
    /// lose a key, but never give it to two projects.
    pub(crate) fn take(&self) -> Result<SecretKey, Error> {
        loop {
            let Some(path) = self.state().waiting.pop() else {
                return SecretKey::generate(Algorithm::Rsa4096);
            };
            self.changed.notify_all();
            match self.read(&path) {
                Ok(key) => {
                    files::remove_durably(&path).map_err(Error::io("take a key from the pool"))?;
                    return Ok(key);
                }
                Err(error) => tracing::warn!(%error, "a pooled key is unusable: skipped"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self) {
        loop {
            let mut state = self.state();
            while state.waiting.len() >= self.target && !state.stopped {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            if self.state().stopped {
                return;
            }
            if let Err(error) = self.add() {
                tracing::error!(%error, "the pool of RSA keys cannot be filled: keys are made on demand");
                return;
            }
        }
    }

    fn add(&self) -> Result<(), Error> {
        let key = SecretKey::generate(Algorithm::Rsa4096)?;
        let name = Secret::generate().map_err(Error::io("name a pooled key"))?;
        let path = self.folder.join(format!("{}.json", &name.expose()[..32]));
        let wrapped = self.master.wrap(&context(&path), key.to_bytes()?)?;
        let bytes = serde_json::to_vec(&wrapped).map_err(|error| Error::Malformed {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        // Stopped in the meantime: the folder may belong to another process by now.
        let mut state = self.state();
        if !state.stopped {
            files::write_new(&path, &bytes).map_err(Error::io("write a pooled key"))?;
            state.waiting.push(path);
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<SecretKey, Error> {
        let bytes = fs_err::read(path).map_err(Error::io("read a pooled key"))?;
        let wrapped: Wrapped = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        SecretKey::from_bytes(self.master.unwrap("a pooled key", &context(path), &wrapped)?)
    }
}

fn context(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default();
    [b"koper pool 1\0", name.as_encoded_bytes()].concat()
}
