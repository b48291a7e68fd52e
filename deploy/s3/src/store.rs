//! The directory tree and the steps that make a change durable.
//!
//! ```text
//! lock                                  held (flock) while a process serves the directory
//! tmp/<random>                          unfinished; swept at start
//! buckets/<name>/bucket.json            when it was made
//! buckets/<name>/keys/…=o               one file per object, see `key` and `object`
//! buckets/<name>/uploads/<id>/          multipart uploads, see `multipart`
//! ```
//!
//! A change is: write a file in `tmp`, fsync it, take the key's lock, check the conditions, rename, fsync the directory.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err::File;
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::body::{blocking, disk_error};
use crate::key::{BucketName, Key};
use crate::listing;
use crate::locks::{KeyGuard, KeyLocks};
use crate::object::{Meta, TempFile, millis, random_name, read_meta};
use crate::{Clock, Error};

/// The longest escaped key takes 3200 bytes of the 4096 that Linux allows a path.
const MAX_ROOT: usize = 700;

/// One data directory, owned by this process.
pub(crate) struct Store {
    root: PathBuf,
    keys: KeyLocks,
    /// Taken shared to change objects, exclusively to remove a bucket.
    buckets: Arc<RwLock<()>>,
    /// Held while key directories are made or pruned, so that nobody relies on a directory that is not on disk yet.
    directories: Mutex<()>,
    clock: Clock,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct BucketFile {
    created: u64,
}

/// The conditional headers of a write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

impl Conditions {
    fn check(&self, current: Option<&Meta>) -> S3Result<()> {
        let current = current.map(Meta::e_tag);
        if let Some(wanted) = &self.if_match {
            match &current {
                None => return Err(s3_error!(NoSuchKey)),
                Some(tag) if !holds(wanted, tag) => return Err(s3_error!(PreconditionFailed, "If-Match")),
                Some(_) => {}
            }
        }
        if let (Some(unwanted), Some(tag)) = (&self.if_none_match, &current)
            && holds(unwanted, tag)
        {
            return Err(s3_error!(PreconditionFailed, "If-None-Match"));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

/// Whether the tag meets a condition header.
pub(crate) fn holds(condition: &ETagCondition, tag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == tag.value(),
    }
}

impl Store {
    /// Opens or makes the data directory, takes its lock and sweeps what a killed process left in `tmp`.
    pub(crate) fn open(root: &Path, clock: Clock) -> Result<Self, Error> {
        let failed = |source| Error::DataDir {
            path: root.to_path_buf(),
            source,
        };
        if root.as_os_str().len() > MAX_ROOT {
            return Err(failed(io::Error::other("its path is longer than 700 bytes")));
        }
        fs_err::create_dir_all(root).map_err(failed)?;
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(root.join("lock"))
            .map_err(failed)?;
        match lock.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: root.to_path_buf(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let store = Self {
            root: root.to_path_buf(),
            keys: KeyLocks::default(),
            buckets: Arc::default(),
            directories: Mutex::default(),
            clock,
            _lock: lock,
        };
        store.prepare().map_err(failed)?;
        Ok(store)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        millis((self.clock)())
    }

    fn prepare(&self) -> io::Result<()> {
        if self.tmp().exists() {
            fs_err::remove_dir_all(self.tmp())?;
        }
        fs_err::create_dir_all(self.tmp())?;
        fs_err::create_dir_all(self.root.join("buckets"))?;
        sync_directory(&self.root)?;
        match self.root.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => Ok(()),
        }
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn bucket_path(&self, bucket: &BucketName) -> PathBuf {
        self.root.join("buckets").join(bucket.as_str())
    }

    /// The directory of an existing bucket.
    pub(crate) fn bucket(&self, bucket: &BucketName) -> S3Result<PathBuf> {
        let path = self.bucket_path(bucket);
        if path.is_dir() {
            Ok(path)
        } else {
            Err(s3_error!(NoSuchBucket))
        }
    }

    /// The root of a bucket's key directories.
    pub(crate) fn keys_of(&self, bucket: &BucketName) -> S3Result<PathBuf> {
        Ok(self.bucket(bucket)?.join("keys"))
    }

    /// Makes a bucket; `false` if it is there already.
    pub(crate) fn create_bucket(&self, bucket: &BucketName) -> io::Result<bool> {
        let path = self.bucket_path(bucket);
        if path.exists() {
            return Ok(false);
        }
        let draft = self.tmp().join(random_name());
        fs_err::create_dir(&draft)?;
        fs_err::create_dir(draft.join("keys"))?;
        fs_err::create_dir(draft.join("uploads"))?;
        write_durably(&draft.join("bucket.json"), &BucketFile { created: self.now() })?;
        sync_directory(&draft)?;
        if let Err(error) = fs_err::rename(&draft, &path) {
            fs_err::remove_dir_all(&draft)?;
            return if path.exists() { Ok(false) } else { Err(error) };
        }
        sync_directory(&self.root.join("buckets"))?;
        Ok(true)
    }

    /// All buckets by name, with the milliseconds since 1970 when they were made.
    pub(crate) fn list_buckets(&self) -> io::Result<Vec<(String, u64)>> {
        let mut buckets = Vec::new();
        for entry in fs_err::read_dir(self.root.join("buckets"))? {
            let entry = entry?;
            if let (Some(name), Ok(bytes)) = (
                entry.file_name().to_str(),
                fs_err::read(entry.path().join("bucket.json")),
            ) {
                let file: BucketFile = serde_json::from_slice(&bytes)?;
                buckets.push((name.to_owned(), file.created));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    /// Removes an empty bucket, with the uploads that never became objects.
    pub(crate) async fn delete_bucket(self: &Arc<Self>, bucket: BucketName) -> S3Result<()> {
        let guard = self.buckets.clone().write_owned().await;
        let store = self.clone();
        blocking(move || {
            let path = store.bucket(&bucket)?;
            if listing::has_any_key(&path.join("keys")).map_err(disk_error)? {
                return Err(s3_error!(BucketNotEmpty));
            }
            let grave = store.tmp().join(random_name());
            fs_err::rename(&path, &grave).map_err(disk_error)?;
            sync_directory(&store.root.join("buckets")).map_err(disk_error)?;
            drop(guard);
            fs_err::remove_dir_all(grave).map_err(disk_error)
        })
        .await
    }

    /// Opens an object. What is open stays readable after the key is replaced or deleted.
    pub(crate) fn open_object(&self, bucket: &BucketName, key: &Key) -> S3Result<(File, Meta)> {
        match open(&key.path(&self.keys_of(bucket)?)).map_err(disk_error)? {
            Some(found) => Ok(found),
            None => Err(s3_error!(NoSuchKey)),
        }
    }

    /// Makes a sealed file the object of a key if the conditions hold.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        bucket: BucketName,
        key: Key,
        temp: TempFile,
        conditions: Conditions,
    ) -> S3Result<()> {
        let guards = self.guard(&bucket, &key).await;
        let store = self.clone();
        blocking(move || {
            let _guards = guards;
            let path = key.path(&store.keys_of(&bucket)?);
            store.check(&path, &conditions)?;
            store.place(temp, &path).map_err(disk_error)
        })
        .await
    }

    /// Removes an object if the conditions hold; a missing one is fine unless `If-Match` asks for it. The answer is the
    /// directory to give to [`Store::sync_removals`].
    pub(crate) async fn remove(
        self: &Arc<Self>,
        bucket: BucketName,
        key: Key,
        conditions: Conditions,
    ) -> S3Result<Option<PathBuf>> {
        let guards = self.guard(&bucket, &key).await;
        let store = self.clone();
        blocking(move || {
            let _guards = guards;
            let keys = store.keys_of(&bucket)?;
            let path = key.path(&keys);
            store.check(&path, &conditions)?;
            match fs_err::remove_file(&path) {
                Ok(()) => store.prune(&keys, &path).map(Some).map_err(disk_error),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(disk_error(error)),
            }
        })
        .await
    }

    /// Makes removals durable: many removals from one directory share one fsync.
    pub(crate) async fn sync_removals(&self, directories: BTreeSet<PathBuf>) -> S3Result<()> {
        blocking(move || {
            directories
                .iter()
                .try_for_each(|path| sync_nearest(path))
                .map_err(disk_error)
        })
        .await
    }

    async fn guard(&self, bucket: &BucketName, key: &Key) -> (OwnedRwLockReadGuard<()>, KeyGuard) {
        let bucket_guard = self.buckets.clone().read_owned().await;
        (
            bucket_guard,
            self.keys
                .lock(format!("{}/{}", bucket.as_str(), key.as_str()))
                .await,
        )
    }

    fn check(&self, path: &Path, conditions: &Conditions) -> S3Result<()> {
        if conditions.is_empty() {
            return Ok(());
        }
        let current = open(path).map_err(disk_error)?;
        conditions.check(current.as_ref().map(|(_, meta)| meta))
    }

    fn directories(&self) -> MutexGuard<'_, ()> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, temp: TempFile, path: &Path) -> io::Result<()> {
        let parent = parent_of(path)?;
        {
            let _held = self.directories();
            make_directories(parent)?;
            temp.keep(path)?;
        }
        sync_directory(parent)
    }

    /// Removes the directories that became empty; the answer is the nearest one that stays.
    fn prune(&self, keys: &Path, path: &Path) -> io::Result<PathBuf> {
        let _held = self.directories();
        let mut directory = parent_of(path)?;
        while directory != keys && fs_err::remove_dir(directory).is_ok() {
            directory = parent_of(directory)?;
        }
        Ok(directory.to_path_buf())
    }
}

/// Syncs a directory, or its nearest ancestor if somebody else removed it meanwhile.
fn sync_nearest(path: &Path) -> io::Result<()> {
    match sync_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => sync_nearest(parent_of(path)?),
        result => result,
    }
}

/// Opens an object file; `None` if there is none.
pub(crate) fn open(path: &Path) -> io::Result<Option<(File, Meta)>> {
    match File::open(path) {
        Ok(mut file) => {
            let meta = read_meta(&mut file)?;
            Ok(Some((file, meta)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a small JSON file and syncs it; the caller syncs the directory.
pub(crate) fn write_durably(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::Write::write_all(&mut file, &serde_json::to_vec(value)?)?;
    file.sync_all()
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn parent_of(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other(format!("{} has no parent", path.display())))
}

/// Like `create_dir_all`, but each new directory is durable in its parent before anything is put into it.
fn make_directories(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut existing = path;
    while !existing.is_dir() {
        missing.push(existing);
        existing = parent_of(existing)?;
    }
    for directory in missing.iter().rev() {
        fs_err::create_dir(directory)?;
        sync_directory(parent_of(directory)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::digest::Sums;
    use crate::object::Attributes;

    /// The uploads are done and only the last step races, which no test over HTTP can arrange as often.
    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn one_of_many_conditional_publishers_wins() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), Arc::new(std::time::SystemTime::now)).unwrap());
        let bucket = BucketName::parse("bucket").unwrap();
        assert!(store.create_bucket(&bucket).unwrap());
        for round in 0..60 {
            let key = Key::parse(&format!("round/{round}")).unwrap();
            let attempts: Vec<_> = (0..16)
                .map(|n| {
                    let mut temp = TempFile::create(&store.tmp()).unwrap();
                    let (attributes, sums) = (Attributes::default(), Sums::new());
                    temp.seal(&Meta {
                        size: 0,
                        etag: n.to_string(),
                        modified: 0,
                        attributes,
                        sums,
                    })
                    .unwrap();
                    let conditions = Conditions {
                        if_match: None,
                        if_none_match: Some(ETagCondition::Any),
                    };
                    let (store, bucket, key) = (store.clone(), bucket.clone(), key.clone());
                    tokio::spawn(async move { store.publish(bucket, key, temp, conditions).await })
                })
                .collect();
            let results = join_all(attempts).await;
            let won: Vec<_> = (0..16)
                .filter(|n| results[*n].as_ref().unwrap().is_ok())
                .collect();
            assert_eq!(won.len(), 1, "round {round}");
            assert_eq!(
                store.open_object(&bucket, &key).unwrap().1.etag,
                won[0].to_string()
            );
        }
        assert!(store.keys.is_empty(), "locks nobody needs stay in the table");
    }
}
