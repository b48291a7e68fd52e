//! A project's texts and switches.

use chrono::{DateTime, Days, NaiveTime, Utc};
use protocol::PointerName;
use serde::{Deserialize, Serialize};

use crate::rpms::SameNevra;

/// Copr's texts and switches of a project, with Copr's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// Markdown.
    pub description: String,
    /// Markdown.
    pub instructions: String,
    /// URL.
    pub homepage: String,
    /// E-mail or URL; becomes part of `BugURL` when it is a URL.
    pub contact: String,
    /// Repositories for builds.
    pub additional_repos: Vec<String>,
    /// Network in builds.
    pub enable_net: bool,
    /// Not on the home page.
    pub unlisted_on_hp: bool,
    /// Never cleaned up.
    pub persistent: bool,
    /// Old builds are removed.
    pub auto_prune: bool,
    /// Metadata only changes on request.
    pub devel_mode: bool,
    /// New Fedora branches are enabled by themselves.
    pub follow_fedora_branching: bool,
    /// `module_hotfixes=1` in `.repo` files.
    pub module_hotfixes: bool,
    /// `AppStream` metadata.
    pub appstream: bool,
    /// 32-bit packages beside 64-bit ones.
    pub multilib: bool,
    /// fedora-review after builds.
    pub fedora_review: bool,
    /// `default`, `on`, `off`, `image`.
    pub bootstrap: String,
    /// A container image for bootstrapping; kept for Copr's clients.
    pub bootstrap_image: Option<String>,
    /// `default`, `simple`, `nspawn`.
    pub isolation: String,
    /// Forge projects that may build through Packit.
    pub packit_forge_projects_allowed: Vec<String>,
    /// Repositories that clients need as well.
    pub runtime_dependencies: Vec<String>,
    /// `priority=` in `.repo` files.
    pub repo_priority: Option<i32>,
    /// Days after which the project is deleted.
    pub delete_after_days: Option<i32>,
    /// So many of the newest snapshots of each repository are kept, in place of the service's rule.
    pub keep_snapshots: Option<i32>,
    /// Snapshots that a pointer named within so many days are kept, in place of the service's rule.
    pub keep_days: Option<i32>,
    /// The pointer that builds go to where they name none.
    pub build_pointer: Option<PointerName>,
    /// Hours after a passed test until users get what builds have, in devel mode; `None`: when somebody asks for it.
    pub release_after_hours: Option<i32>,
    /// What has a name, version, release and architecture that the repository has takes its place; else it is refused.
    pub replace_same_nevra: bool,
    /// Whether builders find out if what is published can be installed.
    pub check_installs: CheckInstalls,
}

/// Whether builders find out if what is published can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckInstalls {
    /// As the service has it.
    #[default]
    Default,
    /// They do.
    On,
    /// They do not.
    Off,
}

impl CheckInstalls {
    /// Whether they do, in a service that has it so.
    pub fn or(self, service: bool) -> bool {
        match self {
            Self::Default => service,
            Self::On => true,
            Self::Off => false,
        }
    }

    /// As the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for CheckInstalls {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Default, Self::On, Self::Off]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| "use default, on or off".to_owned())
    }
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self {
            description: String::new(),
            instructions: String::new(),
            homepage: String::new(),
            contact: String::new(),
            additional_repos: Vec::new(),
            enable_net: false,
            unlisted_on_hp: false,
            persistent: false,
            auto_prune: true,
            devel_mode: false,
            follow_fedora_branching: true,
            module_hotfixes: false,
            appstream: false,
            multilib: false,
            fedora_review: false,
            bootstrap: "default".to_owned(),
            bootstrap_image: None,
            isolation: "default".to_owned(),
            packit_forge_projects_allowed: Vec::new(),
            runtime_dependencies: Vec::new(),
            repo_priority: None,
            delete_after_days: None,
            keep_snapshots: None,
            keep_days: None,
            build_pointer: None,
            release_after_hours: None,
            replace_same_nevra: false,
            check_installs: CheckInstalls::Default,
        }
    }
}

impl ProjectSettings {
    /// What happens to a package of a name, version, release and architecture that the repository has.
    pub fn same_nevra(&self) -> SameNevra {
        if self.replace_same_nevra {
            SameNevra::Replace
        } else {
            SameNevra::Refuse
        }
    }

    /// When a temporary project ends: at the midnight (UTC) after the last of its days.
    pub fn ends(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days = u64::try_from(self.delete_after_days?).ok()?;
        let day = now.date_naive().checked_add_days(Days::new(days + 1))?;
        Some(day.and_time(NaiveTime::MIN).and_utc())
    }
}
