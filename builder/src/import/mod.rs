//! Imports: the packages of somebody else's repository, each checked against the metadata that lists it.
//!
//! Everything that comes from there is hostile until it is compared; the backend believes none of it once more.

mod beside;
mod checksum;
mod location;
mod primary;
mod repomd;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use protocol::FailureKind::BadSource;
use protocol::builder_api::{Artifact, Beside, ImportWork, MAX_ARTIFACTS};
use reqwest::Client;
use url::Url;

use self::primary::{Choice, Chosen, Entry};
use self::repomd::{Index, Listed};
use crate::address::{Guard, shown};
use crate::fetch::download;
use crate::log::Log;
use crate::mirrors;
use crate::outcome::{End, fail};
use crate::session::Received;

/// Downloads at a time.
const AT_ONCE: usize = 4;

/// How much of a stranger's repository is taken.
#[derive(Debug, Clone, Copy)]
struct Caps {
    /// Bytes of the list of packages as it comes.
    compressed: u64,
    /// The same, decompressed.
    open: u64,
    /// Bytes of one element of it.
    element: u64,
    /// Packages of one import.
    packages: usize,
    /// Bytes of one package.
    package: u64,
    /// Bytes of a file beside the packages, as it comes.
    beside: u64,
    /// Bytes of everything.
    total: u64,
}

/// What an import needs beside its work.
pub struct Import<'a> {
    /// Which addresses it may reach.
    pub guard: Guard,
    /// Where it tells what it does.
    pub log: &'a Log,
    /// Where files go.
    pub dir: &'a Path,
    /// Most bytes of all packages together.
    pub total: u64,
}

fn bad(reason: impl Into<String>) -> End {
    fail(BadSource, reason)
}

impl Import<'_> {
    /// Fetches what is wanted of a repository and is not there yet.
    pub async fn run(&self, work: &ImportWork) -> Result<Vec<Received>, End> {
        let caps = Caps {
            compressed: 128 << 20,
            open: 2 << 30,
            element: 4 << 20,
            packages: MAX_ARTIFACTS - Beside::ALL.len(),
            beside: 64 << 20,
            package: work.package_bytes.min(self.total),
            total: self.total,
        };
        self.within(work, caps).await
    }

    async fn within(&self, work: &ImportWork, caps: Caps) -> Result<Vec<Received>, End> {
        let base = mirrors::expand(&work.url, &work.chroot);
        let base: Url = base
            .parse()
            .map_err(|error| bad(format!("the URL cannot be read: {error}")))?;
        let base = mirrors::with_slash(base)?;
        self.guard.check(&base).map_err(bad)?;
        let client = self.guard.client().map_err(anyhow::Error::from)?;
        self.log.say(&format!("importing packages of {}", shown(&base)));
        let Index { primary, beside } = self.index(&client, &base, work).await?;
        let list = self.dir.join("primary");
        self.list(&client, &base, &primary, &list, caps).await?;
        let chosen = choose(list, primary, work, caps).await?;
        let wanted = self.wanted(&chosen, work, caps)?;
        let mut files = self.packages(&client, &base, wanted, work).await?;
        self.beside(&client, &base, beside, &mut files, caps).await?;
        Ok(files)
    }

    /// Reads `repomd.xml`, whose signature is checked if there is a key for it.
    async fn index(&self, client: &Client, base: &Url, work: &ImportWork) -> Result<Index, End> {
        let at = |name: &str| {
            let url = base.join(&format!("repodata/{name}"));
            url.map_err(|error| bad(format!("the URL cannot be used: {error}")))
        };
        let limit = 4 << 20;
        let path = self.dir.join("repomd.xml");
        download(client, &at("repomd.xml")?, &path, limit, BadSource).await?;
        if let Some(key) = &work.gpgkey {
            let key = self.key(client, key, work).await?;
            let asc = "repomd.xml.asc";
            download(client, &at(asc)?, &self.dir.join(asc), limit, BadSource).await?;
            signature::check(self.dir, &key, asc, "repomd.xml").await?;
            self.log.say("the signature of the repository's metadata is good");
        } else {
            self.log.say(
                "no key was given (gpgkey), so nobody vouches for the repository's metadata but its server",
            );
        }
        let xml = fs_err::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => bad("repomd.xml is no text in UTF-8"),
            _ => anyhow::Error::from(error).into(),
        })?;
        repomd::read(&xml).map_err(bad)
    }

    /// The armored key, which may have to be fetched.
    async fn key(&self, client: &Client, key: &str, work: &ImportWork) -> Result<String, End> {
        if key.contains("-----BEGIN") {
            return Ok(key.to_owned());
        }
        let url: Url = mirrors::expand(key, &work.chroot)
            .parse()
            .map_err(|error| bad(format!("gpgkey: the URL cannot be read: {error}")))?;
        mirrors::text(client, &self.guard, &url)
            .await
            .map_err(|error| bad(format!("gpgkey: {error:#}")))
    }

    /// Fetches the list of packages.
    async fn list(
        &self,
        client: &Client,
        base: &Url,
        primary: &Listed,
        path: &Path,
        caps: Caps,
    ) -> Result<(), End> {
        let url = location::below(base, &primary.href, primary.xml_base.as_deref()).map_err(bad)?;
        let limit = primary
            .size
            .map_or(caps.compressed, |size| size.min(caps.compressed));
        download(client, &url, path, limit, BadSource).await?;
        if verify(path, &primary.checksum).await? {
            Ok(())
        } else {
            Err(bad(format!(
                "{} is not the file that repomd.xml names: its checksum is another; if the repository was just being \
                 published, import it again",
                shown(&url)
            )))
        }
    }

    /// The packages that are not there yet, if they are not too much.
    fn wanted(&self, chosen: &Chosen, work: &ImportWork, caps: Caps) -> Result<Vec<Entry>, End> {
        if chosen.entries.is_empty() {
            let named = if work.packages.is_empty() {
                ""
            } else {
                " that has one of the wanted names"
            };
            return Err(bad(format!(
                "of the repository's {} packages none is for {}{named}",
                chosen.of, work.chroot
            )));
        }
        let present: HashSet<_> = work.present.iter().collect();
        let mut wanted = chosen.entries.clone();
        wanted.retain(|entry| !entry.checksum.sha256().is_some_and(|sum| present.contains(&sum)));
        let total = wanted
            .iter()
            .fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
        if total > caps.total {
            return Err(bad(format!(
                "the chosen packages have {total} bytes together; {} is the most of one import: name fewer packages",
                caps.total
            )));
        }
        self.log.say(&format!(
            "the repository has {} packages, {} were chosen for {}, {} of them are new",
            chosen.of,
            chosen.entries.len(),
            work.chroot,
            wanted.len()
        ));
        Ok(wanted)
    }

    async fn packages(
        &self,
        client: &Client,
        base: &Url,
        wanted: Vec<Entry>,
        work: &ImportWork,
    ) -> Result<Vec<Received>, End> {
        let dir = self.dir.join("packages");
        fs_err::create_dir_all(&dir).map_err(anyhow::Error::from)?;
        let fetched: Vec<Received> = futures_util::stream::iter(wanted)
            .map(|entry| self.package(client, base, entry, &dir))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        // Lists with other checksums than SHA-256 do not tell before.
        Ok(fetched
            .into_iter()
            .filter(|file| !work.present.contains(&file.artifact.sha256))
            .collect())
    }

    async fn package(&self, client: &Client, base: &Url, entry: Entry, dir: &Path) -> Result<Received, End> {
        let name = entry.file_name;
        let url = location::below(base, &entry.href, entry.xml_base.as_deref()).map_err(bad)?;
        let path = dir.join(name.as_str());
        let (size, sha256) = download(client, &url, &path, entry.size, BadSource).await?;
        if size != entry.size {
            return Err(bad(format!(
                "{} has {size} bytes; the list of packages says {}",
                shown(&url),
                entry.size
            )));
        }
        let right = match entry.checksum.sha256() {
            Some(expected) => expected == sha256,
            None => verify(&path, &entry.checksum).await?,
        };
        if !right {
            return Err(bad(format!(
                "{} is not the file that the list of packages names: its checksum is another",
                shown(&url)
            )));
        }
        self.log.say(&format!("fetched {name}, {size} bytes"));
        let artifact = Artifact { name, size, sha256 };
        Ok(Received { artifact, path })
    }
}

/// Whether a file has a checksum.
async fn verify(path: &Path, expected: &checksum::Checksum) -> Result<bool, End> {
    let (path, expected) = (path.to_owned(), expected.clone());
    let checked = tokio::task::spawn_blocking(move || expected.is_of(&path)).await;
    let checked = checked.map_err(anyhow::Error::from)?;
    Ok(checked.map_err(anyhow::Error::from)?)
}

/// Reads the list of packages, beside the other work of this process.
async fn choose(list: PathBuf, primary: Listed, work: &ImportWork, caps: Caps) -> Result<Chosen, End> {
    let choice = Choice {
        chroot: work.chroot.clone(),
        patterns: work.packages.clone(),
    };
    // A task that is dropped meanwhile takes this with it, and the reader stops.
    let waits = Arc::new(());
    let waiting = Arc::downgrade(&waits);
    let reading =
        tokio::task::spawn_blocking(move || primary::choose(&list, &primary, &choice, caps, &waiting));
    let chosen = reading.await.map_err(anyhow::Error::from)?.map_err(bad);
    drop(waits);
    chosen
}
