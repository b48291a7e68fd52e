//! Child processes: started, written to log files, started again when they end, stopped in reverse order.
//!
//! `run/<part>.pid` in the data folder holds each one's process id. While `hold/<part>` exists, a part that has ended is
//! not started again: an administrator's way to keep it down without stopping the rest.

use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cli::Settings;
use crate::config::Config;
use crate::parts::Part;
use crate::up::postgres::Cluster;

/// How long a part may take to end by itself.
const GRACE: Duration = Duration::from_secs(20);
/// Between looks at the children.
const LOOK: Duration = Duration::from_millis(200);
/// A part that ends sooner than this after its start waits before the next one.
const QUICK: Duration = Duration::from_secs(5);

struct Process {
    name: String,
    start: Box<dyn Fn() -> Command>,
    stop: Signal,
    child: Option<Child>,
    started: Instant,
    not_before: Instant,
}

/// All children.
pub(super) struct Supervisor {
    data: PathBuf,
    arguments: Vec<String>,
    processes: VecDeque<Process>,
}

impl Supervisor {
    pub(super) fn new(config: &Config, settings: &Settings) -> anyhow::Result<Self> {
        for dir in ["log", "run", "hold"] {
            fs_err::create_dir_all(config.data.join(dir))?;
        }
        let mut arguments = vec![
            "--data".to_owned(),
            config.data.display().to_string(),
            "--port".to_owned(),
            settings.port.to_string(),
        ];
        if let Some(file) = &settings.config {
            let file = std::path::absolute(file).context("the configuration file's path")?;
            arguments.extend(["--config".to_owned(), file.display().to_string()]);
        }
        Ok(Self {
            data: config.data.clone(),
            arguments,
            processes: VecDeque::new(),
        })
    }

    pub(super) fn part(&mut self, part: Part) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("finding this program")?;
        let arguments = self.arguments.clone();
        let start = move || {
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "TERM", "--"])
                .arg(&program)
                .args(["run", part.name()])
                .args(&arguments);
            command
        };
        self.add(part.name(), Box::new(start), Signal::SIGTERM)
    }

    pub(super) fn postgres(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let cluster = cluster.clone();
        // SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients to leave.
        self.add("postgres", Box::new(move || cluster.server()), Signal::SIGINT)
    }

    fn add(&mut self, name: &str, start: Box<dyn Fn() -> Command>, stop: Signal) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut process = Process {
            name: name.to_owned(),
            start,
            stop,
            child: None,
            started: now,
            not_before: now,
        };
        self.launch(&mut process)?;
        self.processes.push_front(process);
        Ok(())
    }

    /// The last line of a part's log.
    pub(super) fn last_words(&self, part: Part) -> String {
        let log = self.data.join("log").join(format!("{}.log", part.name()));
        let text = tail(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().next_back().unwrap_or("(nothing)").to_owned()
    }

    fn launch(&self, process: &mut Process) -> anyhow::Result<()> {
        let path = self.data.join("log").join(format!("{}.log", process.name));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("opening {}", path.display()))?;
        let child = (process.start)()
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing a log file")?)
            .stderr(log)
            // A group of its own: Ctrl-C reaches only the supervisor, which stops the parts in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", process.name))?;
        if let Some(id) = child.id() {
            fs_err::write(
                self.data.join("run").join(format!("{}.pid", process.name)),
                id.to_string(),
            )?;
        }
        process.child = Some(child);
        process.started = Instant::now();
        Ok(())
    }

    /// Starts whatever has ended again.
    pub(super) fn revive(&mut self) -> anyhow::Result<()> {
        let mut processes = std::mem::take(&mut self.processes);
        let result = processes.iter_mut().try_for_each(|p| self.revive_one(p));
        self.processes = processes;
        result
    }

    fn revive_one(&self, process: &mut Process) -> anyhow::Result<()> {
        if let Some(child) = &mut process.child {
            let Some(status) = child
                .try_wait()
                .with_context(|| format!("asking after {}", process.name))?
            else {
                return Ok(());
            };
            tracing::warn!(
                "{} ended ({status}) and will be started again; see log/{0}.log",
                process.name
            );
            process.child = None;
            let wait = if process.started.elapsed() < QUICK {
                Duration::from_secs(2)
            } else {
                Duration::ZERO
            };
            process.not_before = Instant::now() + wait;
        }
        let held = self.data.join("hold").join(&process.name).exists();
        if held || Instant::now() < process.not_before {
            return Ok(());
        }
        self.launch(process)
    }

    /// Keeps everything alive until `end`.
    pub(super) async fn watch(&mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                () = tokio::time::sleep(LOOK) => {
                    if let Err(error) = self.revive() {
                        tracing::error!("{error:#}");
                    }
                }
            }
        }
    }

    /// Stops everything, last started first.
    pub(super) async fn stop(&mut self) {
        for process in &mut self.processes {
            let Some(child) = &mut process.child else { continue };
            if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
                // It may have ended by itself just now.
                let _ = kill(Pid::from_raw(pid), process.stop);
            }
            if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                tracing::warn!("{} does not end; killing it", process.name);
                let _ = child.kill().await;
            }
            let _ = fs_err::remove_file(self.data.join("run").join(format!("{}.pid", process.name)));
        }
    }
}

/// The last bytes of a log, at most 4 KiB: it may be long.
fn tail(log: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_log_is_read_from_its_end() {
        let log = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(log.path(), format!("{}\nwhy", "x".repeat(10_000))).unwrap();
        let text = super::tail(log.path()).unwrap();
        assert_eq!(text.len(), 4096);
        assert!(text.ends_with(b"\nwhy"));
    }
}
