//! What a store can do, found out by trying.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::error::{Doing, is_precondition};
use crate::{Storage, StorageError, StorageKey};

/// What the store can do beyond the basics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `If-None-Match: *` refuses to replace an object.
    pub conditional_create: bool,
    /// `If-Match` takes the current `ETag` and refuses another.
    pub conditional_replace: bool,
}

#[derive(Clone, Copy)]
enum Condition<'a> {
    Absent,
    Unchanged(&'a str),
}

impl Storage {
    /// Reaches the store, makes the bucket if it is missing, and tries conditional writes on an object of its own.
    ///
    /// Some stores ignore conditions silently, others refuse even those that hold, so only a trial tells.
    ///
    /// # Errors
    ///
    /// When the store cannot be reached, refuses the credentials, or the bucket is missing and cannot be made.
    pub async fn probe(&self) -> Result<Capabilities, StorageError> {
        self.make_bucket().await?;
        let name = format!("probe-{:032x}", rand::random::<u128>());
        let key = StorageKey::Incoming(
            name.parse()
                .map_err(|error| Doing::new("probing", &name).refused(error))?,
        );
        let found = self.try_conditions(&key).await;
        self.delete(&key).await?;
        found
    }

    /// What the store's clock says, seconds since 1970: the time of a small object that is written for this. `None` where the
    /// store tells no times.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn now(&self) -> Result<Option<i64>, StorageError> {
        let name = format!("clock-{:032x}", rand::random::<u128>());
        let doing = Doing::new("asking for the time", &name);
        let key = StorageKey::Incoming(name.parse().map_err(|error| doing.refused(error))?);
        self.put(&key, Bytes::from_static(b"tick")).await?;
        let head = self.client.head_object().bucket(&self.bucket).key(key.path());
        let found = head.send().await.map_err(|error| doing.sdk(error));
        self.delete(&key).await?;
        Ok(found?.last_modified.map(|time| time.secs()))
    }

    async fn make_bucket(&self) -> Result<(), StorageError> {
        let doing = Doing::new("reaching the bucket", &self.bucket);
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) => match doing.sdk(error) {
                StorageError::NotFound { .. } => {}
                other => return Err(other),
            },
        }
        let doing = Doing::new("making the bucket", &self.bucket);
        match self.client.create_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            // Another process was quicker.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_bucket_already_owned_by_you()) =>
            {
                Ok(())
            }
            Err(error) => Err(doing.sdk(error)),
        }
    }

    async fn try_conditions(&self, key: &StorageKey) -> Result<Capabilities, StorageError> {
        let first = self.put_if(key, Condition::Absent).await?;
        let again = self.put_if(key, Condition::Absent).await?;
        let conditional_create = first && !again;

        let doing = Doing::new("probing", key);
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key.path())
            .send()
            .await;
        let etag = match head.map_err(|error| doing.sdk(error)) {
            Ok(head) => head.e_tag.unwrap_or_default(),
            // A store that refused the first conditional write as well has no object now.
            Err(StorageError::NotFound { .. }) => {
                return Ok(Capabilities {
                    conditional_create,
                    conditional_replace: false,
                });
            }
            Err(error) => return Err(error),
        };
        let stale = self
            .put_if(key, Condition::Unchanged("\"00000000000000000000000000000000\""))
            .await?;
        let matching = self.put_if(key, Condition::Unchanged(&etag)).await?;
        Ok(Capabilities {
            conditional_create,
            conditional_replace: matching && !stale,
        })
    }

    /// Whether the conditional write took place; stores that know no conditions at all count as refusing.
    async fn put_if(&self, key: &StorageKey, condition: Condition<'_>) -> Result<bool, StorageError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.path())
            .body(ByteStream::from(Bytes::from_static(b"probe")));
        let put = match condition {
            Condition::Absent => put.if_none_match("*"),
            Condition::Unchanged(etag) => put.if_match(etag),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_precondition(&error) => Ok(false),
            Err(error)
                if error
                    .raw_response()
                    .is_some_and(|raw| matches!(raw.status().as_u16(), 400 | 404 | 501)) =>
            {
                Ok(false)
            }
            Err(error) => Err(Doing::new("probing", key).sdk(error)),
        }
    }
}
