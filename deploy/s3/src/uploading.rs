//! The operations on multipart uploads.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use crate::body::{copy, disk_error, receive};
use crate::digest::{Expected, set_sums, sums_of};
use crate::key::BucketName;
use crate::multipart::Completion;
use crate::reading::ReadConditions;
use crate::service::{Service, attributes_of, names, source, timestamp};
use crate::store::Conditions;

impl Service {
    pub(crate) async fn create_multipart_upload_output(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let mut input = req.input;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let attributes = attributes_of!(input);
        let id = self
            .on_disk(move |store| store.create_upload(&bucket, &key, attributes))
            .await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn upload_part_output(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = req.input;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let expected = Expected::new(
            input.content_length,
            input.content_md5.as_deref(),
            sums_of!(input),
            &req.headers,
            req.trailing_headers,
        )?;
        let (id, number) = (input.upload_id, input.part_number);
        let received = receive(self.store.tmp(), input.body, expected).await?;
        let meta = self
            .on_disk(move |store| store.store_part(&bucket, &key, &id, number, received))
            .await?;
        let mut output = UploadPartOutput {
            e_tag: Some(meta.e_tag()),
            ..UploadPartOutput::default()
        };
        set_sums!(output, &meta.sums);
        Ok(output)
    }

    pub(crate) async fn upload_part_copy_output(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<UploadPartCopyOutput> {
        let mut input = req.input;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let (source_bucket, source_key) = source(&input.copy_source)?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let range = input.copy_source_range.as_deref().map(parse_range).transpose()?;
        let (id, number) = (input.upload_id, input.part_number);
        let meta = self
            .on_disk(move |store| {
                let (mut file, source) = store.open_object(&source_bucket, &source_key)?;
                conditions.check_copy(&source)?;
                let (first, last) = match range {
                    Some((first, last)) if first <= last && last < source.size => (first, last),
                    None if source.size > 0 => (0, source.size - 1),
                    _ => return Err(s3_error!(InvalidRange, "the source has {} bytes", source.size)),
                };
                let copied = copy(&store.tmp(), &mut file, first, last - first + 1);
                store.store_part(&bucket, &key, &id, number, copied.map_err(disk_error)?)
            })
            .await?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(meta.e_tag()),
                last_modified: Some(meta.last_modified()),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        })
    }

    pub(crate) async fn complete_multipart_upload_output(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = req.input;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let completion = Completion {
            sums: sums_of!(input),
            size: input.mpu_object_size,
            parts: input
                .multipart_upload
                .and_then(|upload| upload.parts)
                .unwrap_or_default(),
        };
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let (owned_bucket, owned_key) = (bucket.clone(), key.clone());
        let (directory, upload) = self
            .on_disk(move |store| store.upload(&owned_bucket, &owned_key, &input.upload_id))
            .await?;
        let (temp, meta) = self
            .store
            .join_parts(directory.clone(), upload, completion)
            .await?;
        self.store.publish(bucket, key, temp, conditions).await?;
        self.on_disk(move |store| store.remove_upload(&directory).map_err(disk_error))
            .await?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(meta.e_tag()),
            ..CompleteMultipartUploadOutput::default()
        };
        set_sums!(output, &meta.sums);
        Ok(output)
    }

    pub(crate) async fn abort_multipart_upload_output(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let (bucket, key) = names(&req.input.bucket, &req.input.key)?;
        self.on_disk(move |store| {
            let (directory, _) = store.upload(&bucket, &key, &req.input.upload_id)?;
            store.remove_upload(&directory).map_err(disk_error)
        })
        .await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(crate) async fn list_parts_output(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<ListPartsOutput> {
        let input = req.input;
        let (bucket, key) = names(&input.bucket, &input.key)?;
        let id = input.upload_id.clone();
        let stored = self
            .on_disk(move |store| {
                let (directory, _) = store.upload(&bucket, &key, &id)?;
                store.list_parts(&directory).map_err(disk_error)
            })
            .await?;
        let marker = input.part_number_marker.unwrap_or(0);
        let limit = input.max_parts.unwrap_or(1000).clamp(0, 1000);
        let mut parts: Vec<Part> = stored
            .into_iter()
            .filter(|part| part.number > marker)
            .map(|stored| {
                let mut part = Part {
                    part_number: Some(stored.number),
                    size: i64::try_from(stored.meta.size).ok(),
                    e_tag: Some(stored.meta.e_tag()),
                    last_modified: Some(stored.meta.last_modified()),
                    ..Part::default()
                };
                set_sums!(part, &stored.meta.sums);
                part
            })
            .collect();
        let truncated = parts.len() > limit as usize;
        parts.truncate(limit as usize);
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            max_parts: Some(limit),
            is_truncated: Some(truncated),
            next_part_number_marker: parts
                .last()
                .and_then(|part| part.part_number)
                .filter(|_| truncated),
            parts: Some(parts),
            ..ListPartsOutput::default()
        })
    }

    pub(crate) async fn list_multipart_uploads_output(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let input = req.input;
        if input.delimiter.is_some() || input.key_marker.is_some() {
            return Err(s3_error!(
                NotImplemented,
                "uploads are listed on one page and without delimiter"
            ));
        }
        let bucket = BucketName::parse(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let uploads = self.on_disk(move |store| store.list_uploads(&bucket)).await?;
        let uploads = uploads
            .into_iter()
            .filter(|(_, upload)| upload.key.starts_with(&prefix))
            .map(|(id, upload)| MultipartUpload {
                key: Some(upload.key),
                upload_id: Some(id),
                initiated: Some(timestamp(upload.created)),
                ..MultipartUpload::default()
            });
        Ok(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            bucket: Some(input.bucket),
            prefix: input.prefix,
            is_truncated: Some(false),
            ..ListMultipartUploadsOutput::default()
        })
    }
}

/// The first and the last byte of `bytes=first-last`, the only form that a copied part's range has.
fn parse_range(range: &str) -> S3Result<(u64, u64)> {
    let parsed = range.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    parsed.ok_or_else(|| s3_error!(InvalidArgument, "the range is bytes=first-last"))
}
