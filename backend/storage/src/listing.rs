//! Listing and deleting.

use std::collections::VecDeque;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::error::Doing;
use crate::{Storage, StorageError, StorageKey, StoragePrefix};

/// Deletions in flight at a time.
const DELETIONS: usize = 16;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    path: String,
    /// Size in bytes.
    pub size: u64,
    /// Last modification, seconds since 1970, if the store says.
    pub modified: Option<i64>,
}

impl Listed {
    /// Its whole key.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of its key.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

struct Pages {
    storage: Storage,
    doing: Doing,
    prefix: String,
    waiting: VecDeque<Listed>,
    /// `None` once the last page was read.
    next: Option<Option<String>>,
}

impl Storage {
    /// The objects below a prefix in the order of their keys, read page by page as the stream is polled.
    pub fn list(
        &self,
        prefix: &StoragePrefix,
    ) -> impl Stream<Item = Result<Listed, StorageError>> + Send + 'static + use<> {
        let pages = Pages {
            storage: self.clone(),
            doing: Doing::new("listing", prefix),
            prefix: prefix.path(),
            waiting: VecDeque::new(),
            next: Some(None),
        };
        stream::try_unfold(pages, |mut pages| async move {
            loop {
                if let Some(listed) = pages.waiting.pop_front() {
                    return Ok(Some((listed, pages)));
                }
                let Some(token) = pages.next.take() else {
                    return Ok(None);
                };
                pages.read(token).await?;
            }
        })
    }

    /// Deletes an object that was listed; a missing one counts as deleted.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn delete_listed(&self, object: &Listed) -> Result<(), StorageError> {
        self.delete_path(&object.path).await
    }

    /// Deletes an object; a missing one counts as deleted.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.delete_path(&key.path()).await
    }

    async fn delete_path(&self, path: &str) -> Result<(), StorageError> {
        match self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(path)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => match Doing::new("deleting", path).sdk(error) {
                StorageError::NotFound { .. } => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Deletes all objects below a prefix and says how many there were. Stopped half-way, it can be called again.
    ///
    /// # Errors
    ///
    /// When the store does not answer or refuses.
    pub async fn delete_prefix(&self, prefix: &StoragePrefix) -> Result<u64, StorageError> {
        self.list(prefix)
            .map(|listed| async move { self.delete_listed(&listed?).await })
            .buffer_unordered(DELETIONS)
            .try_fold(0, |count, ()| async move { Ok(count + 1) })
            .await
    }
}

impl Pages {
    async fn read(&mut self, token: Option<String>) -> Result<(), StorageError> {
        let page = self
            .storage
            .client
            .list_objects_v2()
            .bucket(&self.storage.bucket)
            .prefix(&self.prefix)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| self.doing.sdk(error))?;
        for object in page.contents.unwrap_or_default() {
            let Some(path) = object.key else { continue };
            self.waiting.push_back(Listed {
                path,
                size: object
                    .size
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
                modified: object.last_modified.map(|time| time.secs()),
            });
        }
        if page.is_truncated == Some(true) {
            let token = page.next_continuation_token;
            self.next =
                Some(Some(token.ok_or_else(|| {
                    self.doing.refused("a page without its continuation")
                })?));
        }
        Ok(())
    }
}
