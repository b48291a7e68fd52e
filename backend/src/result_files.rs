//! The small files beside a build's packages that Copr's users and `copr-cli download-build` look for: the spec file,
//! `results.json`, `success` and `build.info`.

use std::io::{BufReader, Seek as _, SeekFrom};

use db::builds::Build;
use db::rpms::NewRpm;
use db::tasks::TaskRow;
use protocol::Sha256;
use serde_json::json;
use sha2::Digest as _;
use storage::ResultFile;

use crate::blob;
use crate::context::Context;
use crate::error::JobError;
use crate::sign::Unsigned;

/// Largest spec file that is shown, in bytes.
const MAX_SPEC: u64 = 4 << 20;
const TEXT: &str = "text/plain; charset=utf-8";

/// The spec file of the source package among a build's packages. A source package that hides it is no failure: it built.
pub(crate) async fn find_spec(context: &Context, packages: &[Unsigned]) -> Result<Option<Vec<u8>>, JobError> {
    let Some(source) = packages.iter().find(|package| package.rpm.is_source()) else {
        return Ok(None);
    };
    let (start, path) = (source.rpm.header_end(), source.path.clone());
    context
        .compute(move || {
            let mut file = fs_err::File::open(&path)?;
            file.seek(SeekFrom::Start(start))?;
            match repodata::find_spec(BufReader::new(file), MAX_SPEC) {
                Ok(spec) => Ok(spec),
                Err(error) => {
                    tracing::debug!(%error, "a source package's payload cannot be looked through");
                    Ok(None)
                }
            }
        })
        .await
}

/// Stores what a build that made packages leaves beside them.
pub(crate) async fn of_success(
    context: &Context,
    build: &Build,
    rpms: &[NewRpm],
    spec: Option<Vec<u8>>,
) -> Result<Vec<ResultFile>, JobError> {
    let mut files = Vec::new();
    if let (Some(spec), Some(srpm)) = (spec, &build.srpm) {
        files.push(put(context, &format!("{}.spec", srpm.package), TEXT, spec).await?);
    }
    let packages: Vec<_> = rpms
        .iter()
        .map(|rpm| {
            json!({
                "name": rpm.name, "epoch": rpm.epoch, "version": rpm.version, "release": rpm.release, "arch": rpm.arch,
            })
        })
        .collect();
    let results = serde_json::to_vec_pretty(&json!({"packages": packages})).map_err(JobError::fail)?;
    files.push(put(context, "results.json", "application/json", results).await?);
    files.push(put(context, "success", TEXT, b"done\n".to_vec()).await?);
    Ok(files)
}

/// Stores which build this was and who ran it.
pub(crate) async fn build_info(
    context: &Context,
    build: &Build,
    task: &TaskRow,
) -> Result<ResultFile, JobError> {
    let builder = task
        .builder
        .as_ref()
        .map_or(String::new(), |name| format!("builder={name}\n"));
    let mut origin = String::new();
    if build.is_foreign() {
        origin = format!("origin={}\n", db::builds::UNVERIFIED_ORIGIN);
    }
    if let Some(import) = build.import() {
        // Without a key that was given nobody but its server vouches for what the repository listed.
        let checked = if import.gpgkey.is_some() {
            "verified"
        } else {
            "not-checked"
        };
        origin += &format!("imported_from={}\nmetadata_signature={checked}\n", import.url);
    }
    let text = format!("build_id={}\n{builder}{origin}", build.id);
    put(context, "build.info", TEXT, text.into_bytes()).await
}

async fn put(
    context: &Context,
    name: &str,
    content_type: &str,
    bytes: Vec<u8>,
) -> Result<ResultFile, JobError> {
    let digest: [u8; 32] = sha2::Sha256::digest(&bytes).into();
    let sha256 = Sha256::from_bytes(&digest);
    let size = bytes.len() as u64;
    blob::put_listed(context, &sha256, bytes).await?;
    Ok(ResultFile {
        name: name.parse().map_err(JobError::fail)?,
        sha256,
        size,
        content_type: content_type.to_owned(),
        encoding: None,
        modified: (context.clock)().timestamp(),
    })
}
