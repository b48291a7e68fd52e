//! Settings: defaults that depend on the data folder, then a TOML file, then environment variables.
//!
//! `KOPER_<SECTION>__<KEY>` sets one key: `KOPER_S3__BUCKET=packages`. A value is read as TOML where that works, and as
//! text otherwise.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use protocol::ServiceIdentity;
use serde::Deserialize;
use toml::{Table, Value};

use crate::secrets;

/// All settings of all parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the service names itself.
    pub service: ServiceIdentity,
    /// PostgreSQL.
    pub database: Database,
    /// Object store.
    pub s3: storage::Config,
    /// Signer.
    pub keys: Keys,
    /// Web, API, builder API, results.
    pub frontend: frontend::Config,
    /// What an owner may use.
    pub quota: frontend::config::Quota,
    /// What happens by itself.
    pub backend: backend::Config,
    /// The message bus.
    pub events: backend::events::EventsConfig,
    /// The builder on this machine.
    pub builder: builder::Config,
    /// What `koper up` runs.
    pub up: Up,
    /// Everything is below this folder.
    #[serde(skip)]
    pub data: PathBuf,
    /// Which of the parts `koper up` was told to replace.
    #[serde(skip)]
    pub replaced: Replaced,
}

/// PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Connection string, `postgres://…` or `host=… dbname=…`. Setting it replaces the private cluster.
    pub url: String,
    /// Connections per process. Unset: [`Config::pool`] and [`Config::frontend_pool`] know what is good for each.
    pub connections: Option<usize>,
}

/// The signer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// URL under which backend reaches it. Setting it replaces the signer on this machine.
    pub url: String,
    /// Where the signer on this machine listens.
    pub listen: SocketAddr,
    /// What its clients present.
    pub token: storage::Secret,
    /// RSA keys made in advance, so that a new project waits for none.
    pub pool: usize,
    /// Days after which new keys expire if nobody puts their end off; 0 is never.
    pub lifetime_days: u32,
}

/// What `koper up` runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Up {
    /// Name of the first user.
    pub user: String,
    /// Whether a builder runs on this machine.
    pub builder: bool,
    /// Where the embedded S3 server listens.
    pub s3_listen: SocketAddr,
    /// Folder of chroot definitions.
    pub chroots: PathBuf,
}

/// Parts that a setting replaces by something of the administrator's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replaced {
    /// `[database] url` was set.
    pub database: bool,
    /// `[s3] endpoint` was set.
    pub s3: bool,
    /// `[keys] url` was set.
    pub keys: bool,
}

impl Config {
    /// Reads settings for a data folder.
    ///
    /// # Errors
    /// With a sentence that names the key and, for an unknown one, the nearest known.
    pub fn load(data: &Path, file: Option<&Path>, port: u16) -> anyhow::Result<Self> {
        Self::from_parts(data, file, port, std::env::vars().collect())
    }

    pub(crate) fn from_parts(
        data: &Path,
        file: Option<&Path>,
        port: u16,
        env: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let own = data.join("koper.toml");
        let file = file.map(Path::to_owned).or_else(|| own.exists().then_some(own));
        let mut given = match &file {
            Some(path) => fs_err::read_to_string(path)?
                .parse::<Table>()
                .with_context(|| format!("{} is not valid TOML", path.display()))?,
            None => Table::new(),
        };
        for (name, value) in env {
            let Some((section, key)) = name.strip_prefix("KOPER_").and_then(|n| n.split_once("__")) else {
                continue;
            };
            let value = format!("v = {value}")
                .parse::<Table>()
                .ok()
                .and_then(|mut t| t.remove("v"))
                .unwrap_or(Value::String(value));
            let section = given
                .entry(section.to_lowercase())
                .or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(section) = section else {
                bail!("the setting {name} needs a section, not a value")
            };
            section.insert(key.to_lowercase(), value);
        }
        let has = |section: &str, key: &str| given.get(section).and_then(|s| s.get(key)).is_some();
        let replaced = Replaced {
            database: has("database", "url"),
            s3: has("s3", "endpoint"),
            keys: has("keys", "url"),
        };
        let mut table = defaults(data, port)?;
        merge(&mut table, given);
        // The web's own URL is the service's, and what packages name.
        let mut config: Self = Value::Table(table).try_into().map_err(|e: toml::de::Error| {
            let place = file.map_or("the environment".to_owned(), |f| f.display().to_string());
            anyhow::anyhow!("{}", explain(&e.to_string(), &place))
        })?;
        config.data = data.to_owned();
        config.replaced = replaced;
        Ok(config)
    }

    /// A pool of connections, 16 unless set.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn pool(&self) -> anyhow::Result<db::Pool> {
        self.pool_of(16)
    }

    /// The pool of the frontend, two for each core unless set, at least four. Many long lists at once are answered no
    /// faster by more of them: they would only get in each other's way, and who comes first would not be served first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn frontend_pool(&self) -> anyhow::Result<db::Pool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.pool_of((2 * cores).max(4))
    }

    fn pool_of(&self, usual: usize) -> anyhow::Result<db::Pool> {
        let size = self.database.connections.unwrap_or(usual);
        db::pool(&self.database.url, size).context("making the database pool")
    }
}

fn defaults(data: &Path, port: u16) -> anyhow::Result<Table> {
    let local = |offset| SocketAddr::from((Ipv4Addr::LOCALHOST, port.saturating_add(offset))).to_string();
    let dir = |name: &str| data.join(name).display().to_string();
    let (web, builders, results, s3, keys) = (local(0), local(1), local(2), local(3), local(4));
    let socket = crate::up::postgres::socket_dir(data).display().to_string();
    let guest = std::env::current_exe()
        .context("finding this program")?
        .with_file_name("koper-guest");
    let chroots = crate::chroots::shipped();
    let secret = |name: &str| secrets::read(data, name).unwrap_or_default();
    let text = toml::toml! {
        [service]
        [database]
        [s3]
        bucket = "koper"
        region = "us-east-1"
        access_key = "koper"
        path_style = true
        [keys]
        pool = 4
        lifetime_days = 0
        [frontend]
        [quota]
        [backend]
        [events]
        [builder]
        [up]
        user = "admin"
        builder = true
    };
    let mut table = text;
    let mut set = |section: &str, key: &str, value: String| {
        if let Some(Value::Table(t)) = table.get_mut(section) {
            t.insert(key.to_owned(), Value::String(value));
        }
    };
    set("service", "url", format!("http://{web}"));
    set(
        "database",
        "url",
        format!("host={socket} port=5432 user=koper dbname=koper"),
    );
    set("s3", "endpoint", format!("http://{s3}"));
    set("s3", "secret_key", secret(secrets::S3));
    set("keys", "url", format!("http://{keys}"));
    set("keys", "listen", keys);
    set("keys", "token", secret(secrets::KEYS));
    set("frontend", "listen", web);
    set("frontend", "builder_url", format!("http://{builders}"));
    set("frontend", "builder_listen", builders.clone());
    set("frontend", "results_url", format!("http://{results}/results"));
    set("frontend", "results_listen", results.clone());
    set("frontend", "builder_token", secret(secrets::BUILDER));
    set("backend", "scratch_dir", dir("backend"));
    set("events", "amqp_url", secret(secrets::BUS));
    set("builder", "hub_url", format!("http://{builders}"));
    set("builder", "token", secret(secrets::BUILDER));
    set("builder", "data_dir", dir("builder"));
    set("builder", "guest_binary", guest.display().to_string());
    set("up", "s3_listen", s3);
    set("up", "chroots", chroots.display().to_string());
    if let Some(Value::Table(t)) = table.get_mut("builder") {
        t.insert(
            "trusted_hosts".to_owned(),
            Value::Array(vec![Value::String(results)]),
        );
    }
    Ok(table)
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Turns serde's "unknown field `buckt`, expected one of `bucket`, …" into a sentence with the nearest known name.
fn explain(error: &str, place: &str) -> String {
    let mut quoted = error.split('`').skip(1).step_by(2);
    if error.contains("unknown field")
        && let Some(unknown) = quoted.next()
    {
        let nearest = quoted
            .max_by(|a, b| strsim::jaro_winkler(a, unknown).total_cmp(&strsim::jaro_winkler(b, unknown)));
        let hint = nearest.map_or(String::new(), |n| format!("; did you mean '{n}'?"));
        return format!("there is no setting '{unknown}' (in {place}){hint}");
    }
    format!("settings in {place}: {}", error.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, env: &[(&str, &str)]) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("koper.toml"), toml).unwrap();
        let env = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Config::from_parts(dir.path(), None, 6000, env)
    }

    #[test]
    fn everything_has_a_default() {
        let config = load("", &[]).unwrap();
        assert_eq!(config.frontend.listen.port(), 6000);
        assert_eq!(config.s3.endpoint, "http://127.0.0.1:6003");
        assert!(!config.replaced.database);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = load(
            "[s3]\nbucket = 'a'\n",
            &[("KOPER_S3__BUCKET", "b"), ("KOPER_FRONTEND__LEASE_S", "7")],
        )
        .unwrap();
        assert_eq!(config.s3.bucket, "b");
        assert_eq!(config.frontend.lease_s, 7);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_name() {
        let error = load("[s3]\nbuckt = 'a'\n", &[]).unwrap_err().to_string();
        assert!(
            error.contains("'buckt'") && error.contains("did you mean 'bucket'?"),
            "{error}"
        );
        let error = load("", &[("KOPER_BUILDER__SLOT", "1")]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'slots'?"), "{error}");
        let error = load("[frontent]\nlease_s = 1\n", &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'frontend'?"), "{error}");
    }

    #[test]
    fn replacing_a_part_is_noticed() {
        let config = load("[database]\nurl = 'postgres://db/koper'\n", &[]).unwrap();
        assert!(config.replaced.database && !config.replaced.s3);
    }

    #[test]
    fn no_secret_shows() {
        let config = load("[s3]\nsecret_key = 'hunter2'\n[keys]\ntoken = 'hunter2'\n", &[]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
