//! The S3 operations, on top of [`Store`].

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::body::{Received, blocking, disk_error, receive};
use crate::digest::{Expected, set_sums, sums_of};
use crate::key::{BucketName, Key};
use crate::multipart::copy_data;
use crate::object::{Meta, TempFile};
use crate::reading::{self, ReadConditions};
use crate::store::{Conditions, Store};

/// Collects the header fields that several request types share.
macro_rules! attributes_of {
    ($input:expr) => {
        $crate::object::Attributes {
            content_type: $input.content_type.take(),
            content_encoding: $input
                .content_encoding
                .take()
                .and_then($crate::service::without_framing),
            content_disposition: $input.content_disposition.take(),
            content_language: $input.content_language.take(),
            cache_control: $input.cache_control.take(),
            expires: $input.expires.take(),
            user: $input.metadata.take().unwrap_or_default().into_iter().collect(),
        }
    };
}

pub(crate) use attributes_of;

/// `aws-chunked` says how the body travelled, not what the object is.
pub(crate) fn without_framing(encoding: String) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|name| *name != "aws-chunked")
        .collect();
    if kept.is_empty() || kept == [""] {
        None
    } else {
        Some(kept.join(","))
    }
}

/// Whole seconds, the resolution of HTTP dates.
pub(crate) fn timestamp(millis: u64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(millis / 1000))
}

/// Parses the two names of an object.
pub(crate) fn names(bucket: &str, key: &str) -> S3Result<(BucketName, Key)> {
    Ok((BucketName::parse(bucket)?, Key::parse(key)?))
}

pub(crate) fn no_versions(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "there are no object versions here")),
    }
}

/// The object that a copy is made of.
pub(crate) fn source(source: &CopySource) -> S3Result<(BucketName, Key)> {
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = source
    else {
        return Err(s3_error!(NotImplemented, "access points as copy source"));
    };
    no_versions(version_id.as_deref())?;
    names(bucket, key)
}

/// The protocol layer calls this.
pub(crate) struct Service {
    pub(crate) store: Arc<Store>,
}

impl Service {
    /// Runs file work on a blocking thread.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = self.store.clone();
        blocking(move || work(&store)).await
    }

    async fn has_bucket(&self, bucket: &str) -> S3Result<BucketName> {
        let name = BucketName::parse(bucket)?;
        self.on_disk(move |store| store.bucket(&name).map(|_| name)).await
    }

    async fn read(
        &self,
        bucket: &str,
        key: &str,
        range: Option<Range>,
        conditions: ReadConditions,
    ) -> S3Result<reading::Opened> {
        let (bucket, key) = names(bucket, key)?;
        self.on_disk(move |store| {
            let (file, meta) = store.open_object(&bucket, &key)?;
            conditions.check(&meta)?;
            reading::Opened::new(file, meta, range)
        })
        .await
    }
}

#[async_trait]
impl S3 for Service {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = BucketName::parse(&req.input.bucket)?;
        let location = format!("/{}", bucket.as_str());
        if !self
            .on_disk(move |store| store.create_bucket(&bucket).map_err(disk_error))
            .await?
        {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(location),
        }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.has_bucket(&req.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.has_bucket(&req.input.bucket).await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(
        &self,
        _req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let found = self
            .on_disk(|store| store.list_buckets().map_err(disk_error))
            .await?;
        let buckets = found.into_iter().map(|(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created)),
            ..Bucket::default()
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.store
            .delete_bucket(BucketName::parse(&req.input.bucket)?)
            .await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        let (_, key) = names(&input.bucket, &input.key)?;
        let bucket = self.has_bucket(&input.bucket).await?;
        let expected = Expected::new(
            input.content_length,
            input.content_md5.as_deref(),
            sums_of!(input),
            &req.headers,
            req.trailing_headers,
        )?;
        let attributes = attributes_of!(input);
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let received = receive(self.store.tmp(), input.body, expected).await?;
        let modified = self.store.now();
        let (temp, meta) = blocking(move || {
            let Received {
                mut temp,
                size,
                md5,
                sums,
            } = received;
            let meta = Meta {
                size,
                etag: md5,
                modified,
                attributes,
                sums,
            };
            temp.seal(&meta).map_err(disk_error)?;
            Ok((temp, meta))
        })
        .await?;
        self.store.publish(bucket, key, temp, conditions).await?;
        let mut output = PutObjectOutput {
            e_tag: Some(meta.e_tag()),
            ..PutObjectOutput::default()
        };
        set_sums!(output, &meta.sums);
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        no_versions(input.version_id.as_deref())?;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "reading by part number"));
        }
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let opened = self
            .read(&input.bucket, &input.key, input.range, conditions)
            .await?;
        let mut output = reading::described!(GetObjectOutput, opened, input.checksum_mode);
        output.body = Some(opened.into_body());
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        no_versions(input.version_id.as_deref())?;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let opened = self
            .read(&input.bucket, &input.key, input.range, conditions)
            .await?;
        Ok(S3Response::new(reading::described!(
            HeadObjectOutput,
            opened,
            input.checksum_mode
        )))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        no_versions(input.version_id.as_deref())?;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: None,
        };
        let removed = self.store.remove(bucket, key, conditions).await?;
        self.store.sync_removals(removed.into_iter().collect()).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = req.input;
        let bucket = self.has_bucket(&input.bucket).await?;
        let quiet = input.delete.quiet.unwrap_or(false);
        let (mut deleted, mut errors, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for object in input.delete.objects {
            let conditions = Conditions {
                if_match: object.e_tag.map(ETagCondition::ETag),
                if_none_match: None,
            };
            let result = match Key::parse(&object.key) {
                Ok(key) => self.store.remove(bucket.clone(), key, conditions).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(directory) => {
                    removed.extend(directory);
                    deleted.push(DeletedObject {
                        key: Some(object.key),
                        ..DeletedObject::default()
                    });
                }
                Err(error) => errors.push(Error {
                    key: Some(object.key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        self.store.sync_removals(removed.into_iter().collect()).await?;
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let mut input = req.input;
        let (_, key) = names(&input.bucket, &input.key)?;
        let bucket = self.has_bucket(&input.bucket).await?;
        let (source_bucket, source_key) = source(&input.copy_source)?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let replace = input
            .metadata_directive
            .take()
            .is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let attributes = replace.then(|| attributes_of!(input));
        let (temp, meta) = self
            .on_disk(move |store| {
                let (file, meta) = store.open_object(&source_bucket, &source_key)?;
                conditions.check_copy(&meta)?;
                let attributes = attributes.unwrap_or_else(|| meta.attributes.clone());
                let meta = Meta {
                    modified: store.now(),
                    attributes,
                    ..meta
                };
                let make = || {
                    let mut temp = TempFile::create(&store.tmp())?;
                    reading::rewind(&file)?;
                    copy_data(&file, meta.size, &temp.file)?;
                    temp.seal(&meta)?;
                    Ok(temp)
                };
                Ok((make().map_err(disk_error)?, meta))
            })
            .await?;
        self.store
            .publish(bucket, key, temp, Conditions::default())
            .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(meta.e_tag()),
            last_modified: Some(meta.last_modified()),
            ..CopyObjectResult::default()
        };
        set_sums!(result, &meta.sums);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.list_objects_output(req).await.map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list_objects_v2_output(req).await.map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.create_multipart_upload_output(req)
            .await
            .map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.upload_part_output(req).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.upload_part_copy_output(req).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_multipart_upload_output(req)
            .await
            .map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_multipart_upload_output(req).await.map(S3Response::new)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.list_parts_output(req).await.map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.list_multipart_uploads_output(req).await.map(S3Response::new)
    }
}
