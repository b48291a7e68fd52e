//! The signer's client: hashes and packets are made here, only numbers come from the signer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::intent::Intent;
use crate::names::{Algorithm, Fingerprint, KeyId, PublicKey, RevocationReason, Secret};
use crate::packet::{self, Unsigned};
use crate::wire::{
    BatchReply, CreateKey, ErrorReply, ExtendKeys, Health, KeyReply, KeysReply, Numbers, RevokeKey,
    RotateKey, SignBatch, SignItem, SignOne,
};

/// A local connection is there at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Covers a batch of 1000 RSA signatures and a key that must be generated while the caller waits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a call to the signer failed, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The signer is away, busy or in trouble: the same call may succeed later.
    #[error("{operation}: {reason}")]
    Retryable {
        /// What was attempted, with its object.
        operation: String,
        /// What went wrong.
        reason: String,
        /// The signer's own advice on when to come back.
        retry_after: Option<Duration>,
    },
    /// The same call will fail again.
    #[error("{operation}: {reason}")]
    Final {
        /// What was attempted, with its object.
        operation: String,
        /// What went wrong.
        reason: String,
        /// The HTTP status, if the signer answered.
        status: Option<u16>,
    },
}

impl ClientError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }

    /// The HTTP status of a final refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Retryable { .. } => None,
            Self::Final { status, .. } => *status,
        }
    }

    /// When the signer asked to be called again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retryable { retry_after, .. } => *retry_after,
            Self::Final { .. } => None,
        }
    }

    fn refused(operation: &str, reason: impl ToString) -> Self {
        Self::Final {
            operation: operation.to_owned(),
            reason: reason.to_string(),
            status: None,
        }
    }
}

/// A connection pool to one signer. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    token: Secret,
    http: reqwest::Client,
}

impl Client {
    /// A client of the signer at `url` (`http://127.0.0.1:PORT`).
    pub fn new(url: &str, token: Secret) -> Result<Self, ClientError> {
        let operation = "set up the signer's client";
        reqwest::Url::parse(url).map_err(|error| ClientError::refused(operation, error))?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // A redirect would carry the token elsewhere, a proxy would see it.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ClientError::refused(operation, error))?;
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            token,
            http,
        })
    }

    /// Makes the key named `key`, or returns the one that already has the name. Fails with status 409 if that
    /// one is of another algorithm.
    pub async fn create_key(
        &self,
        key: &KeyId,
        user_id: &str,
        algorithm: Algorithm,
    ) -> Result<PublicKey, ClientError> {
        let body = CreateKey {
            key: key.clone(),
            user_id: user_id.to_owned(),
            algorithm,
        };
        let operation = format!("create key {key}");
        let reply: KeyReply = self
            .call(&operation, Method::POST, "/v1/keys", Some(&body))
            .await?;
        Ok(reply.public)
    }

    /// The public halves of all keys that a name ever had, oldest first; status 404 if there is none. The last one is the
    /// active one.
    pub async fn keys(&self, key: &KeyId) -> Result<Vec<PublicKey>, ClientError> {
        let operation = format!("list the keys {key}");
        let path = format!("/v1/keys/{key}/all");
        let reply: KeysReply = self.call(&operation, Method::GET, &path, None::<&()>).await?;
        Ok(reply.keys)
    }

    /// The key of this name that follows `after`, which is made if it is not there yet: asked again, the same. Both sign
    /// from now on, until one is revoked. `algorithm` is that of the one before, if `None`. `requester` (1 to 200 bytes)
    /// is for the log. Status 404 if the name has no key `after`.
    pub async fn rotate_key(
        &self,
        key: &KeyId,
        after: Fingerprint,
        algorithm: Option<Algorithm>,
        requester: &str,
    ) -> Result<PublicKey, ClientError> {
        let body = RotateKey {
            after,
            algorithm,
            requester: requester.to_owned(),
        };
        let path = format!("/v1/keys/{key}/rotate");
        let operation = format!("rotate key {key}");
        let reply: KeyReply = self.call(&operation, Method::POST, &path, Some(&body)).await?;
        Ok(reply.public)
    }

    /// Ends one of a name's keys for good: it signs nothing more (status 410), and its certificate says why. A key that
    /// is revoked already stays as it is. `message` has 1 to 400 bytes.
    pub async fn revoke_key(
        &self,
        key: &PublicKey,
        reason: RevocationReason,
        message: &str,
        requester: &str,
    ) -> Result<PublicKey, ClientError> {
        let body = RevokeKey {
            fingerprint: key.fingerprint,
            reason,
            message: message.to_owned(),
            requester: requester.to_owned(),
        };
        let path = format!("/v1/keys/{}/revoke", key.key);
        let operation = format!("revoke key {} ({})", key.key, key.fingerprint);
        let reply: KeyReply = self.call(&operation, Method::POST, &path, Some(&body)).await?;
        Ok(reply.public)
    }

    /// Gives those of a name's keys that expire soon a new self-signature with a later end, and returns all keys as
    /// [`Self::keys`] does.
    pub async fn extend_keys(&self, key: &KeyId, requester: &str) -> Result<Vec<PublicKey>, ClientError> {
        let body = ExtendKeys {
            requester: requester.to_owned(),
        };
        let path = format!("/v1/keys/{key}/extend");
        let operation = format!("extend the keys {key}");
        let reply: KeysReply = self.call(&operation, Method::POST, &path, Some(&body)).await?;
        Ok(reply.keys)
    }

    /// The public half of the active key; status 404 if there is none.
    pub async fn public_key(&self, key: &KeyId) -> Result<PublicKey, ClientError> {
        let operation = format!("look up key {key}");
        let path = format!("/v1/keys/{key}");
        let reply: KeyReply = self.call(&operation, Method::GET, &path, None::<&()>).await?;
        Ok(reply.public)
    }

    /// Signs `data`: a binary OpenPGP v4 signature packet.
    ///
    /// `now` becomes the signature's creation time, but never one before the key's own: a signature older than its
    /// key verifies nowhere.
    pub async fn sign_detached(
        &self,
        key: &PublicKey,
        data: &[u8],
        intent: Intent,
        now: DateTime<Utc>,
    ) -> Result<Vec<u8>, ClientError> {
        self.sign_hashed(key, Sha256::new_with_prefix(data), intent, now)
            .await
    }

    /// Like [`Self::sign_detached`], over the data that `hasher` was fed.
    pub async fn sign_hashed(
        &self,
        key: &PublicKey,
        hasher: Sha256,
        intent: Intent,
        now: DateTime<Utc>,
    ) -> Result<Vec<u8>, ClientError> {
        let operation = format!("sign with key {}", key.key);
        let unsigned = unsigned(&operation, key, hasher, now)?;
        let body = SignOne {
            key: key.key.clone(),
            fingerprint: Some(key.fingerprint),
            digest_sha256: hex::encode(unsigned.digest()),
            intent,
        };
        let numbers: Numbers = self
            .call(&operation, Method::POST, "/v1/sign", Some(&body))
            .await?;
        assemble(&operation, &unsigned, &numbers)
    }

    /// Signs up to 1000 things in one call, all or none, with one write of the log. Answers in the items' order.
    pub async fn sign_batch(
        &self,
        key: &PublicKey,
        items: Vec<(Sha256, Intent)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        let operation = format!("sign {} items with key {}", items.len(), key.key);
        let mut packets = Vec::with_capacity(items.len());
        let mut wire = Vec::with_capacity(items.len());
        for (hasher, intent) in items {
            let unsigned = unsigned(&operation, key, hasher, now)?;
            wire.push(SignItem {
                digest_sha256: hex::encode(unsigned.digest()),
                intent,
            });
            packets.push(unsigned);
        }
        let body = SignBatch {
            key: key.key.clone(),
            fingerprint: Some(key.fingerprint),
            items: wire,
        };
        let reply: BatchReply = self
            .call(&operation, Method::POST, "/v1/sign-batch", Some(&body))
            .await?;
        if reply.signatures.len() != packets.len() {
            return Err(ClientError::refused(
                &operation,
                "the signer sent another count of signatures",
            ));
        }
        packets
            .iter()
            .zip(&reply.signatures)
            .map(|(p, numbers)| assemble(&operation, p, numbers))
            .collect()
    }

    /// ASCII armour around a binary signature, as `repomd.xml.asc` needs it.
    pub fn armor(signature: &[u8]) -> String {
        crate::armor::armor(signature)
    }

    /// The signer's condition.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.call("ask the signer's health", Method::GET, "/v1/health", None::<&()>)
            .await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| ClientError::Retryable {
            operation: operation.to_owned(),
            reason: chain(&error.without_url()),
            retry_after: None,
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let bytes = response.bytes().await.map_err(lost)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| ClientError::refused(operation, format!("unreadable answer: {error}")));
        }
        let reason = match serde_json::from_slice::<ErrorReply>(&bytes) {
            Ok(reply) => reply.error,
            Err(_) => format!("the signer answered {status}"),
        };
        let operation = operation.to_owned();
        Err(
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                ClientError::Retryable {
                    operation,
                    reason,
                    retry_after,
                }
            } else {
                ClientError::Final {
                    operation,
                    reason,
                    status: Some(status.as_u16()),
                }
            },
        )
    }
}

fn unsigned(
    operation: &str,
    key: &PublicKey,
    hasher: Sha256,
    now: DateTime<Utc>,
) -> Result<Unsigned, ClientError> {
    let created = u32::try_from(now.timestamp().max(key.created))
        .map_err(|_| ClientError::refused(operation, "the time does not fit an OpenPGP time stamp"))?;
    Ok(packet::to_sign(hasher, key.algorithm, key.fingerprint, created))
}

fn assemble(operation: &str, unsigned: &Unsigned, numbers: &Numbers) -> Result<Vec<u8>, ClientError> {
    let decode = |mpi: &String| hex::decode(mpi);
    let numbers: Result<Vec<_>, _> = numbers.mpis.iter().map(decode).collect();
    let numbers = numbers.map_err(|error| ClientError::refused(operation, error))?;
    unsigned
        .assemble(&numbers)
        .map_err(|error| ClientError::refused(operation, error))
}

/// An error with its causes: reqwest's own text leaves out why a connection failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
