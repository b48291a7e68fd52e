//! Builds of uploaded files: how they come in, and builds of sources.

use std::fmt::Display;

use bytes::Bytes;
use db::builds::{Source, StoredFile, is_spec};
use db::projects::Project;
use futures_util::Stream;
use protocol::builder_api::MAX_ARTIFACTS;
use protocol::{BuildId, FileName};
use storage::{Hashed, StorageKey};

use super::BuildRequest;
use super::foreign::{check_taken, submit_rpm, submit_set};
use super::plan::plan;
use super::submit::insert;
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::{blobs, source};

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// A source package or a spec file, which is built.
    Source,
    /// A binary package that was built elsewhere, which the backend verifies, signs and publishes.
    Rpm,
}

/// A file that was uploaded and that no build uses yet.
#[derive(Debug)]
pub struct Received {
    what: Uploaded,
    /// Where it lies.
    pub(crate) key: StorageKey,
    /// What it was called.
    pub(crate) file_name: FileName,
    /// Size and digest.
    pub(crate) hashed: Hashed,
}

impl Received {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.hashed.size
    }
}

/// Takes in a file, as a stream: memory does not grow with its size. The file comes before the form that says where it
/// belongs, so permissions are checked afterwards, by [`submit_upload`]; only users can upload at all.
///
/// # Errors
/// 403 for binary packages when this service takes none, 400 for a name that is no such package's and for a stream that
/// breaks off, 413 above the limit, or above `max_upload_bytes`.
pub async fn receive_upload<S, E>(
    app: &App,
    actor: &Actor,
    what: Uploaded,
    (file_name, limit): (&str, u64),
    stream: S,
) -> Result<Received, Error>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Display,
{
    actor.signed_in()?;
    let file_name = match what {
        Uploaded::Source => source::check_file_name(file_name)?,
        Uploaded::Rpm => {
            check_taken(&app.config)?;
            source::check_rpm_name(file_name)?
        }
    };
    let name = format!("{:032x}", rand::random::<u128>()).parse::<FileName>()?;
    let key = StorageKey::Incoming(name);
    let hashed = match app
        .storage
        .put_stream(&key, stream, limit.min(app.config.max_upload_bytes))
        .await
    {
        Ok(hashed) => hashed,
        Err(error) => {
            forget(app, &key).await;
            return Err(error.into());
        }
    };
    Ok(Received {
        what,
        key,
        file_name,
        hashed,
    })
}

/// Whether one more file than so many can be taken in one request.
///
/// # Errors
/// 400 when it cannot.
pub fn check_count(received: usize) -> Result<(), Error> {
    if received < MAX_ARTIFACTS {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "pkgs: At most {MAX_ARTIFACTS} packages are taken at once"
    )))
}

/// Drops a received file that no build will use.
pub async fn discard_upload(app: &App, received: &Received) {
    forget(app, &received.key).await;
}

async fn forget(app: &App, key: &StorageKey) {
    if let Err(error) = app.storage.delete(key).await {
        // A file left behind costs space only.
        tracing::warn!("removing a refused upload failed: {error}");
    }
}

/// Makes a build of a received file.
///
/// # Errors
/// As [`super::check_before_build`], and 400 with a sentence for the packager when the file is no whole package, or a
/// binary one does not go into the one chroot that was named. No build exists then.
pub async fn submit_upload(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: Received,
) -> Result<BuildId, Error> {
    let result = match received.what {
        Uploaded::Source => submit_source(app, actor, project, request, &received).await,
        Uploaded::Rpm => submit_rpm(app, actor, project, request, &received).await,
    };
    discard_upload(app, &received).await;
    result
}

/// Makes a received file the blob of its content.
///
/// # Errors
/// 503 when a file of the same content is being removed at the moment.
pub(super) async fn take_in(app: &App, received: &Received) -> Result<(), Error> {
    let sha256 = &received.hashed.sha256;
    blobs::claim(app, sha256).await?;
    let blob = StorageKey::Blob(sha256.clone());
    Ok(app.storage.copy(&received.key, &blob).await?)
}

/// Makes one build of many received binary packages: one snapshot for each chroot that some of them go into.
///
/// # Errors
/// As [`submit_upload`]; the whole is refused where one file is.
pub async fn submit_uploads(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    mut received: Vec<Received>,
) -> Result<BuildId, Error> {
    if received.len() == 1
        && let Some(one) = received.pop()
    {
        return submit_upload(app, actor, project, request, one).await;
    }
    let result = submit_set(app, actor, project, request, &received).await;
    for file in &received {
        discard_upload(app, file).await;
    }
    result
}

async fn submit_source(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: &Received,
) -> Result<BuildId, Error> {
    // Before the file is looked into: whoever may not build here learns no more than that.
    let unknown = plan(app, Some(actor), project, request, None, 1).await?;
    if is_spec(received.file_name.as_str()) {
        source::look_into_spec(app, received).await?;
        take_in(app, received).await?;
        let file = StoredFile {
            sha256: received.hashed.sha256.clone(),
            file_name: received.file_name.clone(),
            size: i64::try_from(received.hashed.size).unwrap_or(i64::MAX),
        };
        let (spec, targets) = (Source::Spec(file), unknown.targets(None));
        return insert(app, Some(actor), project, &unknown, &spec, &targets, None).await;
    }
    let looked_into = source::look_into(app, received).await?;
    take_in(app, received).await?;
    let srpm = looked_into.srpm;
    let package = db::package_edit::find(&mut *app.conn().await?, project.id, srpm.package.as_str()).await?;
    let plan = plan(app, Some(actor), project, request, package.as_ref(), 1).await?;
    let targets = plan.targets(Some(&looked_into.arches));
    let uploaded = Source::Upload(srpm.clone());
    let build = insert(app, Some(actor), project, &plan, &uploaded, &targets, None).await?;
    source::write_index(app, project, &plan.dir, build, &srpm).await;
    Ok(build)
}
