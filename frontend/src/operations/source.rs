//! Looking into an uploaded source package.

use bytes::BytesMut;
use db::builds::Srpm;
use db::projects::Project;
use futures_util::{StreamExt as _, TryStreamExt as _};
use protocol::{BuildId, DirName, FileName, PackageName};
use repodata::{Arches, HeaderError, Nevra, RpmFile, SourceFacts, tag};
use storage::{ResultFile, ResultIndex, StorageKey};

use crate::app::App;
use crate::error::Error;
use crate::operations::builds::Received;
use crate::operations::projects::shown;

/// What every RPM package starts with.
const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Bytes that the first read takes; nearly all headers fit.
const FIRST_READ: u64 = 1 << 20;
/// Bytes of header that are looked at at most.
const MAX_HEADER: u64 = 64 << 20;
/// Up to this size the payload's digest is checked while the submitter waits; above, the builder finds out.
const CHECK_PAYLOAD_BELOW: u64 = 64 << 20;

/// What a source package says about itself.
pub(super) struct LookedInto {
    /// For the build's row.
    pub srpm: Srpm,
    /// Where it builds.
    pub arches: Arches,
}

/// A file name that a source package can have.
pub(super) fn check_file_name(name: &str) -> Result<FileName, Error> {
    let bare = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if !is_source_name(bare) {
        return Err(Error::Invalid(format!(
            "pkgs: You can upload only .src.rpm, .nosrc.rpm, and .spec files ('{}' is none)",
            shown(bare)
        )));
    }
    Ok(bare.parse()?)
}

/// A file name that a binary package can have.
pub(super) fn check_rpm_name(name: &str) -> Result<FileName, Error> {
    let bare = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if is_source_name(bare) || !bare.ends_with(".rpm") {
        return Err(Error::Invalid(format!(
            "pkgs: You can upload only binary packages (.rpm) here ('{}' is none); 'copr-cli build' takes source packages",
            shown(bare)
        )));
    }
    Ok(bare.parse()?)
}

fn is_source_name(name: &str) -> bool {
    [".src.rpm", ".nosrc.rpm", ".spec"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Longest spec file, in bytes.
const MAX_SPEC: u64 = 1 << 20;

/// Checks that a received file can be a spec file at all.
pub(super) async fn look_into_spec(app: &App, received: &Received) -> Result<(), Error> {
    let name = &received.file_name;
    let bad = |reason: &str| Error::Invalid(format!("pkgs: {name} is no spec file: {reason}"));
    if received.hashed.size > MAX_SPEC {
        return Err(bad("it is longer than 1 MiB"));
    }
    let bytes = read_start(app, received, MAX_SPEC).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("it is not text in UTF-8"))?;
    let named = text.lines().any(|line| {
        line.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("name:"))
    });
    if named && !text.contains('\0') {
        Ok(())
    } else {
        Err(bad("it has no line 'Name:'"))
    }
}

/// A URL that a builder can fetch a source package from.
pub(super) fn check_url(url: &str, is_web_url: bool) -> Result<(), Error> {
    if !is_web_url {
        return Err(Error::Invalid(format!(
            "pkgs: A list of http[s] URLs separated by whitespace characters is needed ('{}' doesn't seem to be a valid URL).",
            shown(url)
        )));
    }
    // A build's page, which everybody sees, names its source.
    if url::Url::parse(url).is_ok_and(|u| !u.username().is_empty() || u.password().is_some()) {
        return Err(Error::Invalid(
            "pkgs: The URL holds a user name or password, which everybody would see; upload the file instead"
                .to_owned(),
        ));
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if !is_source_name(path) {
        return Err(Error::Invalid(format!(
            "pkgs: URLs must end with .src.rpm, .nosrc.rpm, or .spec ('{}' doesn't seem to be a valid URL).",
            shown(url)
        )));
    }
    Ok(())
}

/// Reads a received file's header and checks what can be checked while the submitter waits.
pub(super) async fn look_into(app: &App, received: &Received) -> Result<LookedInto, Error> {
    let name = &received.file_name;
    let bad = |reason: String| Error::Invalid(format!("pkgs: {name} cannot be built: {reason}"));
    let rpm = read_header(app, received)
        .await?
        .map_err(|e| bad(e.to_string()))?;
    if !rpm.is_source() {
        return Err(Error::Invalid(format!(
            "pkgs: {name} is a binary package; submit the source package (.src.rpm)"
        )));
    }
    repodata::verify_headers(&rpm).map_err(|e| bad(e.to_string()))?;
    let facts = SourceFacts::of(&rpm).map_err(|e| bad(e.to_string()))?;
    let package = facts
        .name
        .parse()
        .map_err(|e: protocol::NameError| bad(e.to_string()))?;
    if received.hashed.size < CHECK_PAYLOAD_BELOW {
        check_payload(app, received, rpm).await?.map_err(bad)?;
    }
    Ok(LookedInto {
        srpm: Srpm {
            sha256: received.hashed.sha256.clone(),
            file_name: name.clone(),
            size: i64::try_from(received.hashed.size).unwrap_or(i64::MAX),
            package,
            version: facts.version,
        },
        arches: facts.arches,
    })
}

/// What a binary package from elsewhere says about itself.
pub(super) struct Foreign {
    /// Its own name.
    pub nevra: Nevra,
    /// Name of the source package that it says it was built from.
    pub package: PackageName,
}

/// Reads the header of a received binary package and checks what can be checked while the submitter waits.
pub(super) async fn look_into_rpm(app: &App, received: &Received) -> Result<Foreign, Error> {
    let name = &received.file_name;
    let bad = |reason: String| Error::Invalid(format!("pkgs: {name} cannot be published: {reason}"));
    let rpm = read_header(app, received)
        .await?
        .map_err(|e| bad(e.to_string()))?;
    if rpm.is_source() {
        return Err(bad(
            "it is a source package; submit it with 'copr-cli build'".to_owned()
        ));
    }
    repodata::verify_headers(&rpm).map_err(|e| bad(e.to_string()))?;
    let nevra = rpm.nevra().map_err(|e| bad(e.to_string()))?;
    let source = rpm.header().string(tag::SOURCE_RPM).unwrap_or_default();
    let package = source_name(&source)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| bad("it does not say what source package it was built from".to_owned()))?;
    if received.hashed.size < CHECK_PAYLOAD_BELOW {
        check_payload(app, received, rpm).await?.map_err(bad)?;
    }
    Ok(Foreign { nevra, package })
}

/// `hello` of `hello-1.0-1.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let nvr = file
        .strip_suffix(".src.rpm")
        .or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    Some(nvr.rsplit_once('-')?.0.rsplit_once('-')?.0)
}

async fn read_header(app: &App, received: &Received) -> Result<Result<RpmFile, HeaderError>, Error> {
    let size = received.hashed.size;
    let mut take = FIRST_READ;
    loop {
        let bytes = read_start(app, received, take).await?;
        let whole = bytes.len() as u64 >= size;
        if !bytes.starts_with(&MAGIC) {
            // A short text would else be called truncated, which is no help to whoever sent the wrong file.
            return Ok(Err(HeaderError::NotAnRpm("it does not start as one")));
        }
        match RpmFile::parse(&bytes, size) {
            Err(HeaderError::Truncated { .. }) if !whole && take < MAX_HEADER => take *= 4,
            result => return Ok(result),
        }
    }
}

/// The first bytes of a received file, at most `take`.
async fn read_start(app: &App, received: &Received, take: u64) -> Result<bytes::Bytes, Error> {
    if received.hashed.size == 0 {
        return Ok(bytes::Bytes::new());
    }
    let mut object = gone_is_error(
        app.storage
            .get_stream(&received.key, Some((0, Some(take - 1))))
            .await?,
    )?;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = object.stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn gone_is_error<T>(found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| {
        Error::Internal("an upload vanished from the store while it was looked into".to_owned())
    })
}

/// Reads the payload through a small channel into the checking thread, so that memory stays flat.
async fn check_payload(app: &App, received: &Received, rpm: RpmFile) -> Result<Result<(), String>, Error> {
    let start = rpm.header_end();
    if start >= received.hashed.size {
        return Ok(Err("it has no payload".to_owned()));
    }
    let object = gone_is_error(app.storage.get_stream(&received.key, Some((start, None))).await?)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let checking = tokio::task::spawn_blocking(move || {
        repodata::verify_payload(
            &rpm,
            &mut ChannelReader {
                receiver,
                left: bytes::Bytes::new(),
            },
        )
        .map(|_| ())
        .map_err(|e| e.to_string())
    });
    let mut stream = object.stream;
    let mut failed = None;
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => {
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let verdict = checking
        .await
        .map_err(|e| Error::Internal(format!("checking a payload: {e}")))?;
    failed.map_or(Ok(verdict), |error| Err(error.into()))
}

struct ChannelReader {
    receiver: tokio::sync::mpsc::Receiver<bytes::Bytes>,
    left: bytes::Bytes,
}

impl std::io::Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.left.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.left = chunk,
                None => return Ok(0),
            }
        }
        let n = out.len().min(self.left.len());
        out[..n].copy_from_slice(&self.left.split_to(n));
        Ok(n)
    }
}

/// Lists the source package below `srpm-builds/`. A failure costs that listing only, not the build.
pub(super) async fn write_index(app: &App, project: &Project, dir: &DirName, build: BuildId, srpm: &Srpm) {
    let key = StorageKey::SourceIndex {
        owner: project.owner.clone(),
        dir: dir.clone(),
        build,
    };
    let index = ResultIndex {
        files: vec![ResultFile {
            name: srpm.file_name.clone(),
            sha256: srpm.sha256.clone(),
            size: srpm.size.unsigned_abs(),
            content_type: "application/x-rpm".to_owned(),
            encoding: None,
            modified: app.now().timestamp(),
        }],
        complete: true,
    };
    if let Err(error) = app.storage.put_json(&key, &index).await {
        tracing::warn!("listing the source package of build {build} failed: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_taken() {
        assert_eq!(
            check_file_name("dir/hello-1-1.src.rpm").unwrap().as_str(),
            "hello-1-1.src.rpm"
        );
        assert!(check_file_name("hello.spec").is_ok());
        assert!(check_file_name("hello-1-1.x86_64.rpm").is_err());
        assert!(check_file_name(".src.rpm").is_err());
        assert!(check_rpm_name("hello-1-1.x86_64.rpm").is_ok());
        assert!(check_rpm_name("hello-1-1.src.rpm").is_err());
        assert!(check_rpm_name("hello.spec").is_err());
        assert_eq!(source_name("a-b-1.0-1.src.rpm"), Some("a-b"));
        assert_eq!(source_name("a-b.src.rpm"), None);
        assert!(check_url("http://h/a.src.rpm?x=1", true).is_ok());
        assert!(check_url("http://h/a.rpm", true).is_err());
        assert!(check_url("http://me:secret@h/a.src.rpm", true).is_err());
    }
}
