//! Chroot definitions: `deploy/chroots/<name>.toml`, one file a chroot.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{error::Error, recipe::DebianSection};

/// One chroot, as its file says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChrootFile {
    /// `<os>-<version>-<arch>`; also the name of the file.
    pub name: String,
    /// Whether an installation offers it without being told to.
    pub active: bool,
    /// What people read.
    pub description: String,
    /// The operating system's id, such as `fedora`.
    pub os: String,
    /// Its version, such as `44` or `rawhide`.
    pub version: String,
    /// RPM's name of the architecture.
    pub arch: String,
    /// What `%dist` is in the distribution, such as `.fc44`.
    pub dist: String,
    /// Whether the distribution moves without releases.
    pub rolling: bool,
    /// What installs packages inside the chroot.
    pub package_manager: PackageManager,
    /// The `name-release` part in the `baseurl` of a `.repo` file; may hold `$releasever`.
    pub repo_name_release: String,
    /// What the distribution's own clients can read.
    pub metadata_compression: MetadataCompression,
    /// What a build finds installed.
    pub buildroot: Buildroot,
    /// The distribution's repositories.
    pub repos: Vec<ChrootRepo>,
    /// How to make the distribution, where this installation makes it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debian: Option<DebianSection>,
}

/// What installs packages inside a chroot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// dnf 4.
    Dnf,
    /// dnf 5.
    Dnf5,
    /// zypper.
    Zypper,
}

/// How repository metadata is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataCompression {
    /// Zstandard: small and quick.
    Zstd,
    /// Zstandard, and zchunk beside it: clients that can fetch only what changed.
    Zchunk,
    /// gzip: every client reads it.
    Gzip,
}

/// What a build finds installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buildroot {
    /// What the package manager is asked to install into an empty root; names, provides or `@groups`.
    pub packages: Vec<String>,
}

/// A repository of the distribution; exactly one of the three addresses is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChrootRepo {
    /// Section name in a `.repo` file.
    pub id: String,
    /// What people read.
    pub name: String,
    /// Where `repodata/` is; [`OWN_SCHEME`] means the repository that this installation makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseurl: Option<String>,
    /// A metalink document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metalink: Option<String>,
    /// A list of mirrors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrorlist: Option<String>,
    /// Addresses of the keys that sign the packages.
    #[serde(default)]
    pub gpgkey: Vec<String>,
    /// Whether packages must be signed by one of the keys.
    pub gpgcheck: bool,
}

/// `distro://<chroot>` stands for the repository that this installation makes for the chroot; the hub puts the real
/// URL in its place.
pub const OWN_SCHEME: &str = "distro://";

impl ChrootFile {
    /// Parses and checks one definition; `path` names it in errors and, by its stem, fixes the name.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let file: Self = toml::from_str(text).map_err(|source| Error::Parse {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        match file.complaint(path) {
            None => Ok(file),
            Some(reason) => Err(Error::Definition {
                path: path.to_path_buf(),
                reason,
            }),
        }
    }

    /// What is wrong with the definition beyond its shape.
    fn complaint(&self, path: &Path) -> Option<String> {
        let expected = format!("{}-{}-{}", self.os, self.version, self.arch);
        if self.name != expected {
            return Some(format!(
                "name is {:?}, but os, version and arch make {expected:?}",
                self.name
            ));
        }
        if path.file_stem().and_then(|stem| stem.to_str()) != Some(&self.name) {
            return Some(format!("the file should be called {}.toml", self.name));
        }
        if !self.dist.starts_with('.') {
            return Some(format!("dist is {:?} and does not begin with a dot", self.dist));
        }
        if self.buildroot.packages.is_empty() {
            return Some("buildroot.packages is empty".to_owned());
        }
        if self.repos.is_empty() {
            return Some("there is no repository".to_owned());
        }
        self.repos
            .iter()
            .find_map(|repo| repo.complaint(self.debian.is_some().then_some(&self.name)))
    }
}

impl ChrootRepo {
    fn complaint(&self, own: Option<&String>) -> Option<String> {
        let id = &self.id;
        let addresses: Vec<_> = [&self.baseurl, &self.metalink, &self.mirrorlist]
            .into_iter()
            .flatten()
            .collect();
        let [address] = addresses[..] else {
            return Some(format!(
                "repository {id}: exactly one of baseurl, metalink, mirrorlist"
            ));
        };
        if let Some(chroot) = address.strip_prefix(OWN_SCHEME) {
            if own.is_none_or(|name| name != chroot) {
                return Some(format!(
                    "repository {id}: {address} needs a [debian] section of that chroot"
                ));
            }
        } else if !address.starts_with("https://") && !address.starts_with("http://") {
            return Some(format!("repository {id}: {address} is no http(s) URL"));
        }
        (self.gpgcheck && self.gpgkey.is_empty())
            .then(|| format!("repository {id}: gpgcheck without a gpgkey"))
    }
}

/// Reads every `*.toml` of a folder, sorted by name.
pub fn load_dir(dir: &Path) -> Result<Vec<ChrootFile>, Error> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "toml") {
            files.push(ChrootFile::parse(&path, &fs_err::read_to_string(&path)?)?);
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
name = "x-1-noarch"
active = false
description = "X 1"
os = "x"
version = "1"
arch = "noarch"
dist = ".x1"
rolling = false
package_manager = "dnf"
repo_name_release = "x-$releasever"
metadata_compression = "zstd"
[buildroot]
packages = ["bash"]
[[repos]]
id = "x"
name = "X"
baseurl = "https://x.example/"
gpgcheck = false
"#;

    fn parse(text: &str) -> Result<ChrootFile, Error> {
        ChrootFile::parse(Path::new("x-1-noarch.toml"), text)
    }

    #[test]
    fn every_shipped_definition_is_valid() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chroots");
        let files = load_dir(&dir).unwrap();
        assert!(files.len() > 15, "only {} definitions", files.len());
        let active: Vec<_> = files
            .iter()
            .filter(|file| file.active)
            .map(|file| &file.name)
            .collect();
        assert_eq!(active, ["debian-12-x86_64"]);
        for file in &files {
            assert!(
                file.debian.is_some() || file.repos.iter().all(|repo| repo.gpgcheck),
                "{}",
                file.name
            );
        }
    }

    #[test]
    fn a_definition_must_agree_with_itself() {
        parse(SMALL).unwrap();
        for (from, to, complaint) in [
            (
                "version = \"1\"",
                "version = \"2\"",
                "os, version and arch make \"x-2-noarch\"",
            ),
            ("dist = \".x1\"", "dist = \"x1\"", "does not begin with a dot"),
            ("gpgcheck = false", "gpgcheck = true", "gpgcheck without a gpgkey"),
            (
                "baseurl = ",
                "mirrorlist = \"https://y.example\"\nbaseurl = ",
                "exactly one of",
            ),
            (
                "https://x.example/",
                "distro://x-1-noarch",
                "needs a [debian] section",
            ),
            ("https://x.example/", "ftp://x.example/", "no http(s) URL"),
            ("[\"bash\"]", "[]", "buildroot.packages is empty"),
        ] {
            let error = parse(&SMALL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
        let error = ChrootFile::parse(Path::new("y.toml"), SMALL)
            .unwrap_err()
            .to_string();
        assert!(error.contains("should be called x-1-noarch.toml"), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        for section in ["", "[buildroot]\n"] {
            let text = SMALL.replace("[buildroot]\n", &format!("surprise = 1\n{section}"));
            assert!(matches!(parse(&text), Err(Error::Parse { .. })));
        }
    }
}
