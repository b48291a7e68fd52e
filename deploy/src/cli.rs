//! Command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::{bench, parts, retention, up};

/// A personal repository service for RPM distributions.
#[derive(Debug, Parser)]
#[command(name = "koper", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where settings come from.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Folder that holds everything the service keeps.
    #[arg(long, env = "KOPER_DATA", default_value = "var")]
    pub data: PathBuf,
    /// TOML file with settings; default: koper.toml in the data folder, if it is there.
    #[arg(long, env = "KOPER_CONFIG")]
    pub config: Option<PathBuf>,
    /// First of five ports: web and API, builder API, results, object store, signer.
    #[arg(long, env = "KOPER_PORT", default_value_t = 5080)]
    pub port: u16,
}

impl Settings {
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let data = std::path::absolute(&self.data).context("the data folder's path")?;
        Config::load(&data, self.config.as_deref(), self.port)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole service on this machine.
    Up(up::Options),
    /// Stop a service that runs in the background.
    Down(Settings),
    /// Run one part in the foreground.
    Run {
        /// Which part.
        part: parts::Part,
        #[command(flatten)]
        settings: Settings,
    },
    /// Apply database migrations and load chroot definitions.
    Migrate(Settings),
    /// Print a one-time link that signs a user in; makes the user if needed.
    LoginLink {
        /// Name of the user.
        user: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a new API token of a user as a copr-cli configuration; makes the user if needed.
    Token {
        /// Name of the user.
        user: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// List what retention would remove.
    Retention(retention::Options),
    /// Run benchmarks against the running service and print a JSON line per figure.
    Bench(bench::Options),
    /// Connect standard input and output with a unix socket (used by the builder).
    #[command(hide = true)]
    Relay {
        /// The socket.
        socket: PathBuf,
    },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// With a sentence for the administrator.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Relay { socket } => return builder::relay(&socket).context("relaying to the proxy"),
            Command::Up(options) if options.detach => return up::detach(&options),
            Command::Down(settings) => return up::down(&settings.load()?),
            _ => {}
        }
        log();
        // A child that asks to be killed with its parent means the parent's thread: there must be one that stays.
        let single = matches!(self.command, Command::Up(_));
        let mut runtime = if single {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        let runtime = runtime.enable_all().build().context("starting the runtime")?;
        runtime.block_on(async {
            match self.command {
                Command::Up(options) => up::run(&options).await,
                Command::Run { part, settings } => parts::run(part, settings.load()?).await,
                Command::Migrate(settings) => crate::chroots::migrate(&settings.load()?).await,
                Command::LoginLink { user, settings } => {
                    println!("{}", up::first_user::login_link(&settings.load()?, &user).await?);
                    Ok(())
                }
                Command::Token { user, settings } => {
                    print!("{}", up::first_user::copr_config(&settings.load()?, &user).await?);
                    Ok(())
                }
                Command::Retention(options) => retention::run(&options).await,
                Command::Bench(options) => bench::run(&options).await,
                Command::Relay { .. } | Command::Down(_) => Ok(()),
            }
        })
    }
}

fn log() {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_env("KOPER_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
