//! What is measured: a private PostgreSQL with seeded data, and a frontend that is a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

use crate::config::Config;
use crate::secrets;
use crate::up::postgres::Cluster;

/// How long PostgreSQL or the frontend may take to answer.
const START: Duration = Duration::from_secs(60);
/// First of the ports.
const PORT: u16 = 26_180;

/// A frontend on seeded data; ends with this value.
pub(super) struct Service {
    /// Its settings: those that `koper up` has.
    pub config: Config,
    frontend: Child,
    postgres: Child,
    dir: PathBuf,
}

impl Service {
    /// Starts PostgreSQL, seeds, starts the frontend.
    pub async fn start() -> anyhow::Result<Self> {
        // Else whatever has that port would be measured.
        if tokio::net::TcpStream::connect(("127.0.0.1", PORT)).await.is_ok() {
            bail!("port {PORT} is in use: end what listens there");
        }
        let dir = std::env::temp_dir().join(format!("koper-bench-api-{}", std::process::id()));
        fs_err::create_dir_all(&dir)?;
        secrets::ensure(&dir)?;
        let config = Config::load(&dir, None, PORT)?;
        let cluster = Cluster::ensure(&dir).await?;
        let postgres = cluster
            .server()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting PostgreSQL")?;
        cluster.wait_ready(START).await?;
        db::migrate(&config.database.url).await?;
        let pool = config.pool()?;
        let begin = Instant::now();
        let mut conn = pool.get().await.context("reaching the database")?;
        db::seed::fill(&mut conn, db::seed::SERVICE).await?;
        drop(conn);
        eprintln!("seeded in {:.1} s", begin.elapsed().as_secs_f64());
        let frontend = Command::new(std::env::current_exe()?)
            .args(["run", "frontend", "--port", &PORT.to_string(), "--data"])
            .arg(&dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting the frontend")?;
        let service = Self {
            config,
            frontend,
            postgres,
            dir,
        };
        service.wait().await?;
        Ok(service)
    }

    async fn wait(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while tokio::net::TcpStream::connect(self.config.frontend.listen)
            .await
            .is_err()
        {
            if Instant::now() > deadline {
                bail!("the frontend does not answer");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The most memory that the frontend ever had in use.
    pub fn peak_memory_mib(&self) -> anyhow::Result<u64> {
        let id = self.frontend.id().context("the frontend has ended")?;
        let status = fs_err::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .context("the kernel does not tell the frontend's memory")?
            .parse()?;
        Ok(kib / 1024)
    }

    /// Ends everything and removes the data.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.frontend.kill().await?;
        self.postgres.kill().await?;
        fs_err::remove_dir_all(&self.dir)?;
        Ok(())
    }
}

/// The least that a service like this can do for a request: one row by its primary key, through the same pool and with as
/// many workers as the frontend has.
pub(super) async fn bare(database_url: &str) -> anyhow::Result<SocketAddr> {
    let pool = db::pool(database_url, 16)?;
    let server = HttpServer::new(move || {
        let pool = pool.clone();
        App::new()
            .app_data(web::Data::new(pool))
            .route("/", web::get().to(one_row))
    })
    .workers(2)
    .disable_signals()
    .bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().context("no address was bound")?;
    tokio::spawn(server.run());
    Ok(address)
}

async fn one_row(pool: web::Data<db::Pool>) -> HttpResponse {
    let found = match pool.get().await {
        Ok(mut conn) => db::seed::one_row(&mut conn, db::seed::SERVICE.builds - 5)
            .await
            .ok(),
        Err(_) => None,
    };
    match found {
        Some(state) => HttpResponse::Ok().body(state),
        None => HttpResponse::InternalServerError().finish(),
    }
}
