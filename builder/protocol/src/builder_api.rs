//! The builder API, version 1: HTTP + JSON, always asked by the builder.
//!
//! | method and path | request | answer |
//! |---|---|---|
//! | `POST /v1/claim` | [`ClaimRequest`] | 200 [`Task`], 204 when nothing came up, 409 [`Refusal`] for a wrong protocol |
//! | `POST /v1/tasks/{id}/attempts/{n}/refuse` | [`RefuseRequest`] | 204 |
//! | `POST /v1/tasks/{id}/attempts/{n}/heartbeat` | [`Heartbeat`] | 200 [`HeartbeatReply`] |
//! | `POST /v1/tasks/{id}/attempts/{n}/log?offset=N` | raw bytes | 204; 409 with [`LogOffset`] when the offset is not the hub's |
//! | `POST /v1/tasks/{id}/attempts/{n}/uploads` | [`UploadRequest`] | 200 [`UploadReply`] |
//! | `POST /v1/tasks/{id}/attempts/{n}/finish` | [`FinishRequest`] | 204 |
//!
//! All carry `Authorization: Bearer <builder token>`. Every call but the claim is fenced by task and attempt: 410
//! with a [`Refusal`] means that the lease is no longer the caller's, who has to drop the work. 429 and 503 mean
//! "slow down": try again after `Retry-After` seconds.

use serde::{Deserialize, Serialize};

use crate::chroot::{ChrootDefinition, RepositorySource};
use crate::names::{BuildId, BuilderName, ChrootName, FileName, PackageName, Sha256, TaskId};
use crate::repotag::RepoTag;
use crate::verdict::{Limits, Outcome};

/// The number of this protocol; a hub refuses builders that speak another.
pub const PROTOCOL: u32 = 1;

/// Largest number of artefacts of one attempt.
pub const MAX_ARTIFACTS: usize = 2_000;

/// What a repository may have besides packages. Of an import each is one artefact more, as it lies there: plain, or compressed
/// by gzip or zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beside {
    /// Groups of packages.
    Comps,
    /// Modules.
    Modules,
    /// Advisories.
    UpdateInfo,
}

impl Beside {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Comps, Self::Modules, Self::UpdateInfo];

    /// What `repomd.xml` calls it.
    pub fn record(self) -> &'static str {
        match self {
            Self::Comps => "group",
            Self::Modules => "modules",
            Self::UpdateInfo => "updateinfo",
        }
    }

    /// Name of the artefact, which is none that a package can have.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Comps => "comps.xml",
            Self::Modules => "modules.yaml",
            Self::UpdateInfo => "updateinfo.xml",
        }
    }

    /// What an artefact of that name is.
    pub fn of_file(name: &FileName) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|beside| beside.file_name() == name.as_str())
    }
}

/// Asks for work, and waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Who asks.
    pub builder: BuilderName,
    /// Architectures whose VMs this builder boots, such as `x86_64`.
    pub arches: Vec<String>,
    /// Chroots this builder takes; empty: any of its architectures.
    pub chroots: Vec<ChrootName>,
    /// Memory in MiB that it can give to one VM.
    pub memory_mib: u64,
    /// Longest time in seconds to hold the request open, at most 60.
    pub wait_s: u64,
    /// Whether it also does [`Work::Check`]; builders of before there were checks do not say so, and get none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checks: bool,
}

/// One unit of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The attempt that this claim started, from 1.
    pub attempt: i32,
    /// The build it belongs to; `None` for a check.
    pub build: Option<BuildId>,
    /// Seconds after which the lease ends if no heartbeat arrives.
    pub lease_s: u64,
    /// What it may use.
    pub limits: Limits,
    /// What to do.
    pub work: Work,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Fetch a source package from a URL of the user's choice and upload it as the only artefact.
    Fetch {
        /// `http` or `https`.
        url: String,
    },
    /// Build a source package in a VM.
    Rpm(Box<RpmWork>),
    /// Fetch packages of somebody else's repository and upload them as artefacts.
    Import(Box<ImportWork>),
    /// Find out in a VM whether packages of a snapshot can be installed; there are no artefacts.
    Check(Box<CheckWork>),
}

/// Packages of a snapshot that a clean machine has to be able to install, and to upgrade to. It succeeds when it can; what
/// cannot be is a failure of the kind [`crate::FailureKind::Uninstallable`], and any other failure says nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckWork {
    /// The target.
    pub chroot: ChrootDefinition,
    /// The snapshot's own repository.
    pub snapshot: RepositorySource,
    /// What its users have beside it and the chroot's own.
    pub repos: Vec<RepositorySource>,
    /// The packages, as `name-epoch:version-release.arch`.
    pub packages: Vec<String>,
    /// What machines may have of before.
    pub upgrades: Vec<Upgrade>,
}

/// A package of the snapshot before, and the newer one that has to take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// Presigned URL of the older one's file, of which only the header is read.
    pub url: String,
    /// The older one, as `name-epoch:version-release.arch`.
    pub from: String,
    /// The newer one, which is among [`CheckWork::packages`].
    pub to: String,
}

/// A repository to take packages from, for one chroot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportWork {
    /// `http` or `https`; dnf's `$releasever` and `$basearch` stand for the chroot's.
    pub url: String,
    /// The target; only packages that it takes are wanted.
    pub chroot: ChrootName,
    /// Patterns of names of packages; empty: all.
    pub packages: Vec<String>,
    /// Armored OpenPGP key, or the URL of one, that the repository's metadata is signed with; `None`: not checked.
    pub gpgkey: Option<String>,
    /// Most bytes of one package.
    pub package_bytes: u64,
    /// SHA-256 of files that the service has already.
    pub present: Vec<Sha256>,
}

/// A source package to build for one chroot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpmWork {
    /// The target.
    pub chroot: ChrootDefinition,
    /// The source package.
    pub srpm: SourceFile,
    /// The package's name if it is known.
    pub package: Option<PackageName>,
    /// Repositories beside the chroot's own: the project's, and those the user named.
    pub repos: Vec<RepositorySource>,
    /// The forced identity.
    pub identity: Identity,
    /// Whether the network stays plugged in during the build (through the same filtering proxy never; this is the
    /// builder's outward network).
    pub enable_net: bool,
    /// `--with` options.
    pub with_opts: Vec<String>,
    /// `--without` options.
    pub without_opts: Vec<String>,
    /// Packages to install before the build requirements.
    pub additional_packages: Vec<String>,
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Presigned URL; valid for the length of the task.
    pub url: String,
    /// Its SHA-256, which the builder checks.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Its name.
    pub name: FileName,
}

/// What every package that leaves here carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The forced part of the release.
    pub repotag: RepoTag,
    /// RPM tag `Vendor`.
    pub vendor: String,
    /// RPM tag `Packager`.
    pub packager: String,
    /// RPM tag `BugURL`.
    pub bugurl: String,
}

/// Hands a claimed task back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseRequest {
    /// Why, for the administrator.
    pub reason: String,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Fetching the source, preparing images.
    Preparing,
    /// The VM boots.
    Booting,
    /// Build requirements are installed.
    Dependencies,
    /// `rpmbuild` runs, the network is unplugged.
    Building,
    /// Artefacts leave the VM and are uploaded.
    Uploading,
}

/// Extends the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Where the attempt stands.
    pub phase: Phase,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// The user no longer wants it: stop, and finish as canceled.
    pub cancel: bool,
}

/// Where the hub's copy of the log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOffset {
    /// Bytes that the hub holds.
    pub offset: u64,
}

/// Asks for addresses to upload artefacts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadRequest {
    /// The files, at most [`MAX_ARTIFACTS`].
    pub files: Vec<Artifact>,
}

/// A file that an attempt made, as the builder says; the backend believes none of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// Where to put artefacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReply {
    /// One presigned PUT URL for each file of the request, in its order. The PUT has to send exactly the announced
    /// `Content-Length`.
    pub urls: Vec<String>,
}

/// Ends an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishRequest {
    /// How it ended.
    pub outcome: Outcome,
    /// What was uploaded, when it succeeded.
    pub artifacts: Vec<Artifact>,
    /// Milliseconds from starting the VM to the agent's first word.
    pub boot_ms: Option<u64>,
}

/// Why the hub said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A sentence that names what to do.
    pub error: String,
}
