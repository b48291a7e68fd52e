//! Frames between the host and the agent in the VM.
//!
//! A frame is a four-byte big-endian length, one type byte, and a body of `length - 1` bytes. Type `J` holds one
//! JSON message, type `D` raw bytes of the artefact that is being sent, type `L` raw bytes of the log. The host
//! reads frames as hostile input: a length over [`MAX_FRAME`] or a message out of turn ends the VM.

use serde::{Deserialize, Serialize};

use crate::builder_api::Identity;
use crate::names::FileName;
use crate::verdict::FailureKind;

/// Largest frame in bytes, type byte included.
pub const MAX_FRAME: usize = 1 << 20;

/// Name of the virtio-serial port that carries the frames.
pub const PORT_NAME: &str = "org.koper.agent.0";

/// Type byte of a JSON message.
pub const JSON: u8 = b'J';
/// Type byte of artefact bytes.
pub const DATA: u8 = b'D';
/// Type byte of log bytes.
pub const LOG: u8 = b'L';

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToGuest {
    /// The job, once, as the first message.
    Job(Box<Job>),
    /// A check, once, as the first message.
    Check(Box<CheckJob>),
    /// The network is unplugged; go on with the build.
    NetworkGone,
    /// Everything has arrived; power off.
    PowerOff,
}

/// A build, as the agent has to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Size of the source package in bytes; it is the content of the block device with serial `srpm`.
    pub srpm_size: u64,
    /// Its file name.
    pub srpm_name: FileName,
    /// Repository URLs as the guest sees them, in order of the host's list; each is served by the host's proxy.
    pub repos: Vec<GuestRepo>,
    /// The chroot's package manager.
    pub package_manager: crate::chroot::PackageManager,
    /// The full value for `%dist`: the distribution's own, then the repotag.
    pub dist: String,
    /// The forced identity.
    pub identity: Identity,
    /// Whether the network stays.
    pub keep_network: bool,
    /// `--with` options.
    pub with_opts: Vec<String>,
    /// `--without` options.
    pub without_opts: Vec<String>,
    /// Packages to install before the build requirements.
    pub additional_packages: Vec<String>,
    /// Seconds since the epoch: the guest has no clock of its own to trust.
    pub now: u64,
    /// Bytes that all artefacts together may take.
    pub artifact_bytes: u64,
}

/// A check of a snapshot, as the agent has to run it. Its end is [`FromGuest::Done`], or [`FromGuest::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckJob {
    /// Repository URLs as the guest sees them.
    pub repos: Vec<GuestRepo>,
    /// The chroot's package manager.
    pub package_manager: crate::chroot::PackageManager,
    /// The distribution's version, for `$releasever`.
    pub releasever: String,
    /// Packages to install, as `name-epoch:version-release.arch`.
    pub packages: Vec<String>,
    /// Packages to upgrade. Their files, cut off after the header, stand one after the other on the block device with
    /// serial `srpm`.
    pub upgrades: Vec<GuestUpgrade>,
    /// Seconds since the epoch.
    pub now: u64,
}

/// An older package, and the newer one that has to take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUpgrade {
    /// Bytes of the older one's header.
    pub size: u64,
    /// The older one, as `name-epoch:version-release.arch`.
    pub from: String,
    /// The newer one.
    pub to: String,
}

/// A repository inside the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRepo {
    /// Identifier.
    pub id: String,
    /// URL, always `http://` to the host's proxy.
    pub baseurl: String,
    /// Text of the keys that sign it; empty: no check.
    pub gpgkeys: Vec<String>,
    /// Whether package signatures are checked.
    pub gpgcheck: bool,
    /// Whether the metadata's signature is checked.
    pub repo_gpgcheck: bool,
    /// Priority, as dnf takes it; smaller wins.
    pub priority: Option<u32>,
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromGuest {
    /// The agent runs; its first word.
    Hello {
        /// [`crate::builder_api::PROTOCOL`].
        protocol: u32,
    },
    /// Build requirements are installed; the agent waits for [`ToGuest::NetworkGone`].
    DependenciesInstalled,
    /// `rpmbuild` starts.
    Building,
    /// The build ended well; artefacts follow.
    Built {
        /// How many.
        files: u32,
    },
    /// One artefact: `size` bytes follow in [`DATA`] frames.
    File {
        /// Its name.
        name: FileName,
        /// Its size in bytes.
        size: u64,
    },
    /// All artefacts were sent, or the check is over and nothing is wrong.
    Done,
    /// The build failed.
    Failed {
        /// Kind of the failure.
        kind: FailureKind,
        /// A sentence for the packager.
        message: String,
    },
}
