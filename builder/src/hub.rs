//! The client of the builder API.

use std::future::Future;
use std::time::Duration;

use protocol::TaskId;
use protocol::builder_api::{
    ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply, LogOffset, Refusal, RefuseRequest, Task,
    UploadReply, UploadRequest,
};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Serialize;
use url::Url;

use crate::config::Token;
use crate::error::Error;

/// Time for any call but the claim, which adds what it asked the hub to wait.
const CALL: Duration = Duration::from_secs(30);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The lease is not ours.
    #[error("the lease is gone: {0}")]
    Gone(String),
    /// The hub will never say yes to this.
    #[error("{status}: {reason}")]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// Its sentence.
        reason: String,
    },
    /// Not now.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// When to try again, if the hub said so.
        after: Option<Duration>,
    },
}

/// A task and the attempt that fences it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: i32,
}

/// The hub.
pub struct Hub {
    client: reqwest::Client,
    base: Url,
    token: Token,
}

impl Hub {
    /// Makes a client for `base`.
    pub fn new(base: &str, token: Token) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Setting {
            setting: "hub_url",
            reason,
        };
        let base: Url = base
            .parse()
            .map_err(|error| unusable(format!("'{base}': {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(unusable(format!("'{base}' is no http or https URL")));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { client, base, token })
    }

    /// The hub's URL, for messages.
    pub fn url(&self) -> &Url {
        &self.base
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let url = format!("{}/v1/{path}", self.base.as_str().trim_end_matches('/'));
        self.client
            .post(url)
            .bearer_auth(self.token.reveal())
            .timeout(CALL)
    }

    fn fenced(&self, fence: Fence, call: &str) -> RequestBuilder {
        self.post(&format!("tasks/{}/attempts/{}/{call}", fence.task, fence.attempt))
    }

    /// Asks for a task, for as long as the request says.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Option<Task>, HubError> {
        let wait = CALL + Duration::from_secs(request.wait_s);
        let response = send(self.post("claim").timeout(wait).json(request)).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        json(response).await.map(Some)
    }

    /// Hands a task back.
    pub async fn refuse(&self, fence: Fence, reason: &str) -> Result<(), HubError> {
        let body = RefuseRequest {
            reason: reason.to_owned(),
        };
        self.tell(fence, "refuse", &body).await
    }

    /// Extends a lease.
    pub async fn heartbeat(&self, fence: Fence, beat: &Heartbeat) -> Result<HeartbeatReply, HubError> {
        json(send(self.fenced(fence, "heartbeat").json(beat)).await?).await
    }

    /// Appends to the log; the answer is the hub's offset when it is another.
    pub async fn log(
        &self,
        fence: Fence,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<Option<LogOffset>, HubError> {
        let request = self.fenced(fence, "log").query(&[("offset", offset)]).body(bytes);
        let response = request.send().await.map_err(unreachable)?;
        if response.status() == StatusCode::CONFLICT {
            return json(response).await.map(Some);
        }
        judge(response).await.map(|_| None)
    }

    /// Asks where to upload.
    pub async fn uploads(&self, fence: Fence, request: &UploadRequest) -> Result<UploadReply, HubError> {
        json(send(self.fenced(fence, "uploads").json(request)).await?).await
    }

    /// Ends an attempt.
    pub async fn finish(&self, fence: Fence, request: &FinishRequest) -> Result<(), HubError> {
        self.tell(fence, "finish", request).await
    }

    async fn tell(&self, fence: Fence, call: &str, body: &impl Serialize) -> Result<(), HubError> {
        send(self.fenced(fence, call).json(body)).await.map(|_| ())
    }
}

fn unreachable(error: reqwest::Error) -> HubError {
    use std::error::Error as _;
    let cause = std::iter::successors(error.source(), |cause| (*cause).source()).last();
    HubError::Unavailable {
        reason: cause.map_or_else(|| error.to_string(), ToString::to_string),
        after: None,
    }
}

async fn send(request: RequestBuilder) -> Result<Response, HubError> {
    judge(request.send().await.map_err(unreachable)?).await
}

async fn judge(response: Response) -> Result<Response, HubError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(60)));
    let text = response.text().await.unwrap_or_default();
    let reason = serde_json::from_str::<Refusal>(&text).map_or(text, |refusal| refusal.error);
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    Err(match status {
        StatusCode::GONE => HubError::Gone(reason),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            HubError::Unavailable { reason, after }
        }
        _ if status.is_client_error() => HubError::Refused { status, reason },
        _ => HubError::Unavailable {
            reason: format!("{status} {reason}"),
            after,
        },
    })
}

async fn json<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, HubError> {
    response.json().await.map_err(unreachable)
}

/// Waits that grow from 50 ms to 5 s.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Backoff {
    /// Waits for what the hub asked for, or the next step; a longer one each time.
    pub fn wait(&mut self, after: Option<Duration>) -> impl Future<Output = ()> + use<> {
        let wait = after.unwrap_or(self.0);
        self.0 = (self.0 * 2).min(Duration::from_secs(5));
        tokio::time::sleep(wait)
    }
}
