//! A machine of somebody who installs packages: `dnf` with the `.repo` file that the service hands out, and nothing else
//! of ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context as _;

use crate::CHROOT;
use crate::service::Service;

/// An empty machine with two repositories: the distribution's and a project's.
pub struct Client {
    dir: tempfile::TempDir,
}

impl Client {
    /// Takes the `.repo` file of a project as a user would.
    ///
    /// # Errors
    /// When it is not served.
    pub async fn new(service: &Service, owner: &str, project: &str) -> anyhow::Result<Self> {
        let this = Self::bare(service)?;
        let url = format!(
            "{}/coprs/{owner}/{project}/repo/debian-12/{project}.repo",
            service.url()
        );
        let answer = reqwest::get(&url).await?;
        anyhow::ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
        let text = answer.text().await?;
        assert!(
            text.contains("repo_gpgcheck=1") && text.contains("gpgcheck=1"),
            "{text}"
        );
        this.add_repo("project", &text)?;
        Ok(this)
    }

    /// A machine that knows no project yet.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn bare(service: &Service) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let this = Self { dir };
        for folder in [
            "repos",
            "cache",
            "root",
            "home",
            "log",
            "persist",
            "plugins/copr.d",
        ] {
            fs_err::create_dir_all(this.path(folder))?;
        }
        let distro = service.results_url().replace("/results", "/distro");
        this.add_repo(
            "distro",
            &format!("[distro]\nname=distro\nbaseurl={distro}/{CHROOT}/\ngpgcheck=0\n"),
        )?;
        // What the README tells users of `dnf copr` to write.
        let url = service.url();
        let (protocol, address) = url.split_once("://").context("the service's URL")?;
        let (host, port) = address.rsplit_once(':').context("the service's port")?;
        fs_err::write(
            this.path("plugins/copr.d/koper.conf"),
            format!("[koper]\nhostname = {host}\nprotocol = {protocol}\nport = {port}\n"),
        )?;
        // Debian's rpm keeps its database in the home folder; an RPM distribution keeps it here.
        fs_err::write(this.path("home/.rpmmacros"), "%_dbpath /var/lib/rpm\n")?;
        Ok(this)
    }

    /// Writes a `.repo` file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_repo(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(fs_err::write(
            self.path("repos").join(format!("{name}.repo")),
            text,
        )?)
    }

    /// Runs `dnf copr …`, with the service as the hub `koper`, and returns what it says.
    ///
    /// # Errors
    /// When it fails.
    pub fn copr(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let setopt = |key: &str, name: &str| format!("--setopt={key}={}", self.path(name).display());
        let output = Command::new("dnf")
            .args(["-y", "--releasever=12", "--disableplugin=local"])
            .args([
                setopt("reposdir", "repos"),
                setopt("pluginconfpath", "plugins"),
                setopt("cachedir", "cache"),
                setopt("logdir", "log"),
                setopt("persistdir", "persist"),
            ])
            .arg("copr")
            .args(arguments)
            .env("HOME", self.path("home"))
            .output()
            .context("running dnf copr")?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::ensure!(output.status.success(), "dnf copr {arguments:?}: {said}");
        Ok(said)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The machine's root folder.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn dnf(&self, cache: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let setopt = |key: &str, path: PathBuf| format!("--setopt={key}={}", path.display());
        Command::new("dnf")
            .args([
                "-y",
                "--releasever=12",
                "--setopt=install_weak_deps=False",
                "--disableplugin=local",
            ])
            .arg(format!("--installroot={}", self.root().display()))
            .arg(setopt("reposdir", self.path("repos")))
            .arg(setopt("cachedir", self.path(cache)))
            .arg(setopt("logdir", self.path("log")))
            .arg(setopt("persistdir", self.path("persist")))
            .args(arguments)
            .env("HOME", self.path("home"))
            .output()
            .context("running dnf")
    }

    /// Runs dnf and returns what it says.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.dnf("cache", arguments)?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::ensure!(output.status.success(), "dnf {arguments:?}: {said}");
        Ok(said)
    }

    /// Runs a program of the machine.
    ///
    /// # Errors
    /// When it fails.
    pub fn chroot(&self, command: &str) -> anyhow::Result<String> {
        let output = Command::new("chroot")
            .arg(self.root())
            .args(["/bin/sh", "-c", command])
            .output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::ensure!(output.status.success(), "chroot: {command}: {said}");
        Ok(said)
    }

    /// Asks rpm about the machine's packages.
    ///
    /// # Errors
    /// When it fails.
    pub fn rpm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("rpm")
            .arg("--root")
            .arg(self.root())
            .args(["--dbpath", "/var/lib/rpm"])
            .args(arguments)
            .output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::ensure!(output.status.success(), "rpm {arguments:?}: {said}");
        Ok(said)
    }

    /// Packages that dnf has downloaded and kept (with `keepcache`), whose names end in `suffix`.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn downloaded(&self, suffix: &str) -> anyhow::Result<Vec<PathBuf>> {
        self.files(&self.path("cache"), suffix)
    }

    /// Files below a folder of the machine that end in `suffix`.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn files(&self, folder: &Path, suffix: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(folder)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                found.extend(self.files(&path, suffix)?);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Refreshes the project's metadata over and over, from nothing each time, in a thread of its own.
    pub fn makecache_loop(self: &Arc<Self>) -> Loop {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (this, stop_too, rounds_too) = (self.clone(), stop.clone(), rounds.clone());
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            while !stop_too.load(Ordering::Relaxed) {
                let round = rounds_too.fetch_add(1, Ordering::Relaxed);
                let cache = format!("loop-{round}");
                let arguments = [
                    "--disablerepo=distro",
                    "--setopt=*.skip_if_unavailable=False",
                    "makecache",
                ];
                match this.dnf(&cache, &arguments) {
                    Ok(output) if output.status.success() => {}
                    Ok(output) => failures.push(String::from_utf8_lossy(&output.stderr).into_owned()),
                    Err(error) => failures.push(error.to_string()),
                }
                // The next round starts from nothing whether or not this one's cache can be removed.
                let _ = fs_err::remove_dir_all(this.path(&cache));
            }
            failures
        });
        Loop { stop, rounds, thread }
    }
}

/// A running loop of clients.
pub struct Loop {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Loop {
    /// Rounds begun so far.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Ends the loop and demands that no round failed.
    ///
    /// # Panics
    /// When one did, or there was none.
    #[track_caller]
    pub fn expect_no_failure(self) {
        self.stop.store(true, Ordering::Relaxed);
        let rounds = self.rounds();
        let failures = self
            .thread
            .join()
            .unwrap_or_else(|_| vec!["the loop panicked".to_owned()]);
        assert!(rounds > 0, "no client ran");
        assert!(
            failures.is_empty(),
            "{} of {rounds} clients failed: {failures:#?}",
            failures.len()
        );
    }
}
