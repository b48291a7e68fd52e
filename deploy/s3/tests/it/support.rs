use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use embedded_s3::{Config, serve};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const BUCKET: &str = "test-bucket";
pub const ACCESS: &str = "access";
pub const SECRET: &str = "secret-secret";

pub fn config(data_dir: &Path) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: data_dir.to_path_buf(),
        access_key: ACCESS.to_owned(),
        secret_key: SECRET.to_owned(),
        buckets: vec![BUCKET.to_owned()],
    }
}

pub fn client(address: SocketAddr) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::from_keys(ACCESS, SECRET, None))
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(120))
                .build(),
        )
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// A server in this process, on a directory of its own.
pub struct TestServer {
    pub address: SocketAddr,
    pub client: Client,
    pub dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), embedded_s3::Error>>,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub async fn start_in(dir: tempfile::TempDir) -> Self {
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let config = config(dir.path());
        let task = tokio::spawn(serve(
            config,
            move |address| ready.send(address).unwrap(),
            async move {
                let _ = stopped.await;
            },
        ));
        let address = address.await.expect("the server starts");
        Self {
            address,
            client: client(address),
            dir,
            stop: Some(stop),
            task,
        }
    }

    pub async fn stop(mut self) -> tempfile::TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.dir
    }

    pub async fn put(&self, key: &str, body: &[u8]) {
        self.client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body.to_vec().into())
            .send()
            .await
            .unwrap();
    }

    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        get(&self.client, key).await
    }

    pub async fn presign_get(&self, key: &str) -> String {
        let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
        self.client
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .presigned(hour)
            .await
            .unwrap()
            .uri()
            .to_owned()
    }

    pub async fn presign_put(&self, key: &str) -> String {
        presign_put(&self.client, key).await
    }

    /// Files below the data directory that are neither objects nor bookkeeping.
    pub fn unfinished(&self) -> usize {
        fs_err::read_dir(self.dir.path().join("tmp")).unwrap().count()
    }
}

pub async fn presign_put(client: &Client, key: &str) -> String {
    let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .presigned(hour)
        .await
        .unwrap()
        .uri()
        .to_owned()
}

pub async fn get(client: &Client, key: &str) -> Option<Vec<u8>> {
    match client.get_object().bucket(BUCKET).key(key).send().await {
        Ok(output) => Some(output.body.collect().await.unwrap().to_vec()),
        Err(error) => {
            assert_eq!(code_of(error), "NoSuchKey", "{key}");
            None
        }
    }
}

/// The error code of a refused request.
pub fn code_of(error: impl ProvideErrorMetadata + std::fmt::Debug) -> String {
    error
        .code()
        .unwrap_or_else(|| panic!("no error code: {error:?}"))
        .to_owned()
}

/// Bytes that differ from seed to seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(120))
        .build()
        .unwrap()
}
