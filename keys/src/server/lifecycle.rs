//! What becomes of keys: made, followed by another, extended, revoked. Each act is in the log before it happens.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::intent;
use crate::names::{Algorithm, Fingerprint, KeyId, PublicKey, Revocation};
use crate::server::error::Error;
use crate::server::log::{Act, Event};
use crate::server::openpgp::SecretKey;
use crate::server::signer::Signer;
use crate::wire::{CreateKey, ExtendKeys, RevokeKey, RotateKey};

/// Who asked, for the log of what happens without anybody's name.
const NOBODY: &str = "service";

impl Signer {
    /// Makes a name's first key; with a name that has keys, returns the active one.
    pub(crate) fn create(&self, peer: &str, request: &CreateKey) -> Result<PublicKey, Error> {
        intent::check_user_id(&request.user_id)?;
        let changing = self.store.change(&request.key);
        let active = match changing.all()?.pop() {
            Some(active) => active,
            None => {
                let (public, secret) = self.make(&request.key, &request.user_id, request.algorithm)?;
                let act = Act::Created {
                    user_id: &public.user_id,
                };
                self.note(peer, NOBODY, (&public.key, public.fingerprint), act)?;
                changing.add(1, public, &secret)?
            }
        };
        if active.algorithm != request.algorithm {
            return Err(Error::OtherAlgorithm(request.key.clone()));
        }
        Ok(active)
    }

    /// Makes the key that follows another, once.
    pub(crate) fn rotate(&self, peer: &str, name: &KeyId, request: &RotateKey) -> Result<PublicKey, Error> {
        intent::check_requester(&request.requester)?;
        let changing = self.store.change(name);
        let mut keys = known(name, changing.all()?)?;
        let place = place(name, &keys, request.after)?;
        if place + 1 < keys.len() {
            return Ok(keys.swap_remove(place + 1));
        }
        let before = &keys[place];
        let algorithm = request.algorithm.unwrap_or(before.algorithm);
        let (public, secret) = self.make(name, &before.user_id, algorithm)?;
        let after = request.after;
        let act = Act::Rotated { after };
        self.note(peer, &request.requester, (name, public.fingerprint), act)?;
        changing.add(keys.len() + 1, public, &secret)
    }

    /// Ends a key, once.
    pub(crate) fn revoke(&self, peer: &str, name: &KeyId, request: RevokeKey) -> Result<PublicKey, Error> {
        intent::check_requester(&request.requester)?;
        intent::check_message(&request.message)?;
        let changing = self.store.change(name);
        let mut keys = known(name, changing.all()?)?;
        let place = place(name, &keys, request.fingerprint)?;
        if keys[place].revoked.is_some() {
            return Ok(keys.swap_remove(place));
        }
        let (mut public, secret) = changing.open(place + 1)?;
        let revocation = Revocation {
            at: self.clock.now().timestamp(),
            reason: request.reason,
            message: request.message,
        };
        public.public_key_armored = secret.revoke(&public.public_key_armored, &revocation)?;
        let act = Act::Revoked {
            reason: revocation.reason,
            message: &revocation.message,
        };
        self.note(peer, &request.requester, (name, public.fingerprint), act)?;
        public.revoked = Some(revocation);
        changing.replace(place + 1, public, &secret)
    }

    /// Puts off the end of a name's keys that come near it.
    pub(crate) fn extend(
        &self,
        peer: &str,
        name: &KeyId,
        request: &ExtendKeys,
    ) -> Result<Vec<PublicKey>, Error> {
        intent::check_requester(&request.requester)?;
        let changing = self.store.change(name);
        let keys = known(name, changing.all()?)?;
        let now = self.clock.now();
        let mut extended = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            if key.revoked.is_some() || !self.ends_soon(&key, now) {
                extended.push(key);
                continue;
            }
            let (mut public, secret) = changing.open(place + 1)?;
            public.expires = self.end(now);
            let certificate = secret.certify(&public.user_id, now, public.expires)?;
            public.public_key_armored = certificate.armored;
            let expires = public.expires;
            let act = Act::Extended { expires };
            self.note(peer, &request.requester, (name, public.fingerprint), act)?;
            extended.push(changing.replace(place + 1, public, &secret)?);
        }
        Ok(extended)
    }

    /// All keys of a name, oldest first.
    pub(crate) fn all(&self, name: &KeyId) -> Result<Vec<PublicKey>, Error> {
        known(name, self.store.all(name)?)
    }

    /// The active key of a name.
    pub(crate) fn public(&self, name: &KeyId) -> Result<PublicKey, Error> {
        let active = self.store.all(name)?.pop();
        active.ok_or_else(|| Error::UnknownKey(name.clone()))
    }

    fn make(
        &self,
        name: &KeyId,
        user_id: &str,
        algorithm: Algorithm,
    ) -> Result<(PublicKey, SecretKey), Error> {
        let created = self.clock.now();
        let mut secret = match (algorithm, &self.pool) {
            (Algorithm::Rsa4096, Some(pool)) => pool.take()?,
            (algorithm, _) => SecretKey::generate(algorithm)?,
        };
        secret.set_created(created)?;
        let expires = self.end(created);
        let certificate = secret.certify(user_id, created, expires)?;
        let public = PublicKey {
            key: name.clone(),
            algorithm,
            fingerprint: certificate.fingerprint,
            user_id: user_id.to_owned(),
            created: created.timestamp(),
            public_key_armored: certificate.armored,
            expires,
            revoked: None,
        };
        Ok((public, secret))
    }

    /// When a key ends that is made or extended now.
    fn end(&self, now: DateTime<Utc>) -> Option<i64> {
        self.key_lifetime
            .map(|lifetime| now.timestamp().saturating_add(seconds(lifetime)))
    }

    fn ends_soon(&self, key: &PublicKey, now: DateTime<Utc>) -> bool {
        let early = match self.key_lifetime {
            Some(lifetime) => self.extend_before.min(lifetime / 2),
            None => self.extend_before,
        };
        key.expires
            .is_some_and(|end| end - now.timestamp() < seconds(early))
    }

    fn note(
        &self,
        peer: &str,
        requester: &str,
        key: (&KeyId, Fingerprint),
        act: Act<'_>,
    ) -> Result<(), Error> {
        self.log()
            .append(self.clock.now(), peer, key, &[Event::Act { requester, act }])
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn known(name: &KeyId, keys: Vec<PublicKey>) -> Result<Vec<PublicKey>, Error> {
    if keys.is_empty() {
        return Err(Error::UnknownKey(name.clone()));
    }
    Ok(keys)
}

fn place(name: &KeyId, keys: &[PublicKey], wanted: Fingerprint) -> Result<usize, Error> {
    keys.iter()
        .position(|key| key.fingerprint == wanted)
        .ok_or_else(|| Error::UnknownFingerprint(name.clone(), wanted))
}
