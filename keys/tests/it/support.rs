//! A signer to ask, and the tools that judge it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use chrono::{DateTime, Utc};
use keys::{Client, Clock, Intent, KeyId, Secret, ServerConfig, SystemClock, serve};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const TOKEN: &str = "0123456789abcdef-token";
pub const USER_ID: &str = "Koper alice/tools (https://koper.example) <alice#tools@koper.example>";
pub const DATA: &[u8] = b"\x8e\xad\xe8\x01 looks like an rpm header";

pub struct Running {
    pub client: Client,
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), keys::Error>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        let stopped = tokio::time::timeout(Duration::from_secs(20), self.task).await;
        stopped.expect("the signer stops in time").unwrap().unwrap();
    }
}

pub fn config(folder: &Path) -> ServerConfig {
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), folder, Secret::new(TOKEN));
    config.rsa_pool = 0;
    config
}

pub async fn start(config: ServerConfig) -> Running {
    start_at(config, SystemClock).await
}

pub async fn start_at(config: ServerConfig, clock: impl Clock) -> Running {
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        serve(config, clock, |address| ready.send(address).unwrap(), shutdown).await
    });
    let url = format!("http://{}", address.await.expect("the signer starts"));
    Running {
        client: Client::new(&url, Secret::new(TOKEN)).unwrap(),
        url,
        stop,
        task,
    }
}

pub async fn refusal(config: ServerConfig) -> keys::Error {
    serve(
        config,
        SystemClock,
        |_| panic!("it must not start"),
        std::future::pending(),
    )
    .await
    .unwrap_err()
}

pub fn key(name: &str) -> KeyId {
    KeyId::parse(name).unwrap()
}

pub fn intent(data: &[u8]) -> Intent {
    Intent::package(
        "backend",
        "alice/tools",
        "hello-0:1-1.x86_64",
        hex::encode(Sha256::digest(data)),
    )
}

pub fn now() -> DateTime<Utc> {
    SystemClock.now()
}

pub fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
