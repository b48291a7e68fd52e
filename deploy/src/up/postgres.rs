//! A private PostgreSQL cluster: it listens on a unix socket only, and its files are this installation's own.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::unistd::{User, geteuid};
use tokio::process::Command;

/// Longest path of a unix socket is 107 bytes, of which `/.s.PGSQL.5432` takes 14.
const LONGEST_SOCKET_DIR: usize = 90;

/// A cluster on disk.
#[derive(Clone)]
pub struct Cluster {
    bin: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    user: Option<User>,
}

/// Where cluster and socket live: in the data folder, unless PostgreSQL's user cannot get there (a folder below
/// `/root`, or a path too long for a socket); then below `/var/lib/koper`.
fn home(data: &Path) -> PathBuf {
    let reachable = !geteuid().is_root()
        || data.ancestors().all(|a| match fs_err::metadata(a) {
            Ok(m) => m.mode() & 0o001 != 0,
            Err(_) => true,
        });
    if reachable && data.as_os_str().len() + "/postgres/run".len() <= LONGEST_SOCKET_DIR {
        return data.join("postgres");
    }
    let name = data
        .to_string_lossy()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            // FNV-1a: a short stable name for the folder, nothing secret.
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    PathBuf::from(format!("/var/lib/koper/{name:016x}"))
}

/// Folder of the socket.
pub fn socket_dir(data: &Path) -> PathBuf {
    home(data).join("run")
}

impl Cluster {
    /// Finds the cluster, or makes it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or `initdb` fails.
    pub async fn ensure(data: &Path) -> anyhow::Result<Self> {
        let bin = programs()?;
        let user = if geteuid().is_root() {
            let user = User::from_name("postgres").context("looking up the user postgres")?;
            Some(user.context("there is no user 'postgres'; install the Debian package postgresql-15")?)
        } else {
            None
        };
        let home = home(data);
        let cluster = Self {
            bin,
            data: home.join("cluster"),
            socket: home.join("run"),
            user,
        };
        for dir in [&home, &cluster.data, &cluster.socket] {
            fs_err::create_dir_all(dir)?;
            if let Some(user) = &cluster.user {
                std::os::unix::fs::chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                    .with_context(|| format!("giving {} to PostgreSQL's user", dir.display()))?;
            }
        }
        fs_err::set_permissions(&cluster.data, PermissionsExt::from_mode(0o700))?;
        fs_err::set_permissions(&cluster.socket, PermissionsExt::from_mode(0o755))?;
        if !cluster.data.join("PG_VERSION").exists() {
            cluster.init().await?;
        }
        Ok(cluster)
    }

    /// A command of PostgreSQL that runs as its user and dies with this process.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if let Some(user) = &self.user {
            command
                .arg(format!("--reuid={}", user.uid))
                .arg(format!("--regid={}", user.gid))
                .arg("--init-groups");
        }
        command
            .arg("--")
            .arg(self.bin.join(program))
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/");
        command
    }

    async fn init(&self) -> anyhow::Result<()> {
        let output = self
            .command("initdb")
            .args([
                "--username=koper",
                "--auth-local=trust",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--no-instructions",
            ])
            .arg("-D")
            .arg(&self.data)
            .output()
            .await
            .context("running initdb")?;
        if !output.status.success() {
            bail!(
                "initdb in {} failed: {}",
                self.data.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// The server's command line.
    pub fn server(&self) -> Command {
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.socket);
        for setting in [
            "listen_addresses=",
            "max_connections=120",
            "shared_buffers=64MB",
            "unix_socket_permissions=0777",
        ] {
            command.arg("-c").arg(setting);
        }
        command
    }

    /// Waits until the server takes connections, and makes the database if it is not there.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn wait_ready(&self, at_most: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            let output = self
                .command("psql")
                .args(["-X", "-q", "-A", "-t", "-U", "koper", "-d", "postgres", "-h"])
                .arg(&self.socket)
                .args(["-c", "SELECT count(*) FROM pg_database WHERE datname = 'koper'"])
                .output()
                .await
                .context("running psql")?;
            match (
                output.status.success(),
                String::from_utf8_lossy(&output.stdout).trim(),
            ) {
                (true, "1") => return Ok(()),
                (true, _) => {
                    let mut create = self.command("createdb");
                    create.args(["-U", "koper", "-h"]).arg(&self.socket).arg("koper");
                    let made = create.output().await.context("running createdb")?;
                    if !made.status.success() {
                        bail!(
                            "createdb failed: {}",
                            String::from_utf8_lossy(&made.stderr).trim()
                        );
                    }
                    return Ok(());
                }
                (false, _) if tokio::time::Instant::now() > deadline => {
                    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    bail!(
                        "PostgreSQL does not answer: {reason}; look into log/postgres.log in the data folder"
                    );
                }
                (false, _) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// The newest installed version's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    if let Ok(entries) = fs_err::read_dir("/usr/lib/postgresql") {
        for entry in entries.flatten() {
            let bin = entry.path().join("bin");
            if let (Ok(version), true) = (
                entry.file_name().to_string_lossy().parse(),
                bin.join("initdb").exists(),
            ) {
                found.push((version, bin));
            }
        }
    }
    found.sort();
    let newest = found.pop().map(|(_, bin)| bin);
    newest.context(
        "PostgreSQL is not installed; install the Debian package postgresql-15, or set [database] url",
    )
}
