//! An embedded S3 server of one test.

use std::net::SocketAddr;

use futures_util::StreamExt;
use storage::{Config, Secret, Storage, StorageKey, StoragePrefix};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct Server {
    pub storage: Storage,
    pub address: SocketAddr,
    pub dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

pub fn config(address: SocketAddr) -> Config {
    Config {
        endpoint: format!("http://{address}"),
        bucket: "koper".to_owned(),
        access_key: "tester".to_owned(),
        secret_key: Secret::new("very-secret-key"),
        ..Config::default()
    }
}

impl Server {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = embedded_s3::Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: dir.path().join("objects"),
            access_key: "tester".to_owned(),
            secret_key: "very-secret-key".to_owned(),
            buckets: Vec::new(),
        };
        let running = tokio::spawn(async move {
            let on_ready = |address| ready.send(address).unwrap();
            let stopped = async { drop(stopped.await) };
            embedded_s3::serve(server, on_ready, stopped).await.unwrap();
        });
        let address = address.await.unwrap();
        let storage = Storage::new(&config(address)).unwrap();
        storage.probe().await.unwrap();
        Self {
            storage,
            address,
            dir,
            stop: Some(stop),
            running: Some(running),
        }
    }

    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }
}

pub fn incoming(name: &str) -> StorageKey {
    StorageKey::Incoming(name.parse().unwrap())
}

pub async fn names(storage: &Storage, prefix: &StoragePrefix) -> Vec<String> {
    storage
        .list(prefix)
        .map(|listed| listed.unwrap().path().to_owned())
        .collect()
        .await
}
