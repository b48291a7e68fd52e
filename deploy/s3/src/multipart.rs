//! Multipart uploads: `uploads/<id>/upload.json` says for which key, `part-<n>` are object files.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err::File;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::body::{Received, blocking, disk_error};
use crate::digest::{self, Sums, sums_of};
use crate::key::{BucketName, Key};
use crate::object::{Attributes, Meta, TempFile, random_name};
use crate::store::{Store, open, sync_directory, write_durably};

/// Smallest part that is not the last (Amazon S3 user guide, "multipart upload limits").
const MIN_PART: u64 = 5 << 20;
/// Highest part number (ibid.).
const MAX_PARTS: i32 = 10_000;
/// Uploads that nobody finished are swept at start when they are this old.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// What `CreateMultipartUpload` said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) key: String,
    /// Milliseconds since 1970.
    pub(crate) created: u64,
    pub(crate) attributes: Attributes,
}

/// One uploaded part.
pub(crate) struct StoredPart {
    pub(crate) number: i32,
    pub(crate) meta: Meta,
    file: File,
}

/// What the client wants an upload to become.
pub(crate) struct Completion {
    pub(crate) parts: Vec<CompletedPart>,
    /// Checksums of the whole object.
    pub(crate) sums: Sums,
    pub(crate) size: Option<i64>,
}

fn part_number(number: i32) -> S3Result<i32> {
    if (1..=MAX_PARTS).contains(&number) {
        Ok(number)
    } else {
        Err(s3_error!(InvalidArgument, "part numbers go from 1 to 10000"))
    }
}

impl Store {
    /// Starts an upload; the answer is its id.
    pub(crate) fn create_upload(
        &self,
        bucket: &BucketName,
        key: &Key,
        attributes: Attributes,
    ) -> S3Result<String> {
        let uploads = self.bucket(bucket)?.join("uploads");
        let id = random_name();
        let upload = Upload {
            key: key.as_str().to_owned(),
            created: self.now(),
            attributes,
        };
        let make = || {
            let draft = self.tmp().join(random_name());
            fs_err::create_dir(&draft)?;
            write_durably(&draft.join("upload.json"), &upload)?;
            sync_directory(&draft)?;
            fs_err::rename(&draft, uploads.join(&id))?;
            sync_directory(&uploads)
        };
        make().map_err(disk_error)?;
        Ok(id)
    }

    /// The directory and the description of a running upload of this key.
    pub(crate) fn upload(&self, bucket: &BucketName, key: &Key, id: &str) -> S3Result<(PathBuf, Upload)> {
        let uploads = self.bucket(bucket)?.join("uploads");
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(s3_error!(NoSuchUpload));
        }
        let directory = uploads.join(id);
        match read_upload(&directory).map_err(disk_error)? {
            Some(upload) if upload.key == key.as_str() => Ok((directory, upload)),
            _ => Err(s3_error!(NoSuchUpload)),
        }
    }

    /// Stores a received part; the answer describes it.
    pub(crate) fn store_part(
        &self,
        bucket: &BucketName,
        key: &Key,
        id: &str,
        number: i32,
        received: Received,
    ) -> S3Result<Meta> {
        let number = part_number(number)?;
        let (directory, _) = self.upload(bucket, key, id)?;
        let Received {
            mut temp,
            size,
            md5,
            sums,
        } = received;
        let meta = Meta {
            size,
            etag: md5,
            modified: self.now(),
            attributes: Attributes::default(),
            sums,
        };
        temp.seal(&meta).map_err(disk_error)?;
        match temp
            .keep(&part_path(&directory, number))
            .and_then(|()| sync_directory(&directory))
        {
            Ok(()) => Ok(meta),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(s3_error!(NoSuchUpload)),
            Err(error) => Err(disk_error(error)),
        }
    }

    /// The parts of an upload by number.
    pub(crate) fn list_parts(&self, directory: &Path) -> io::Result<Vec<StoredPart>> {
        let mut parts = Vec::new();
        for entry in fs_err::read_dir(directory)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix("part-")?.parse().ok());
            if let Some(number) = number
                && let Some((file, meta)) = open(&entry.path())?
            {
                parts.push(StoredPart { number, meta, file });
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// Joins the parts into a sealed file; publishing it and [`Store::remove_upload`] are the next steps.
    pub(crate) async fn join_parts(
        self: &Arc<Self>,
        directory: PathBuf,
        upload: Upload,
        wanted: Completion,
    ) -> S3Result<(TempFile, Meta)> {
        let (tmp, modified) = (self.tmp(), self.now());
        blocking(move || {
            let mut parts = choose(&directory, &wanted)?;
            let size: u64 = parts.iter().map(|part| part.meta.size).sum();
            if wanted
                .size
                .is_some_and(|expected| u64::try_from(expected) != Ok(size))
            {
                return Err(s3_error!(InvalidRequest, "the parts have {size} bytes together"));
            }
            let (temp, found) = join(&tmp, &mut parts, &wanted.sums)?;
            digest::compare(&wanted.sums, &found)?;
            let mut temp = temp;
            let etag = etag_of(&parts)?;
            let meta = Meta {
                size,
                etag,
                modified,
                attributes: upload.attributes,
                sums: wanted.sums,
            };
            temp.seal(&meta).map_err(disk_error)?;
            Ok((temp, meta))
        })
        .await
    }

    /// Forgets an upload and its parts.
    pub(crate) fn remove_upload(&self, directory: &Path) -> io::Result<()> {
        let grave = self.tmp().join(random_name());
        match fs_err::rename(directory, &grave) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(uploads) = directory.parent() {
            sync_directory(uploads)?;
        }
        fs_err::remove_dir_all(grave)
    }

    /// The running uploads of a bucket: id and description, by key and time.
    pub(crate) fn list_uploads(&self, bucket: &BucketName) -> S3Result<Vec<(String, Upload)>> {
        let uploads = self.bucket(bucket)?.join("uploads");
        let collect = || {
            let mut found = Vec::new();
            for entry in fs_err::read_dir(uploads)? {
                let entry = entry?;
                if let (Some(id), Some(upload)) = (entry.file_name().to_str(), read_upload(&entry.path())?) {
                    found.push((id.to_owned(), upload));
                }
            }
            found.sort_by(|a, b| (&a.1.key, a.1.created, &a.0).cmp(&(&b.1.key, b.1.created, &b.0)));
            Ok(found)
        };
        collect().map_err(disk_error)
    }

    /// Removes the uploads that were begun a week ago and never finished.
    pub(crate) fn sweep_uploads(&self) -> S3Result<()> {
        let now = self.now();
        for (name, _) in self.list_buckets().map_err(disk_error)? {
            let bucket = BucketName::parse(&name)?;
            for (id, upload) in self.list_uploads(&bucket)? {
                if u128::from(now.saturating_sub(upload.created)) > ABANDONED.as_millis() {
                    tracing::info!(bucket = name, key = upload.key, "an abandoned upload is removed");
                    self.remove_upload(&self.bucket(&bucket)?.join("uploads").join(id))
                        .map_err(disk_error)?;
                }
            }
        }
        Ok(())
    }
}

fn part_path(directory: &Path, number: i32) -> PathBuf {
    directory.join(format!("part-{number:05}"))
}

fn read_upload(directory: &Path) -> io::Result<Option<Upload>> {
    match fs_err::read(directory.join("upload.json")) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens the parts that the client lists, checking what it says about each.
fn choose(directory: &Path, wanted: &Completion) -> S3Result<Vec<StoredPart>> {
    if wanted.parts.is_empty() {
        return Err(s3_error!(MalformedXML, "no part is listed"));
    }
    let mut parts: Vec<StoredPart> = Vec::new();
    for part in &wanted.parts {
        let Some(number) = part.part_number else {
            return Err(s3_error!(MalformedXML, "a part has no number"));
        };
        let number = part_number(number)?;
        if parts.last().is_some_and(|previous| previous.number >= number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let Some((file, meta)) = open(&part_path(directory, number)).map_err(disk_error)? else {
            return Err(s3_error!(InvalidPart, "part {number} was not uploaded"));
        };
        if part.e_tag.as_ref().is_some_and(|tag| tag.value() != meta.etag) {
            return Err(s3_error!(InvalidPart, "part {number} has another ETag"));
        }
        for (algorithm, value) in sums_of!(part) {
            if meta.sums.get(&algorithm).is_some_and(|stored| *stored != value) {
                return Err(s3_error!(InvalidPart, "part {number} has another checksum"));
            }
        }
        if parts.last().is_some_and(|previous| previous.meta.size < MIN_PART) {
            return Err(s3_error!(
                EntityTooSmall,
                "only the last part may be smaller than 5 MiB"
            ));
        }
        parts.push(StoredPart { number, meta, file });
    }
    Ok(parts)
}

/// Writes the parts one after the other and finds the checksums that `expected` names, in the same form.
fn join(tmp: &Path, parts: &mut [StoredPart], expected: &Sums) -> S3Result<(TempFile, Sums)> {
    let mut found = Sums::new();
    let mut whole = Vec::new();
    for (algorithm, value) in expected {
        if value.contains('-') {
            found.extend(
                digest::composite(*algorithm, parts.iter().map(|part| &part.meta.sums))
                    .map(|value| (*algorithm, value)),
            );
        } else {
            whole.push(*algorithm);
        }
    }
    let mut hasher = digest::hasher(whole.iter().copied());
    let mut temp = TempFile::create(tmp).map_err(disk_error)?;
    for part in parts {
        let mut work = || {
            part.file.seek(SeekFrom::Start(0))?;
            if !whole.is_empty() {
                let mut buffer = vec![0; 1 << 18];
                let mut left = (&mut part.file).take(part.meta.size);
                loop {
                    match left.read(&mut buffer)? {
                        0 => break,
                        count => hasher.update(&buffer[..count]),
                    }
                }
                part.file.seek(SeekFrom::Start(0))?;
            }
            copy_data(&part.file, part.meta.size, &temp.file)
        };
        work().map_err(disk_error)?;
    }
    temp.file.seek(SeekFrom::End(0)).map_err(disk_error)?;
    found.extend(digest::finish(hasher));
    Ok((temp, found))
}

/// Appends the data of an object file (positioned at its start) to a new file, inside the kernel where it can.
pub(crate) fn copy_data(from: &File, size: u64, to: &File) -> io::Result<()> {
    let copied = io::copy(&mut from.file().take(size), &mut to.file())?;
    if copied == size {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

fn etag_of(parts: &[StoredPart]) -> S3Result<String> {
    let mut md5 = Md5::new();
    for part in parts {
        match hex::decode(&part.meta.etag) {
            Ok(digest) => md5.update(&digest),
            Err(_) => return Err(s3_error!(InternalError, "part {} has no MD5", part.number)),
        }
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}
