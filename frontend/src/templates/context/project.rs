//! The pages of projects: lists, the project itself, its forms.

use serde::Serialize;

use super::{BuildLine, ChrootChoice, Field, Link, Moment, QuotaLine};

/// A project in a list.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectLine {
    /// Holder.
    pub owner: String,
    /// Name.
    pub name: String,
    /// URL path with a trailing slash.
    pub path: String,
    /// The description's beginning.
    pub description: String,
    /// When it was made.
    pub created: Moment,
}

/// What the pages of a project show at their top.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectHead {
    /// Holder.
    pub owner: String,
    /// Name.
    pub name: String,
    /// URL path with a trailing slash.
    pub path: String,
    /// Who decides about it, where that is not the owner any more.
    pub holder: Option<String>,
    /// Whether the visitor may submit builds.
    pub may_build: bool,
    /// Whether the visitor may change settings.
    pub may_edit: bool,
}

/// A column's head.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    /// For people.
    pub label: &'static str,
    /// The same list sorted by it, the other way round if it is already.
    pub url: Option<String>,
    /// `ascending`, `descending`, or empty: the table is not sorted by it.
    pub sorted: &'static str,
}

/// A list of projects.
#[derive(Debug, Clone, Serialize)]
pub struct Projects {
    /// Heading.
    pub title: String,
    /// What was searched for.
    pub query: String,
    /// Shows the search field.
    pub searchable: bool,
    /// Shows the button for a new project.
    pub may_create: bool,
    /// Groups of the user whose projects these are.
    pub groups: Vec<String>,
    /// What they use, for those who may see it.
    pub quota: Vec<QuotaLine>,
    /// How it is sorted, as addresses say it; empty: as ever.
    pub sort: String,
    /// Heads of the table.
    pub heads: Vec<Head>,
    /// One page of them.
    pub projects: Vec<ProjectLine>,
    /// What to say when there is none.
    pub nothing: String,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// A release that a project has a repository for.
#[derive(Debug, Clone, Serialize)]
pub struct Repo {
    /// `<os>-<version>`.
    pub name_release: String,
    /// Architectures with the URLs of their repositories.
    pub arches: Vec<Arch>,
    /// URL of the `.repo` file.
    pub url: String,
    /// Its name.
    pub file_name: String,
    /// The command that installs it.
    pub command: String,
}

/// A repository of a release.
#[derive(Debug, Clone, Serialize)]
pub struct Arch {
    /// Architecture.
    pub name: String,
    /// URL of its repository.
    pub url: String,
}

/// A result directory.
#[derive(Debug, Clone, Serialize)]
pub struct DirectoryLine {
    /// Name.
    pub name: String,
    /// URL of its repositories' `.repo` files by release.
    pub repos: Vec<Arch>,
    /// When the newest build was sent there.
    pub last_build: Option<Moment>,
    /// Removed some time after the last build.
    pub passing: bool,
}

/// A project's key.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// In groups of four.
    pub fingerprint: String,
    /// Algorithm.
    pub algorithm: String,
    /// URL of the public key.
    pub url: String,
}

/// A package in a list.
#[derive(Debug, Clone, Serialize)]
pub struct PackageLine {
    /// Name.
    pub name: String,
    /// Its latest build.
    pub latest: Option<BuildLine>,
}

/// Something of a project that does not get on.
#[derive(Debug, Clone, Serialize)]
pub struct Trouble {
    /// What the last try failed with.
    pub reason: String,
    /// Key and empty repositories are not made; else publishing does not get on.
    pub set_up: bool,
    /// It is not tried again.
    pub given_up: bool,
}

/// A project's page.
#[derive(Debug, Clone, Serialize)]
pub struct Project {
    /// Top.
    pub project: ProjectHead,
    /// Key and repositories exist.
    pub ready: bool,
    /// What does not get on.
    pub troubles: Vec<Trouble>,
    /// As typed.
    pub description: String,
    /// As typed.
    pub instructions: String,
    /// The command for dnf's copr plugin.
    pub enable_copr: String,
    /// What that plugin needs to know, where the service is not at `https://HOST/`.
    pub plugin_config: Option<String>,
    /// By release.
    pub repos: Vec<Repo>,
    /// The first packages, by name.
    pub packages: Vec<PackageLine>,
    /// Whether there are more.
    pub more_packages: bool,
    /// Newest builds.
    pub builds: Vec<BuildLine>,
    /// When it was made.
    pub created: Moment,
    /// Homepage.
    pub homepage: Option<Link>,
    /// Contact.
    pub contact: Option<Link>,
    /// Such as `.kpr.alice_tools`.
    pub repotag: String,
    /// Network in builds.
    pub enable_net: bool,
    /// Publishes only on request.
    pub devel_mode: bool,
    /// When a temporary project ends.
    pub ends: Option<Moment>,
    /// Directories beside the main one.
    pub directories: Vec<DirectoryLine>,
    /// URL of the definition.
    pub export_url: String,
    /// The key, once it exists.
    pub key: Option<Key>,
}

/// A box to tick.
#[derive(Debug, Clone, Serialize)]
pub struct Switch {
    /// Name of the field.
    pub name: &'static str,
    /// In few words.
    pub label: &'static str,
    /// In more.
    pub hint: &'static str,
    /// Ticked.
    pub checked: bool,
}

/// One of several words.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Choice {
    /// The chosen one.
    pub value: String,
    /// All of them.
    pub options: &'static [&'static str],
    /// A sentence.
    pub error: Option<String>,
}

/// The fields of a project.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProjectForm {
    /// What concerns no single field.
    pub error: Option<String>,
    /// Name; only of a new project.
    pub name: Field,
    /// Chroots.
    pub chroots: Vec<ChrootChoice>,
    /// What is wrong with their choice.
    pub chroots_error: Option<String>,
    /// Text.
    pub description: Field,
    /// Text.
    pub instructions: Field,
    /// URL.
    pub homepage: Field,
    /// E-mail address or URL.
    pub contact: Field,
    /// One a line.
    pub additional_repos: Field,
    /// One a line.
    pub runtime_dependencies: Field,
    /// One a line.
    pub packit_forge_projects_allowed: Field,
    /// A number, or nothing.
    pub repo_priority: Field,
    /// A number, or nothing.
    pub delete_after_days: Field,
    /// A number, or nothing.
    pub keep_snapshots: Field,
    /// A number, or nothing.
    pub keep_days: Field,
    /// A pointer, or nothing.
    pub build_pointer: Field,
    /// A number, or nothing.
    pub release_after_hours: Field,
    /// Of Copr's clients.
    pub bootstrap: Choice,
    /// Of Copr's clients.
    pub bootstrap_image: Field,
    /// Of Copr's clients.
    pub isolation: Choice,
    /// Whether builders find out if packages can be installed.
    pub check_installs: Choice,
    /// What is on or off.
    pub switches: Vec<Switch>,
}

/// The form for a new project.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectNew {
    /// For whom the visitor may make it: themselves, and their groups.
    pub owners: Vec<String>,
    /// For whom it shall be.
    pub owner: String,
    /// Fields.
    pub form: ProjectForm,
}

/// A project's settings.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectEdit {
    /// Top.
    pub project: ProjectHead,
    /// Fields.
    pub form: ProjectForm,
}

/// Asks before a project goes.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectDelete {
    /// Top.
    pub project: ProjectHead,
    /// The name, typed.
    pub confirm: Field,
}
