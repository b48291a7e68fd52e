//! What each URL answers.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use bytes::Bytes;
use futures_util::TryStreamExt;
use protocol::{BuildId, ChrootName, DirName, FileName, OwnerName, PointerName};
use storage::{
    BuildDir, DistroCurrent, DistroPath, Encoding, Plan, Pointer, RepomdFile, ResultFile, ResultIndex,
    StorageError, StorageKey, StoragePrefix,
};

use crate::results::address::{Item, Place, Wanted};
use crate::results::at::At;
use crate::results::download::{About, FRESH, IMMUTABLE, send_bytes};
use crate::results::error::GatewayError;
use crate::results::listing::{Line, page};
use crate::results::mini::lines;
use crate::results::{Gateway, SNAPSHOT};

const RPM: &str = "application/x-rpm";
const TEXT: &str = "text/plain; charset=utf-8";
const UNKNOWN: &str = "application/octet-stream";
/// Metadata is named after its content: a cached file is right for ever, as long as anything names it.
pub(super) const METADATA_AGE: Duration = Duration::from_secs(3600);
/// An index of an ended build changes no more, but it can be deleted.
const INDEX_AGE: Duration = Duration::from_secs(10);
/// Rpms of a chroot's own repository: the next recipe may put others under the same names.
const DISTRO: &str = "public, max-age=300";

impl Gateway {
    pub(super) async fn public_key(
        &self,
        request: &HttpRequest,
        owner: OwnerName,
        dir: DirName,
    ) -> Result<HttpResponse, GatewayError> {
        // A project has one key, whichever of its directories is asked: dnf 5's plugin composes this for dependencies.
        let dir = dir.project().into();
        let key = StorageKey::PublicKey { owner, dir };
        let bytes = self.small(&key).await?;
        Ok(send_bytes(
            request,
            &About::bytes(&bytes, key.content_type(), FRESH),
            &bytes,
        ))
    }

    pub(super) async fn repository(
        &self,
        request: &HttpRequest,
        place: Place,
        at: At,
        item: Item,
    ) -> Result<HttpResponse, GatewayError> {
        let mut pointer: Option<Pointer> = None;
        // What the address itself names may have been removed; what a pointer names never is.
        let mut fixed = None;
        let number = match at {
            At::Number(number) => {
                fixed = Some((place.clone(), number));
                Some(number)
            }
            At::Time(time) => Some(self.at_time(&place, time).await?),
            At::Commit(commit) => {
                let number = self.at_commit(&place, &commit).await?;
                fixed = Some((place.clone(), number));
                Some(number)
            }
            At::Pointer(name) => {
                pointer = self.json(&place.pointer(&name)).await?;
                if pointer.is_none() && name != PointerName::latest() {
                    return Err(GatewayError::NotFound);
                }
                pointer.as_ref().map(|pointer| pointer.snapshot)
            }
        };
        match (self.item(request, place, (number, pointer), item).await, fixed) {
            (Err(GatewayError::NotFound), Some((place, number))) => Err(self.missing(&place, number).await),
            (answer, _) => answer,
        }
    }

    /// What is asked of a repository, at a snapshot, and the pointer that led to it.
    async fn item(
        &self,
        request: &HttpRequest,
        place: Place,
        (number, pointer): (Option<i64>, Option<Pointer>),
        item: Item,
    ) -> Result<HttpResponse, GatewayError> {
        match item {
            Item::Listing(base) => self.repository_page(place, number, &base).await,
            Item::Mirrorlist => Ok(self.mirrorlist(&place, number.ok_or(GatewayError::NotFound)?)),
            Item::Latest => Ok(latest(&pointer.ok_or(GatewayError::NotFound)?)),
            Item::MetadataListing(base) => {
                self.metadata_page(place, number.ok_or(GatewayError::NotFound)?, &base)
                    .await
            }
            Item::Repomd(file) => {
                self.repomd(request, place, number.ok_or(GatewayError::NotFound)?, file)
                    .await
            }
            Item::Key => {
                let mut response = self.public_key(request, place.owner, place.dir).await?;
                if let Some(number) = number {
                    response.headers_mut().insert(SNAPSHOT, number.into());
                }
                Ok(response)
            }
            Item::Metadata(file) => self.metadata(request, place, number, file).await,
            Item::Comps => {
                let number = number.ok_or(GatewayError::NotFound)?;
                let file = self.comps(&place, number).await?;
                self.metadata(request, place, Some(number), file).await
            }
            Item::Build(build_dir, wanted) => {
                let Place { owner, dir, chroot } = place;
                let key = StorageKey::ResultIndex {
                    owner,
                    dir,
                    chroot,
                    build_dir,
                };
                self.file(request, &key, wanted, number).await
            }
            Item::Signed(build_dir, key, file) => {
                let Place { owner, dir, chroot } = place;
                let key = StorageKey::SignedIndex {
                    owner,
                    dir,
                    chroot,
                    build_dir,
                    key,
                };
                self.file(request, &key, Wanted::File(file), number).await
            }
            Item::Mini(mini, revision, item) => self.mini(request, (place, mini), revision, item).await,
        }
    }

    /// A file of a build, with the number of the snapshot that it was asked from.
    async fn file(
        &self,
        request: &HttpRequest,
        index: &StorageKey,
        wanted: Wanted,
        snapshot: Option<i64>,
    ) -> Result<HttpResponse, GatewayError> {
        let mut response = self.packages(request, index, wanted).await?;
        if let Some(number) = snapshot {
            response.headers_mut().insert(SNAPSHOT, number.into());
        }
        Ok(response)
    }

    /// A build's results, or, when it was deleted, those of its packages that snapshots may still name.
    async fn packages(
        &self,
        request: &HttpRequest,
        key: &StorageKey,
        wanted: Wanted,
    ) -> Result<HttpResponse, GatewayError> {
        let file = match &wanted {
            Wanted::File(name) => Some(Wanted::File(name.clone())),
            Wanted::Listing(_) => None,
        };
        match (self.results(request, key, wanted).await, key.withdrawn(), file) {
            (Err(GatewayError::NotFound), Some(withdrawn), Some(file)) => {
                self.results(request, &withdrawn, file).await
            }
            (answer, ..) => answer,
        }
    }

    /// The file with the groups of packages that a snapshot names.
    async fn comps(&self, place: &Place, number: i64) -> Result<FileName, GatewayError> {
        let repomd = self
            .small(&snapshot_file(place.clone(), number, RepomdFile::Xml))
            .await?;
        let records = std::str::from_utf8(&repomd)
            .ok()
            .and_then(|xml| repodata::read_repomd(xml).ok());
        let mut records = records.into_iter().flat_map(|(_, records)| records);
        let group = records.find(|record| record.kind == "group");
        let name = group.and_then(|record| record.href.strip_prefix("repodata/")?.parse().ok());
        name.ok_or(GatewayError::NotFound)
    }

    fn mirrorlist(&self, place: &Place, number: i64) -> HttpResponse {
        let Place { owner, dir, chroot } = place;
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, FRESH))
            .insert_header((SNAPSHOT, number.to_string()))
            .content_type(TEXT)
            .body(format!(
                "{}/{owner}/{dir}/{chroot}/@{number}/\n",
                self.results_url
            ))
    }

    /// Read each time, even at a snapshot's own address: a project that is deleted and made anew under its old name
    /// may count its snapshots from one again.
    async fn repomd(
        &self,
        request: &HttpRequest,
        place: Place,
        number: i64,
        file: RepomdFile,
    ) -> Result<HttpResponse, GatewayError> {
        let key = snapshot_file(place, number, file);
        let bytes = self.small(&key).await?;
        let about = About::bytes(&bytes, key.content_type(), FRESH).at(Some(number));
        Ok(send_bytes(request, &about, &bytes))
    }

    async fn metadata(
        &self,
        request: &HttpRequest,
        place: Place,
        number: Option<i64>,
        file: FileName,
    ) -> Result<HttpResponse, GatewayError> {
        let etag = file.to_string();
        let planned = is_planned(&etag);
        let Place { owner, dir, chroot } = place.clone();
        let key = StorageKey::Metadata {
            owner,
            dir,
            chroot,
            file,
        };
        let about = About {
            etag,
            content_type: key.content_type().to_owned(),
            gzip: false,
            cache_control: IMMUTABLE,
            modified: None,
            snapshot: number,
        };
        let path = key.path();
        let kept = self.cache.get(&path, METADATA_AGE);
        let object = match &kept {
            Some(bytes) => bytes.clone(),
            None => match self.small(&key).await {
                Err(GatewayError::Store(StorageError::TooLarge { .. })) => {
                    let size = self.patiently(|| self.storage.exists(&key)).await?;
                    let size = size.ok_or(GatewayError::NotFound)?;
                    return self.send_object(request, &about, key, size).await;
                }
                bytes => bytes?,
            },
        };
        let plan = if planned { Plan::parse(&object)? } else { None };
        if kept.is_none() {
            self.cache.insert(path, object.clone());
        }
        match plan {
            Some(plan) => self.send_plan(request, &about, place, &plan).await,
            None => Ok(send_bytes(request, &about, &object)),
        }
    }

    async fn index(&self, key: &StorageKey) -> Result<ResultIndex, GatewayError> {
        let path = key.path();
        let parse = |bytes: &Bytes| serde_json::from_slice::<ResultIndex>(bytes).ok();
        if let Some(index) = self.cache.get(&path, INDEX_AGE).as_ref().and_then(parse) {
            return Ok(index);
        }
        let bytes = self.small(key).await?;
        let index = match parse(&bytes) {
            Some(index) => index,
            // Reads it once more, for the error that says what is wrong with it.
            None => self.json(key).await?.ok_or(GatewayError::NotFound)?,
        };
        if index.complete {
            self.cache.insert(path, bytes);
        }
        Ok(index)
    }

    /// The page of a build directory, or one of its files.
    pub(super) async fn results(
        &self,
        request: &HttpRequest,
        key: &StorageKey,
        wanted: Wanted,
    ) -> Result<HttpResponse, GatewayError> {
        let path = key.path();
        let title = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".json");
        let index = match self.index(key).await {
            Err(GatewayError::NotFound) => match self.live_log(key).await? {
                Some(log) => return log.answer(request, &wanted, title),
                // Its build may have ended since the first look.
                None => self.index(key).await?,
            },
            index => index?,
        };
        let name = match wanted {
            Wanted::File(name) => name,
            Wanted::Listing(base) => {
                // Not the metadata of the build's repository: `copr-cli download-build` fetches whatever is listed.
                let files = index.files.iter();
                let lines: Vec<_> = files
                    .map(|file| Line::file(&file.name, Some(file.size)))
                    .collect();
                return Ok(page(title, &base, &lines, None));
            }
        };
        let (file, encoded) = find(&index, &name).ok_or(GatewayError::NotFound)?;
        let about = About {
            etag: if encoded {
                format!("{}-gzip", file.sha256)
            } else {
                file.sha256.to_string()
            },
            content_type: content_type(&name, file, encoded),
            gzip: encoded,
            cache_control: if index.complete { IMMUTABLE } else { FRESH },
            modified: Some(file.modified),
            snapshot: None,
        };
        self.send_object(request, &about, StorageKey::Blob(file.sha256.clone()), file.size)
            .await
    }

    async fn names(&self, prefix: StoragePrefix) -> Result<Vec<String>, GatewayError> {
        let listed = self
            .patiently(|| self.storage.list(&prefix).try_collect::<Vec<_>>())
            .await?;
        let names = listed
            .iter()
            .filter_map(|object| object.name().strip_suffix(".json").map(str::to_owned));
        Ok(names.collect())
    }

    async fn repository_page(
        &self,
        place: Place,
        number: Option<i64>,
        base: &str,
    ) -> Result<HttpResponse, GatewayError> {
        let title = format!("{}/{}/{}", place.owner, place.dir, place.chroot);
        if let Some(number) = number {
            let root = snapshot_file(place.clone(), number, RepomdFile::Xml);
            self.patiently(|| self.storage.exists(&root))
                .await?
                .ok_or(GatewayError::NotFound)?;
        }
        let Place { owner, dir, chroot } = place;
        let builds = self.names(StoragePrefix::Builds { owner, dir, chroot }).await?;
        if number.is_none() && builds.is_empty() {
            return Err(GatewayError::NotFound);
        }
        let builds = builds.iter().filter_map(|name| name.parse::<BuildDir>().ok());
        let mut lines: Vec<_> = number.map(|_| Line::directory("repodata")).into_iter().collect();
        lines.extend(builds.map(Line::directory));
        Ok(page(&title, base, &lines, number))
    }

    async fn metadata_page(
        &self,
        place: Place,
        number: i64,
        base: &str,
    ) -> Result<HttpResponse, GatewayError> {
        let repomd = self.small(&snapshot_file(place, number, RepomdFile::Xml)).await?;
        Ok(page("repodata", base, &lines(&repomd), Some(number)))
    }

    pub(super) async fn source_builds(
        &self,
        owner: OwnerName,
        dir: DirName,
        base: &str,
    ) -> Result<HttpResponse, GatewayError> {
        let title = format!("{owner}/{dir}/srpm-builds");
        let names = self.names(StoragePrefix::SourceBuilds { owner, dir }).await?;
        let builds: Vec<_> = names
            .iter()
            .filter(|name| name.parse::<BuildId>().is_ok())
            .map(Line::directory)
            .collect();
        if builds.is_empty() {
            return Err(GatewayError::NotFound);
        }
        Ok(page(&title, base, &builds, None))
    }

    pub(super) async fn distro(
        &self,
        request: &HttpRequest,
        chroot: ChrootName,
        path: DistroPath,
    ) -> Result<HttpResponse, GatewayError> {
        let current: Option<DistroCurrent> = self
            .json(&StorageKey::DistroCurrent {
                chroot: chroot.clone(),
            })
            .await?;
        let hash = current.ok_or(GatewayError::NotFound)?.hash;
        let file = path.as_str().strip_prefix("repodata/").map(str::to_owned);
        let key = StorageKey::Distro {
            chroot,
            hash: hash.clone(),
            path,
        };
        match file {
            Some(file) if file.starts_with("repomd.xml") => {
                let bytes = self.small(&key).await?;
                Ok(send_bytes(
                    request,
                    &About::bytes(&bytes, key.content_type(), FRESH),
                    &bytes,
                ))
            }
            file => {
                let size = self
                    .patiently(|| self.storage.exists(&key))
                    .await?
                    .ok_or(GatewayError::NotFound)?;
                let about = About {
                    etag: format!("{hash}-{size}"),
                    content_type: key.content_type().to_owned(),
                    gzip: false,
                    cache_control: if file.is_some() { IMMUTABLE } else { DISTRO },
                    modified: None,
                    snapshot: None,
                };
                self.send_object(request, &about, key, size).await
            }
        }
    }
}

/// Whether this service may have stored a file in pieces. Others are what somebody uploaded, whatever they hold.
fn is_planned(name: &str) -> bool {
    let kinds = repodata::Kind::ALL.map(repodata::Kind::name);
    kinds.iter().any(|kind| name.contains(&format!("-{kind}.xml.")))
}

fn snapshot_file(place: Place, number: i64, file: RepomdFile) -> StorageKey {
    let Place { owner, dir, chroot } = place;
    StorageKey::SnapshotFile {
        owner,
        dir,
        chroot,
        number,
        file,
    }
}

fn latest(pointer: &Pointer) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, FRESH))
        .insert_header((SNAPSHOT, pointer.snapshot.to_string()))
        .json(pointer)
}

/// The file of that name, and whether its blob is gzip and the name is that of the content: `x.log` finds `x.log.gz`.
fn find<'a>(index: &'a ResultIndex, name: &FileName) -> Option<(&'a ResultFile, bool)> {
    let by_name = |name: &str| index.files.iter().find(|file| file.name.as_str() == name);
    if let Some(file) = by_name(name.as_str()) {
        let encoded = file.encoding == Some(Encoding::Gzip) && !name.as_str().ends_with(".gz");
        return Some((file, encoded));
    }
    let file = by_name(&format!("{name}.gz"))?;
    (file.encoding == Some(Encoding::Gzip) || name.as_str().ends_with(".log")).then_some((file, true))
}

fn content_type(name: &FileName, file: &ResultFile, encoded: bool) -> String {
    let ends = |end: &str| name.as_str().ends_with(end);
    if ends(".rpm") {
        RPM.to_owned()
    } else if ends(".gz") {
        "application/gzip".to_owned()
    } else if encoded || ends(".log") {
        TEXT.to_owned()
    } else if file
        .content_type
        .parse::<actix_web::http::header::HeaderValue>()
        .is_ok()
    {
        file.content_type.clone()
    } else {
        UNKNOWN.to_owned()
    }
}
