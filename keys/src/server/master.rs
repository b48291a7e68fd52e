//! The master key, which wraps every other secret with AES-256-GCM.

use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::server::error::Error;
use crate::server::files;

/// A secret under the master key, in hexadecimal digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wrapped {
    pub wrapped_secret: String,
    pub nonce: String,
}

pub(crate) struct Master {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Master {
    /// Reads the master key, or makes it at the first start. `keys` is the folder of wrapped keys: if it holds any, a
    /// missing master key is a loss to report, not a first start.
    pub(crate) fn open(path: &Path, keys: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt;

        let random = SystemRandom::new();
        if !path.try_exists().map_err(Error::io("look for the master key"))? {
            let mut entries = fs_err::read_dir(keys).map_err(Error::io("list the keys"))?;
            if entries.next().is_some() {
                return Err(Error::MasterMissing(path.to_owned()));
            }
            let mut bytes = [0; 32];
            random
                .fill(&mut bytes)
                .map_err(|_| Error::NoRandomness("make the master key"))?;
            let text = format!("{}\n", hex::encode(bytes));
            files::write_new(path, text.as_bytes()).map_err(Error::io("write the master key"))?;
        }
        let file = fs_err::File::open(path).map_err(Error::io("open the master key"))?;
        let mode = file
            .metadata()
            .map_err(Error::io("open the master key"))?
            .permissions()
            .mode()
            & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::MasterExposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = std::io::read_to_string(file).map_err(Error::io("read the master key"))?;
        let malformed = || Error::MasterMalformed(path.to_owned());
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| malformed())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| malformed())?;
        Ok(Self {
            key: LessSafeKey::new(key),
            random,
        })
    }

    /// Wraps a secret, bound to `context`: it opens only in the same one.
    pub(crate) fn wrap(&self, context: &[u8], mut secret: Vec<u8>) -> Result<Wrapped, Error> {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .map_err(|_| Error::NoRandomness("wrap a key"))?;
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut secret,
            )
            .map_err(|_| Error::Unwrap("a new key".to_owned()))?;
        Ok(Wrapped {
            wrapped_secret: hex::encode(secret),
            nonce: hex::encode(nonce),
        })
    }

    /// Opens what [`Self::wrap`] made; `name` is for the error.
    pub(crate) fn unwrap(&self, name: &str, context: &[u8], wrapped: &Wrapped) -> Result<Vec<u8>, Error> {
        let fail = || Error::Unwrap(name.to_owned());
        let mut nonce = [0; NONCE_LEN];
        hex::decode_to_slice(&wrapped.nonce, &mut nonce).map_err(|_| fail())?;
        let mut bytes = hex::decode(&wrapped.wrapped_secret).map_err(|_| fail())?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self
            .key
            .open_in_place(nonce, Aad::from(context), &mut bytes)
            .map_err(|_| fail())?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}
