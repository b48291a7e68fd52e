//! Ports for servers that have to know their address before they listen.

use std::fs::File;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{Flock, FlockArg};

/// Below 32768, from where Linux takes the ports of outgoing connections (`ip_local_port_range`): one of these could
/// take a free port between the choice and the server's start. Above where `deploy/test` looks first.
const PORTS: Range<u16> = 22_000..32_000;

/// The choices of this process, kept from other tests' until it ends.
static CHOSEN: Mutex<Vec<Flock<File>>> = Mutex::new(Vec::new());

/// The first of `count` free neighbouring ports on loopback that no other test chooses while this process lives.
///
/// # Errors
/// When there are none.
pub fn free_ports(count: u16) -> anyhow::Result<u16> {
    let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = PORTS.len() / usize::from(count);
    // Tests that run side by side begin at different places.
    let first = std::process::id() as usize % room;
    for place in (first..room).chain(0..first) {
        let base = PORTS.start + u16::try_from(place)? * count;
        let locks: Vec<_> = (base..base + count).map_while(claim).collect();
        if locks.len() == usize::from(count) {
            chosen.extend(locks);
            return Ok(base);
        }
    }
    anyhow::bail!("no {count} neighbouring free ports in {PORTS:?}")
}

/// A free port on loopback, as [`free_ports`] chooses it.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    free_ports(1)
}

/// The right to a free port.
fn claim(port: u16) -> Option<Flock<File>> {
    let folder = std::env::temp_dir().join("koper-test-ports");
    fs_err::create_dir_all(&folder).ok()?;
    let file = File::create(folder.join(port.to_string())).ok()?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?;
    TcpListener::bind(("127.0.0.1", port)).ok()?;
    Some(lock)
}
