//! Small repositories: of what a build made in a chroot, in the folder that lists the build's files, and of what the builds
//! of a batch made. They refer to the same packages as all snapshots do, and are made after the builds have succeeded, so
//! that nothing waits for them. A revision, once stored, never changes; which one is served is swapped in the database.

use bytes::Bytes;
use chrono::SecondsFormat;
use db::jobs::Job;
use db::minis::{NewRevision, Of, Served};
use db::projects::Project;
use db::repositories::Repository;
use db::tasks::TaskState;
use futures_util::TryStreamExt as _;
use keys::PublicKey;
use protocol::{MetadataCompression, TaskId};
use repodata::{Compression, RepomdInfo, RepositoryBuilder};
use sha2::{Digest as _, Sha256};
use storage::{BuildDir, Mini, Pointer, StorageKey, StoragePrefix};

use crate::context::Context;
use crate::error::JobError;
use crate::snapshot::read;

/// Small repositories that are signed anew before the next are looked for.
const AT_ONCE: i64 = 100;
/// How often somebody else may be quicker.
const TRIES: usize = 50;

/// A small repository, and where it is.
struct Work<'a> {
    context: &'a Context,
    project: Project,
    repository: &'a Repository,
    mini: Mini,
    of: Of,
}

/// Makes that of a build in a chroot.
pub(crate) async fn of_task(context: &Context, id: TaskId) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(task) = db::tasks::find(&mut conn, id).await? else {
        return Ok(());
    };
    let Some((build, project)) = db::builds::find_with_project(&mut conn, task.build).await? else {
        return Ok(());
    };
    let (Some(chroot), Some(package)) = (&task.chroot, build.listed_as()) else {
        return Ok(());
    };
    if !matches!(task.state, TaskState::Succeeded | TaskState::Forked) {
        return Ok(());
    }
    let repository = db::repositories::find(&mut conn, project.id, &build.dir, chroot).await?;
    drop(conn);
    let Some(repository) = repository else {
        return Ok(());
    };
    let mini = Mini::Build(BuildDir {
        build: build.id,
        package: package.clone(),
    });
    make(context, project, &repository, mini, Of::Task(id.0)).await
}

/// Enqueues a job for each repository that has packages of a batch, once all its builds have ended.
pub(crate) async fn spread(context: &Context, batch: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    for (repository, project) in db::minis::of_batch(&mut conn, batch).await? {
        let job = Job::BatchRepository {
            batch,
            repository: Some(repository),
            project: Some(project),
        };
        db::jobs::enqueue(&mut conn, &job, (context.clock)()).await?;
    }
    Ok(())
}

/// Makes that of a batch in a repository.
pub(crate) async fn of_batch(context: &Context, batch: i64, repository: i64) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(repository) = db::repositories::by_id(&mut conn, repository).await? else {
        return Ok(());
    };
    let project = db::projects::by_id(&mut conn, repository.project).await?;
    drop(conn);
    let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
        return Ok(());
    };
    make(
        context,
        project,
        &repository,
        Mini::Batch(batch),
        Of::Batch(batch),
    )
    .await
}

/// Makes those of a repository anew that another key than the project's active one has signed.
pub(crate) async fn renew(
    context: &Context,
    project: &Project,
    repository: &Repository,
) -> Result<(), JobError> {
    let fingerprint = context.public_key(project)?.fingerprint.to_string();
    loop {
        let mut conn = context.conn().await?;
        let old = db::minis::signed_otherwise(&mut conn, repository.id, &fingerprint, AT_ONCE).await?;
        drop(conn);
        if old.is_empty() {
            return Ok(());
        }
        for (name, of) in old {
            let mini = name.parse().map_err(JobError::fail)?;
            make(context, project.clone(), repository, mini, of).await?;
        }
    }
}

async fn make(
    context: &Context,
    project: Project,
    repository: &Repository,
    mini: Mini,
    of: Of,
) -> Result<(), JobError> {
    let mut work = Work {
        context,
        project,
        repository,
        mini,
        of,
    };
    for _ in 0..TRIES {
        if let Some(kept) = work.once().await? {
            context.faults.pass("mini.before_pointer");
            return work.write_pointer(kept).await;
        }
        let mut conn = context.conn().await?;
        let project = db::projects::by_id(&mut conn, repository.project).await?;
        let Some(project) = project.filter(|project| project.deleted_at.is_none()) else {
            return Ok(());
        };
        work.project = project;
    }
    Err(JobError::retry(format!(
        "the small repository {} changes too quickly",
        work.mini
    )))
}

impl Work<'_> {
    /// Makes and serves a revision, unless what is served is right. Returns the one whose place it took, if any, which
    /// clients may be reading; `None` when somebody else was quicker.
    async fn once(&self) -> Result<Option<Option<i64>>, JobError> {
        let context = self.context;
        let name = self.mini.to_string();
        let mut conn = context.conn().await?;
        let before = db::minis::find(&mut conn, self.repository.id, &name).await?;
        let content = db::minis::packages(&mut conn, self.repository.id, self.of).await?;
        if content.is_empty() {
            if let Some(before) = &before {
                db::minis::remove(&mut conn, self.repository.id, &name, before.revision).await?;
            }
            return Ok(Some(None));
        }
        let key = context.public_key(&self.project)?;
        let fingerprint = key.fingerprint.to_string();
        if let Some(served) = &before
            && served.content == content
            && served.fingerprint == fingerprint
        {
            return Ok(Some(None));
        }
        let served = Served {
            revision: db::minis::reserve(&mut conn).await?,
            fingerprint,
            content,
        };
        let stored = db::rpms::fragments(&mut conn, &served.content).await?;
        let chroot = db::chroots::find(&mut conn, &self.repository.chroot).await?;
        drop(conn);
        if stored.len() < served.content.len() {
            // They were signed anew in between.
            return Ok(None);
        }
        let zstd = chroot.is_some_and(|c| c.definition.metadata_compression != MetadataCompression::Gzip);
        self.store(&key, served.revision, stored, zstd).await?;
        context.faults.pass("mini.before_row");
        let new = NewRevision {
            repository: self.repository.id,
            name: &name,
            of: self.of,
            before: before.as_ref().map(|before| before.revision),
            served: &served,
        };
        let mut conn = context.conn().await?;
        if db::minis::serve(&mut conn, &new, (context.clock)()).await? {
            return Ok(Some(before.map(|before| before.revision)));
        }
        drop(conn);
        context
            .storage
            .delete_prefix(&self.revision(served.revision))
            .await?;
        Ok(None)
    }

    /// Stores the files of a revision, `repomd.xml` and its signature last.
    async fn store(
        &self,
        key: &PublicKey,
        revision: i64,
        stored: Vec<db::rpms::StoredFragments>,
        zstd: bool,
    ) -> Result<(), JobError> {
        let context = self.context;
        let timestamp = (context.clock)().timestamp();
        // The repository of a build begins where the build's files are.
        let folder = match &self.mini {
            Mini::Build(dir) => Some(format!("href=\"{dir}/")),
            Mini::Batch(_) => None,
        };
        let made = context.compute(move || {
            let compression = if zstd {
                Compression::Zstd
            } else {
                Compression::Gzip
            };
            let mut builder = RepositoryBuilder::new(compression);
            for mut fragments in read(stored)? {
                if let Some(folder) = &folder {
                    fragments.primary = moved(&fragments.primary, folder)?;
                }
                builder.add(&fragments).map_err(JobError::fail)?;
            }
            let info = RepomdInfo {
                revision: revision.to_string(),
                timestamp,
                ..RepomdInfo::default()
            };
            builder.finish(&info).map_err(JobError::fail)
        });
        let made = made.await?;
        context.faults.pass("mini.before_store");
        for file in made.files {
            let name = file.name.as_str();
            context
                .storage
                .put(&self.file(revision, name)?, file.bytes)
                .await?;
        }
        let repomd = Bytes::from(made.repomd);
        let project = format!("{}/{}", self.project.owner, self.project.name);
        let Repository { dir, chroot, .. } = self.repository;
        let name = format!("{}/{dir}/{chroot}/{}@{revision}", self.project.owner, self.mini);
        let digest = hex::encode(Sha256::digest(&repomd));
        let intent = keys::Intent::metadata("backend", project, name, digest);
        let signature = context
            .keys
            .sign_detached(key, &repomd, intent, (context.clock)())
            .await?;
        let signature = Bytes::from(keys::Client::armor(&signature));
        let storage = &context.storage;
        storage
            .put(&self.file(revision, "repomd.xml.asc")?, signature)
            .await?;
        Ok(storage.put(&self.file(revision, "repomd.xml")?, repomd).await?)
    }

    /// Writes the object that says which revision is served, until it says what the database says, and removes revisions
    /// older than the one before.
    async fn write_pointer(&self, before: Option<i64>) -> Result<(), JobError> {
        let context = self.context;
        let (name, mut written) = (self.mini.to_string(), None);
        loop {
            let mut conn = context.conn().await?;
            let served = db::minis::find(&mut conn, self.repository.id, &name).await?;
            drop(conn);
            let Some(Served { revision, .. }) = served else {
                context.storage.delete_prefix(&self.all()).await?;
                return Ok(());
            };
            if written == Some(revision) {
                return match before {
                    Some(before) => self.tidy(before).await,
                    None => Ok(()),
                };
            }
            let pointer = Pointer {
                snapshot: revision,
                moved_at: (context.clock)().to_rfc3339_opts(SecondsFormat::Millis, true),
            };
            context.storage.put_json(&self.pointer(), &pointer).await?;
            written = Some(revision);
        }
    }

    async fn tidy(&self, before: i64) -> Result<(), JobError> {
        let storage = &self.context.storage;
        let all = self.all();
        let listed: Vec<_> = storage.list(&all).try_collect().await?;
        for object in listed {
            // A batch's own number is no revision.
            let below = object.path().strip_prefix(&all.path());
            let revision = below.and_then(|below| below.split_once('/'));
            let revision = revision.and_then(|(revision, _)| revision.parse::<i64>().ok());
            if revision.is_some_and(|revision| revision < before) {
                storage.delete_listed(&object).await?;
            }
        }
        Ok(())
    }

    fn all(&self) -> StoragePrefix {
        StoragePrefix::Mini {
            owner: self.project.owner.clone(),
            dir: self.repository.dir.clone(),
            chroot: self.repository.chroot.clone(),
            mini: self.mini.clone(),
        }
    }

    fn revision(&self, revision: i64) -> StoragePrefix {
        StoragePrefix::MiniRevision {
            owner: self.project.owner.clone(),
            dir: self.repository.dir.clone(),
            chroot: self.repository.chroot.clone(),
            mini: self.mini.clone(),
            revision,
        }
    }

    fn pointer(&self) -> StorageKey {
        StorageKey::MiniPointer {
            owner: self.project.owner.clone(),
            dir: self.repository.dir.clone(),
            chroot: self.repository.chroot.clone(),
            mini: self.mini.clone(),
        }
    }

    fn file(&self, revision: i64, name: &str) -> Result<StorageKey, JobError> {
        Ok(StorageKey::MiniFile {
            owner: self.project.owner.clone(),
            dir: self.repository.dir.clone(),
            chroot: self.repository.chroot.clone(),
            mini: self.mini.clone(),
            revision,
            file: name.parse().map_err(JobError::fail)?,
        })
    }
}

/// A package's element of primary.xml with its location relative to a folder, which is written as an attribute's beginning.
fn moved(primary: &str, folder: &str) -> Result<String, JobError> {
    // A text in front of it has no `<` of its own.
    let (before, location) = primary
        .find("<location")
        .map(|at| primary.split_at(at))
        .ok_or_else(|| JobError::fail("a package has no location"))?;
    Ok(format!("{before}{}", location.replacen(folder, "href=\"", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_location_moves() {
        let primary =
            "<description>href=\"00000001-a/</description>\n  <location href=\"00000001-a/KEY/a.rpm\"/>\n";
        let moved = moved(primary, "href=\"00000001-a/").unwrap();
        assert_eq!(
            moved,
            "<description>href=\"00000001-a/</description>\n  <location href=\"KEY/a.rpm\"/>\n"
        );
        assert!(super::moved("<package/>", "href=\"x/").is_err());
    }
}
