//! The parts, each as the one thing that a process does.

use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The embedded S3 server.
    S3,
    /// The signer.
    Keys,
    /// What happens by itself.
    Backend,
    /// Web, API, builder API, results.
    Frontend,
    /// A builder.
    Builder,
}

impl Part {
    /// Its name on the command line and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Keys => "keys",
            Self::Backend => "backend",
            Self::Frontend => "frontend",
            Self::Builder => "builder",
        }
    }
}

/// Completes when the process is asked to end.
///
/// # Errors
/// When signals cannot be received.
pub fn asked_to_end() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut term = signal(SignalKind::terminate()).context("receiving SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("receiving SIGINT")?;
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    })
}

/// Runs a part until the process is asked to end.
///
/// # Errors
/// With a sentence for the administrator.
pub async fn run(part: Part, config: Config) -> anyhow::Result<()> {
    let end = asked_to_end()?;
    let ready = move |what: &str| tracing::info!("{} answers at {what}", part.name());
    match part {
        Part::S3 => {
            let server = embedded_s3::Config {
                listen: config.up.s3_listen,
                data_dir: config.data.join("s3"),
                access_key: config.s3.access_key.clone(),
                secret_key: config.s3.secret_key.expose().to_owned(),
                buckets: vec![config.s3.bucket.clone()],
            };
            embedded_s3::serve(server, |a| ready(&a.to_string()), end)
                .await
                .context("the object store")
        }
        Part::Keys => {
            let token = keys::Secret::new(config.keys.token.expose());
            let mut server = keys::ServerConfig::new(config.keys.listen, config.data.join("keys"), token);
            server.rsa_pool = config.keys.pool;
            server.key_lifetime = match config.keys.lifetime_days {
                0 => None,
                days => Some(Duration::from_secs(u64::from(days) * 24 * 3600)),
            };
            keys::serve(server, keys::SystemClock, |a| ready(&a.to_string()), end)
                .await
                .context("the signer")
        }
        Part::Backend => backend(config, end).await,
        Part::Frontend => frontend(config, end).await,
        Part::Builder => builder::run(config.builder, end).await.context("the builder"),
    }
}

async fn backend(config: Config, end: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let parts = backend::Parts {
        pool: config.pool()?,
        listener: db::Listener::start(&config.database.url),
        storage: storage::Storage::new(&config.s3).context("the object store's settings")?,
        keys: keys::Client::new(&config.keys.url, keys::Secret::new(config.keys.token.expose()))
            .context("the signer's settings")?,
        clock: db::SystemClock(),
        service: config.service.clone(),
    };
    let mut settings = config.backend;
    settings.events = config.events;
    backend::run(settings, parts, end).await.context("the backend")
}

async fn frontend(config: Config, end: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let storage = storage::Storage::new(&config.s3).context("the object store's settings")?;
    let listener = db::Listener::start(&config.database.url);
    let (pool, clock) = (config.frontend_pool()?, db::SystemClock());
    frontend::serve(
        frontend_settings(config),
        pool,
        listener,
        storage,
        clock,
        |_| tracing::info!("the frontend answers"),
        end,
    )
    .await
    .context("the frontend")
}

/// The frontend's settings, with what stands in other sections.
fn frontend_settings(config: Config) -> frontend::Config {
    frontend::Config {
        url: config.service.url,
        service_name: config.service.name,
        service_tag: config.service.tag,
        quota: config.quota,
        keep_pr_dirs_days: config.backend.keep_pr_dirs_days,
        retention: config.backend.retention.policy(),
        ..config.frontend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontend_is_told_what_stands_in_other_sections() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("koper.toml");
        fs_err::write(
            &file,
            "[backend]\nkeep_pr_dirs_days = 7\nretention = { days = 3 }\n[service]\ntag = 'abc'\n",
        )
        .unwrap();
        let config = Config::from_parts(dir.path(), Some(&file), 6000, Vec::new()).unwrap();
        let settings = frontend_settings(config);
        assert_eq!(settings.keep_pr_dirs_days, 7);
        assert_eq!((settings.retention.days, settings.retention.snapshots), (3, 20));
        assert_eq!(settings.service_tag, "abc");
        // What clients are told without a setting is what the backend does.
        let backend = backend::Config::default();
        assert_eq!(
            frontend::Config::default().keep_pr_dirs_days,
            backend.keep_pr_dirs_days
        );
        assert_eq!(frontend::Config::default().retention, backend.retention.policy());
    }
}
