//! The way of an attempt's result into its repository: fetch, verify, sign, store, snapshot, pointer, and only then
//! *succeeded*. Each step can be repeated.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;

use db::DbError;
use db::builds::Build;
use db::pointers::{Moved, Wish};
use db::projects::Project;
use db::repositories::Repository;
use db::rpms::NewRpm;
use db::snapshots::Audience;
use db::tasks::{TaskRow, TaskState};
use protocol::builder_api::{Artifact, Beside};
use protocol::{ChrootName, FailureKind, PointerName, TaskId};
use repodata::{Package, PackageFile, RpmFile};
use storage::{StorageError, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::inspect::{self, Expectation};
use crate::sign::{self, Signed, Unsigned};
use crate::snapshot::{self, Cause, Change, Publication};
use crate::{blob, extras, pointer, result_files, set_up_project, store_log};

pub(crate) async fn run(context: &Context, id: TaskId, attempt: i32) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    if !db::tasks::is_publishing(&mut conn, id, attempt).await? {
        drop(conn);
        return tidy(context, id, attempt).await;
    }
    let Some(task) = db::tasks::find(&mut conn, id).await? else {
        return Ok(());
    };
    let Some((build, project)) = db::builds::find_with_project(&mut conn, task.build).await? else {
        // The project was deleted meanwhile: there is nowhere to publish to.
        let message = "the project was deleted";
        db::tasks::fail_publishing(
            &mut conn,
            id,
            attempt,
            FailureKind::BadResult,
            message,
            (context.clock)(),
        )
        .await?;
        return Ok(());
    };
    let chroot = task
        .chroot
        .clone()
        .ok_or_else(|| JobError::fail(format!("task {id} has no chroot")))?;
    let repository = db::repositories::ensure(&mut conn, project.id, &build.dir, &chroot).await?;
    let published = db::rpms::published_in(&mut conn, id.0).await?;
    drop(conn);
    if published.is_none() {
        let prepared = prepare(context, &project, &build, &task, &chroot, &repository).await?;
        store_log::store(context, &project, &build, &task, prepared.files).await?;
        if !build.options.scratch && (prepared.is_new || !prepared.known.is_empty()) {
            context.faults.pass("publish_task.before_snapshot");
            if repository.current_snapshot == 0 {
                // What users see of a project in devel mode has to be something.
                set_up_project::empty(context, &project, &repository).await?;
            }
            let tasks = [id.0];
            let import = build.import();
            let audience = match build.options.flow() {
                Some(pointer) => {
                    begin_flow(context, &project, repository.id, &build, pointer).await?;
                    Audience::Pointer(pointer.clone())
                }
                None => snapshot::audience(&project),
            };
            let publication = Publication {
                project: &project,
                repository: repository.id,
                change: Change {
                    added: &prepared.known,
                    ..Change::of_tasks(&tasks)
                },
                audience,
                cause: import.map_or(Cause::Build(build.id), |import| Cause::Import(import.url)),
                actor: None,
                asked: None,
            };
            let number = snapshot::publish_snapshot(context, &publication).await?;
            number.ok_or_else(|| JobError::retry("the repository was removed meanwhile"))?;
        }
    }
    // A scratch build's packages are signed and listed, and that is all.
    if !build.options.scratch {
        context.faults.pass("publish_task.before_pointer");
        if build.options.flow().is_some() {
            pointer::run(context, repository.id).await?;
        } else {
            pointer::write(context, &project, repository.id).await?;
        }
    }
    context.faults.pass("publish_task.before_succeeded");
    let mut conn = context.conn().await?;
    db::tasks::succeed(&mut conn, id, attempt, (context.clock)()).await?;
    drop(conn);
    tidy(context, id, attempt).await
}

/// Lets a pointer that there is not yet begin where builds begin that name none.
async fn begin_flow(
    context: &Context,
    project: &Project,
    repository: i64,
    build: &Build,
    pointer: &PointerName,
) -> Result<(), JobError> {
    let gone = || JobError::retry("the repository was removed meanwhile");
    let mut conn = context.conn().await?;
    let repository = db::repositories::by_id(&mut conn, repository)
        .await?
        .ok_or_else(gone)?;
    if db::pointers::find(&mut conn, repository.id, pointer)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let wish = Wish {
        repository: repository.id,
        name: pointer,
        to: Some(repository.seen_by_builds()),
        expected: Some(0),
        actor: build.submitter.as_deref().unwrap_or("service"),
        cause: &Cause::Build(build.id).to_string(),
        devel_mode: project.settings.devel_mode,
        object: &format!(
            "repository:{}/{}/{}",
            project.owner, repository.dir, repository.chroot
        ),
    };
    match db::pointers::shift(&mut conn, &wish, (context.clock)()).await? {
        // Another build of the flow may have been quicker.
        Moved::From(_) | Moved::IsAt(_) => Ok(()),
        Moved::NoSnapshot | Moved::Purged(_) => Err(JobError::retry(format!(
            "the snapshot that {pointer} was to begin at is gone"
        ))),
        Moved::NoRepository => Err(gone()),
    }
}

/// Removes what a succeeded task needs no more; a process that died in the middle comes back for it.
pub(crate) async fn tidy(context: &Context, id: TaskId, attempt: i32) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let task = db::tasks::find(&mut conn, id).await?;
    if task.is_none_or(|t| t.state != TaskState::Succeeded) {
        return Ok(());
    }
    db::logs::remove(&mut conn, id.0, attempt).await?;
    drop(conn);
    context
        .storage
        .delete_prefix(&StoragePrefix::Task { task: id })
        .await?;
    Ok(())
}

/// What [`prepare`] leaves.
struct Prepared {
    /// What the result folder lists.
    files: Vec<storage::ResultFile>,
    /// Whether there are packages that the repository did not have, or other groups, modules or advisories.
    is_new: bool,
    /// `rpms.id` of packages that it had already, of the same files, but that are not in what is served now.
    known: Vec<i64>,
}

/// Fetches, verifies, signs and stores every package of an attempt, and writes their rows.
async fn prepare(
    context: &Context,
    project: &Project,
    build: &Build,
    task: &TaskRow,
    chroot: &ChrootName,
    repository: &Repository,
) -> Result<Prepared, JobError> {
    let package = build.listed_as();
    let package =
        package.ok_or_else(|| JobError::fail(format!("build {} has no source package", build.id)))?;
    let contact = &project.settings.contact;
    let identity = context
        .service
        .of_project(&project.owner, &project.name, &project.repotag, contact)
        .map_err(JobError::fail)?;
    let expected = Expectation {
        // What was built elsewhere cannot carry it.
        identity: (!build.is_foreign()).then_some(identity),
        project_url: context.service.project_url(&project.owner, &project.name),
        chroot: chroot.clone(),
        package: (!build.is_set()).then_some(package),
    };
    // An import may find that nothing is new.
    if task.manifest.is_empty() && !build.is_set() {
        return Err(JobError::package(
            FailureKind::BadResult,
            "the build made no packages; check the %files sections",
        ));
    }
    let scratch = tempfile::Builder::new()
        .prefix("publish-")
        .tempdir_in(&context.scratch_dir)?;
    let (mut unsigned, mut software, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let import = build.import();
    for (index, artifact) in task.manifest.iter().enumerate() {
        if let Some(of) = import.as_ref().and_then(|_| Beside::of_file(&artifact.name)) {
            let key = quarantined(task, index)?;
            beside.push(extras::take_in(context, &key, (of, artifact)).await?);
            continue;
        }
        let (one, of_one) = fetch(context, (build, task), index, artifact, &expected, scratch.path()).await?;
        software.extend(of_one.map(|packed| (one.sha256.clone(), packed)));
        unsigned.push(one);
    }
    let known = if build.is_set() {
        leave_out_known(context, repository, task, &mut unsigned).await?
    } else {
        Vec::new()
    };
    let spec = result_files::find_spec(context, &unsigned).await?;
    context.faults.pass("publish_task.after_verify");
    let unsigned_digests: Vec<String> = unsigned.iter().map(|u| u.sha256.clone()).collect();
    // Not now: what is signed twice has to come out the same, whichever of two runs wins.
    let at = task.started_at.unwrap_or_else(|| (context.clock)());
    let signed = sign::packages(context, project, unsigned, at).await?;
    context.faults.pass("publish_task.after_sign");
    let dir = task
        .result_dir
        .clone()
        .ok_or_else(|| JobError::fail(format!("task {} has no result folder", task.id)))?;
    let mut rows = Vec::new();
    let mut files = Vec::new();
    for (signed, unsigned_sha256) in signed.into_iter().zip(unsigned_digests.iter().cloned()) {
        let place = (task.id, repository.id, dir.clone());
        let (mut row, file) = store(context, place, signed, unsigned_sha256).await?;
        row.scratch = build.options.scratch;
        rows.push(row);
        files.push(file);
    }
    files.extend(result_files::of_success(context, build, &rows, spec).await?);
    context.faults.pass("publish_task.after_store");
    let mut conn = context.conn().await?;
    db::software::insert(&mut conn, &software, (context.clock)()).await?;
    let same = project.settings.same_nevra();
    if let Err(error) = db::rpms::insert(&mut conn, task.id.0, &rows, same).await {
        let waited = (task.id.0, &unsigned_digests[..]);
        if build.is_set()
            && !db::rpms::of_files(&mut conn, repository.id, waited, false)
                .await?
                .is_empty()
        {
            return Err(JobError::retry(
                "another import is just bringing the same packages",
            ));
        }
        return Err(duplicate(error, build.is_foreign()));
    }
    let others = match import.filter(|_| !build.options.scratch) {
        Some(import) => {
            let by = (build.id, import.url.as_str());
            db::imported::replace(&mut conn, repository.id, by, &beside).await?
        }
        None => false,
    };
    Ok(Prepared {
        files,
        is_new: others || !rows.is_empty(),
        known,
    })
}

/// Takes those out of a set of packages that the repository has already, of the same files. Gives those of them that are
/// not in what is served now.
async fn leave_out_known(
    context: &Context,
    repository: &Repository,
    task: &TaskRow,
    unsigned: &mut Vec<Unsigned>,
) -> Result<Vec<i64>, JobError> {
    let files: Vec<String> = unsigned.iter().map(|u| u.sha256.clone()).collect();
    let mut conn = context.conn().await?;
    let known = db::rpms::of_files(&mut conn, repository.id, (task.id.0, &files), true).await?;
    let served = db::snapshots::content(&mut conn, repository.id, repository.seen_by_builds()).await?;
    let names: HashSet<&str> = known.iter().map(|(_, sha256)| sha256.as_str()).collect();
    unsigned.retain(|u| !names.contains(u.sha256.as_str()));
    let ids = known.iter().map(|(id, _)| *id);
    Ok(ids.filter(|id| served.binary_search(id).is_err()).collect())
}

/// Most file names in one sentence.
const NAMED: usize = 5;

/// What its owner reads when a package cannot come, as there is another of the same name, version and release.
pub(crate) fn duplicate(error: DbError, is_foreign: bool) -> JobError {
    let DbError::Duplicate(files) = error else {
        return error.into();
    };
    let all: Vec<&str> = files.split(", ").collect();
    let mut names = all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        names = format!("{names} and {} more", all.len() - NAMED);
    }
    let advice = if is_foreign {
        "with other contents; nothing of this came. Delete the build that brought the other, or let newer packages replace those of the same version, which is a setting of the project (replace_same_nevra), and try again"
    } else {
        "; raise Version or Release in the spec, or delete the build that made it (a setting of the project lets newer builds replace packages)"
    };
    let space = if is_foreign { " " } else { "" };
    let sentence = format!(
        "the repository has a package of the same name, version and release already ({names}){space}{advice}"
    );
    JobError::package(FailureKind::DuplicateNevra, sentence)
}

/// Where a builder put what it announced.
fn quarantined(task: &TaskRow, index: usize) -> Result<StorageKey, JobError> {
    Ok(StorageKey::Quarantine {
        task: task.id,
        attempt: task.attempt,
        index: u32::try_from(index).map_err(JobError::fail)?,
    })
}

/// Fetches a package and looks into it; besides, what it has for the catalogue of software.
async fn fetch(
    context: &Context,
    (build, task): (&Build, &TaskRow),
    index: usize,
    artifact: &Artifact,
    expected: &Expectation,
    scratch: &Path,
) -> Result<(Unsigned, Option<Vec<u8>>), JobError> {
    let key = if build.source_kind != "rpm_upload" {
        quarantined(task, index)?
    } else {
        // No builder uploaded it: the frontend stored what a user did.
        StorageKey::Blob(artifact.sha256.clone())
    };
    let path = scratch.join(format!("{index}.rpm"));
    let lost = || {
        JobError::package(
            FailureKind::BadResult,
            format!("{} was announced but not uploaded", artifact.name),
        )
    };
    let hashed = context
        .storage
        .get_to_file(&key, &path, context.max_package_bytes)
        .await
        .map_err(|error| too_large(error, &artifact.name))?
        .ok_or_else(lost)?;
    if hashed.sha256 != artifact.sha256 || hashed.size != artifact.size {
        return Err(JobError::package(
            FailureKind::BadResult,
            format!(
                "{} is not the file that the builder announced: its SHA-256 is {}",
                artifact.name, hashed.sha256
            ),
        ));
    }
    let (name, expectation, file) = (artifact.clone(), expected.clone(), path.clone());
    let inspected = context
        .compute(move || inspect::rpm(&file, &name, &expectation))
        .await?;
    let unsigned = Unsigned {
        path,
        sha256: hashed.sha256.to_string(),
        rpm: inspected.rpm,
        nevra: inspected.nevra.to_string(),
    };
    Ok((unsigned, inspected.software))
}

/// A package above the limit is its packager's trouble, and stays that; other trouble of the store passes.
fn too_large(error: StorageError, name: impl Display) -> JobError {
    match error {
        StorageError::TooLarge { limit, .. } => JobError::package(
            FailureKind::ArtifactsTooLarge,
            format!("{name} is larger than {limit} bytes, the most that is published"),
        ),
        other => other.into(),
    }
}

/// Stores a signed package as a blob. The place is a task, its repository, and its result folder.
async fn store(
    context: &Context,
    place: (TaskId, i64, String),
    signed: Signed,
    unsigned_sha256: String,
) -> Result<(NewRpm, storage::ResultFile), JobError> {
    let sha256 = signed.sha256.parse().map_err(JobError::fail)?;
    blob::put_file(context, &sha256, signed.size, &signed.path).await?;
    let file = (signed.rpm, signed.sha256, signed.size);
    describe(context, place, file, unsigned_sha256).await
}

/// What database and listing say about a signed package: its headers, SHA-256 and size. The place is as for [`store`].
pub(crate) async fn describe(
    context: &Context,
    (task, repository, dir): (TaskId, i64, String),
    (rpm, sha256, size): (RpmFile, String, u64),
    unsigned_sha256: String,
) -> Result<(NewRpm, storage::ResultFile), JobError> {
    let nevra = rpm.nevra().map_err(JobError::fail)?;
    let file_name = nevra.file_name();
    let now = (context.clock)().timestamp();
    let location = PackageFile {
        sha256_hex: sha256.clone(),
        size,
        mtime: now,
        location_href: format!("{dir}/{file_name}"),
        location_base: None,
    };
    let fragments = context
        .compute(move || {
            let package = Package::from_rpm(&rpm, location)
                .map_err(|e| JobError::package(FailureKind::BadResult, e.to_string()))?;
            Ok(package.fragments())
        })
        .await?;
    let row = NewRpm {
        repository_id: repository,
        task_id: task.0,
        name: nevra.name.clone(),
        epoch: i32::try_from(nevra.epoch.unwrap_or(0)).unwrap_or(i32::MAX),
        version: nevra.version.clone(),
        release: nevra.release.clone(),
        arch: nevra.arch.clone(),
        file_name: file_name.clone(),
        sha256: fragments.pkgid.clone(),
        unsigned_sha256,
        size: i64::try_from(size).unwrap_or(i64::MAX),
        primary_xml: pack_fragment(&fragments.primary)?,
        filelists_xml: pack_fragment(&fragments.filelists)?,
        other_xml: pack_fragment(&fragments.other)?,
        scratch: false,
    };
    let file = storage::ResultFile {
        name: file_name.parse().map_err(JobError::fail)?,
        sha256: sha256.parse().map_err(JobError::fail)?,
        size,
        content_type: "application/x-rpm".to_owned(),
        encoding: None,
        modified: now,
    };
    Ok((row, file))
}

/// A metadata fragment as the database keeps it: zstd, level 3.
///
/// # Errors
/// When compression fails, which takes a lack of memory.
pub fn pack_fragment(xml: &str) -> std::io::Result<Vec<u8>> {
    zstd::encode_all(xml.as_bytes(), 3)
}
