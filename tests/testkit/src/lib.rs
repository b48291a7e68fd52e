//! What stories are told with: a running service, `copr-cli` as its users run it, `dnf` as theirs do, and source packages
//! made on the spot.

mod client;
mod copr;
mod ports;
mod service;
mod srpm;

pub use client::{Client, Loop};
pub use copr::{Copr, Ran, venv};
pub use ports::{free_port, free_ports};
pub use service::{Service, wait_until};
pub use srpm::{Srpm, srpm, srpm_of};

/// The chroot that every machine can build for.
pub const CHROOT: &str = "debian-12-x86_64";
