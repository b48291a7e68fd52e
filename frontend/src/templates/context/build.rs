//! The pages of builds: lists, the build itself, the monitor, batches.

use serde::Serialize;

use super::{ChrootChoice, Field, Head, Link, Moment, ProjectHead};

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
    /// The pointer that they go to.
    pub pointer: Field,
    /// The commit that the source is.
    pub commit: Field,
    /// The one where none is named.
    pub usual: String,
    /// Largest upload, for people.
    pub max_upload: String,
    /// The same by `copr-cli`.
    pub cli: String,
}

/// The form for packages from elsewhere.
#[derive(Debug, Clone, Serialize)]
pub struct Import {
    /// Top.
    pub project: ProjectHead,
    /// What concerns no single field.
    pub error: Option<String>,
    /// The project's chroots.
    pub chroots: Vec<ChrootChoice>,
    /// What is wrong with their choice.
    pub chroots_error: Option<String>,
    /// The repository.
    pub url: Field,
    /// One a line.
    pub packages: Field,
    /// A key, or its URL.
    pub gpgkey: Field,
    /// What is wrong with uploaded files.
    pub file_error: Option<String>,
    /// Largest upload, for people.
    pub max_upload: String,
    /// Whether this service takes any.
    pub taken: bool,
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

/// What a test found.
#[derive(Debug, Clone, Serialize)]
pub struct TestLine {
    /// Whether it is good.
    pub passed: bool,
    /// What was tested, and where.
    pub what: String,
    /// Its run.
    pub run: Option<Link>,
    /// What it says.
    pub message: String,
    /// Who reported it.
    pub actor: String,
    /// Which of the service's own tests it is of; empty for those that somebody reported.
    pub testcase: String,
    /// When.
    pub at: Moment,
    /// Since when builds see the packages.
    pub builds: Option<Moment>,
    /// Since when users do.
    pub users: Option<Moment>,
    /// When users get them by themselves.
    pub planned: Option<Moment>,
    /// Whether they do not, because a later test failed.
    pub held: bool,
}

/// A repository of what a build or a batch made.
#[derive(Debug, Clone, Serialize)]
pub struct MiniRepository {
    /// What it has, for people: `build 12`.
    pub what: String,
    /// Chroot.
    pub chroot: String,
    /// URL of its `.repo` file.
    pub repo_url: String,
    /// Gets that file.
    pub command: String,
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
    /// Where its packages come from, if they were promoted.
    pub promoted_from: Option<Link>,
    /// When its first task was claimed.
    pub started: Option<Moment>,
    /// When its last task ended.
    pub ended: Option<Moment>,
    /// How long it took.
    pub took: Option<String>,
    /// Whether its packages enter no repository.
    pub scratch: bool,
    /// The pointer that they go to in place of what everybody sees.
    pub pointer: Option<String>,
    /// The commit that its source is.
    pub commit: Option<String>,
    /// Where what was built of that can be installed from, with what was there already.
    pub by_commit: Vec<MiniRepository>,
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
    /// What tests found, newest first.
    pub tests: Vec<TestLine>,
    /// Where just these packages can be installed from.
    pub repositories: Vec<MiniRepository>,
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
