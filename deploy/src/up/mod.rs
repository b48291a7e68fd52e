//! `koper up`: the whole service on one machine, each part a process of its own, watched and started again.

mod detach;
pub mod first_user;
pub mod postgres;
mod preflight;
mod report;
mod supervisor;

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use storage::Storage;

use crate::cli::Settings;
use crate::config::Config;
use crate::parts::{Part, asked_to_end};
use crate::{chroots, secrets};

pub use detach::{detach, down};
use supervisor::Supervisor;

/// Options of `koper up`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Return when the service answers, and leave it running in the background.
    #[arg(long)]
    pub detach: bool,
}

/// How long a part may take to answer after its start.
const START: Duration = Duration::from_secs(60);

fn say(line: impl std::fmt::Display) {
    println!("koper: {line}");
}

/// Runs everything until asked to end.
///
/// # Errors
/// With a sentence that names the cure.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let end = asked_to_end()?;
    tokio::pin!(end);
    let data = std::path::absolute(&options.settings.data).context("the data folder's path")?;
    fs_err::create_dir_all(&data)?;
    // The lock lives as long as this value: until the process ends, however it ends.
    let _lock = preflight::lock(&data)?;
    secrets::ensure(&data)?;
    let config = options.settings.load()?;
    preflight::check(&config)?;
    let mut supervisor = Supervisor::new(&config, &options.settings)?;
    let started = tokio::select! {
        result = start(&config, &mut supervisor) => result,
        () = &mut end => Err(anyhow::anyhow!("interrupted while starting")),
    };
    let result = match started {
        Ok(()) => {
            report::print(&config.data)?;
            supervisor.watch(end).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    say("stopping");
    report::remove(&config.data);
    supervisor.stop().await;
    result
}

async fn start(config: &Config, supervisor: &mut Supervisor) -> anyhow::Result<()> {
    if !config.replaced.database {
        say("starting PostgreSQL");
        let cluster = postgres::Cluster::ensure(&config.data).await?;
        supervisor.postgres(&cluster)?;
        cluster.wait_ready(START).await?;
    }
    if !config.replaced.s3 {
        supervisor.part(Part::S3)?;
        preflight::answers(Part::S3, config.up.s3_listen, START, supervisor).await?;
    }
    if !config.replaced.keys {
        supervisor.part(Part::Keys)?;
        preflight::answers(Part::Keys, config.keys.listen, START, supervisor).await?;
    }
    chroots::migrate(config).await?;
    let storage = Storage::new(&config.s3).context("the object store's settings")?;
    storage
        .probe()
        .await
        .context("asking the object store what it can do")?;
    say("preparing chroots");
    chroots::make_distributions(config, &storage).await?;
    supervisor.part(Part::Backend)?;
    supervisor.part(Part::Frontend)?;
    for address in [
        config.frontend.listen,
        config.frontend.builder_listen,
        config.frontend.results_listen,
    ] {
        preflight::answers(Part::Frontend, address, START, supervisor).await?;
    }
    if config.up.builder {
        supervisor.part(Part::Builder)?;
    }
    report::write(config).await
}
