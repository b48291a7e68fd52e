//! One virtual machine: a QEMU process with its sockets.

mod arguments;
mod console;
mod probe;
mod qmp;
mod spawn;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Child;

pub use arguments::{Acceleration, Disk, Machine};
pub use console::Console;
pub use probe::probe;

use qmp::Qmp;

/// Time that QEMU has to connect its sockets.
const CONNECT: Duration = Duration::from_secs(20);

/// A running VM. Dropping it kills it.
pub struct Vm {
    child: Child,
    qmp: Qmp,
    errors: PathBuf,
    /// The agent's channel.
    pub agent: UnixStream,
    /// What the VM's kernel printed.
    pub console: Console,
    /// When QEMU was started.
    pub started: Instant,
}

/// Listens on a socket in `dir` whatever the length of its path, which `sun_path` limits to 107 bytes.
pub fn listen(dir: &Path, name: &str) -> Result<UnixListener> {
    use std::os::fd::AsRawFd;
    let (handle, _) = fs_err::File::open(dir)?.into_parts();
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", handle.as_raw_fd()));
    UnixListener::bind(&path).with_context(|| format!("listen on {}", dir.join(name).display()))
}

impl Vm {
    /// Starts QEMU in `dir`, where its sockets are.
    pub async fn start(machine: &Machine, dir: &Path) -> Result<Self> {
        let agent = listen(dir, arguments::AGENT)?;
        let monitor = listen(dir, arguments::MONITOR)?;
        let console = listen(dir, arguments::CONSOLE)?;
        let started = Instant::now();
        let errors = fs_err::File::create(dir.join("qemu.log"))?;
        let mut child = spawn::spawn(machine.command(dir, errors.into_parts().0)?).await?;
        let connect = async {
            let accept = async |listener: &UnixListener| listener.accept().await.context("wait for QEMU");
            let (console, _) = accept(&console).await?;
            let (monitor, _) = accept(&monitor).await?;
            let (agent, _) = accept(&agent).await?;
            anyhow::Ok((Console::read(console), Qmp::open(monitor).await?, agent))
        };
        let connected = tokio::select! {
            connected = tokio::time::timeout(CONNECT, connect) => connected.context("QEMU does not connect")?,
            status = child.wait() => {
                let text = fs_err::read_to_string(dir.join("qemu.log")).unwrap_or_default();
                let status = status.context("wait for QEMU")?;
                bail!("QEMU ended at once with {status}: {}", text.trim());
            }
        };
        let (console, qmp, agent) = connected?;
        Ok(Self {
            child,
            qmp,
            errors: dir.join("qemu.log"),
            agent,
            console,
            started,
        })
    }

    /// Takes the network away from the guest for good.
    pub async fn unplug_network(&mut self) -> Result<()> {
        self.qmp
            .execute(
                "set_link",
                serde_json::json!({"name": arguments::NETWORK, "up": false}),
            )
            .await?;
        self.qmp
            .execute("netdev_del", serde_json::json!({"id": arguments::NETWORK}))
            .await?;
        // The card is still there; what stands behind it must not be.
        let answer = self
            .qmp
            .execute(
                "set_link",
                serde_json::json!({"name": arguments::NETWORK, "up": true}),
            )
            .await;
        if answer.is_ok() {
            bail!("QEMU still has the network that it said it removed");
        }
        Ok(())
    }

    /// Ends the VM and waits until it is gone.
    pub async fn kill(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "QEMU cannot be killed");
        }
        let text = fs_err::read_to_string(&self.errors).unwrap_or_default();
        if !text.trim().is_empty() {
            tracing::warn!(text = %text.trim().chars().take(2_000).collect::<String>(), "QEMU complained");
        }
    }
}
