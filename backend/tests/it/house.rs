//! Database, store, signer, frontend and backend of one test.

mod builds;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use backend::{Config, Context, Faults, Metadata, Parts, Retention};
use chrono::TimeDelta;
use db::chroots::Chroot;
use db::projects::Project;
use db::testing::Cluster;
use db::tokens::{DEFAULT_NAME, NewToken, Scope};
use protocol::{BuildRoot, ChrootDefinition, MetadataCompression, PackageManager, ServiceIdentity};
use rand::SeedableRng as _;
use storage::Storage;
use tempfile::TempDir;
use testkit::{Copr, Ran};
use tokio::sync::oneshot;

use crate::api::Api;
use crate::weather::Weather;

pub const CHROOT: &str = "debian-12-x86_64";
const SECRET: &str = "0123456789abcdef-token";

pub struct House {
    pub context: Context,
    signer: tokio::sync::Mutex<Option<Signer>>,
    signer_listen: SocketAddr,
    pub url: String,
    pub results_url: String,
    pub builder_url: String,
    seconds: Arc<AtomicI64>,
    ahead: Arc<AtomicI64>,
    retention: Retention,
    database: String,
    dir: TempDir,
}

async fn object_store(dir: &Path, weather: Option<Arc<Weather>>, seconds: Arc<AtomicI64>) -> Storage {
    let (ready, address) = oneshot::channel();
    let config = embedded_s3::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.join("objects"),
        access_key: "tester".to_owned(),
        secret_key: "very-secret-key".to_owned(),
        buckets: vec!["koper".to_owned()],
    };
    let on_ready = |address| ready.send(address).unwrap();
    let clock = Arc::new(move || {
        let now = (db::SystemClock())() + TimeDelta::seconds(seconds.load(Ordering::Relaxed));
        std::time::SystemTime::from(now)
    });
    tokio::spawn(embedded_s3::serve_by(
        clock,
        config,
        on_ready,
        std::future::pending(),
    ));
    let mut address = address.await.unwrap();
    if let Some(weather) = weather {
        address = weather.stand_before(address).await;
    }
    let config = storage::Config {
        endpoint: format!("http://{address}"),
        bucket: "koper".to_owned(),
        access_key: "tester".to_owned(),
        secret_key: storage::Secret::new("very-secret-key"),
        ..storage::Config::default()
    };
    Storage::new(&config).unwrap()
}

/// Runs a server whose future stays on the thread that made it.
fn beside<F: Future<Output = ()>>(
    server: impl FnOnce() -> F + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(server());
    })
}

/// What a signer is told whose keys expire.
#[derive(Clone)]
struct Life {
    of_keys: Duration,
    clock: db::Clock,
}

/// A signer that can be stopped.
struct Signer {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

async fn signer(dir: &Path, listen: SocketAddr, life: Option<Life>) -> Signer {
    let folder = dir.join("keys");
    let mut config = keys::ServerConfig::new(listen, &folder, keys::Secret::new(SECRET));
    config.rsa_pool = 0;
    config.key_lifetime = life.as_ref().map(|life| life.of_keys);
    // Real clients do not take a key that is made in their future.
    let clock: db::Clock = life.map_or_else(db::SystemClock, |life| life.clock);
    let (ready, address) = oneshot::channel();
    let on_ready = |address| ready.send(address).unwrap();
    let (stop, stopped) = oneshot::channel();
    let thread = beside(move || async move {
        // Whoever drops the other end lets it run on.
        let stopped = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        keys::serve(config, move || clock(), on_ready, stopped)
            .await
            .unwrap();
    });
    address.await.unwrap();
    Signer { stop, thread }
}

/// The frontend has to know its URLs before it binds.
fn free() -> SocketAddr {
    ([127, 0, 0, 1], testkit::free_port().unwrap()).into()
}

impl House {
    pub async fn new() -> Self {
        Self::with(None, Retention::default(), None).await
    }

    /// Keys expire after so many days, of which the signer knows how many have passed.
    pub async fn with_keys_that_last(days: Option<u64>) -> Self {
        Self::with(days, Retention::default(), None).await
    }

    /// One that keeps so much of the past.
    pub async fn keeping(retention: Retention) -> Self {
        Self::with(None, retention, None).await
    }

    /// One with something between it and its store.
    pub async fn in_weather(weather: &Arc<Weather>) -> Self {
        Self::with(None, Retention::default(), Some(Arc::clone(weather))).await
    }

    async fn with(days: Option<u64>, retention: Retention, weather: Option<Arc<Weather>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Cluster::shared().await.unwrap().database().await.unwrap();
        let pool = db::pool(&database, 12).unwrap();
        let seconds = Arc::new(AtomicI64::new(0));
        let storage = object_store(dir.path(), weather, Arc::clone(&seconds)).await;
        let ahead = Arc::new(AtomicI64::new(0));
        let passed = [&seconds, &ahead].map(Arc::clone);
        let clock: db::Clock = Arc::new(move || {
            let seconds = passed.iter().map(|some| some.load(Ordering::Relaxed)).sum();
            (db::SystemClock())() + TimeDelta::seconds(seconds)
        });
        let life = days.map(|days| Life {
            of_keys: Duration::from_secs(days * 86_400),
            clock: clock.clone(),
        });
        let signer_listen = free();
        let signer = signer(dir.path(), signer_listen, life).await;
        let url = format!("http://{signer_listen}");
        let keys = keys::Client::new(&url, keys::Secret::new(SECRET)).unwrap();
        chroot(&pool, CHROOT, ".deb12").await;
        let (listen, results_listen) = (free(), free());
        let config = frontend::Config {
            listen,
            results_listen,
            builder_listen: free(),
            builder_token: storage::Secret::new(SECRET),
            url: format!("http://{listen}"),
            results_url: format!("http://{results_listen}/results"),
            workers: 1,
            retention: retention.policy(),
            ..frontend::Config::default()
        };
        let service = ServiceIdentity {
            name: config.service_name.clone(),
            tag: config.service_tag.clone(),
            url: config.url.clone(),
        };
        let (url, results_url) = (config.url.clone(), config.results_url.clone());
        let builder_url = format!("http://{}", config.builder_listen);
        let (ready, addresses) = oneshot::channel();
        let (shared, objects, now) = (pool.clone(), storage.clone(), clock.clone());
        let listener = db::Listener::start(&database);
        beside(move || async move {
            let on_ready = |addresses| ready.send(addresses).unwrap();
            frontend::serve(
                config,
                shared,
                listener,
                objects,
                now,
                on_ready,
                std::future::pending(),
            )
            .await
            .unwrap();
        });
        addresses.await.unwrap();
        let settings = Config {
            scratch_dir: dir.path().join("scratch"),
            retention,
            check_installs: false,
            ..Config::default()
        };
        let context = Context {
            pool: pool.clone(),
            storage: storage.clone(),
            keys: keys.clone(),
            clock: clock.clone(),
            service: service.clone(),
            scratch_dir: settings.scratch_dir.clone(),
            max_package_bytes: settings.max_package_bytes,
            keep_pr_dirs_days: settings.keep_pr_dirs_days,
            retention: settings.retention.policy(),
            check_installs: settings.check_installs,
            metadata: Metadata::new(settings.metadata_mib << 20),
            faults: Faults::default(),
        };
        let house = Self {
            context,
            signer: tokio::sync::Mutex::new(Some(signer)),
            signer_listen,
            url,
            results_url,
            builder_url,
            seconds,
            ahead,
            retention,
            database,
            dir,
        };
        house.start_backend("scratch");
        house
    }

    /// Starts a backend, one more if there is one; it works in a folder of its own.
    pub fn start_backend(&self, scratch: &str) {
        let context = &self.context;
        let settings = Config {
            scratch_dir: self.dir.path().join(scratch),
            retention: self.retention,
            check_installs: false,
            ..Config::default()
        };
        let parts = Parts {
            pool: context.pool.clone(),
            listener: db::Listener::start(&self.database),
            storage: context.storage.clone(),
            keys: context.keys.clone(),
            clock: context.clock.clone(),
            service: context.service.clone(),
        };
        tokio::spawn(backend::run(settings, parts, std::future::pending()));
    }

    /// Runs a builder, which has a kernel that nothing can boot: it fetches, and builds nothing.
    pub fn builder(&self) {
        let dir = self.dir.path().join("builder");
        let modules = dir.join("lib/modules/6.1");
        fs_err::create_dir_all(modules.join("kernel")).unwrap();
        fs_err::create_dir_all(dir.join("boot")).unwrap();
        fs_err::write(dir.join("boot/vmlinuz-6.1"), "kernel").unwrap();
        let built_in = [
            "virtio_pci",
            "virtio_blk",
            "virtio_console",
            "virtio_net",
            "virtio_rng",
            "ext4",
            "crc32c_generic",
            "overlay",
        ];
        let built_in: Vec<String> = built_in
            .iter()
            .map(|name| format!("kernel/{name}.ko\n"))
            .collect();
        fs_err::write(modules.join("modules.builtin"), built_in.concat()).unwrap();
        fs_err::write(dir.join("guest"), "agent").unwrap();
        let config = builder::Config {
            hub_url: self.builder_url.clone(),
            token: builder::Token::new(SECRET),
            data_dir: dir.join("data"),
            accel: builder::Accel::Tcg,
            fetch_private_addresses: true,
            kernel: Some(dir.clone()),
            guest_binary: dir.join("guest"),
            // Imports need no machine of the chroot's architecture.
            arch: "s390x".to_owned(),
            ..builder::Config::default()
        };
        tokio::spawn(async move { builder::run(config, std::future::pending()).await.unwrap() });
    }

    pub async fn stop_signer(&self) {
        let Signer { stop, thread } = self.signer.lock().await.take().unwrap();
        stop.send(()).unwrap();
        tokio::task::spawn_blocking(|| thread.join().unwrap())
            .await
            .unwrap();
    }

    pub async fn start_signer(&self) {
        *self.signer.lock().await = Some(signer(self.dir.path(), self.signer_listen, None).await);
    }

    /// A page of the service, as anybody sees it.
    pub async fn page(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// Moves all clocks on, or back by a negative number.
    pub fn pass(&self, days: i64) {
        self.seconds.fetch_add(days * 86_400, Ordering::Relaxed);
    }

    /// The same with all but the store's, which is on another machine.
    pub fn jump(&self, days: i64) {
        self.ahead.fetch_add(days * 86_400, Ordering::Relaxed);
    }

    pub async fn conn(&self) -> impl std::ops::DerefMut<Target = db::Connection> + use<> {
        self.context.pool.get().await.unwrap()
    }

    /// `copr-cli` of a user.
    pub async fn copr(&self, name: &str) -> Copr {
        Copr::with_config(&self.config(name).await).unwrap()
    }

    /// A user's way to the API.
    pub async fn api(&self, name: &str) -> Api {
        let (login, token) = self.token(name).await;
        Api::new(format!("{}/api_3", self.url), login, token)
    }

    /// What python's `copr` does for a user; `COPR_CONFIG` names the configuration.
    pub async fn python(&self, name: &str, script: &str) -> String {
        let path = self.dir.path().join(format!("{name}.conf"));
        fs_err::write(&path, self.config(name).await).unwrap();
        let mut command = Command::new(testkit::venv().join("bin/python"));
        command.args(["-c", script]).env("COPR_CONFIG", &path);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        out
    }

    /// The configuration of a user's client, with a new token.
    async fn config(&self, name: &str) -> String {
        let (login, token) = self.token(name).await;
        let url = &self.url;
        format!(
            "[copr-cli]\nlogin = {login}\nusername = {name}\ntoken = {token}\ncopr_url = {url}\nencrypted = False\n"
        )
    }

    async fn token(&self, name: &str) -> (String, String) {
        let mut conn = self.conn().await;
        let now = (self.context.clock)();
        let user = db::users::ensure(&mut conn, &name.parse().unwrap(), false, now)
            .await
            .unwrap();
        let new = NewToken {
            name: DEFAULT_NAME,
            scope: &Scope::default(),
            expires_at: None,
        };
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let pair = db::tokens::replace(&mut conn, &user, &new, now, &mut rng)
            .await
            .unwrap();
        (pair.login, pair.token)
    }

    /// A new project of a user, made by `copr-cli`.
    pub async fn make(&self, copr: &Copr, owner: &str, name: &str) -> Project {
        run(copr, &["create", name, "--chroot", CHROOT])
            .await
            .expect_code(0);
        self.project(owner, name).await
    }

    pub async fn project(&self, owner: &str, name: &str) -> Project {
        let (owner, name) = (owner.parse().unwrap(), name.parse().unwrap());
        let found = db::projects::find(&mut *self.conn().await, &owner, &name)
            .await
            .unwrap();
        found.unwrap()
    }

    /// Waits until all jobs are done.
    pub async fn settle(&self) {
        eventually("the end of all jobs", async || {
            let (open, failed) = db::jobs::count(&mut *self.conn().await).await.unwrap();
            assert_eq!(failed, 0, "a job failed");
            (open == 0).then_some(())
        })
        .await;
    }

    /// The snapshot that users of a directory see.
    pub async fn snapshot(&self, place: &str) -> i64 {
        let url = format!("{}/{place}/{CHROOT}/latest.json", self.results_url);
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        let text = answer.text().await.unwrap();
        let rest = text.split("\"snapshot\":").nth(1).unwrap();
        rest.split([',', '}']).next().unwrap().trim().parse().unwrap()
    }

    pub async fn status(&self, path: &str) -> u16 {
        let answer = reqwest::get(format!("{}/{path}", self.results_url))
            .await
            .unwrap();
        answer.status().as_u16()
    }
}

/// A chroot with nothing in it.
pub async fn chroot(pool: &db::Pool, name: &str, dist: &str) {
    let definition = ChrootDefinition {
        name: name.parse().unwrap(),
        dist: dist.to_owned(),
        package_manager: PackageManager::Dnf,
        metadata_compression: MetadataCompression::Gzip,
        buildroot: BuildRoot { packages: Vec::new() },
        repos: Vec::new(),
    };
    let chroot = Chroot {
        definition,
        description: "For tests".to_owned(),
        active: true,
    };
    db::chroots::upsert(&mut pool.get().await.unwrap(), &chroot)
        .await
        .unwrap();
}

/// Waits with a deadline.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs `copr-cli` beside the service, which lives on these threads.
pub async fn run(copr: &Copr, arguments: &[&str]) -> Ran {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let copr = copr.clone();
    let work = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        copr.run(&arguments).unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}
