//! Chroot definitions: targets as data.

use serde::{Deserialize, Serialize};

use crate::names::ChrootName;

/// What runs in the guest to install build requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// dnf 4.
    Dnf,
    /// dnf 5.
    Dnf5,
    /// zypper, on openSUSE.
    Zypper,
}

/// The compression of repository metadata that a distribution's clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataCompression {
    /// Zstandard.
    Zstd,
    /// Zstandard, and zchunk beside it, of which clients fetch only what they lack.
    Zchunk,
    /// gzip, which everything reads.
    Gzip,
}

/// A repository that the buildroot is filled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySource {
    /// Identifier, unique within the chroot.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// URL of the directory that holds `repodata/`. Exactly one of the three is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseurl: Option<String>,
    /// URL of a metalink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metalink: Option<String>,
    /// URL of a list of base URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrorlist: Option<String>,
    /// URLs of the keys that sign its packages.
    #[serde(default)]
    pub gpgkey: Vec<String>,
    /// Whether the guest checks package signatures.
    #[serde(default)]
    pub gpgcheck: bool,
    /// Whether the guest also checks the metadata's signature (ours are signed).
    #[serde(default)]
    pub repo_gpgcheck: bool,
    /// Priority, as dnf takes it: smaller wins, 99 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}

/// What the buildroot starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRoot {
    /// Packages that the root image holds before any build requirement is installed.
    pub packages: Vec<String>,
}

/// A chroot as builders need it; the hub sends it along with each task, so that builders hold no configuration of
/// their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChrootDefinition {
    /// Its name.
    pub name: ChrootName,
    /// The distribution's own value of `%dist`, such as `.fc44`.
    pub dist: String,
    /// What installs packages in the guest.
    pub package_manager: PackageManager,
    /// What clients of this distribution read.
    pub metadata_compression: MetadataCompression,
    /// What the root image holds.
    pub buildroot: BuildRoot,
    /// Where it comes from.
    pub repos: Vec<RepositorySource>,
}
