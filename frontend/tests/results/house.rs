//! An object store, a gateway and a client of one test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, web};
use frontend::results::{Gateway, configure};
use protocol::{ChrootName, DirName, OwnerName, Sha256};
use reqwest::{Method, Response};
use sha2::Digest;
use storage::{
    Config, Encoding, PlanFrame, Pointer, RepomdFile, ResultFile, ResultIndex, Secret, Storage, StorageKey,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub const RESULTS_URL: &str = "https://koper.example.org/results";
pub const BASE: &str = "/results/alice/tools/debian-12-x86_64";

pub struct House {
    pub storage: Storage,
    pub gateway: String,
    client: reqwest::Client,
    pub objects: Objects,
    _dir: TempDir,
}

/// The object store's server, which can be cut off and come back under its address.
pub struct Objects {
    address: SocketAddr,
    data_dir: PathBuf,
    /// A runtime of its own, so that all connections die with it, as with a killed process.
    running: Option<Runtime>,
}

impl Objects {
    async fn new(data_dir: PathBuf) -> Self {
        let mut objects = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            data_dir,
            running: None,
        };
        objects.start().await;
        objects
    }

    pub async fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        // The one before may still hold its address and its directory.
        self.address = loop {
            let (ready, address) = oneshot::channel();
            let config = embedded_s3::Config {
                listen: self.address,
                data_dir: self.data_dir.clone(),
                access_key: "tester".to_owned(),
                secret_key: "very-secret-key".to_owned(),
                buckets: vec!["koper".to_owned()],
            };
            let on_ready = |address| ready.send(address).unwrap();
            let server = runtime.spawn(embedded_s3::serve(config, on_ready, std::future::pending()));
            if let Ok(address) = address.await {
                break address;
            }
            let ended = server.await.unwrap();
            assert!(Instant::now() < deadline, "{ended:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.running = Some(runtime);
    }

    pub fn stop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.stop();
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with_patience(Duration::from_secs(25)).await
    }

    pub async fn with_patience(patience: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::new(dir.path().join("objects")).await;
        let storage = Storage::new(&Config {
            endpoint: format!("http://{}", objects.address),
            access_key: "tester".to_owned(),
            secret_key: Secret::new("very-secret-key"),
            ..Config::default()
        })
        .unwrap();
        let gateway = Gateway::new(storage.clone(), RESULTS_URL.parse().unwrap()).with_patience(patience);
        let gateway = web::Data::new(gateway);
        let server = HttpServer::new(move || App::new().app_data(gateway.clone()).configure(configure))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self {
            storage,
            gateway: format!("http://{address}"),
            client,
            objects,
            _dir: dir,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path, &[]).await
    }

    pub async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.gateway));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// Publishes snapshot `number`, whose `repomd.xml` names one metadata file.
    pub async fn publish(&self, number: i64) {
        let (owner, dir, chroot) = place();
        let file = format!("{}-primary.xml.gz", "a".repeat(64));
        for (kind, text) in [
            (RepomdFile::Xml, format!("<repomd {number}/>")),
            (RepomdFile::Asc, format!("asc {number}")),
        ] {
            let (owner, dir, chroot) = place();
            let key = StorageKey::SnapshotFile {
                owner,
                dir,
                chroot,
                number,
                file: kind,
            };
            self.storage.put(&key, text).await.unwrap();
        }
        let metadata = StorageKey::Metadata {
            owner,
            dir,
            chroot,
            file: file.parse().unwrap(),
        };
        self.storage.put(&metadata, "primary").await.unwrap();
        self.point(number).await;
    }

    /// Stores a metadata file of the test's repository.
    pub async fn metadata(&self, name: &str, object: impl Into<bytes::Bytes>) {
        let (owner, dir, chroot) = place();
        let file = name.parse().unwrap();
        let key = StorageKey::Metadata {
            owner,
            dir,
            chroot,
            file,
        };
        self.storage.put(&key, object).await.unwrap();
    }

    /// Stores a frame.
    pub async fn frame(&self, content: &[u8]) -> PlanFrame {
        let (owner, dir, chroot) = place();
        let frame = PlanFrame {
            digest: sha2::Sha256::digest(content).into(),
            size: u32::try_from(content.len()).unwrap(),
        };
        let key = frame.key((&owner, &dir, &chroot));
        self.storage.put(&key, content.to_vec()).await.unwrap();
        frame
    }

    pub async fn point(&self, number: i64) {
        let (owner, dir, chroot) = place();
        let pointer = Pointer {
            snapshot: number,
            moved_at: "2026-01-02T03:04:05Z".to_owned(),
        };
        self.storage
            .put_json(&StorageKey::latest(&owner, &dir, &chroot), &pointer)
            .await
            .unwrap();
    }

    /// Puts files into a build directory: name, content, encoding.
    pub async fn build(&self, build_dir: &str, complete: bool, files: &[(&str, &[u8], Option<Encoding>)]) {
        let (owner, dir, chroot) = place();
        let build_dir = build_dir.parse().unwrap();
        let key = StorageKey::ResultIndex {
            owner,
            dir,
            chroot,
            build_dir,
        };
        self.index(&key, complete, files).await;
    }

    pub async fn index(&self, key: &StorageKey, complete: bool, files: &[(&str, &[u8], Option<Encoding>)]) {
        let mut index = ResultIndex {
            files: Vec::new(),
            complete,
        };
        for (name, content, encoding) in files {
            let sha256 = sha256(content);
            self.storage
                .put(&StorageKey::Blob(sha256.clone()), content.to_vec())
                .await
                .unwrap();
            index.files.push(ResultFile {
                name: name.parse().unwrap(),
                sha256,
                size: content.len() as u64,
                content_type: "text/html".to_owned(),
                encoding: *encoding,
                modified: 1_700_000_000,
            });
        }
        self.storage.put_json(key, &index).await.unwrap();
    }
}

pub fn place() -> (OwnerName, DirName, ChrootName) {
    (
        "alice".parse().unwrap(),
        "tools".parse().unwrap(),
        "debian-12-x86_64".parse().unwrap(),
    )
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(&sha2::Sha256::digest(bytes).into())
}

pub fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
