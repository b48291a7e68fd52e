//! The service under test: one, shared by all stories, started by `deploy/test`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

/// A running service.
pub struct Service {
    data: PathBuf,
    up: Value,
}

/// Waits for a state with a deadline.
///
/// # Panics
/// When the state does not come about in time; the message says which.
pub fn wait_until<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not come about within {at_most:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Service {
    /// The service that `KOPER_TEST_DATA` names.
    ///
    /// # Errors
    /// When there is none; stories never run without.
    pub fn shared() -> anyhow::Result<Self> {
        let data = std::env::var_os("KOPER_TEST_DATA")
            .context("KOPER_TEST_DATA does not name a running service's data folder; use deploy/test")?;
        let data = PathBuf::from(data);
        let up = serde_json::from_str(&fs_err::read_to_string(data.join("up.json"))?)?;
        Ok(Self { data, up })
    }

    fn text(&self, key: &str) -> String {
        self.up[key].as_str().unwrap_or_default().to_owned()
    }

    /// URL of web and API.
    pub fn url(&self) -> String {
        self.text("url")
    }

    /// URL of the builder API.
    pub fn builder_url(&self) -> String {
        self.text("builder_url")
    }

    /// URL of results.
    pub fn results_url(&self) -> String {
        self.text("results_url")
    }

    /// The administrator's copr-cli configuration.
    pub fn copr_config(&self) -> PathBuf {
        PathBuf::from(self.text("copr_config"))
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The administrator's name.
    pub fn owner(&self) -> &'static str {
        "admin"
    }

    /// The program under test.
    pub fn program() -> PathBuf {
        std::env::var_os("KOPER_TEST_PROGRAM").map_or_else(|| PathBuf::from("koper"), PathBuf::from)
    }

    fn koper(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let port: u16 = self
            .url()
            .rsplit(':')
            .next()
            .and_then(|p| p.parse().ok())
            .context("the service's port")?;
        let output = std::process::Command::new(Self::program())
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .args(["--port", &port.to_string()])
            .output()
            .context("running koper")?;
        anyhow::ensure!(
            output.status.success(),
            "koper {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A fresh one-time link.
    ///
    /// # Errors
    /// When the program fails.
    pub fn login_link(&self, user: &str) -> anyhow::Result<String> {
        Ok(self.koper(&["login-link", user])?.trim().to_owned())
    }

    /// A copr-cli configuration of a user, who is made if needed.
    ///
    /// # Errors
    /// When the program fails.
    pub fn token(&self, user: &str) -> anyhow::Result<String> {
        self.koper(&["token", user])
    }

    /// What `koper retention --dry-run` prints about the repositories of an owner.
    ///
    /// # Errors
    /// When the program fails.
    pub fn retention(&self, owner: &str) -> anyhow::Result<String> {
        self.koper(&["retention", "--dry-run", "--owner", owner])
    }

    /// Kills a part as `kill -9` does, and returns the process id that it had.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, part: &str) -> anyhow::Result<i32> {
        let pid = self.pid(part).with_context(|| format!("{part} does not run"))?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)?;
        Ok(pid)
    }

    /// Process id of a part.
    pub fn pid(&self, part: &str) -> Option<i32> {
        fs_err::read_to_string(self.data.join("run").join(format!("{part}.pid")))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Keeps a part from being started again until the returned value is dropped.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn hold(&self, part: &str) -> anyhow::Result<Hold> {
        let file = self.data.join("hold").join(part);
        fs_err::write(&file, "")?;
        Ok(Hold(file))
    }

    /// Makes the backend die when it next passes a place.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn die_at(&self, place: &str) -> anyhow::Result<PathBuf> {
        let file = self.data.join("fault");
        fs_err::write(&file, place)?;
        Ok(file)
    }
}

/// Keeps a part down.
pub struct Hold(PathBuf);

impl Drop for Hold {
    fn drop(&mut self) {
        // A test that is unwinding has nothing better to do than to go on.
        let _ = fs_err::remove_file(&self.0);
    }
}
