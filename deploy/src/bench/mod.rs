//! Benchmarks of a running service beside real peers; each figure is one JSON line.

mod api;
mod publish;
mod sign;
mod start;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use storage::Storage;

use crate::cli::Settings;
use crate::config::Config;

/// Options of `koper bench`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which one; all that measure the running service if none is named. `api` measures a service of its own; `seed`
    /// fills the database of the running one.
    #[arg(value_parser = ["publish", "start", "boot", "sign", "api", "seed"])]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Ours, the median.
    pub ours: f64,
    /// The peer's, from the same run, where one runs on this machine.
    pub peer: Option<f64>,
    /// What the peer is.
    pub peer_is: &'static str,
    /// What bounds it, from the same run.
    pub limit: Option<f64>,
    /// What the bound is.
    pub limit_is: &'static str,
}

impl Figure {
    fn print(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What publications need, beside the running backend.
fn context(config: &Config, pool: &db::Pool, storage: &Storage) -> anyhow::Result<backend::Context> {
    Ok(backend::Context {
        pool: pool.clone(),
        storage: storage.clone(),
        keys: keys::Client::new(&config.keys.url, keys::Secret::new(config.keys.token.expose()))?,
        clock: db::SystemClock(),
        service: config.service.clone(),
        scratch_dir: std::env::temp_dir(),
        max_package_bytes: config.backend.max_package_bytes,
        keep_pr_dirs_days: config.backend.keep_pr_dirs_days,
        retention: config.backend.retention.policy(),
        check_installs: false,
        metadata: backend::Metadata::new(config.backend.metadata_mib << 20),
        faults: backend::Faults::default(),
    })
}

/// Milliseconds since `start`.
fn ms(start: std::time::Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Runs one benchmark, or all, against the service that runs on the data folder.
///
/// # Errors
/// When the service does not answer.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    match options.name.as_deref() {
        // These two need no service: one has its own, the other only a database.
        Some("api") => return api::run().await,
        Some("seed") => {
            let config = options.settings.load()?;
            let pool = config.pool()?;
            let mut conn = pool
                .get()
                .await
                .context("reaching the database; does the service run?")?;
            return Ok(db::seed::fill(&mut conn, db::seed::SERVICE).await?);
        }
        _ => {}
    }
    let config = options.settings.load()?;
    let wanted = |name: &str| options.name.as_deref().is_none_or(|n| n == name);
    if wanted("start") {
        start::submit_to_start(&config).await?;
    }
    if wanted("boot") {
        start::boot(&config).await?;
    }
    if wanted("sign") {
        sign::run(&config).await?;
    }
    if wanted("publish") {
        publish::run(&config).await?;
    }
    Ok(())
}
