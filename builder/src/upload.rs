//! Artefacts on their way to the store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::FailureKind::Builder;
use protocol::builder_api::{Artifact, UploadRequest};
use tokio_util::io::ReaderStream;

use crate::hub::HubError;
use crate::lease::Lease;
use crate::outcome::{End, fail};
use crate::session::Received;

/// Tries per file; the store's trouble is waited out for about a minute.
const TRIES: usize = 15;

/// Uploads all files by the presigned URLs that the hub gives.
pub async fn all(lease: &Lease, files: &[Received]) -> Result<Vec<Artifact>, End> {
    let request = UploadRequest {
        files: files.iter().map(|file| file.artifact.clone()).collect(),
    };
    let reply = lease
        .call(|| lease.hub().uploads(lease.fence(), &request))
        .await?;
    if reply.urls.len() != files.len() {
        return Err(fail(
            Builder,
            "the hub gave another number of addresses than files",
        ));
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .build()
        .map_err(anyhow::Error::from)?;
    for (file, url) in files.iter().zip(&reply.urls) {
        let tries = AtomicUsize::new(0);
        lease
            .call(|| async {
                let result = put(&client, file, url).await;
                let tries = tries.fetch_add(1, Ordering::Relaxed) + 1;
                match result {
                    Err(HubError::Unavailable { reason, .. }) if tries >= TRIES => Err(HubError::Refused {
                        status: reqwest::StatusCode::BAD_GATEWAY,
                        reason: format!("{} cannot be uploaded: {reason}", file.artifact.name),
                    }),
                    other => other,
                }
            })
            .await?;
    }
    Ok(request.files)
}

async fn put(client: &reqwest::Client, file: &Received, url: &str) -> Result<(), HubError> {
    let unavailable = |reason: String| HubError::Unavailable { reason, after: None };
    let body = fs_err::tokio::File::open(&file.path)
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    let response = client
        .put(url)
        .header("content-length", file.artifact.size)
        .body(reqwest::Body::wrap_stream(ReaderStream::with_capacity(
            body,
            128 << 10,
        )))
        .send()
        .await
        // The error's own text would name the URL, which is a secret.
        .map_err(|error| unavailable(error.without_url().to_string()))?;
    let status = response.status();
    if status.is_success() {
        Ok(())
    } else if status.is_client_error() && status != reqwest::StatusCode::TOO_MANY_REQUESTS {
        Err(HubError::Refused {
            status,
            reason: format!("the store refuses {}", file.artifact.name),
        })
    } else {
        Err(unavailable(format!("the store answered {status}")))
    }
}
