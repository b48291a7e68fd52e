//! Where the object store is, and how to talk to it.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde::Deserialize;

use crate::StorageError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the first byte of an answer; bodies that stall are cut by the client's own guard.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3);

/// Text that `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of the S3 server, without the bucket.
    pub endpoint: String,
    /// Name of the one bucket.
    pub bucket: String,
    /// Region that requests are signed for; most servers other than AWS take any.
    pub region: String,
    /// Access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
    /// Whether the bucket stands in the path (`true`) or in the host name.
    pub path_style: bool,
    /// URL of the same server as builders reach it; `None`: as [`Config::endpoint`].
    pub presign_endpoint: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:9000".to_owned(),
            bucket: "koper".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: String::new(),
            secret_key: Secret::default(),
            path_style: true,
            presign_endpoint: None,
        }
    }
}

impl Config {
    /// A client of the server at `endpoint`.
    pub(crate) fn client(&self, endpoint: &str) -> Result<Client, StorageError> {
        let host = endpoint
            .strip_prefix("http://")
            .or_else(|| endpoint.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['@', '?', '#', ' '])) {
            return Err(StorageError::Config {
                reason: "an endpoint is a URL such as http://127.0.0.1:9000, without user or query"
                    .to_owned(),
            });
        }
        let credentials = Credentials::new(
            &self.access_key,
            self.secret_key.expose(),
            None,
            None,
            "configuration",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        let retry = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_BACKOFF)
            .with_max_backoff(LONGEST_BACKOFF);
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(endpoint)
            .force_path_style(self.path_style)
            .credentials_provider(credentials)
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(retry)
            // Trailing checksums of streamed bodies do not work over plain HTTP, and not every server knows them.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(Client::from_conf(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_secret() {
        let config = Config {
            secret_key: Secret::new("hunter2"),
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        let storage = crate::Storage::new(&config).unwrap();
        assert!(!format!("{storage:?}").contains("hunter2"));
    }

    #[test]
    fn unknown_settings_are_refused() {
        let error = serde_json::from_str::<Config>(r#"{"endpont": "http://x"}"#).unwrap_err();
        assert!(error.to_string().contains("endpont"), "{error}");
        let config: Config = serde_json::from_str(r#"{"bucket": "b", "secret_key": "s"}"#).unwrap();
        assert_eq!((config.bucket.as_str(), config.secret_key.expose()), ("b", "s"));
    }

    #[test]
    fn endpoints_are_plain_urls() {
        for bad in [
            "",
            "127.0.0.1:1",
            "ftp://x",
            "http://",
            "http://a:b@host",
            "http://h?x",
        ] {
            let config = Config {
                endpoint: bad.to_owned(),
                ..Config::default()
            };
            assert!(crate::Storage::new(&config).is_err(), "{bad}");
        }
    }
}
