//! Builds.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::ClaimRequest;
use protocol::{BuildId, ChrootName, DirName, FileName, PackageName, Sha256, TaskId};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, parse, to_json};
use crate::notify::{Topic, notify};
use crate::projects::{self, Project};
use crate::schema::{builds, tasks, users};
use crate::tasks::{TaskRow, TaskState};

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
}

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

/// Where a build's source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Uploaded.
    Upload(Srpm),
    /// Fetched by a builder.
    Link(String),
}

/// A chroot of a new build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub chroot: ChrootName,
    /// The package says that it does not build there.
    pub skipped: bool,
}

/// What a build is made of.
#[derive(Debug, Clone)]
pub struct NewBuild<'a> {
    /// Project.
    pub project: &'a Project,
    /// Result directory.
    pub dir: &'a DirName,
    /// `users.id`; `None` for webhooks.
    pub submitter: Option<i64>,
    /// For the audit.
    pub actor: &'a str,
    /// Source.
    pub source: &'a Source,
    /// Targets.
    pub targets: &'a [Target],
    /// Choices.
    pub options: &'a BuildOptions,
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
    /// URL of a linked source.
    pub source_url: Option<String>,
    /// The source package, once it is known.
    pub srpm: Option<Srpm>,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// When it was canceled.
    pub canceled_at: Option<DateTime<Utc>>,
    /// Choices.
    pub options: BuildOptions,
    /// The source part's task of a linked build.
    pub source_task: Option<TaskRow>,
    /// One task per chroot, by name.
    pub tasks: Vec<TaskRow>,
}

impl Build {
    /// Copr's word for the whole build (`copr-compat`, states): canceled if flagged; the source part's state until it
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
    source_url: Option<String>,
    srpm_sha256: Option<String>,
    srpm_name: Option<String>,
    srpm_size: Option<i64>,
    package_name: Option<String>,
    package_version: Option<String>,
    submitted_at: DateTime<Utc>,
    canceled_at: Option<DateTime<Utc>>,
    options: serde_json::Value,
}

impl Row {
    fn build(
        self,
        submitters: &HashMap<i64, String>,
        all: &mut HashMap<i64, Vec<TaskRow>>,
    ) -> DbResult<Build> {
        let srpm = match (
            self.srpm_sha256,
            self.srpm_name,
            self.srpm_size,
            self.package_name,
        ) {
            (Some(sha256), Some(name), Some(size), Some(package)) => Some(Srpm {
                sha256: parse("SRPM digest", &sha256)?,
                file_name: parse("SRPM name", &name)?,
                size,
                package: parse("package name", &package)?,
                version: self.package_version.unwrap_or_default(),
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
            source_url: self.source_url,
            srpm,
            submitted_at: self.submitted_at,
            canceled_at: self.canceled_at,
            options: from_json("build options", self.options)?,
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

/// Name of the result directory of a package's build.
pub fn result_dir(build: BuildId, package: &PackageName) -> String {
    format!("{:08}-{package}", build.0)
}

/// Makes a build and its tasks and hints at them, in one transaction.
///
/// # Errors
/// When the query fails.
pub async fn create(conn: &mut Connection, new: &NewBuild<'_>, now: DateTime<Utc>) -> DbResult<BuildId> {
    let options = to_json("build options", new.options)?;
    conn.transaction::<_, DbError, _>(async |conn| {
        let (kind, url, srpm) = match new.source {
            Source::Upload(srpm) => ("upload", None, Some(srpm)),
            Source::Link(url) => ("link", Some(url.as_str()), None),
        };
        let id: i64 = diesel::insert_into(builds::table)
            .values((
                builds::project_id.eq(new.project.id),
                builds::dirname.eq(new.dir.as_str()),
                builds::submitter.eq(new.submitter),
                builds::source_kind.eq(kind),
                builds::source_url.eq(url),
                builds::submitted_at.eq(now),
                builds::options.eq(&options),
            ))
            .returning(builds::id)
            .get_result(conn)
            .await?;
        let build = BuildId(id);
        if let Some(srpm) = srpm {
            set_srpm(conn, build, srpm).await?;
        } else {
            insert_task(conn, build, new, None, TaskState::Pending, None, now).await?;
        }
        for target in new.targets {
            let state = match (srpm, target.skipped) {
                (_, true) => TaskState::Skipped,
                (Some(_), false) => TaskState::Pending,
                (None, false) => TaskState::Waiting,
            };
            let dir = srpm.map(|s| result_dir(build, &s.package));
            insert_task(conn, build, new, Some(&target.chroot), state, dir, now).await?;
        }
        let object = format!("build:{build}");
        let project = format!("{}/{}", new.project.owner, new.project.name);
        audit::record(
            conn,
            now,
            new.actor,
            "build.submit",
            &object,
            serde_json::json!({"project": project, "source": kind}),
        )
        .await?;
        notify(conn, Topic::Tasks).await?;
        Ok(build)
    })
    .await
}

/// Makes a build whose tasks the given builder holds from the start, for an hour; for benchmarks that stand in for a
/// builder while real ones are at work.
///
/// # Errors
/// When the query fails.
pub async fn create_claimed(
    conn: &mut Connection,
    new: &NewBuild<'_>,
    request: &ClaimRequest,
    now: DateTime<Utc>,
) -> DbResult<BuildId> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let build = create(conn, new, now).await?;
        diesel::update(tasks::table.filter(tasks::build_id.eq(build.0)))
            .set((
                tasks::state.eq(TaskState::Running.as_str()),
                tasks::attempt.eq(1),
                tasks::builder.eq(request.builder.as_str()),
                tasks::lease_expires_at.eq(now + TimeDelta::hours(1)),
                tasks::started_at.eq(now),
            ))
            .execute(conn)
            .await?;
        Ok(build)
    })
    .await
}

async fn insert_task(
    conn: &mut Connection,
    build: BuildId,
    new: &NewBuild<'_>,
    chroot: Option<&ChrootName>,
    state: TaskState,
    result_dir: Option<String>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    diesel::insert_into(tasks::table)
        .values((
            tasks::build_id.eq(build.0),
            tasks::kind.eq(if chroot.is_some() { "rpm" } else { "source" }),
            tasks::chroot.eq(chroot.map(ChrootName::as_str)),
            tasks::state.eq(state.as_str()),
            tasks::priority.eq(if new.options.background { -10 } else { 0 }),
            tasks::created_at.eq(now),
            tasks::ended_at.eq((state == TaskState::Skipped).then_some(now)),
            tasks::result_dir.eq(result_dir),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

async fn set_srpm(conn: &mut Connection, build: BuildId, srpm: &Srpm) -> DbResult<()> {
    diesel::update(builds::table.find(build.0))
        .set((
            builds::srpm_sha256.eq(srpm.sha256.as_str()),
            builds::srpm_name.eq(srpm.file_name.as_str()),
            builds::srpm_size.eq(srpm.size),
            builds::package_name.eq(srpm.package.as_str()),
            builds::package_version.eq(&srpm.version),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes the source package that a source task made: its build's waiting tasks become pending, or skipped where
/// `skips` says so. Nothing happens when the task is no longer being looked into.
///
/// # Errors
/// When the query fails.
pub async fn accept_source(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    srpm: &Srpm,
    skips: &[ChrootName],
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !crate::tasks::is_publishing(conn, task, attempt).await? {
            return Ok(());
        }
        let Some(row) = crate::tasks::find(conn, task).await? else {
            return Ok(());
        };
        set_srpm(conn, row.build, srpm).await?;
        let skips: Vec<&str> = skips.iter().map(ChrootName::as_str).collect();
        let waiting = tasks::table
            .filter(tasks::build_id.eq(row.build.0))
            .filter(tasks::state.eq("waiting"));
        diesel::update(waiting.filter(tasks::chroot.eq_any(&skips)))
            .set((tasks::state.eq("skipped"), tasks::ended_at.eq(now)))
            .execute(conn)
            .await?;
        diesel::update(waiting)
            .set((
                tasks::state.eq("pending"),
                tasks::result_dir.eq(result_dir(row.build, &srpm.package)),
            ))
            .execute(conn)
            .await?;
        crate::tasks::succeed(conn, task, attempt, now).await?;
        notify(conn, Topic::Tasks).await
    })
    .await
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
    let mut query = builds::table
        .filter(builds::project_id.eq(project))
        .order(builds::id.desc())
        .select(Row::as_select())
        .into_boxed();
    if let Some(package) = package {
        query = query.filter(builds::package_name.eq(package.to_owned()));
    }
    let rows = query.limit(limit).offset(offset).load(conn).await?;
    complete(conn, rows).await
}

/// Newest builds of all listed projects, for the home page.
///
/// # Errors
/// When the query fails.
pub async fn newest(conn: &mut Connection, limit: i64) -> DbResult<Vec<(Build, Project)>> {
    let rows: Vec<Row> = builds::table
        .order(builds::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await?;
    let mut out = Vec::new();
    for build in complete(conn, rows).await? {
        if let Some(project) = projects::by_id(conn, build.project).await?
            && project.deleted_at.is_none()
            && !project.settings.unlisted_on_hp
        {
            out.push((build, project));
        }
    }
    Ok(out)
}

/// Cancels what can still be canceled of a build; false when there is nothing.
///
/// # Errors
/// When the query fails.
pub async fn cancel(conn: &mut Connection, build: &Build, actor: &str, now: DateTime<Utc>) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if crate::tasks::cancel_build(conn, build.id, now).await? == 0 {
            return Ok(false);
        }
        diesel::update(builds::table.find(build.id.0))
            .set(builds::canceled_at.eq(now))
            .execute(conn)
            .await?;
        audit::record(
            conn,
            now,
            actor,
            "build.cancel",
            &format!("build:{}", build.id),
            serde_json::json!({}),
        )
        .await?;
        Ok(true)
    })
    .await
}
