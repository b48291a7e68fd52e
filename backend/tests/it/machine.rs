//! A user's machine.

use std::process::Command;

use tempfile::TempDir;

use crate::house::{CHROOT, House};

/// A machine with the `.repo` file of one directory, which demands both signature checks.
pub struct Machine {
    dir: TempDir,
}

impl Machine {
    pub async fn new(house: &House, owner: &str, dir: &str) -> Self {
        let url = format!("{}/coprs/{owner}/{dir}/repo/debian-12/", house.url);
        let answer = reqwest::get(&url).await.unwrap().error_for_status().unwrap();
        Self::with(&answer.text().await.unwrap())
    }

    pub fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repos", "root", "home", "log", "persist", "cache"] {
            fs_err::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let text = text.replace("skip_if_unavailable=True", "skip_if_unavailable=False");
        fs_err::write(dir.path().join("repos/project.repo"), text).unwrap();
        fs_err::write(dir.path().join("home/.rpmmacros"), "%_dbpath /var/lib/rpm\n").unwrap();
        Self { dir }
    }

    /// The same with the address of one snapshot, which nothing moves.
    pub async fn at(house: &House, owner: &str, dir: &str, snapshot: &str) -> Self {
        let url = format!("{}/coprs/{owner}/{dir}/repo/debian-12/", house.url);
        let answer = reqwest::get(&url).await.unwrap().error_for_status().unwrap();
        let text = answer.text().await.unwrap();
        let lines = text.lines().map(|line| {
            let address = line
                .strip_prefix("mirrorlist=")
                .or_else(|| line.strip_prefix("baseurl="));
            match address {
                Some(_) => format!(
                    "baseurl={}/{owner}/{dir}/{CHROOT}/@{snapshot}/",
                    house.results_url
                ),
                None => line.to_owned(),
            }
        });
        Self::with(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// A path of the machine.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs dnf; what it says, and whether it succeeded.
    pub async fn dnf(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("dnf");
        command
            .args([
                "-y",
                "--refresh",
                "--releasever=12",
                "--setopt=install_weak_deps=False",
                "--disableplugin=*",
            ])
            .arg(format!("--installroot={}", self.path("root")));
        for (key, folder) in [
            ("reposdir", "repos"),
            ("cachedir", "cache"),
            ("logdir", "log"),
            ("persistdir", "persist"),
        ] {
            command.arg(format!("--setopt={key}={}", self.path(folder)));
        }
        command.args(arguments).env("HOME", self.path("home"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout) + &text(&output.stderr),
        )
    }

    /// Names and versions of what dnf sees, sorted.
    pub async fn sees(&self) -> Vec<String> {
        let (done, said) = self
            .dnf(&["-q", "repoquery", "--qf", "seen %{name}-%{version}"])
            .await;
        assert!(done, "{said}");
        let mut seen: Vec<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix("seen "))
            .map(str::to_owned)
            .collect();
        seen.sort();
        seen
    }

    pub async fn install(&self, package: &str) {
        let (done, said) = self.dnf(&["install", package]).await;
        assert!(done, "{said}");
    }

    /// What an installed package's file says.
    pub fn reads(&self, name: &str) -> String {
        fs_err::read_to_string(self.dir.path().join("root/opt").join(name))
            .unwrap()
            .trim()
            .to_owned()
    }
}
