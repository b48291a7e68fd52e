//! Small repositories: what a build made, in its own folder, and what a batch made.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse};
use protocol::FileName;
use storage::{Mini, Pointer, StorageKey};

use crate::results::Gateway;
use crate::results::address::{MiniItem, Place};
use crate::results::download::{About, FRESH, IMMUTABLE, send_bytes};
use crate::results::error::GatewayError;
use crate::results::listing::{Line, page};

impl Gateway {
    /// What is asked of a small repository, at a revision or at the one that is served.
    pub(super) async fn mini(
        &self,
        request: &HttpRequest,
        (place, mini): (Place, Mini),
        revision: Option<i64>,
        item: MiniItem,
    ) -> Result<HttpResponse, GatewayError> {
        let number = match revision {
            Some(number) => number,
            None => self
                .served_revision(&place, &mini)
                .await?
                .ok_or(GatewayError::NotFound)?,
        };
        match item {
            MiniItem::Listing(base) => {
                self.small(&file(&place, &mini, number, "repomd.xml")?).await?;
                let title = format!("{}/{}/{}/{mini}", place.owner, place.dir, place.chroot);
                Ok(page(&title, &base, &[Line::directory("repodata")], None))
            }
            MiniItem::Mirrorlist => {
                let Place { owner, dir, chroot } = place;
                let url = &self.results_url;
                Ok(HttpResponse::Ok()
                    .insert_header((CACHE_CONTROL, FRESH))
                    .content_type("text/plain; charset=utf-8")
                    .body(format!("{url}/{owner}/{dir}/{chroot}/{mini}/@{number}/\n")))
            }
            MiniItem::MetadataListing(base) => {
                let repomd = self.small(&file(&place, &mini, number, "repomd.xml")?).await?;
                Ok(page("repodata", &base, &lines(&repomd), None))
            }
            MiniItem::Key => self.public_key(request, place.owner, place.dir).await,
            MiniItem::Metadata(name) => self.mini_file(request, file_key(place, mini, number, name)).await,
        }
    }

    /// The revision that is served of a small repository, if there is one.
    async fn served_revision(&self, place: &Place, mini: &Mini) -> Result<Option<i64>, GatewayError> {
        let key = StorageKey::MiniPointer {
            owner: place.owner.clone(),
            dir: place.dir.clone(),
            chroot: place.chroot.clone(),
            mini: mini.clone(),
        };
        let pointer: Option<Pointer> = self.json(&key).await?;
        Ok(pointer.map(|pointer| pointer.snapshot))
    }

    async fn mini_file(&self, request: &HttpRequest, key: StorageKey) -> Result<HttpResponse, GatewayError> {
        let StorageKey::MiniFile { file, .. } = &key else {
            return Err(GatewayError::NotFound);
        };
        // Others have their content in their name.
        if file.as_str().starts_with("repomd.xml") {
            let bytes = self.small(&key).await?;
            let about = About::bytes(&bytes, key.content_type(), FRESH);
            return Ok(send_bytes(request, &about, &bytes));
        }
        let about = About {
            etag: file.to_string(),
            content_type: key.content_type().to_owned(),
            gzip: false,
            cache_control: IMMUTABLE,
            modified: None,
            snapshot: None,
        };
        let size = self.patiently(|| self.storage.exists(&key)).await?;
        let size = size.ok_or(GatewayError::NotFound)?;
        self.send_object(request, &about, key, size).await
    }
}

fn file(place: &Place, mini: &Mini, revision: i64, name: &str) -> Result<StorageKey, GatewayError> {
    let name = name.parse().map_err(|_| GatewayError::NotFound)?;
    Ok(file_key(place.clone(), mini.clone(), revision, name))
}

fn file_key(place: Place, mini: Mini, revision: i64, file: FileName) -> StorageKey {
    let Place { owner, dir, chroot } = place;
    StorageKey::MiniFile {
        owner,
        dir,
        chroot,
        mini,
        revision,
        file,
    }
}

/// What a page of metadata lists: the files that every repository has, and those that `repomd.xml` names.
pub(super) fn lines(repomd: &[u8]) -> Vec<Line> {
    let mut lines: Vec<_> = ["repomd.xml", "repomd.xml.asc", "repomd.xml.key"]
        .map(|name| Line::file(name, None))
        .into();
    let records = std::str::from_utf8(repomd)
        .ok()
        .and_then(|xml| repodata::read_repomd(xml).ok());
    for record in records.into_iter().flat_map(|(_, records)| records) {
        if let Some(name) = record.href.strip_prefix("repodata/") {
            lines.push(Line::file(name, Some(record.size)));
        }
    }
    lines
}
