//! URLs that let others read or write one object for a while.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use protocol::FileName;

use crate::error::Doing;
use crate::{Storage, StorageError, StorageKey};

impl Storage {
    /// A URL that reads the object until `expires` has passed, at most 7 days; whoever saves it gets `file_name`.
    ///
    /// The URL is a credential: it belongs in no log.
    ///
    /// # Errors
    ///
    /// When `expires` is longer than the protocol allows.
    pub async fn presign_get(
        &self,
        key: &StorageKey,
        expires: Duration,
        file_name: Option<&FileName>,
    ) -> Result<String, StorageError> {
        let doing = Doing::new("presigning a download of", key);
        let presigning = PresigningConfig::expires_in(expires).map_err(|error| doing.refused(error))?;
        let get = self
            .presigner
            .get_object()
            .bucket(&self.bucket)
            .key(key.path())
            .set_response_content_disposition(
                file_name.map(|name| format!("attachment; filename=\"{name}\"")),
            );
        let request = get
            .presigned(presigning)
            .await
            .map_err(|error| doing.sdk(error))?;
        Ok(request.uri().to_owned())
    }

    /// A URL that writes exactly `size` bytes to the object until `expires` has passed, at most 7 days.
    ///
    /// The `Content-Length` is part of the signature. The URL is a credential: it belongs in no log.
    ///
    /// # Errors
    ///
    /// When `size` or `expires` is larger than the protocol allows.
    pub async fn presign_put(
        &self,
        key: &StorageKey,
        size: u64,
        expires: Duration,
    ) -> Result<String, StorageError> {
        let doing = Doing::new("presigning an upload of", key);
        let presigning = PresigningConfig::expires_in(expires).map_err(|error| doing.refused(error))?;
        let length = i64::try_from(size).map_err(|error| doing.refused(error))?;
        let put = self
            .presigner
            .put_object()
            .bucket(&self.bucket)
            .key(key.path())
            .content_length(length);
        let request = put
            .presigned(presigning)
            .await
            .map_err(|error| doing.sdk(error))?;
        Ok(request.uri().to_owned())
    }
}
