//! Checksums that clients send along, verified before anything is replaced.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Result, TrailingHeaders, dto, s3_error};
use serde::{Deserialize, Serialize};

/// The algorithms of the `x-amz-checksum-*` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }
}

/// Base64 digests by algorithm.
pub(crate) type Sums = BTreeMap<Algorithm, String>;

/// Collects the five checksum fields that several request types share.
macro_rules! sums_of {
    ($input:expr) => {{
        let mut sums = $crate::digest::Sums::new();
        for (algorithm, value) in [
            ($crate::digest::Algorithm::Crc32, &$input.checksum_crc32),
            ($crate::digest::Algorithm::Crc32c, &$input.checksum_crc32c),
            ($crate::digest::Algorithm::Crc64nvme, &$input.checksum_crc64nvme),
            ($crate::digest::Algorithm::Sha1, &$input.checksum_sha1),
            ($crate::digest::Algorithm::Sha256, &$input.checksum_sha256),
        ] {
            if let Some(value) = value {
                sums.insert(algorithm, value.clone());
            }
        }
        sums
    }};
}

/// Fills the five checksum fields that several response types share.
macro_rules! set_sums {
    ($output:expr, $sums:expr) => {{
        let sums: &$crate::digest::Sums = $sums;
        $output.checksum_crc32 = sums.get(&$crate::digest::Algorithm::Crc32).cloned();
        $output.checksum_crc32c = sums.get(&$crate::digest::Algorithm::Crc32c).cloned();
        $output.checksum_crc64nvme = sums.get(&$crate::digest::Algorithm::Crc64nvme).cloned();
        $output.checksum_sha1 = sums.get(&$crate::digest::Algorithm::Sha1).cloned();
        $output.checksum_sha256 = sums.get(&$crate::digest::Algorithm::Sha256).cloned();
    }};
}

pub(crate) use {set_sums, sums_of};

/// A hasher for exactly these algorithms.
pub(crate) fn hasher(algorithms: impl IntoIterator<Item = Algorithm>) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    for algorithm in algorithms {
        match algorithm {
            Algorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Algorithm::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Algorithm::Crc64nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
    }
    hasher
}

/// The digests a hasher found.
pub(crate) fn finish(hasher: ChecksumHasher) -> Sums {
    let sums: dto::Checksum = hasher.finalize();
    sums_of!(sums)
}

/// What the request says about its body.
pub(crate) struct Expected {
    length: Option<u64>,
    md5: Option<Vec<u8>>,
    sums: Sums,
    trailing: Vec<Algorithm>,
    trailers: Option<TrailingHeaders>,
}

impl Expected {
    /// `sums` are the checksums in headers; those announced by `x-amz-trailer` are read once the body has ended.
    pub(crate) fn new(
        length: Option<i64>,
        content_md5: Option<&str>,
        sums: Sums,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let md5 = match content_md5.map(|text| STANDARD.decode(text)) {
            None => None,
            Some(Ok(digest)) if digest.len() == 16 => Some(digest),
            Some(_) => {
                return Err(s3_error!(
                    InvalidDigest,
                    "Content-MD5 is not the base64 of 16 bytes"
                ));
            }
        };
        let announced: Vec<String> = headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
            .collect();
        let trailing = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| announced.iter().any(|name| name == algorithm.header()));
        let length = length.and_then(|length| u64::try_from(length).ok());
        Ok(Self {
            length,
            md5,
            sums,
            trailing: trailing.collect(),
            trailers,
        })
    }

    /// A hasher for every announced checksum.
    pub(crate) fn hasher(&self) -> ChecksumHasher {
        hasher(self.sums.keys().copied().chain(self.trailing.iter().copied()))
    }

    /// Compares with what arrived.
    pub(crate) fn verify(&self, length: u64, md5: &[u8], found: &Sums) -> S3Result<()> {
        if let Some(expected) = self.length
            && expected != length
        {
            return Err(s3_error!(
                IncompleteBody,
                "{length} of {expected} announced bytes arrived"
            ));
        }
        if self.md5.as_deref().is_some_and(|expected| expected != md5) {
            return Err(s3_error!(
                BadDigest,
                "Content-MD5 does not match the received bytes"
            ));
        }
        let mut sums = self.sums.clone();
        for algorithm in &self.trailing {
            let value = self.trailers.as_ref().and_then(|trailers| {
                trailers.read(|map| {
                    map.get(algorithm.header())
                        .and_then(|v| v.to_str().ok())
                        .map(str::to_owned)
                })
            });
            let Some(value) = value.flatten() else {
                return Err(s3_error!(
                    InvalidRequest,
                    "the trailer {} is missing",
                    algorithm.header()
                ));
            };
            sums.insert(*algorithm, value);
        }
        compare(&sums, found)
    }
}

/// Refuses if one of `expected` is not among `found`.
pub(crate) fn compare(expected: &Sums, found: &Sums) -> S3Result<()> {
    for (algorithm, value) in expected {
        if found.get(algorithm) != Some(value) {
            return Err(s3_error!(
                BadDigest,
                "{} does not match the received bytes",
                algorithm.header()
            ));
        }
    }
    Ok(())
}

/// The checksum of a multipart object that Amazon calls composite: the digest of the parts' digests, `-`, their number.
/// `None` if a part has none of this algorithm.
pub(crate) fn composite<'a>(algorithm: Algorithm, parts: impl Iterator<Item = &'a Sums>) -> Option<String> {
    let mut hasher = hasher([algorithm]);
    let mut count = 0;
    for sums in parts {
        hasher.update(&STANDARD.decode(sums.get(&algorithm)?).ok()?);
        count += 1;
    }
    let digest = finish(hasher).remove(&algorithm)?;
    Some(format!("{digest}-{count}"))
}
