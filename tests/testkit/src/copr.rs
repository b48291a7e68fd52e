//! The unmodified `copr-cli`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;

use crate::service::Service;

/// The python environment that `deploy/test` prepares, with `copr-cli` and the library `copr`.
pub fn venv() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv")
}

/// `copr-cli` with a user's configuration.
#[derive(Clone)]
pub struct Copr {
    config: PathBuf,
    _own: Option<Arc<tempfile::TempDir>>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Demands an exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Build numbers of "Created builds: 1 2".
    pub fn builds(&self) -> Vec<u64> {
        let line = self
            .out
            .lines()
            .find_map(|l| l.strip_prefix("Created builds: "))
            .unwrap_or_default();
        line.split_whitespace().filter_map(|n| n.parse().ok()).collect()
    }

    /// The only build number.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[track_caller]
    pub fn build(&self) -> u64 {
        let builds = self.builds();
        assert_eq!(builds.len(), 1, "{self:?}");
        builds[0]
    }
}

impl Copr {
    /// As the administrator.
    pub fn admin(service: &Service) -> Self {
        Self {
            config: service.copr_config(),
            _own: None,
        }
    }

    /// As another user, who is made if needed.
    ///
    /// # Errors
    /// When the program fails.
    pub fn user(service: &Service, name: &str) -> anyhow::Result<Self> {
        Self::with_config(&service.token(name)?)
    }

    /// With a configuration's text.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_config(text: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("copr");
        fs_err::write(&config, text)?;
        Ok(Self {
            config,
            _own: Some(Arc::new(dir)),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("KOPER_COPR_CLI")
            .unwrap_or_else(|| venv().join("bin/copr-cli").into_os_string());
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .env("TZ", "UTC");
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let output = self.command(arguments).output().context("running copr-cli")?;
        Ok(Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a command and leaves it running.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting copr-cli")
    }

    /// State of a build, in Copr's word.
    ///
    /// # Errors
    /// When copr-cli fails.
    pub fn status(&self, build: u64) -> anyhow::Result<String> {
        Ok(self
            .run(&["status", &build.to_string()])?
            .expect_code(0)
            .out
            .trim()
            .to_owned())
    }
}
