//! What can be known to go wrong before anything is started, in sentences that name the cure.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;

use crate::config::Config;
use crate::parts::Part;
use crate::up::supervisor::Supervisor;

/// Room that a first start takes: packages of a self-made distribution, its root image, a scratch disk.
const ROOM_BYTES: u64 = 2 << 30;

/// Makes sure that nobody else runs on this data.
pub(super) fn lock(data: &Path) -> anyhow::Result<Flock<std::fs::File>> {
    let path = data.join("up.lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| {
        anyhow::anyhow!(
            "the service already runs on {}; stop it with deploy/down, or choose another folder with --data",
            data.display()
        )
    })
}

/// Checks ports, room, programs and rights.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let mut ports = vec![
        ("[frontend] listen", config.frontend.listen),
        ("[frontend] builder_listen", config.frontend.builder_listen),
        ("[frontend] results_listen", config.frontend.results_listen),
    ];
    if !config.replaced.s3 {
        ports.push(("[up] s3_listen", config.up.s3_listen));
    }
    if !config.replaced.keys {
        ports.push(("[keys] listen", config.keys.listen));
    }
    for (setting, address) in ports {
        if let Err(error) = TcpListener::bind(address) {
            bail!(
                "cannot listen on {address} ({error}); stop what uses it, or choose other ports with --port or {setting}"
            );
        }
    }
    let room =
        statvfs(&config.data).with_context(|| format!("asking how full {} is", config.data.display()))?;
    let free = room.blocks_available() * room.fragment_size();
    if free < ROOM_BYTES {
        bail!(
            "{} has {} MiB left, and a start needs {} MiB; make room, or choose another disk with --data",
            config.data.display(),
            free >> 20,
            ROOM_BYTES >> 20
        );
    }
    if config.up.builder {
        builder(config)?;
    }
    Ok(())
}

fn builder(config: &Config) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        bail!(
            "a builder makes root images and needs root: run deploy/up with sudo, or set [up] builder = false"
        );
    }
    if !config.builder.guest_binary.exists() {
        bail!(
            "the guest agent {} is missing; deploy/up builds it, or set [builder] guest_binary",
            config.builder.guest_binary.display()
        );
    }
    for (program, package) in [
        (config.builder.qemu.as_str(), "qemu-system-x86"),
        ("dnf", "dnf"),
        ("mkfs.ext4", "e2fsprogs"),
        ("createrepo_c", "createrepo-c"),
    ] {
        if !installed(program) {
            bail!("{program} is missing; install the Debian package {package}, or set [up] builder = false");
        }
    }
    Ok(())
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Path::new(program).is_absolute() && Path::new(program).exists()
        || std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|dir| dir.join(program).exists())
}

/// Waits until a part listens.
///
/// # Errors
/// When it does not in time: with the last line of its log, which mostly says why.
pub(super) async fn answers(
    part: Part,
    address: SocketAddr,
    at_most: Duration,
    supervisor: &mut Supervisor,
) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + at_most;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        supervisor.revive()?;
        if tokio::time::Instant::now() > deadline {
            let name = part.name();
            let last = supervisor.last_words(part);
            bail!("{name} does not answer at {address}; log/{name}.log in the data folder ends with: {last}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
