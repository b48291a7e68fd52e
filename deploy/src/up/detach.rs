//! The service in the background.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::Config;
use crate::up::{Options, preflight, report};

const LOOK: Duration = Duration::from_millis(200);
/// Stopping waits for the jobs and VMs that run.
const STOP: Duration = Duration::from_secs(90);

/// Starts the service in the background, shows its progress, and returns when it answers.
///
/// # Errors
/// When it does not come up; its own words are shown before.
pub fn detach(options: &Options) -> anyhow::Result<()> {
    let data = std::path::absolute(&options.settings.data).context("the data folder's path")?;
    fs_err::create_dir_all(data.join("log"))?;
    // Say at once what the background process would only write into its log.
    drop(preflight::lock(&data)?);
    report::remove(&data);
    let path = data.join("log/up.log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("opening {}", path.display()))?;
    let mut tail = std::fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    tail.seek(SeekFrom::End(0)).context("finding the log's end")?;
    let mut command = Command::new("setsid");
    command
        .arg(std::env::current_exe().context("finding this program")?)
        .arg("up")
        .arg("--data")
        .arg(&data);
    command.arg("--port").arg(options.settings.port.to_string());
    if let Some(file) = &options.settings.config {
        command
            .arg("--config")
            .arg(std::path::absolute(file).context("the configuration file's path")?);
    }
    let output = log.try_clone().context("sharing a log file")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(log)
        .spawn()
        .context("starting the background process")?;
    loop {
        let mut text = Vec::new();
        tail.read_to_end(&mut text).context("reading the log")?;
        std::io::stdout()
            .write_all(&text)
            .context("writing to the terminal")?;
        if report::read(&data).is_some() {
            // Let the last lines follow.
            std::thread::sleep(LOOK);
            let mut text = Vec::new();
            tail.read_to_end(&mut text).context("reading the log")?;
            return std::io::stdout()
                .write_all(&text)
                .context("writing to the terminal");
        }
        if let Some(status) = child.try_wait().context("asking after the background process")? {
            bail!(
                "the service did not start ({status}); its log is {}",
                path.display()
            );
        }
        std::thread::sleep(LOOK);
    }
}

/// Stops a service in the background and waits until it is gone.
///
/// # Errors
/// When none runs, or it does not end.
pub fn down(config: &Config) -> anyhow::Result<()> {
    let Some(report) = report::read(&config.data) else {
        if preflight::lock(&config.data).is_ok() {
            bail!("no service runs on {}", config.data.display());
        }
        bail!(
            "the service on {} is starting or stopping; try again in a moment",
            config.data.display()
        );
    };
    let pid = Pid::from_raw(i32::try_from(report.pid).context("the process id in up.json")?);
    if preflight::lock(&config.data).is_ok() {
        report::remove(&config.data);
        bail!(
            "no service runs on {} (it ended without cleaning up)",
            config.data.display()
        );
    }
    kill(pid, Signal::SIGTERM).context("stopping the service")?;
    let deadline = Instant::now() + STOP;
    while preflight::lock(&config.data).is_err() {
        if Instant::now() > deadline {
            bail!("process {pid} does not end; look into log/up.log in the data folder");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
