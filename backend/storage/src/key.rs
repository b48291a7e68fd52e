//! Names of objects.

use std::fmt;
use std::str::FromStr;

use protocol::{
    BuildId, ChrootName, DirName, FileName, NameError, OwnerName, PackageName, PointerName, Sha256, TaskId,
};
use serde::{Deserialize, Serialize};

use crate::mini::Mini;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const FRESH: &str = "no-cache";
const PRIVATE: &str = "private, no-store";

/// Directory of a build's results: `<build, eight digits>-<package>`, such as `00000012-hello`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildDir {
    /// The build.
    pub build: BuildId,
    /// The source package's name.
    pub package: PackageName,
}

impl fmt::Display for BuildDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{}", self.build.0, self.package)
    }
}

impl FromStr for BuildDir {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let parsed = s.split_once('-').and_then(|(build, package)| {
            let build = BuildId::from_str(build).ok()?;
            Some(Self {
                build,
                package: package.parse().ok()?,
            })
        });
        // Only the one way of writing a directory is taken, or one object had many URLs.
        parsed.filter(|dir| dir.to_string() == s).ok_or_else(|| {
            invalid(
                "build directory",
                s,
                "use the build in eight digits, '-', and the package",
            )
        })
    }
}

impl TryFrom<String> for BuildDir {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        s.parse()
    }
}

impl From<BuildDir> for String {
    fn from(dir: BuildDir) -> Self {
        dir.to_string()
    }
}

/// Path inside a chroot's self-made repository: [`FileName`]s joined by `/`, at most 700 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistroPath(String);

impl DistroPath {
    /// The path as text, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DistroPath {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        if s.len() <= 700 && s.split('/').all(|part| FileName::from_str(part).is_ok()) {
            Ok(Self(s.to_owned()))
        } else {
            Err(invalid(
                "path",
                s,
                "use file names joined by single slashes, at most 700 bytes",
            ))
        }
    }
}

pub(crate) fn invalid(what: &'static str, value: &str, rule: &'static str) -> NameError {
    let value = value.chars().filter(|c| !c.is_control()).take(80).collect();
    NameError { what, value, rule }
}

/// The two files that make a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepomdFile {
    /// `repomd.xml`, which names the metadata files.
    Xml,
    /// `repomd.xml.asc`, its detached signature.
    Asc,
}

impl RepomdFile {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xml => "repomd.xml",
            Self::Asc => "repomd.xml.asc",
        }
    }
}

/// The name of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields are named after their types")]
pub enum StorageKey {
    /// Content under its own hash: signed packages, source packages as uploaded, logs. Immutable.
    Blob(Sha256),
    /// An upload in progress, under a random name. Private.
    Incoming(FileName),
    /// What a builder uploaded, not yet verified. Private.
    Quarantine { task: TaskId, attempt: i32, index: u32 },
    /// A project's public key, once for each of its directories.
    PublicKey { owner: OwnerName, dir: DirName },
    /// A metadata file named after its content, shared by the snapshots of its repository: the file itself, or a
    /// [`crate::Plan`] of it. Immutable.
    Metadata {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        file: FileName,
    },
    /// A part of metadata files, named after its content and shared by the plans of its repository. Immutable.
    Frame {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        sha256: Sha256,
    },
    /// The root of a snapshot, or its signature. Immutable.
    SnapshotFile {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        number: i64,
        file: RepomdFile,
    },
    /// A [`crate::Pointer`] to a snapshot; `latest` is what is served.
    Pointer {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        name: PointerName,
    },
    /// A [`crate::ResultIndex`]: the files of one build in one chroot.
    ResultIndex {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        build_dir: BuildDir,
    },
    /// A [`crate::ResultIndex`]: the packages of a deleted build, which snapshots may still name.
    WithdrawnIndex {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        build_dir: BuildDir,
    },
    /// A [`crate::ResultIndex`]: the packages of one build in one chroot that were signed anew with another key, which
    /// the name is that of (16 hexadecimal digits).
    SignedIndex {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        build_dir: BuildDir,
        key: FileName,
    },
    /// A [`crate::Pointer`] to the revision of a small repository that is served.
    MiniPointer {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        mini: Mini,
    },
    /// A metadata file of one revision of a small repository, `repomd.xml` and its signature among them. Immutable.
    MiniFile {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        mini: Mini,
        revision: i64,
        file: FileName,
    },
    /// A [`crate::ResultIndex`]: the files of a build's source part.
    SourceIndex {
        owner: OwnerName,
        dir: DirName,
        build: BuildId,
    },
    /// A file of a chroot's self-made repository. Immutable.
    Distro {
        chroot: ChrootName,
        hash: FileName,
        path: DistroPath,
    },
    /// A [`crate::DistroCurrent`].
    DistroCurrent { chroot: ChrootName },
}

impl StorageKey {
    /// The pointer that is served.
    pub fn latest(owner: &OwnerName, dir: &DirName, chroot: &ChrootName) -> Self {
        Self::Pointer {
            owner: owner.clone(),
            dir: dir.clone(),
            chroot: chroot.clone(),
            name: PointerName::latest(),
        }
    }

    /// Where a list of results goes when its build is deleted; nothing for other keys.
    pub fn withdrawn(&self) -> Option<Self> {
        let Self::ResultIndex {
            owner,
            dir,
            chroot,
            build_dir,
        } = self.clone()
        else {
            return None;
        };
        Some(Self::WithdrawnIndex {
            owner,
            dir,
            chroot,
            build_dir,
        })
    }

    /// Which list of results ([`crate::ResultIndex`]) is stored under this path; nothing where it is none.
    pub fn index(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("repos/")?.split('/').collect();
        let (owner, dir) = (parts.first()?.parse().ok()?, parts.get(1)?.parse().ok()?);
        let chroot = || parts.get(2)?.parse().ok();
        let name = |part: &str| part.strip_suffix(".json").map(str::to_owned);
        match parts.get(2..)? {
            ["srpm-builds", build] => Some(Self::SourceIndex {
                owner,
                dir,
                build: name(build)?.parse().ok()?,
            }),
            [_, "builds", build] => Some(Self::ResultIndex {
                owner,
                dir,
                chroot: chroot()?,
                build_dir: name(build)?.parse().ok()?,
            }),
            [_, "withdrawn", build] => Some(Self::WithdrawnIndex {
                owner,
                dir,
                chroot: chroot()?,
                build_dir: name(build)?.parse().ok()?,
            }),
            [_, "signed", build, key] => Some(Self::SignedIndex {
                owner,
                dir,
                chroot: chroot()?,
                build_dir: build.parse().ok()?,
                key: name(key)?.parse().ok()?,
            }),
            _ => None,
        }
    }

    /// The key inside the bucket.
    pub fn path(&self) -> String {
        match self {
            Self::Blob(sha256) => format!(
                "blobs/sha256/{}/{sha256}",
                sha256.as_str().get(..2).unwrap_or_default()
            ),
            Self::Incoming(name) => format!("incoming/{name}"),
            Self::Quarantine { task, attempt, index } => format!("quarantine/{task}/{attempt}/{index}"),
            Self::PublicKey { owner, dir } => format!("keys/{owner}/{dir}/pubkey.gpg"),
            Self::Metadata {
                owner,
                dir,
                chroot,
                file,
            } => format!("repos/{owner}/{dir}/{chroot}/repodata/{file}"),
            Self::Frame {
                owner,
                dir,
                chroot,
                sha256,
            } => format!("repos/{owner}/{dir}/{chroot}/frames/{sha256}"),
            Self::SnapshotFile {
                owner,
                dir,
                chroot,
                number,
                file,
            } => {
                format!(
                    "repos/{owner}/{dir}/{chroot}/snapshots/{number}/{}",
                    file.as_str()
                )
            }
            Self::Pointer {
                owner,
                dir,
                chroot,
                name,
            } => format!("repos/{owner}/{dir}/{chroot}/pointers/{}.json", name.as_str()),
            Self::ResultIndex {
                owner,
                dir,
                chroot,
                build_dir,
            } => {
                format!("repos/{owner}/{dir}/{chroot}/builds/{build_dir}.json")
            }
            Self::WithdrawnIndex {
                owner,
                dir,
                chroot,
                build_dir,
            } => {
                format!("repos/{owner}/{dir}/{chroot}/withdrawn/{build_dir}.json")
            }
            Self::SignedIndex {
                owner,
                dir,
                chroot,
                build_dir,
                key,
            } => {
                format!("repos/{owner}/{dir}/{chroot}/signed/{build_dir}/{key}.json")
            }
            Self::MiniPointer {
                owner,
                dir,
                chroot,
                mini,
            } => format!("repos/{owner}/{dir}/{chroot}/minis/{mini}/current.json"),
            Self::MiniFile {
                owner,
                dir,
                chroot,
                mini,
                revision,
                file,
            } => format!("repos/{owner}/{dir}/{chroot}/minis/{mini}/{revision}/{file}"),
            Self::SourceIndex { owner, dir, build } => {
                format!("repos/{owner}/{dir}/srpm-builds/{:08}.json", build.0)
            }
            Self::Distro { chroot, hash, path } => format!("distro/{chroot}/{hash}/{}", path.as_str()),
            Self::DistroCurrent { chroot } => format!("distro/{chroot}/current.json"),
        }
    }

    /// The media type that the object is stored with.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Blob(_) | Self::Incoming(_) | Self::Quarantine { .. } | Self::Frame { .. } => {
                "application/octet-stream"
            }
            Self::PublicKey { .. } => "application/pgp-keys",
            Self::Metadata { file, .. } | Self::MiniFile { file, .. } => file_type(file.as_str()),
            Self::SnapshotFile { file, .. } => file_type(file.as_str()),
            Self::Distro { path, .. } => file_type(path.as_str()),
            Self::Pointer { .. }
            | Self::MiniPointer { .. }
            | Self::ResultIndex { .. }
            | Self::WithdrawnIndex { .. }
            | Self::SignedIndex { .. }
            | Self::SourceIndex { .. }
            | Self::DistroCurrent { .. } => "application/json",
        }
    }

    /// How long caches may keep the object.
    pub fn cache_control(&self) -> &'static str {
        match self {
            Self::Blob(_)
            | Self::Metadata { .. }
            | Self::Frame { .. }
            | Self::SnapshotFile { .. }
            | Self::MiniFile { .. }
            | Self::Distro { .. } => IMMUTABLE,
            Self::PublicKey { .. }
            | Self::Pointer { .. }
            | Self::MiniPointer { .. }
            | Self::ResultIndex { .. }
            | Self::WithdrawnIndex { .. }
            | Self::SignedIndex { .. }
            | Self::SourceIndex { .. }
            | Self::DistroCurrent { .. } => FRESH,
            Self::Incoming(_) | Self::Quarantine { .. } => PRIVATE,
        }
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// The media type of a repository's file, by the end of its name.
fn file_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("xml") => "text/xml",
        Some("asc") => "application/pgp-signature",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("rpm") => "application/x-rpm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_directories_have_one_spelling() {
        let dir: BuildDir = "00000012-hello-world".parse().unwrap();
        assert_eq!((dir.build, dir.package.as_str()), (BuildId(12), "hello-world"));
        assert_eq!(
            "123456789-x".parse::<BuildDir>().unwrap().to_string(),
            "123456789-x"
        );
        for bad in [
            "12-hello",
            "00000012",
            "00000012-",
            "00000000-x",
            "+0000012-x",
            "00000012-a/b",
            "-1-x",
        ] {
            assert!(bad.parse::<BuildDir>().is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_are_known_by_their_paths() {
        for path in [
            "repos/@sig/tools:pr:12/fedora-44-x86_64/builds/00000012-hello.json",
            "repos/alice/tools/fedora-44-x86_64/withdrawn/00000012-hello.json",
            "repos/alice/tools/fedora-44-x86_64/signed/00000012-hello/0123456789abcdef.json",
            "repos/alice/tools/srpm-builds/00000012.json",
        ] {
            assert_eq!(StorageKey::index(path).unwrap().path(), path);
        }
        for path in [
            "repos/alice/tools/fedora-44-x86_64/pointers/latest.json",
            "repos/alice/tools/fedora-44-x86_64/builds/12-hello.json",
            "repos/alice/tools/fedora-44-x86_64/frames/00000012",
            "repos/alice/tools",
            "blobs/sha256/ab/cd",
        ] {
            assert_eq!(StorageKey::index(path), None, "{path}");
        }
    }

    #[test]
    fn distro_paths_stay_inside() {
        assert!(
            "Packages/g/gcc-12.2.0-1~x^1.x86_64.rpm"
                .parse::<DistroPath>()
                .is_ok()
        );
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\..\0"] {
            assert!(bad.parse::<DistroPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_follow_the_layout() {
        let owner: OwnerName = "@sig".parse().unwrap();
        let dir: DirName = "tools:pr:12".parse().unwrap();
        let chroot: ChrootName = "fedora-44-x86_64".parse().unwrap();
        let latest = StorageKey::latest(&owner, &dir, &chroot);
        assert_eq!(
            latest.path(),
            "repos/@sig/tools:pr:12/fedora-44-x86_64/pointers/latest.json"
        );
        let snapshot = StorageKey::SnapshotFile {
            owner,
            dir,
            chroot,
            number: 7,
            file: RepomdFile::Asc,
        };
        assert_eq!(
            snapshot.path(),
            "repos/@sig/tools:pr:12/fedora-44-x86_64/snapshots/7/repomd.xml.asc"
        );
        let blob = StorageKey::Blob(Sha256::from_bytes(&[0xab; 32]));
        assert_eq!(blob.path(), format!("blobs/sha256/ab/{}", "ab".repeat(32)));
        let quarantine = StorageKey::Quarantine {
            task: TaskId(3),
            attempt: 2,
            index: 0,
        };
        assert_eq!(quarantine.path(), "quarantine/3/2/0");
        assert_eq!(quarantine.cache_control(), "private, no-store");
    }
}
