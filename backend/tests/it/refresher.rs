//! A machine that reads metadata anew all the time, many times a second.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::house::{CHROOT, House};
use crate::machine::Machine;

/// dnf's own library in one process, which spares it the start of a program each time.
pub struct Refresher {
    machine: Machine,
    child: Child,
}

/// What it did until its end.
#[derive(Debug, Deserialize)]
pub struct Refreshed {
    /// How often.
    pub times: usize,
    /// During how many of these something was published.
    pub moved: usize,
}

impl Refresher {
    /// `owner` and `dir` say which `latest.json` it looks into; the machine's repositories are the machine's own.
    pub fn start(house: &House, machine: Machine, owner: &str, dir: &str) -> Self {
        let latest = format!("{}/{owner}/{dir}/{CHROOT}/latest.json", house.results_url);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/refresh.py");
        // The interpreter that has dnf's modules, wherever another one comes first.
        let child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([machine.path(""), latest, machine.path("stop")])
            .env("HOME", machine.path("home"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { machine, child }
    }

    fn stop(&self) -> PathBuf {
        PathBuf::from(self.machine.path("stop"))
    }

    /// How often it has read until now.
    pub fn times(&self) -> usize {
        let file = self.stop().with_extension("times");
        fs_err::read_to_string(file).map_or(0, |times| times.parse().unwrap())
    }

    /// Whether it gave up.
    pub fn has_failed(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it did, or what it failed with.
    pub async fn end(self) -> Result<Refreshed, String> {
        fs_err::write(self.stop(), "").unwrap();
        let child = self.child;
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = output.await.unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}
