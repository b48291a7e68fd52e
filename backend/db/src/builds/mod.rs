//! Builds.

mod change;
mod create;
mod source;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use protocol::{BuildId, CommitId, DirName, PackageName, PointerName};
use serde::{Deserialize, Serialize};

use crate::connect::{Connection, DbResult, from_json, parse};
use crate::projects::{self, Project};
use crate::promotions::Origin;
use crate::schema::{builds, users};
use crate::tasks::{TaskRow, TaskState};

pub use change::{accept_source, cancel, delete};
pub use create::{NewBuild, Target, create, create_all, create_claimed};
pub use source::{Import, Recipe, Source, Srpm, StoredFile, StoredRpm, UNVERIFIED_ORIGIN, is_spec};

/// What a submitter may choose for one build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildOptions {
    /// Seconds; `None`: the service's default.
    pub timeout_s: Option<u64>,
    /// Network in the build; `None`: the project's setting.
    pub enable_net: Option<bool>,
    /// Lower priority.
    pub background: bool,
    /// Copr's word for the bootstrap chroot, which machines do not need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// Copr's word for the isolation; here every build has a machine of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// The forge project that Packit builds for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packit_forge_project: Option<String>,
    /// Results can be downloaded, but enter no repository.
    pub scratch: bool,
    /// Who gets the packages: those who follow this pointer. `None` and `latest` for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<PointerName>,
    /// The commit that its source is, as the submitter says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Whether the submitter named chroots, which then count more than the package's denylist.
    pub chroots_named: bool,
    /// Chroots that the submitter left out, names or patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chroots_excluded: Vec<String>,
}

impl BuildOptions {
    /// The pointer that the packages go to in place of what everybody sees.
    pub fn flow(&self) -> Option<&PointerName> {
        self.pointer.as_ref().filter(|pointer| !pointer.is_reserved())
    }
}

/// A build with its tasks.
#[derive(Debug, Clone)]
pub struct Build {
    /// Number.
    pub id: BuildId,
    /// `projects.id`.
    pub project: i64,
    /// Result directory.
    pub dir: DirName,
    /// Name of the submitter.
    pub submitter: Option<String>,
    /// Copr's word for the source type.
    pub source_kind: String,
    /// What the source type needs, with Copr's names.
    pub source: serde_json::Value,
    /// URL of a linked source.
    pub source_url: Option<String>,
    /// The package's name, once it is known.
    pub package: Option<PackageName>,
    /// Its version and release.
    pub version: Option<String>,
    /// `batches.id`.
    pub batch: Option<i64>,
    /// The source package, once it is known.
    pub srpm: Option<Srpm>,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// When it was canceled.
    pub canceled_at: Option<DateTime<Utc>>,
    /// Choices.
    pub options: BuildOptions,
    /// Where its packages come from, if they were promoted from another repository.
    pub promoted_from: Option<Origin>,
    /// The source part's task of a linked build.
    pub source_task: Option<TaskRow>,
    /// One task per chroot, by name.
    pub tasks: Vec<TaskRow>,
}

impl Build {
    /// Whether its packages were built elsewhere.
    pub fn is_foreign(&self) -> bool {
        matches!(self.source_kind.as_str(), "rpm_upload" | "import")
    }

    /// What it takes from somebody else's repository, if it is such a build.
    pub fn import(&self) -> Option<Import> {
        let source = (self.source_kind == "import").then(|| self.source.clone())?;
        serde_json::from_value(source).ok()
    }

    /// Whether it brings packages of many sources.
    pub fn is_set(&self) -> bool {
        self.is_foreign() && self.package.is_none()
    }

    /// The package's name in the names of result folders, once there can be such folders.
    pub fn listed_as(&self) -> Option<PackageName> {
        if self.is_set() {
            return Some(set_folder());
        }
        let of_srpm = self.srpm.as_ref().map(|srpm| &srpm.package);
        let known = of_srpm.or_else(|| self.package.as_ref().filter(|_| self.is_foreign()));
        known.cloned()
    }

    /// Copr's word for the whole build: canceled if flagged; the source part's state until it
    /// succeeded; else the first of running, pending, failed, succeeded, skipped that any chroot has.
    pub fn state(&self) -> &'static str {
        if self.canceled_at.is_some() {
            return "canceled";
        }
        if let Some(source) = self
            .source_task
            .as_ref()
            .filter(|s| s.state != TaskState::Succeeded)
        {
            // Publishing a source means that the service looks into it: Copr calls that importing.
            return if source.state == TaskState::Publishing {
                "importing"
            } else {
                source.state.copr_word()
            };
        }
        let has = |wanted: &[TaskState]| self.tasks.iter().any(|t| wanted.contains(&t.state));
        [
            (&[TaskState::Running, TaskState::Publishing][..], "running"),
            (&[TaskState::Pending, TaskState::Waiting][..], "pending"),
            (&[TaskState::Failed][..], "failed"),
            (&[TaskState::Canceled][..], "canceled"),
            (&[TaskState::Succeeded][..], "succeeded"),
            (&[TaskState::Forked][..], "forked"),
        ]
        .iter()
        .find(|(states, _)| has(states))
        .map_or("skipped", |(_, word)| word)
    }

    /// Whether nothing more happens to it.
    pub fn is_final(&self) -> bool {
        self.source_task
            .iter()
            .chain(&self.tasks)
            .all(|t| t.state.is_final())
    }

    /// When its first task was claimed.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        self.source_task
            .iter()
            .chain(&self.tasks)
            .filter_map(|t| t.started_at)
            .min()
    }

    /// When its last task ended, if all have.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        if !self.is_final() {
            return None;
        }
        self.source_task
            .iter()
            .chain(&self.tasks)
            .filter_map(|t| t.ended_at)
            .max()
            .or(self.canceled_at)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = builds)]
struct Row {
    id: i64,
    project_id: i64,
    dirname: String,
    submitter: Option<i64>,
    source_kind: String,
    source: serde_json::Value,
    source_url: Option<String>,
    batch_id: Option<i64>,
    srpm_sha256: Option<String>,
    srpm_name: Option<String>,
    srpm_size: Option<i64>,
    package_name: Option<String>,
    package_version: Option<String>,
    submitted_at: DateTime<Utc>,
    canceled_at: Option<DateTime<Utc>>,
    options: serde_json::Value,
    promoted_from: Option<serde_json::Value>,
}

impl Row {
    fn build(
        self,
        submitters: &HashMap<i64, String>,
        all: &mut HashMap<i64, Vec<TaskRow>>,
    ) -> DbResult<Build> {
        let package: Option<PackageName> =
            self.package_name.map(|p| parse("package name", &p)).transpose()?;
        let srpm = match (self.srpm_sha256, self.srpm_name, self.srpm_size, &package) {
            (Some(sha256), Some(name), Some(size), Some(package)) => Some(Srpm {
                sha256: parse("SRPM digest", &sha256)?,
                file_name: parse("SRPM name", &name)?,
                size,
                package: package.clone(),
                version: self.package_version.clone().unwrap_or_default(),
            }),
            _ => None,
        };
        let (source, tasks): (Vec<_>, Vec<_>) = all
            .remove(&self.id)
            .unwrap_or_default()
            .into_iter()
            .partition(|t| t.chroot.is_none());
        Ok(Build {
            id: BuildId(self.id),
            project: self.project_id,
            dir: parse("directory", &self.dirname)?,
            submitter: self.submitter.and_then(|id| submitters.get(&id).cloned()),
            source_kind: self.source_kind,
            source: self.source,
            source_url: self.source_url,
            package,
            version: self.package_version,
            batch: self.batch_id,
            srpm,
            submitted_at: self.submitted_at,
            canceled_at: self.canceled_at,
            options: from_json("build options", self.options)?,
            promoted_from: self
                .promoted_from
                .map(|origin| from_json("origin of a build", origin))
                .transpose()?,
            source_task: source.into_iter().next(),
            tasks,
        })
    }
}

async fn complete(conn: &mut Connection, rows: Vec<Row>) -> DbResult<Vec<Build>> {
    let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
    let who: Vec<i64> = rows.iter().filter_map(|r| r.submitter).collect();
    let mut tasks: HashMap<i64, Vec<TaskRow>> = HashMap::new();
    for task in crate::tasks::of_builds(conn, &ids).await? {
        tasks.entry(task.build.0).or_default().push(task);
    }
    let names: Vec<(i64, String)> = users::table
        .filter(users::id.eq_any(who))
        .select((users::id, users::name))
        .load(conn)
        .await?;
    let names = names.into_iter().collect();
    rows.into_iter().map(|r| r.build(&names, &mut tasks)).collect()
}

/// Stands for the package in the names of result folders that hold packages of many sources.
pub(crate) fn set_folder() -> PackageName {
    PackageName::import()
}

/// Name of the result directory of a package's build.
pub fn result_dir(build: BuildId, package: &PackageName) -> String {
    format!("{:08}-{package}", build.0)
}

/// A build.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: BuildId) -> DbResult<Option<Build>> {
    let row: Option<Row> = builds::table
        .find(id.0)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    match row {
        Some(row) => Ok(complete(conn, vec![row]).await?.into_iter().next()),
        None => Ok(None),
    }
}

/// A build with its project; `None` too when the project was deleted.
///
/// # Errors
/// When the query fails.
pub async fn find_with_project(conn: &mut Connection, id: BuildId) -> DbResult<Option<(Build, Project)>> {
    let Some(build) = find(conn, id).await? else {
        return Ok(None);
    };
    let project = projects::by_id(conn, build.project).await?;
    Ok(project.filter(|p| p.deleted_at.is_none()).map(|p| (build, p)))
}

/// Builds of live projects with them, by number; those that do not exist are left out.
///
/// # Errors
/// When the query fails.
pub async fn find_many(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<(Build, Project)>> {
    let rows: Vec<Row> = builds::table
        .filter(builds::id.eq_any(ids))
        .order(builds::id)
        .select(Row::as_select())
        .load(conn)
        .await?;
    let mut known: HashMap<i64, Option<Project>> = HashMap::new();
    let mut out = Vec::new();
    for build in complete(conn, rows).await? {
        let project = match known.entry(build.project) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let project = projects::by_id(conn, build.project).await?;
                entry.insert(project.filter(|p| p.deleted_at.is_none()))
            }
        };
        if let Some(project) = project {
            out.push((build, project.clone()));
        }
    }
    Ok(out)
}

/// Which builds of a project are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Only of this package.
    pub package: Option<&'a str>,
    /// Only in this state, Copr's word.
    pub state: Option<&'a str>,
    /// At most so many.
    pub limit: i64,
    /// Leave out so many.
    pub offset: i64,
}

/// Builds of a project, newest first.
///
/// # Errors
/// When the query fails.
pub async fn list_of(conn: &mut Connection, project: i64, wanted: &Wanted<'_>) -> DbResult<Vec<Build>> {
    let mut query = builds::table
        .filter(builds::project_id.eq(project))
        .order(builds::id.desc())
        .select(Row::as_select())
        .into_boxed();
    if let Some(package) = wanted.package {
        query = query.filter(builds::package_name.eq(package.to_owned()));
    }
    if let Some(state) = wanted.state {
        query = query.filter(builds::state.eq(state.to_owned()));
    }
    let rows = query.limit(wanted.limit).offset(wanted.offset).load(conn).await?;
    complete(conn, rows).await
}

/// Builds of a project, newest first.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    project: i64,
    package: Option<&str>,
    limit: i64,
    offset: i64,
) -> DbResult<Vec<Build>> {
    let wanted = Wanted {
        package,
        state: None,
        limit,
        offset,
    };
    list_of(conn, project, &wanted).await
}
