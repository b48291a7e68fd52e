//! A frontend with a database and an object store of its own, and browsers.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use db::builds::Build;
use db::chroots::Chroot;
use db::projects::{self, Project};
use db::testing::Cluster;
use db::users::{self, User};
use db::{Clock, Connection, Listener, Pool, SystemClock, Topic};
use frontend::{Addresses, Config};
use protocol::builder_api::ClaimRequest;
use protocol::{BuildId, BuildRoot, ChrootDefinition, MetadataCompression, PackageManager};
use rand::SeedableRng as _;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode};
use storage::{Secret, Storage};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const CHROOT: &str = "debian-12-x86_64";
/// Where the service believes to be served, whatever port it got.
pub const URL: &str = "http://koper.example.org:5080";
pub const RESULTS_URL: &str = "http://koper.example.org:5082/results";

pub struct House {
    pub base: String,
    pub pool: Pool,
    pub clock: Clock,
    database: String,
    _dir: TempDir,
    _stop: oneshot::Sender<()>,
}

impl House {
    pub async fn new() -> Self {
        Self::listening("127.0.0.1:0", URL, RESULTS_URL).await
    }

    pub async fn listening(listen: &str, url: &str, results_url: &str) -> Self {
        let database = Cluster::shared().await.unwrap().database().await.unwrap();
        let pool = db::pool(&database, 8).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(&dir).await;
        let clock = SystemClock();
        let config = Config {
            listen: listen.parse().unwrap(),
            builder_listen: "127.0.0.1:0".parse().unwrap(),
            results_listen: "127.0.0.1:0".parse().unwrap(),
            url: url.to_owned(),
            results_url: results_url.to_owned(),
            ready_wait_s: 20,
            workers: 1,
            ..Config::default()
        };
        let (ready, addresses) = oneshot::channel::<Addresses>();
        let (stop, stopped) = oneshot::channel::<()>();
        let (shared, objects, now) = (pool.clone(), storage, clock.clone());
        let listener = Listener::start(&database);
        // The service's future stays on the thread that made it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let on_ready = move |addresses| ready.send(addresses).unwrap();
            let shutdown = async move {
                let _ = stopped.await;
            };
            runtime
                .block_on(frontend::serve(
                    config, shared, listener, objects, now, on_ready, shutdown,
                ))
                .unwrap();
        });
        let address = addresses.await.unwrap().web;
        let house = Self {
            base: format!("http://{address}"),
            pool,
            clock,
            database,
            _dir: dir,
            _stop: stop,
        };
        house.add_chroot(CHROOT, "Debian 12, 64-bit").await;
        house.set_projects_up();
        house
    }

    pub async fn conn(&self) -> impl std::ops::DerefMut<Target = Connection> + use<> {
        self.pool.get().await.unwrap()
    }

    pub async fn add_chroot(&self, name: &str, description: &str) {
        let definition = ChrootDefinition {
            name: name.parse().unwrap(),
            dist: ".x".to_owned(),
            package_manager: PackageManager::Dnf,
            metadata_compression: MetadataCompression::Zstd,
            buildroot: BuildRoot { packages: vec![] },
            repos: vec![],
        };
        let chroot = Chroot {
            definition,
            description: description.to_owned(),
            active: true,
        };
        db::chroots::upsert(&mut *self.conn().await, &chroot)
            .await
            .unwrap();
    }

    /// Does what the backend would: new projects become ready, and pointers are written.
    fn set_projects_up(&self) {
        let (pool, clock) = (self.pool.clone(), self.clock.clone());
        let mut hints = Listener::start(&self.database).subscribe(Topic::Jobs);
        tokio::spawn(async move {
            loop {
                if let Ok(mut conn) = pool.get().await {
                    let written = "DELETE FROM jobs WHERE kind = 'write_pointers'";
                    let _ = db::testing::execute(&mut conn, written).await;
                    let all = projects::all(&mut conn).await.unwrap_or_default();
                    for project in all.iter().filter(|p| p.ready_at.is_none()) {
                        let key = serde_json::json!({
                            "fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567",
                            "algorithm": "rsa4096",
                        });
                        let _ = projects::set_public_key(&mut conn, project.id, &key).await;
                        let _ = projects::set_ready(&mut conn, project.id, Ok(clock())).await;
                    }
                }
                hints.wait(Duration::from_millis(100)).await;
            }
        });
    }

    pub async fn user(&self, name: &str) -> User {
        let now = (self.clock)();
        users::ensure(&mut *self.conn().await, &name.parse().unwrap(), false, now)
            .await
            .unwrap()
    }

    pub async fn login_link(&self, name: &str) -> String {
        let user = self.user(name).await;
        let until = (self.clock)() + TimeDelta::minutes(5);
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let secret = users::new_login_link(&mut *self.conn().await, user.id, until, &mut rng)
            .await
            .unwrap();
        format!("/login/{secret}")
    }

    async fn token(&self, name: &str) -> db::tokens::TokenPair {
        let user = self.user(name).await;
        let new = db::tokens::NewToken {
            name: db::tokens::DEFAULT_NAME,
            scope: &db::tokens::Scope::default(),
            expires_at: None,
        };
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let now = (self.clock)();
        db::tokens::replace(&mut *self.conn().await, &user, &new, now, &mut rng)
            .await
            .unwrap()
    }

    /// `copr-cli` of a user.
    pub async fn copr_of(&self, name: &str) -> testkit::Copr {
        let pair = self.token(name).await;
        let config = format!(
            "[copr-cli]\nlogin = {}\nusername = {name}\ntoken = {}\ncopr_url = {}\nencrypted = False\n",
            pair.login, pair.token, self.base
        );
        testkit::Copr::with_config(&config).unwrap()
    }

    /// A PUT of JSON to the API, as a user.
    pub async fn put_of(&self, name: &str, path: &str, body: &str) {
        let pair = self.token(name).await;
        let request = self
            .anonymous()
            .client
            .put(format!("{}{path}", self.base))
            .basic_auth(&pair.login, Some(&pair.token))
            .header("content-type", "application/json")
            .body(body.to_owned());
        request.send().await.unwrap().error_for_status().unwrap();
    }

    pub fn anonymous(&self) -> Browser {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Browser {
            base: self.base.clone(),
            client,
            cookie: None,
        }
    }

    pub async fn browser_of(&self, name: &str) -> Browser {
        let mut browser = self.anonymous();
        let response = browser.get(&self.login_link(name).await).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        browser
    }

    pub async fn projects(&self) -> Vec<Project> {
        projects::all(&mut *self.conn().await).await.unwrap()
    }

    pub async fn builds(&self) -> Vec<Build> {
        let mut all = Vec::new();
        for project in self.projects().await {
            all.extend(
                db::builds::list(&mut *self.conn().await, project.id, None, 100, 0)
                    .await
                    .unwrap(),
            );
        }
        all
    }

    pub async fn build(&self, id: i64) -> Build {
        db::builds::find(&mut *self.conn().await, BuildId(id))
            .await
            .unwrap()
            .unwrap()
    }

    /// A builder takes the next task.
    pub async fn claim(&self) -> db::tasks::TaskRow {
        let request = ClaimRequest {
            protocol: 1,
            builder: "builder-1".parse().unwrap(),
            arches: vec!["x86_64".to_owned()],
            chroots: vec![],
            memory_mib: 4096,
            wait_s: 0,
            checks: false,
        };
        let now = (self.clock)();
        let lease = TimeDelta::seconds(60);
        db::tasks::claim(&mut *self.conn().await, &request, now, lease)
            .await
            .unwrap()
            .unwrap()
    }
}

async fn storage(dir: &TempDir) -> Storage {
    let (ready, address) = oneshot::channel();
    let config = embedded_s3::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.path().join("objects"),
        access_key: "tester".to_owned(),
        secret_key: "very-secret-key".to_owned(),
        buckets: vec!["koper".to_owned()],
    };
    tokio::spawn(embedded_s3::serve(
        config,
        |address| ready.send(address).unwrap(),
        std::future::pending(),
    ));
    let address = address.await.unwrap();
    Storage::new(&storage::Config {
        endpoint: format!("http://{address}"),
        access_key: "tester".to_owned(),
        secret_key: Secret::new("very-secret-key"),
        ..storage::Config::default()
    })
    .unwrap()
}

pub struct Browser {
    base: String,
    client: reqwest::Client,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(reqwest::Method::GET, path).send().await.unwrap()
    }

    /// The page, which is there.
    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// What this session's forms carry.
    pub async fn csrf(&self) -> String {
        let page = self.page("/").await;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form as it is.
    pub async fn post_raw(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.request(reqwest::Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Sends a form as a page of ours would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.csrf().await;
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post_raw(path, &all).await
    }

    /// Sends a form of parts: name, file name, content.
    pub async fn post_parts(&self, path: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Response {
        let mut body = Vec::new();
        for (name, file, content) in parts {
            let file = file
                .map(|f| format!("; filename=\"{f}\"\r\nContent-Type: application/x-rpm"))
                .unwrap_or_default();
            body.extend_from_slice(
                format!("--xBORDERx\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
                    .as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--xBORDERx--\r\n");
        self.request(reqwest::Method::POST, path)
            .header("content-type", "multipart/form-data; boundary=xBORDERx")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Makes the project `tools`.
    pub async fn make_project(&self, name: &str) -> String {
        let response = self
            .post("/coprs/add/", &[("name", name), ("chroots", CHROOT)])
            .await;
        location(response).await
    }
}

/// Where a redirect leads.
pub async fn location(response: Response) -> String {
    let status = response.status();
    let location = response
        .headers()
        .get(LOCATION)
        .map(|l| l.to_str().unwrap().to_owned());
    let body = response.text().await.unwrap();
    assert_eq!(status, StatusCode::SEE_OTHER, "{body}");
    location.unwrap()
}

/// A refusal's page.
pub async fn refused(response: Response, expected: u16) -> String {
    let status = response.status().as_u16();
    let html = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .starts_with("text/html");
    let body = response.text().await.unwrap();
    assert_eq!(status, expected, "{body}");
    assert!(html, "{body}");
    body
}

/// A source package made on the spot.
pub fn source_package(name: &str) -> (String, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("x.spec");
    let text = format!(
        "Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n%description\nx\n%files\n"
    );
    std::fs::write(&spec, text).unwrap();
    let done = std::process::Command::new("rpmbuild")
        .arg("-bs")
        .arg("--define")
        .arg(format!("_topdir {}", dir.path().display()))
        .arg(&spec)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let file = std::fs::read_dir(dir.path().join("SRPMS"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    (
        file.file_name().into_string().unwrap(),
        std::fs::read(file.path()).unwrap(),
    )
}

/// Waits until `check` gives something.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
