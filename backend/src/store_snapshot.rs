//! Stores a snapshot: what the store lacks of its frames, then the plans of its files, then `repomd.xml` and its
//! signature. Nothing points there yet, and what is left behind when this is interrupted is in nobody's way.

use bytes::Bytes;
use db::projects::Project;
use db::repositories::Repository;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::FileName;
use repodata::{Digest, FilePlan, Record, Tags, Zchunk, repomd_xml};
use sha2::{Digest as _, Sha256};
use storage::{Plan, PlanFrame, RepomdFile, StorageKey};

use crate::context::Context;
use crate::error::JobError;
use crate::groups::Groups;
use crate::metadata::{Held, Made, Which};

/// Objects that are written at a time.
const WRITES: usize = 16;

/// A snapshot on its way into the store.
pub(crate) struct Stored<'a> {
    /// Whose.
    pub project: &'a Project,
    /// Of which repository.
    pub base: &'a Repository,
    /// Its number.
    pub number: i64,
    /// When it was made, seconds since 1970.
    pub timestamp: i64,
}

impl Stored<'_> {
    /// Stores everything, keeps the metadata for the next time, and says the SHA-256 of `repomd.xml`.
    pub async fn store(
        &self,
        context: &Context,
        (which, mut held): (Which, Held),
        made: Made,
        groups: Option<Groups>,
    ) -> Result<String, JobError> {
        let records = made.plans.iter().map(|plan| plan.record(self.timestamp));
        let zchunks = made.zchunks.iter().zip(&made.plans);
        let zchunks = zchunks.map(|(zchunk, plan)| zchunk.record(plan, self.timestamp));
        let records: Vec<Record> = records
            .chain(zchunks)
            .chain(groups.iter().map(|g| g.record(self.timestamp)))
            .chain(made.beside.iter().map(|b| b.file.record(self.timestamp)))
            .collect();
        let repomd = Bytes::from(repomd_xml(&self.number.to_string(), &Tags::default(), &records));
        context.faults.pass("snapshot.before_store");
        let new: Vec<Digest> = made.frames.iter().map(|(digest, _)| *digest).collect();
        let mut files = self.files(&made.plans, &made.zchunks, groups)?;
        for beside in made.beside.iter().filter(|beside| !beside.stored) {
            let name = beside.file.name.parse().map_err(JobError::fail)?;
            files.push((self.metadata(name), beside.bytes()));
        }
        let frames = made.frames.into_iter();
        let frames: Vec<Object> = frames
            .map(|(digest, bytes)| (self.frame(&digest), bytes))
            .collect();
        let paths = frames.iter().chain(&files).map(|(key, _)| key.path());
        self.take_back(context, paths.collect()).await?;
        // The signer works meanwhile.
        let (stored, signature) = futures_util::join!(write(context, frames), self.sign(context, &repomd));
        if stored.is_ok() {
            held.are_stored(&new, self.timestamp);
        }
        context.metadata.keep(which, held);
        stored?;
        let (sha256, signature) = signature?;
        context.faults.pass("snapshot.after_frames");
        write(context, files).await?;
        context.faults.pass("snapshot.after_plans");
        let root = [(RepomdFile::Xml, repomd), (RepomdFile::Asc, signature)];
        let root = root.map(|(file, bytes)| (self.file(file), bytes));
        write(context, root.into()).await?;
        Ok(sha256)
    }

    /// The metadata files, most of them as plans.
    fn files(
        &self,
        plans: &[FilePlan],
        zchunks: &[Zchunk],
        groups: Option<Groups>,
    ) -> Result<Vec<Object>, JobError> {
        let mut files = Vec::new();
        for file in plans {
            let name = file.name.parse().map_err(JobError::fail)?;
            files.push((self.metadata(name), plan(&[], file)?));
        }
        for (zchunk, file) in zchunks.iter().zip(plans) {
            let name = zchunk.name.parse().map_err(JobError::fail)?;
            files.push((self.metadata(name), plan(&zchunk.header, file)?));
        }
        if let Some(groups) = groups {
            files.push((self.metadata(groups.file_name()?), groups.bytes));
        }
        Ok(files)
    }

    /// Earlier snapshots may have had the same, and nobody may remove it now.
    async fn take_back(&self, context: &Context, paths: Vec<String>) -> Result<(), JobError> {
        let mut conn = context.conn().await?;
        if db::doomed::rescue(&mut conn, self.base.id, &paths).await? {
            return Ok(());
        }
        Err(JobError::retry(
            "metadata of the same content is being removed at the moment",
        ))
    }

    /// SHA-256 and signature of `repomd.xml`.
    async fn sign(&self, context: &Context, repomd: &Bytes) -> Result<(String, Bytes), JobError> {
        let (project, base) = (self.project, self.base);
        let key = context.public_key(project)?;
        let sha256 = hex::encode(Sha256::digest(repomd));
        let name = format!("{}/{}/{}@{}", project.owner, base.dir, base.chroot, self.number);
        let intent = keys::Intent::metadata(
            "backend",
            format!("{}/{}", project.owner, project.name),
            name,
            sha256.clone(),
        );
        let signature = context
            .keys
            .sign_detached(&key, repomd, intent, (context.clock)())
            .await?;
        Ok((sha256, Bytes::from(keys::Client::armor(&signature))))
    }

    fn frame(&self, digest: &Digest) -> StorageKey {
        StorageKey::Frame {
            owner: self.project.owner.clone(),
            dir: self.base.dir.clone(),
            chroot: self.base.chroot.clone(),
            sha256: protocol::Sha256::from_bytes(digest),
        }
    }

    fn metadata(&self, file: FileName) -> StorageKey {
        StorageKey::Metadata {
            owner: self.project.owner.clone(),
            dir: self.base.dir.clone(),
            chroot: self.base.chroot.clone(),
            file,
        }
    }

    fn file(&self, file: RepomdFile) -> StorageKey {
        StorageKey::SnapshotFile {
            owner: self.project.owner.clone(),
            dir: self.base.dir.clone(),
            chroot: self.base.chroot.clone(),
            number: self.number,
            file,
        }
    }
}

/// An object that is about to be written.
type Object = (StorageKey, Bytes);

async fn write(context: &Context, objects: Vec<Object>) -> Result<(), JobError> {
    let storage = &context.storage;
    let puts = stream::iter(objects).map(|(key, bytes)| async move { storage.put(&key, bytes).await });
    Ok(puts.buffer_unordered(WRITES).try_collect::<()>().await?)
}

/// The object that a file is served from, or that and a header before it.
fn plan(header: &[u8], file: &FilePlan) -> Result<Bytes, JobError> {
    let frames = file.frames.iter().zip(&file.frame_sizes);
    let frames = frames.map(|(digest, size)| {
        let size = u32::try_from(*size).map_err(JobError::fail)?;
        Ok(PlanFrame {
            digest: *digest,
            size,
        })
    });
    let frames = frames.collect::<Result<_, JobError>>()?;
    let plan = Plan::new([header, &file.head].concat(), frames, file.tail.clone()).map_err(JobError::fail)?;
    plan.to_bytes().map_err(JobError::fail)
}
