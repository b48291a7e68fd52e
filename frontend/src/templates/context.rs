//! What the templates are given. Each page's context makes samples of itself, by which a test renders every template.

use serde::Serialize;

/// What every page shows around its content: variable `frame`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Frame {
    /// Name of the service.
    pub service: String,
    /// Who is signed in.
    pub user: Option<String>,
    /// What every form has to carry; empty without a session.
    pub csrf: String,
    /// Something on the page still changes: it refreshes the parts marked `data-live`.
    pub unfinished: bool,
}

/// A point in time.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// RFC 3339.
    pub iso: String,
    /// `2026-11-21 02:35:41 UTC`.
    pub full: String,
    /// `3 min ago`; a date where it is long ago.
    pub ago: String,
}

/// A text that may be a link.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Shown.
    pub text: String,
    /// `http:`, `https:` or `mailto:`; nothing else ever becomes a link.
    pub href: Option<String>,
}

/// What was typed into a field, and what is wrong with it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Field {
    /// As typed.
    pub value: String,
    /// A sentence.
    pub error: Option<String>,
}

impl Field {
    /// A field without an error.
    pub fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            error: None,
        }
    }
}

/// A chroot to tick.
#[derive(Debug, Clone, Serialize)]
pub struct ChrootChoice {
    /// Name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Ticked.
    pub checked: bool,
}

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

/// A build in a list.
#[derive(Debug, Clone, Serialize)]
pub struct BuildLine {
    /// Number.
    pub id: i64,
    /// URL path with a trailing slash.
    pub path: String,
    /// `owner/project`.
    pub project: String,
    /// URL path of the project.
    pub project_path: String,
    /// Package, or the file that will tell.
    pub package: String,
    /// Version and release; empty if unknown.
    pub version: String,
    /// Copr's word for the state.
    pub state: String,
    /// When.
    pub submitted: Moment,
    /// By whom.
    pub submitter: Option<String>,
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

/// The home page.
#[derive(Debug, Clone, Serialize)]
pub struct Home {
    /// A chroot for the example.
    pub example_chroot: String,
    /// Newest projects.
    pub projects: Vec<ProjectLine>,
    /// Newest builds.
    pub builds: Vec<BuildLine>,
}

/// Something that an owner may use so much of.
#[derive(Debug, Clone, Serialize)]
pub struct QuotaLine {
    /// What it is.
    pub what: String,
    /// How much is used.
    pub used: String,
    /// How much may be; none: as much as one likes.
    pub limit: Option<String>,
    /// It is used up.
    pub full: bool,
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
    /// Of Copr's clients.
    pub bootstrap: Choice,
    /// Of Copr's clients.
    pub bootstrap_image: Field,
    /// Of Copr's clients.
    pub isolation: Choice,
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

/// The forms for a new build.
#[derive(Debug, Clone, Serialize)]
pub struct Submit {
    /// Top.
    pub project: ProjectHead,
    /// What concerns no single field.
    pub error: Option<String>,
    /// The project's chroots.
    pub chroots: Vec<ChrootChoice>,
    /// What is wrong with their choice.
    pub chroots_error: Option<String>,
    /// What is wrong with the file.
    pub file_error: Option<String>,
    /// One a line.
    pub urls: Field,
    /// Whether the packages shall enter no repository.
    pub scratch: bool,
    /// Largest upload, for people.
    pub max_upload: String,
    /// The same by `copr-cli`.
    pub cli: String,
}

/// A state to choose.
#[derive(Debug, Clone, Serialize)]
pub struct StateChoice {
    /// Copr's word.
    pub name: &'static str,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// How packages stand in each chroot.
#[derive(Debug, Clone, Serialize)]
pub struct Monitor {
    /// Top.
    pub project: ProjectHead,
    /// What was searched for.
    pub query: String,
    /// Result directory.
    pub dir: String,
    /// Enabled chroots.
    pub chroots: Vec<String>,
    /// How it is sorted, as addresses say it; empty: as ever.
    pub sort: String,
    /// Heads of the table's first columns.
    pub heads: Vec<Head>,
    /// One page of packages.
    pub packages: Vec<MonitorLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// How a package stands.
#[derive(Debug, Clone, Serialize)]
pub struct MonitorLine {
    /// Name.
    pub name: String,
    /// URL of its builds.
    pub path: String,
    /// For each chroot.
    pub cells: Vec<Option<MonitorCell>>,
}

/// The newest build of a package in a chroot.
#[derive(Debug, Clone, Serialize)]
pub struct MonitorCell {
    /// Build.
    pub id: i64,
    /// URL path of the build.
    pub path: String,
    /// Copr's word for the state in this chroot.
    pub state: String,
    /// Version and release; empty if unknown.
    pub version: String,
}

/// A project's builds.
#[derive(Debug, Clone, Serialize)]
pub struct Builds {
    /// Top.
    pub project: ProjectHead,
    /// Whether only some are asked for.
    pub filtered: bool,
    /// The package that is asked for; empty: all.
    pub package: String,
    /// States to choose from.
    pub states: Vec<StateChoice>,
    /// How it is sorted, as addresses say it; empty: as ever.
    pub sort: String,
    /// Heads of the table.
    pub heads: Vec<Head>,
    /// One page of them.
    pub builds: Vec<BuildLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// Why a task failed.
#[derive(Debug, Clone, Serialize)]
pub struct TaskFailure {
    /// In few words.
    pub title: String,
    /// What to do.
    pub message: String,
    /// Else it is the service's.
    pub packages_fault: bool,
}

/// A task of a build.
#[derive(Debug, Clone, Serialize)]
pub struct TaskLine {
    /// The chroot, or "Source".
    pub title: String,
    /// State.
    pub state: String,
    /// What happens right now, in words; empty if nothing does.
    pub phase: String,
    /// Attempts so far.
    pub attempt: i32,
    /// When it was claimed.
    pub started: Option<Moment>,
    /// How long it took.
    pub took: Option<String>,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
    /// URL of the listing.
    pub results_url: Option<String>,
    /// URL of the stored log.
    pub log_url: Option<String>,
}

/// A published file.
#[derive(Debug, Clone, Serialize)]
pub struct ResultLine {
    /// Chroot.
    pub chroot: String,
    /// File name.
    pub name: String,
    /// Where.
    pub url: String,
    /// For people.
    pub size: String,
}

/// A live log.
#[derive(Debug, Clone, Serialize)]
pub struct LiveLog {
    /// The chroot, or "Source".
    pub title: String,
    /// URL of the event stream.
    pub url: String,
    /// Unfolded: the page follows it at once.
    pub open: bool,
}

/// A build's page.
#[derive(Debug, Clone, Serialize)]
pub struct Build {
    /// Top.
    pub project: ProjectHead,
    /// The build.
    pub build: BuildLine,
    /// Where the source came from.
    pub source: Link,
    /// For people.
    pub source_size: Option<String>,
    /// When its first task was claimed.
    pub started: Option<Moment>,
    /// When its last task ended.
    pub ended: Option<Moment>,
    /// How long it took.
    pub took: Option<String>,
    /// Whether its packages enter no repository.
    pub scratch: bool,
    /// Whether the visitor may cancel it now.
    pub may_cancel: bool,
    /// Whether it has ended and the visitor may build its source again.
    pub may_rebuild: bool,
    /// Whether the visitor may delete it.
    pub may_delete: bool,
    /// One for the source, if it is fetched, and one for each chroot.
    pub tasks: Vec<TaskLine>,
    /// Published files.
    pub results: Vec<ResultLine>,
    /// Logs of what has not ended.
    pub logs: Vec<LiveLog>,
}

/// Asks before a build goes.
#[derive(Debug, Clone, Serialize)]
pub struct BuildDelete {
    /// Top.
    pub project: ProjectHead,
    /// The build.
    pub build: BuildLine,
    /// Whether it has not ended.
    pub running: bool,
}

/// Batches that have not ended.
#[derive(Debug, Clone, Serialize)]
pub struct Batches {
    /// Each behind the one that it waits for.
    pub batches: Vec<BatchLine>,
}

/// A batch in a tree.
#[derive(Debug, Clone, Serialize)]
pub struct BatchLine {
    /// Number.
    pub id: i64,
    /// How many shown batches it waits for, up to a limit.
    pub depth: usize,
    /// `blocked`, `processing` or `finished`.
    pub state: &'static str,
    /// The batch that has to end first.
    pub blocked_by: Option<i64>,
    /// Builds of projects that are not listed.
    pub hidden: usize,
    /// The other builds.
    pub builds: Vec<BatchMember>,
}

/// A build of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchMember {
    /// Number.
    pub id: i64,
    /// URL path with a trailing slash.
    pub path: String,
    /// `owner/project`.
    pub project: String,
    /// Package; empty if unknown.
    pub package: String,
    /// Copr's word for its state.
    pub state: String,
}

/// How to sign in.
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    /// The visitor came by a link that does not work.
    pub expired: bool,
    /// Days that a session lasts.
    pub days: i64,
}

/// An error.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// HTTP status with its name.
    pub status: String,
    /// In few words.
    pub title: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// Offers to sign in.
    pub sign_in: bool,
}

#[cfg(test)]
#[path = "samples.rs"]
pub(crate) mod samples;
