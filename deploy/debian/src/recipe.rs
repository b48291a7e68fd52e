//! What the made distribution consists of: the `[debian]` section of a chroot definition.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{chroot_file::ChrootFile, error::Error};

/// Counts the changes of this crate that make other packages from the same recipe.
const CODE_VERSION: u32 = 3;

/// A distribution to make: which chroot it is for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The chroot's name.
    pub chroot: String,
    /// RPM's name of the architecture.
    pub arch: String,
    /// What goes in, and what is changed on the way.
    pub debian: DebianSection,
}

/// The `[debian]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianSection {
    /// Name of the Debian release, for messages.
    pub codename: String,
    /// Package and beginning of its version that prove that apt serves this release.
    pub proof: (String, String),
    /// Debian's name of the architecture; packages of it and of `all` are taken.
    pub arch: String,
    /// Packages that the repository holds, beside all that they depend on.
    pub seeds: Vec<String>,
    /// Packages that are never taken, nor required: nothing works less without them here.
    pub ignore: Vec<String>,
    /// Path prefixes that no package keeps.
    pub drop_paths: Vec<String>,
    /// Path endings that are kept although `drop_paths` matches.
    pub keep_suffixes: Vec<String>,
    /// The Python that compiles modules ahead, as the maintainer scripts would have done; a program on the host.
    pub python: String,
    /// What differs from the Debian package, by its name.
    pub packages: BTreeMap<String, Changes>,
    /// A package that comes from no Debian package.
    pub release: ReleasePackage,
}

/// What an RPM has that the Debian package has not, or the other way round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Further provides: `name` (with the package's own version) or `name = version`.
    pub provides: Vec<String>,
    /// Further packages that it needs; each must be a seed or belong to the distribution anyway.
    pub requires: Vec<String>,
    /// Dependencies that it does not need here.
    pub without: Vec<String>,
    /// Path prefixes that this package does not keep.
    pub drop: Vec<String>,
    /// Symbolic links, path to target: mostly what `update-alternatives` would make.
    pub links: BTreeMap<String, String>,
    /// Copies of files of the same package, path to the path copied.
    pub copies: BTreeMap<String, String>,
    /// Files that are all files below a folder, one after the other.
    pub bundles: BTreeMap<String, String>,
    /// Files with their text.
    pub files: BTreeMap<String, String>,
}

/// The package that makes a distribution of the others: links of the merged `/usr`, macros, `system-release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// One line about it.
    pub summary: String,
    /// Directories, path to mode in octal digits.
    pub dirs: BTreeMap<String, String>,
    /// What is in it.
    #[serde(default)]
    pub content: Changes,
}

impl Recipe {
    /// Reads the recipe of one chroot definition.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let file = ChrootFile::parse(path, &fs_err::read_to_string(path)?)?;
        Self::from_chroot(&file).ok_or_else(|| Error::NoRecipe(path.to_path_buf()))
    }

    /// The recipe of a chroot, where it has one.
    #[must_use]
    pub fn from_chroot(file: &ChrootFile) -> Option<Self> {
        let debian = file.debian.clone()?;
        Some(Self {
            chroot: file.name.clone(),
            arch: file.arch.clone(),
            debian,
        })
    }

    /// Hexadecimal digits that change when anything changes that the packages are made from; the order of keys,
    /// comments and spacing in the file do not count.
    pub fn hash(&self) -> Result<String, Error> {
        let canonical = serde_json::to_vec(&(CODE_VERSION, &self.chroot, &self.arch, &self.debian))
            .map_err(std::io::Error::other)?;
        Ok(hex::encode(&Sha256::digest(canonical)[..16]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_content_only() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chroots/debian-12-x86_64.toml");
        let recipe = Recipe::from_file(&path).unwrap();
        let text = format!("# a comment\n{}", fs_err::read_to_string(&path).unwrap());
        let again = ChrootFile::parse(&path, &text).unwrap();
        assert_eq!(
            recipe.hash().unwrap(),
            Recipe::from_chroot(&again).unwrap().hash().unwrap()
        );
        let mut other = recipe.clone();
        other.debian.seeds.push("hello".into());
        assert_ne!(recipe.hash().unwrap(), other.hash().unwrap());
    }
}
