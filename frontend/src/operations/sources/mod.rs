//! Sources that a builder makes a source package of: their fields, with the names that Copr's server stores.

mod check;
mod clone_url;
mod dist_git;

use serde_json::{Map, Value};

pub use check::check;
pub use dist_git::{dist_git_package, dist_gits};

use crate::error::Error;

/// The one list that is stored as a list.
const VERSIONS: &str = "python_versions";

/// How a source package is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceType {
    /// From a git or Subversion repository.
    Scm,
    /// From the Python package index.
    Pypi,
    /// From rubygems.org.
    Rubygems,
    /// From a distribution's git service.
    Distgit,
    /// By a script.
    Custom,
}

impl SourceType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Scm, Self::Distgit, Self::Pypi, Self::Rubygems, Self::Custom];

    /// Copr's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scm => "scm",
            Self::Pypi => "pypi",
            Self::Rubygems => "rubygems",
            Self::Distgit => "distgit",
            Self::Custom => "custom",
        }
    }

    /// Reads Copr's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// Names of its texts, in the API and in forms, and as stored.
    fn texts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Scm => &[
                ("scm_type", "type"),
                ("clone_url", "clone_url"),
                ("committish", "committish"),
                ("subdirectory", "subdirectory"),
                ("spec", "spec"),
                ("srpm_build_method", "srpm_build_method"),
                ("source_build_method", "srpm_build_method"),
            ],
            Self::Pypi => &[
                ("pypi_package_name", "pypi_package_name"),
                ("pypi_package_version", "pypi_package_version"),
                ("spec_generator", "spec_generator"),
                ("spec_template", "spec_template"),
            ],
            Self::Rubygems => &[("gem_name", "gem_name")],
            Self::Distgit => &[
                ("distgit", "distgit"),
                ("namespace", "namespace"),
                ("committish", "committish"),
            ],
            Self::Custom => &[
                ("script", "script"),
                ("script_chroot", "chroot"),
                ("script_resultdir", "resultdir"),
            ],
        }
    }

    /// Names of its lists.
    fn lists(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Custom => &[("script_builddeps", "builddeps"), ("script_repos", "repos")],
            Self::Pypi => &[("python_versions", VERSIONS)],
            Self::Scm | Self::Rubygems | Self::Distgit => &[],
        }
    }

    /// What a field of a package is stored as.
    pub fn stored_as(self, name: &str) -> Option<&'static str> {
        let mut all = self.texts().iter().chain(self.lists());
        all.find(|(given, _)| *given == name).map(|(_, stored)| *stored)
    }

    /// Reads the fields that were given, under the names by which they are stored; [`check()`] judges them.
    ///
    /// # Errors
    /// When a field is no text or list at all.
    pub fn read(self, of: Of, from: &impl Given) -> Result<Map<String, Value>, Error> {
        let spelt = |name: &'static str, stored: &'static str| match (of, self) {
            (Of::Build, Self::Custom) => stored,
            _ => name,
        };
        let mut given = Map::new();
        for (name, stored) in self.texts() {
            if let Some(text) = from.text(spelt(name, stored))? {
                given.insert((*stored).to_owned(), text.into());
            }
        }
        for (name, stored) in self.lists() {
            let name = spelt(name, stored);
            let list: Option<Value> = if *stored == VERSIONS {
                from.words(name)?.map(Into::into)
            } else {
                from.list(name)?.map(|list| list.join(" ").into())
            };
            given.extend(list.map(|list| ((*stored).to_owned(), list)));
        }
        Ok(given)
    }
}

/// Whose source it is: a script's fields have longer names where they stand beside a package's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A single build's.
    Build,
    /// A package's default source.
    Package,
}

/// Something that fields are read from: a request of the API or a form.
pub trait Given {
    /// A text, if it was given.
    ///
    /// # Errors
    /// When it is none.
    fn text(&self, name: &str) -> Result<Option<String>, Error>;

    /// A list, if it was given; in a text, white space separates its entries.
    ///
    /// # Errors
    /// When it is none.
    fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error>;

    /// A list of words, if it was given; in a text, white space and commas separate them.
    ///
    /// # Errors
    /// When it is none.
    fn words(&self, name: &str) -> Result<Option<Vec<String>>, Error>;
}
