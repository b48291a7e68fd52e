//! Where sources come from: all of Copr's source types, with its names of fields.

use protocol::{FileName, PackageName, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Marks packages that were not built here.
pub const UNVERIFIED_ORIGIN: &str = "unverified-origin";

/// A source package that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srpm {
    /// SHA-256, which names the blob.
    pub sha256: Sha256,
    /// File name.
    pub file_name: FileName,
    /// Bytes.
    pub size: i64,
    /// RPM tag Name.
    pub package: PackageName,
    /// Version and release, as `1.0-1.fc44`.
    pub version: String,
}

/// A way to make a source package; packages store one as their default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Copr's word for the source type: `scm`, `distgit`, `pypi`, `rubygems` or `custom`.
    pub kind: &'static str,
    /// Its fields, with the names that Copr's server stores.
    pub fields: Map<String, Value>,
}

/// A file in the store that is no source package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// SHA-256, which names the blob.
    pub sha256: Sha256,
    /// File name.
    pub file_name: FileName,
    /// Bytes.
    pub size: i64,
}

/// A package that was built elsewhere, of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRpm {
    /// The file.
    pub file: StoredFile,
    /// RPM tag Arch.
    pub arch: String,
}

/// Somebody else's repository, and what is taken of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its address; dnf's `$releasever` and `$basearch` stand for a chroot's.
    pub url: String,
    /// Patterns of names of packages; empty: all.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Armored OpenPGP key, or the URL of one, that its metadata is signed with; `None`: nobody checks.
    #[serde(default)]
    pub gpgkey: Option<String>,
}

/// Where a build's source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An uploaded source package.
    Upload(Srpm),
    /// An uploaded spec file.
    Spec(StoredFile),
    /// Fetched by a builder.
    Link(String),
    /// Made by a source build.
    Recipe(Recipe),
    /// A package that was built elsewhere.
    Rpm {
        /// The file.
        file: StoredFile,
        /// Name of the source package that it says it was built from.
        package: PackageName,
        /// Its version and release.
        version: String,
    },
    /// Packages that were built elsewhere, of any sources; each goes into the targets that take its architecture.
    Rpms(Vec<StoredRpm>),
    /// Packages of somebody else's repository, which a builder fetches.
    Import(Import),
}

impl Source {
    /// Copr's word for the source type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Upload(_) | Self::Spec(_) => "upload",
            Self::Link(_) => "link",
            Self::Recipe(recipe) => recipe.kind,
            Self::Rpm { .. } | Self::Rpms(_) => "rpm_upload",
            Self::Import(_) => "import",
        }
    }

    /// Why a build of it fails at once, as long as source builds do not run in machines of their own.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Upload(_) | Self::Rpm { .. } | Self::Rpms(_) | Self::Import(_) => None,
            Self::Link(url) if !is_spec(url) => None,
            Self::Link(_) | Self::Spec(_) => Some(
                "a bare spec file needs its sources downloaded, which is a source build, and this service does not run \
                 source builds yet; make the source package with 'rpmbuild -bs' and submit that with 'copr-cli build'"
                    .to_owned(),
            ),
            Self::Recipe(_) => Some(format!(
                "this service does not run source builds of the type '{}' yet; make the source package yourself and \
                 submit it with 'copr-cli build'",
                self.kind()
            )),
        }
    }

    /// As stored, with Copr's names.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Upload(srpm) => json!({"pkg": srpm.file_name}),
            Self::Spec(file) => json!({"pkg": file.file_name, "sha256": file.sha256, "size": file.size}),
            Self::Rpm { file, .. } => json!({
                "pkg": file.file_name, "sha256": file.sha256, "size": file.size, "origin": UNVERIFIED_ORIGIN,
            }),
            Self::Link(url) => json!({"url": url}),
            Self::Rpms(all) => {
                let names: Vec<&FileName> = all.iter().map(|rpm| &rpm.file.file_name).collect();
                json!({"pkgs": names, "origin": UNVERIFIED_ORIGIN})
            }
            Self::Import(Import {
                url,
                packages,
                gpgkey,
            }) => json!({
                "url": url, "packages": packages, "gpgkey": gpgkey, "origin": UNVERIFIED_ORIGIN,
            }),
            Self::Recipe(recipe) => Value::Object(recipe.fields.clone()),
        }
    }

    /// The package's name, where it is known from the start.
    pub(super) fn package(&self) -> Option<&PackageName> {
        match self {
            Self::Upload(srpm) => Some(&srpm.package),
            Self::Rpm { package, .. } => Some(package),
            _ => None,
        }
    }
}

/// Whether a URL names a spec file.
pub fn is_spec(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    std::path::Path::new(path)
        .extension()
        .is_some_and(|e| e == "spec")
}
