//! A whole frontend of one test. The backend is absent: a small task marks projects ready, and jobs about snapshots done.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::chroots::Chroot;
use db::testing::Cluster;
use db::tokens::{DEFAULT_NAME, NewToken, Scope};
use db::users::User;
use frontend::{Addresses, Config};
use protocol::{BuildRoot, ChrootDefinition, MetadataCompression, PackageManager, RepositorySource};
use rand::SeedableRng as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use storage::{Secret, Storage};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const CHROOT: &str = "debian-12-x86_64";
pub const OTHER_CHROOT: &str = "fedora-44-aarch64";
pub const BUILDER_TOKEN: &str = "the-builders-token";
pub const RESULTS: &str = "http://koper.test/results";

pub struct House {
    pub pool: db::Pool,
    pub storage: Storage,
    pub client: reqwest::Client,
    pub addresses: Addresses,
    /// URL of the results, without a trailing slash.
    pub results_url: String,
    seconds: Arc<AtomicI64>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), frontend::Error>>,
    _dir: TempDir,
}

/// A user with a token.
#[derive(Clone)]
pub struct Person {
    pub user: User,
    pub login: String,
    pub token: String,
}

/// An answer: its status and its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub json: Value,
}

impl Answer {
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        assert!(self.json.get("error").is_none(), "{}", self.json);
        self.json
    }

    /// The error's text; checks the status.
    pub fn error(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        self.json["error"]
            .as_str()
            .expect("every error is JSON with a text")
            .to_owned()
    }
}

fn definition(name: &str) -> ChrootDefinition {
    ChrootDefinition {
        name: name.parse().unwrap(),
        dist: ".deb12".to_owned(),
        package_manager: PackageManager::Dnf,
        metadata_compression: MetadataCompression::Zstd,
        buildroot: BuildRoot {
            packages: vec!["bash".to_owned()],
        },
        repos: vec![RepositorySource {
            id: "base".to_owned(),
            name: "Base".to_owned(),
            baseurl: Some(format!("distro://{name}")),
            metalink: None,
            mirrorlist: None,
            gpgkey: Vec::new(),
            gpgcheck: false,
            repo_gpgcheck: false,
            priority: None,
        }],
    }
}

async fn object_store(dir: &TempDir) -> Storage {
    let (ready, address) = oneshot::channel();
    let config = embedded_s3::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.path().join("objects"),
        access_key: "tester".to_owned(),
        secret_key: "very-secret-key".to_owned(),
        buckets: vec!["koper".to_owned()],
    };
    let on_ready = |address| ready.send(address).unwrap();
    tokio::spawn(embedded_s3::serve(config, on_ready, std::future::pending()));
    let config = storage::Config {
        endpoint: format!("http://{}", address.await.unwrap()),
        bucket: "koper".to_owned(),
        access_key: "tester".to_owned(),
        secret_key: Secret::new("very-secret-key"),
        ..storage::Config::default()
    };
    Storage::new(&config).unwrap()
}

/// What the backend does to a new project, and about snapshots, as far as the frontend sees it.
async fn make_ready(pool: db::Pool) {
    loop {
        if let Ok(mut conn) = pool.get().await {
            for done in [
                "UPDATE snapshot_requests SET snapshot = 1 WHERE snapshot IS NULL",
                "DELETE FROM jobs WHERE kind = 'write_pointers' OR kind = 'make_snapshot' AND (payload->>'request')::bigint \
                    IN (SELECT id FROM snapshot_requests WHERE snapshot IS NOT NULL)",
            ] {
                db::testing::execute(&mut conn, done).await.unwrap();
            }
            let all = db::projects::all(&mut conn).await;
            for project in all
                .unwrap_or_default()
                .into_iter()
                .filter(|p| p.ready_at.is_none())
            {
                db::projects::set_public_key(&mut conn, project.id, &key())
                    .await
                    .unwrap();
                db::projects::set_ready(&mut conn, project.id, Ok(start()))
                    .await
                    .unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The fingerprint of every project's first key.
pub const FINGERPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

fn key() -> Value {
    json!({
        "key": "p", "algorithm": "rsa4096", "fingerprint": FINGERPRINT, "user_id": "Koper <x@koper.example>",
        "created": 1_795_000_000, "public_key_armored": "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    })
}

/// The time at which a house's clock begins.
pub fn start() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl House {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = Cluster::shared().await.unwrap().database().await.unwrap();
        let pool = db::pool(&url, 8).unwrap();
        let storage = object_store(&dir).await;
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config {
            listen: any,
            builder_listen: any,
            results_listen: any,
            url: "http://koper.test".to_owned(),
            results_url: RESULTS.to_owned(),
            builder_token: Secret::new(BUILDER_TOKEN),
            workers: 1,
            ..Config::default()
        };
        change(&mut config);
        let results_url = config.results_url.clone();
        // Without patience nothing is to become ready either.
        let patient = config.ready_wait_s > 0;
        let seconds = Arc::new(AtomicI64::new(0));
        let passed = Arc::clone(&seconds);
        let clock: db::Clock = Arc::new(move || start() + TimeDelta::seconds(passed.load(Ordering::Relaxed)));
        {
            let mut conn = pool.get().await.unwrap();
            for name in [CHROOT, OTHER_CHROOT] {
                let chroot = Chroot {
                    definition: definition(name),
                    description: "For tests".to_owned(),
                    active: true,
                };
                db::chroots::upsert(&mut conn, &chroot).await.unwrap();
            }
        }
        let (ready, addresses) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = db::Listener::start(&url);
        let served = tokio::spawn(frontend::serve(
            config,
            pool.clone(),
            listener,
            storage.clone(),
            clock,
            |addresses| ready.send(addresses).unwrap(),
            async move {
                let _ = stopped.await;
            },
        ));
        if patient {
            tokio::spawn(make_ready(pool.clone()));
        }
        Self {
            pool,
            storage,
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
            addresses: addresses.await.unwrap(),
            results_url,
            seconds,
            stop,
            served,
            _dir: dir,
        }
    }

    /// Stops the frontend and waits for its end.
    pub async fn stop(self) {
        drop(self.stop);
        self.served.await.unwrap().unwrap();
    }

    /// Moves the clock on.
    pub fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub async fn person(&self, name: &str, is_admin: bool) -> Person {
        let mut conn = self.pool.get().await.unwrap();
        let user = db::users::ensure(&mut conn, &name.parse().unwrap(), is_admin, start())
            .await
            .unwrap();
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let until = start() + TimeDelta::days(180);
        let new = NewToken {
            name: DEFAULT_NAME,
            scope: &Scope::default(),
            expires_at: Some(until),
        };
        let pair = db::tokens::replace(&mut conn, &user, &new, start(), &mut rng)
            .await
            .unwrap();
        Person {
            user,
            login: pair.login,
            token: pair.token,
        }
    }

    pub fn request(&self, method: &str, path: &str, person: Option<&Person>) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .client
            .request(method, format!("http://{}/api_3{path}", self.addresses.web));
        match person {
            Some(person) => request.basic_auth(&person.login, Some(&person.token)),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path, None)).await
    }

    pub async fn send(&self, method: &str, path: &str, person: Option<&Person>, body: Value) -> Answer {
        answer(self.request(method, path, person).json(&body)).await
    }

    /// A project of the person's, with both chroots.
    pub async fn project(&self, person: &Person, name: &str) -> Value {
        let path = format!("/project/add/{0}?ownername={0}&exist_ok=False", person.user.name);
        self.send(
            "POST",
            &path,
            Some(person),
            json!({"name": name, "chroots": [CHROOT, OTHER_CHROOT]}),
        )
        .await
        .ok()
    }

    /// Gives the main repository of a project two snapshots.
    pub async fn publish(&self, project: &str) {
        let mut conn = self.pool.get().await.unwrap();
        db::testing::two_snapshots(&mut conn, project, CHROOT)
            .await
            .unwrap();
    }

    /// Uploads as python's copr does: the file first, the JSON last.
    pub async fn upload(&self, person: Option<&Person>, file: &str, bytes: &[u8], form: &Value) -> Answer {
        self.upload_to("/build/create/upload", person, (file, bytes), form)
            .await
    }

    /// The same to another route that takes a file: its name and content.
    pub async fn upload_to(
        &self,
        path: &str,
        person: Option<&Person>,
        (file, bytes): (&str, &[u8]),
        form: &Value,
    ) -> Answer {
        let boundary = "a1b2c3d4e5f6";
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"pkgs\"; filename=\"{file}\"\r\nContent-Type: application/x-rpm\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"json\"; filename=\"json\"\r\nContent-Type: application/json\r\n\r\n{form}\r\n--{boundary}--\r\n"
            )
            .as_bytes(),
        );
        let request = self
            .request("POST", path, person)
            .header(
                "Content-Type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(body);
        answer(request).await
    }

    /// A request of a builder.
    pub async fn builder(&self, path: &str, body: &Value) -> Answer {
        self.builder_with(BUILDER_TOKEN, path, serde_json::to_vec(body).unwrap())
            .await
    }

    pub async fn builder_with(&self, token: &str, path: &str, body: Vec<u8>) -> Answer {
        let url = format!("http://{}/v1{path}", self.addresses.builders);
        answer(self.client.post(url).bearer_auth(token).body(body)).await
    }

    /// As if builders had claimed all tasks that there are.
    pub async fn begin_all(&self) {
        let mut conn = self.pool.get().await.unwrap();
        db::testing::execute(&mut conn, "UPDATE tasks SET attempt = 1")
            .await
            .unwrap();
    }

    pub async fn claim(&self, wait_s: u64) -> Answer {
        self.builder("/claim", &claim_request(wait_s)).await
    }
}

pub fn claim_request(wait_s: u64) -> Value {
    json!({
        "protocol": 1, "builder": "b1", "arches": ["x86_64"], "chroots": [], "memory_mib": 1024, "wait_s": wait_s,
    })
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status();
    for header in [
        "x-content-type-options",
        "content-security-policy",
        "x-frame-options",
    ] {
        assert!(
            response.headers().contains_key(header),
            "{status} without {header}"
        );
    }
    let text = response.text().await.unwrap();
    let json = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status}: {e}: {text}"))
    };
    Answer { status, json }
}
