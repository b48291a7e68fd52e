//! New builds.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods as _, Insertable, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::{Artifact, ClaimRequest};
use protocol::{BuildId, ChrootName, DirName, PackageName};

use super::{BuildOptions, Import, Source, StoredFile, result_dir, set_folder};
use crate::audit;
use crate::batches::{self, BatchOf};
use crate::connect::{Connection, DbError, DbResult, to_json};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::projects::Project;
use crate::schema::{builds, packages, tasks};
use crate::tasks::TaskState;

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
    /// The build whose batch decides when this one starts.
    pub batch: Option<BatchOf>,
    /// `packages.id`, for a build of a package's own source; else it follows from the source.
    pub package: Option<i64>,
}

/// Makes builds, all of them or none, in the order in which they come.
///
/// # Errors
/// As [`create`].
pub async fn create_all(
    conn: &mut Connection,
    all: &[NewBuild<'_>],
    now: DateTime<Utc>,
) -> DbResult<Vec<BuildId>> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let mut made = Vec::with_capacity(all.len());
        for new in all {
            made.push(create(conn, new, now).await?);
        }
        Ok(made)
    })
    .await
}

/// Makes a build and its tasks and hints at them, in one transaction. A source that this service cannot build yet makes a
/// build that has failed already and says why.
///
/// # Errors
/// When the query fails.
pub async fn create(conn: &mut Connection, new: &NewBuild<'_>, now: DateTime<Utc>) -> DbResult<BuildId> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let (batch, held) = match new.batch {
            Some(of) => batches::enter(conn, of).await?,
            None => (None, false),
        };
        let package = match (new.package, new.source.package()) {
            (Some(id), Some(name)) => Some((id, name.to_string())),
            // The package's own name, until the source is known.
            (Some(id), None) => {
                let name = packages::table.find(id).select(packages::name).first(conn);
                Some((id, name.await?))
            }
            (None, Some(name)) => {
                let id = ensure_package(conn, new.project.id, name).await?;
                Some((id, name.to_string()))
            }
            (None, None) => None,
        };
        let build = insert_build(conn, new, package, batch, now).await?;
        crate::directories::touch(conn, new.project.id, new.dir, now).await?;
        let made: Vec<(i64, i32)> = diesel::insert_into(tasks::table)
            .values(new_tasks(new, build, held, now)?)
            .returning((tasks::id, tasks::attempt))
            .get_results(conn)
            .await?;
        let uploaded = matches!(new.source, Source::Rpm { .. } | Source::Rpms(_));
        for (task, attempt) in made.iter().filter(|_| uploaded) {
            let (task, attempt) = (*task, *attempt);
            jobs::enqueue(conn, &Job::PublishTask { task, attempt }, now).await?;
        }
        if let (Some(_), Some((task, attempt))) = (new.source.refusal(), made.as_slice().first()) {
            let (task, attempt) = (*task, *attempt);
            jobs::enqueue(conn, &Job::StoreLog { task, attempt }, now).await?;
        }
        let object = format!("build:{build}");
        let project = format!("{}/{}", new.project.owner, new.project.name);
        audit::record(
            conn,
            now,
            new.actor,
            "build.submit",
            &object,
            serde_json::json!({"project": project, "source": new.source.kind()}),
        )
        .await?;
        notify(conn, Topic::Tasks).await?;
        Ok(build)
    })
    .await
}

async fn insert_build(
    conn: &mut Connection,
    new: &NewBuild<'_>,
    package: Option<(i64, String)>,
    batch: Option<i64>,
    now: DateTime<Utc>,
) -> DbResult<BuildId> {
    let srpm = match new.source {
        Source::Upload(srpm) => Some(srpm),
        _ => None,
    };
    let url = match new.source {
        Source::Link(url) | Source::Import(Import { url, .. }) => Some(url.as_str()),
        _ => None,
    };
    let version = match new.source {
        Source::Upload(srpm) => Some(srpm.version.as_str()),
        Source::Rpm { version, .. } => Some(version.as_str()),
        _ => None,
    };
    let (package, name) = package.unzip();
    let id: i64 = diesel::insert_into(builds::table)
        .values((
            (
                builds::project_id.eq(new.project.id),
                builds::dirname.eq(new.dir.as_str()),
                builds::submitter.eq(new.submitter),
                builds::source_kind.eq(new.source.kind()),
                builds::source.eq(new.source.to_json()),
                builds::source_url.eq(url),
                builds::submitted_at.eq(now),
                builds::options.eq(to_json("build options", new.options)?),
            ),
            (
                builds::scratch.eq(new.options.scratch),
                builds::package_id.eq(package),
                builds::batch_id.eq(batch),
                builds::srpm_sha256.eq(srpm.map(|s| s.sha256.as_str())),
                builds::srpm_name.eq(srpm.map(|s| s.file_name.as_str())),
                builds::srpm_size.eq(srpm.map(|s| s.size)),
                builds::package_name.eq(name),
                builds::package_version.eq(version),
            ),
        ))
        .returning(builds::id)
        .get_result(conn)
        .await?;
    Ok(BuildId(id))
}

/// The package of this name, which is made if the project has none.
pub(super) async fn ensure_package(conn: &mut Connection, project: i64, name: &PackageName) -> DbResult<i64> {
    diesel::insert_into(packages::table)
        .values((packages::project_id.eq(project), packages::name.eq(name.as_str())))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(packages::table
        .filter(packages::project_id.eq(project))
        .filter(packages::name.eq(name.as_str()))
        .select(packages::id)
        .first(conn)
        .await?)
}

#[derive(Insertable)]
#[diesel(table_name = tasks)]
struct NewTask<'a> {
    build_id: i64,
    kind: &'static str,
    chroot: Option<&'a str>,
    state: &'static str,
    held: bool,
    priority: i32,
    attempt: i32,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    failure_kind: Option<&'static str>,
    failure_message: Option<String>,
    manifest: Option<serde_json::Value>,
    result_dir: Option<String>,
}

/// The source part's task, if there is one, and then one for each target.
fn new_tasks<'a>(
    new: &NewBuild<'a>,
    build: BuildId,
    held: bool,
    now: DateTime<Utc>,
) -> DbResult<Vec<NewTask<'a>>> {
    let task = |kind, chroot, state: TaskState| NewTask {
        build_id: build.0,
        kind,
        chroot,
        state: state.as_str(),
        held: held && !state.is_final(),
        priority: if new.options.background { -10 } else { 0 },
        attempt: 0,
        created_at: now,
        started_at: None,
        ended_at: state.is_final().then_some(now),
        failure_kind: None,
        failure_message: None,
        manifest: None,
        result_dir: None,
    };
    let refusal = new.source.refusal();
    let mut all = Vec::with_capacity(new.targets.len() + 1);
    if refusal.is_some() {
        all.push(NewTask {
            started_at: Some(now),
            failure_kind: Some("bad_source"),
            failure_message: refusal.clone(),
            ..task("source", None, TaskState::Failed)
        });
    } else if matches!(new.source, Source::Link(_)) {
        all.push(task("source", None, TaskState::Pending));
    }
    for target in new.targets {
        let chroot = Some(target.chroot.as_str());
        let state = match new.source {
            _ if refusal.is_some() => TaskState::Failed,
            _ if target.skipped => TaskState::Skipped,
            Source::Upload(_) | Source::Import(_) => TaskState::Pending,
            Source::Rpm { .. } | Source::Rpms(_) => TaskState::Publishing,
            _ => TaskState::Waiting,
        };
        let mut row = task("rpm", chroot, state);
        row.result_dir = match new.source {
            Source::Import(_) | Source::Rpms(_) => Some(result_dir(build, &set_folder())),
            source => source.package().map(|package| result_dir(build, package)),
        };
        if refusal.is_some() {
            row.failure_kind = Some("bad_source");
            row.failure_message = Some("the build has no source package".to_owned());
        }
        let uploaded: Option<Vec<&StoredFile>> = match new.source {
            Source::Rpm { file, .. } => Some(vec![file]),
            Source::Rpms(all) => {
                let fit = all.iter().filter(|rpm| target.chroot.takes_arch(&rpm.arch));
                Some(fit.map(|rpm| &rpm.file).collect())
            }
            _ => None,
        };
        if let Some(files) = uploaded {
            let artifact = |file: &StoredFile| Artifact {
                name: file.file_name.clone(),
                size: file.size.unsigned_abs(),
                sha256: file.sha256.clone(),
            };
            let manifest: Vec<Artifact> = files.into_iter().map(artifact).collect();
            row.attempt = 1;
            row.started_at = Some(now);
            row.manifest = Some(to_json("manifest", &manifest)?);
        }
        all.push(row);
    }
    Ok(all)
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
