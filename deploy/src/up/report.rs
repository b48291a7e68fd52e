//! What a person, and a script, needs to know once the service answers.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::up::first_user;

/// `up.json` in the data folder; it is there exactly while the service answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Web and API.
    pub url: String,
    /// Builder API.
    pub builder_url: String,
    /// Results.
    pub results_url: String,
    /// S3.
    pub s3_endpoint: String,
    /// PostgreSQL.
    pub database_url: String,
    /// Path of a ready copr-cli configuration of the first user.
    pub copr_config: String,
    /// One-time link that signs the first user in.
    pub login_url: String,
    /// Process id of the supervisor.
    pub pid: u32,
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .with_context(|| format!("writing {}", new.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", new.display()))?;
    fs_err::rename(&new, path)?;
    Ok(())
}

/// Makes the first user's link and token, and writes `up.json`.
pub(super) async fn write(config: &Config) -> anyhow::Result<()> {
    let copr = config.data.join("copr.conf");
    // A token made earlier goes on working, so that what was pasted elsewhere does too.
    let known = fs_err::read_to_string(&copr).unwrap_or_default();
    if !known.contains(&format!("copr_url = {}\n", config.service.url))
        || !still_valid(config, &known).await?
    {
        write_private(&copr, &first_user::copr_config(config, &config.up.user).await?)?;
    }
    let report = Report {
        url: config.service.url.clone(),
        builder_url: config.frontend.builder_url.clone(),
        results_url: config.frontend.results_url.clone(),
        s3_endpoint: config.s3.endpoint.clone(),
        database_url: if config.replaced.database {
            "(your own)".to_owned()
        } else {
            config.database.url.clone()
        },
        copr_config: copr.display().to_string(),
        login_url: first_user::login_link(config, &config.up.user).await?,
        pid: std::process::id(),
    };
    let text = serde_json::to_string_pretty(&report).context("writing up.json")?;
    write_private(&config.data.join("up.json"), &(text + "\n"))
}

async fn still_valid(config: &Config, copr: &str) -> anyhow::Result<bool> {
    let value = |key: &str| {
        copr.lines()
            .find_map(|l| l.strip_prefix(key))
            .unwrap_or_default()
            .to_owned()
    };
    let pool = config.pool()?;
    let mut conn = pool.get().await.context("reaching the database")?;
    let (login, token) = (value("login = "), value("token = "));
    Ok(
        db::tokens::authenticate(&mut conn, &login, &token, (db::SystemClock())())
            .await?
            .is_some(),
    )
}

/// Reads `up.json`.
pub(super) fn read(data: &Path) -> Option<Report> {
    serde_json::from_str(&fs_err::read_to_string(data.join("up.json")).ok()?).ok()
}

/// Says the same to a person.
pub(super) fn print(data: &Path) -> anyhow::Result<()> {
    let report = read(data).context("up.json cannot be read back")?;
    println!(
        "
The service runs.

  web and API   {url}
  results       {results}
  sign in       {login}   (works once)
  copr-cli      {copr}

Try next:

  copr-cli --config {copr} create hello --chroot debian-12-x86_64
  copr-cli --config {copr} build hello YOUR.src.rpm
  curl {url}/coprs/{user}/hello/repo/debian-12/hello.repo
",
        url = report.url,
        results = report.results_url,
        login = report.login_url,
        copr = report.copr_config,
        user = std::fs::read_to_string(&report.copr_config)
            .ok()
            .and_then(|t| t
                .lines()
                .find_map(|l| l.strip_prefix("username = ").map(str::to_owned)))
            .unwrap_or_else(|| "admin".to_owned()),
    );
    Ok(())
}

/// Takes `up.json` away when the service stops.
pub(super) fn remove(data: &Path) {
    // It may never have been written.
    let _ = fs_err::remove_file(data.join("up.json"));
}
