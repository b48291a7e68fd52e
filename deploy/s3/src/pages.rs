//! `ListObjects` and `ListObjectsV2`: pages of a listing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use crate::body::disk_error;
use crate::key::BucketName;
use crate::listing::{Item, Query, list};
use crate::service::Service;
use crate::store::{Store, open};

/// Most lines of one page (Amazon S3 API, `ListObjectsV2`, `max-keys`).
const MAX_PAGE: usize = 1000;

/// Bytes that `encoding-type=url` leaves alone.
const URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b'~');

/// The question, common to both versions.
struct Ask {
    prefix: Option<String>,
    delimiter: Option<String>,
    /// `start-after` of the second version.
    after: Option<String>,
    /// `marker` of the first version.
    marker: Option<String>,
    token: Option<String>,
    max_keys: Option<i32>,
    encoding: Option<EncodingType>,
}

/// The answer, common to both versions.
struct Page {
    objects: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    max_keys: i32,
    count: i32,
    /// The last line and the token that goes on after it, if there is more.
    next: Option<(String, String)>,
}

/// Escapes a name if the client asked for it.
fn escape(text: &str, encoding: Option<&EncodingType>) -> String {
    if encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) {
        utf8_percent_encode(text, URL).to_string()
    } else {
        text.to_owned()
    }
}

impl Ask {
    fn limit(&self) -> S3Result<usize> {
        match self.max_keys {
            None => Ok(MAX_PAGE),
            Some(number) => match usize::try_from(number) {
                Ok(number) => Ok(number.min(MAX_PAGE)),
                Err(_) => Err(s3_error!(InvalidArgument, "max-keys is negative")),
            },
        }
    }

    fn query(&self, limit: usize) -> S3Result<Query> {
        let mut query = Query {
            prefix: self.prefix.clone().unwrap_or_default().into_bytes(),
            delimiter: self
                .delimiter
                .clone()
                .filter(|text| !text.is_empty())
                .map(String::into_bytes),
            after: self.after.clone().unwrap_or_default().into_bytes(),
            skip: None,
            // One more than asked for shows whether there is another page.
            limit: if limit == 0 { 0 } else { limit + 1 },
        };
        if let Some(token) = &self.token {
            let decoded = URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|mut bytes| Some((bytes.pop()?, bytes)));
            match decoded {
                Some((b'k', key)) => query.after = key,
                Some((b'p', prefix)) => {
                    query.skip = Some(prefix.clone());
                    query.after = prefix;
                }
                _ => {
                    return Err(s3_error!(
                        InvalidArgument,
                        "the continuation token is not one of ours"
                    ));
                }
            }
        } else if let Some(marker) = &self.marker {
            query.after = marker.clone().into_bytes();
            // A marker that is a common prefix is the last line of the page before.
            if query
                .delimiter
                .as_ref()
                .is_some_and(|delimiter| query.after.ends_with(delimiter))
            {
                query.skip = Some(query.after.clone());
            }
        }
        Ok(query)
    }
}

fn text(bytes: Vec<u8>) -> S3Result<String> {
    // A delimiter is whole UTF-8, and so is every key, hence every common prefix.
    String::from_utf8(bytes).map_err(|_| s3_error!(InternalError, "a stored key is not UTF-8"))
}

impl Store {
    /// One page of a bucket's keys.
    fn page(&self, bucket: &BucketName, ask: &Ask) -> S3Result<Page> {
        let root = self.keys_of(bucket)?;
        let limit = ask.limit()?;
        let mut items = list(&root, &ask.query(limit)?).map_err(disk_error)?;
        let more = items.len() > limit;
        items.truncate(limit);
        let mut page = Page {
            objects: Vec::new(),
            prefixes: Vec::new(),
            max_keys: i32::try_from(limit).unwrap_or(i32::MAX),
            count: 0,
            next: None,
        };
        if more && let Some(last) = items.last() {
            let (bytes, mark) = match last {
                Item::Key(key, _) => (key, b'k'),
                Item::Prefix(prefix) => (prefix, b'p'),
            };
            let token = URL_SAFE_NO_PAD.encode([&bytes[..], &[mark]].concat());
            page.next = Some((text(bytes.clone())?, token));
        }
        for item in items {
            match item {
                Item::Prefix(prefix) => {
                    let prefix = escape(&text(prefix)?, ask.encoding.as_ref());
                    page.prefixes.push(CommonPrefix { prefix: Some(prefix) });
                }
                Item::Key(key, path) => {
                    // Deleted since the directory was read: not there.
                    let Some((_, meta)) = open(&path).map_err(disk_error)? else {
                        continue;
                    };
                    page.objects.push(Object {
                        key: Some(escape(&text(key)?, ask.encoding.as_ref())),
                        size: i64::try_from(meta.size).ok(),
                        last_modified: Some(meta.last_modified()),
                        e_tag: Some(meta.e_tag()),
                        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                        ..Object::default()
                    });
                }
            }
            page.count += 1;
        }
        Ok(page)
    }
}

impl Service {
    pub(crate) async fn list_objects_output(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<ListObjectsOutput> {
        let input = req.input;
        let bucket = BucketName::parse(&input.bucket)?;
        let encoding = input.encoding_type.clone();
        let ask = Ask {
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after: None,
            marker: input.marker.clone(),
            token: None,
            max_keys: input.max_keys,
            encoding: input.encoding_type,
        };
        let page = self.on_disk(move |store| store.page(&bucket, &ask)).await?;
        let escaped = |text: Option<String>| text.map(|text| escape(&text, encoding.as_ref()));
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(escaped(input.prefix).unwrap_or_default()),
            delimiter: escaped(input.delimiter),
            marker: Some(escaped(input.marker).unwrap_or_default()),
            max_keys: Some(page.max_keys),
            is_truncated: Some(page.next.is_some()),
            next_marker: escaped(page.next.map(|(last, _)| last)),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: encoding.clone(),
            ..ListObjectsOutput::default()
        })
    }

    pub(crate) async fn list_objects_v2_output(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<ListObjectsV2Output> {
        let input = req.input;
        let bucket = BucketName::parse(&input.bucket)?;
        let encoding = input.encoding_type.clone();
        let ask = Ask {
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after: input.start_after.clone(),
            marker: None,
            token: input.continuation_token.clone(),
            max_keys: input.max_keys,
            encoding: input.encoding_type,
        };
        let page = self.on_disk(move |store| store.page(&bucket, &ask)).await?;
        let escaped = |text: Option<String>| text.map(|text| escape(&text, encoding.as_ref()));
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(escaped(input.prefix).unwrap_or_default()),
            delimiter: escaped(input.delimiter),
            start_after: escaped(input.start_after),
            continuation_token: input.continuation_token,
            max_keys: Some(page.max_keys),
            key_count: Some(page.count),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|(_, token)| token),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: encoding.clone(),
            ..ListObjectsV2Output::default()
        })
    }
}
