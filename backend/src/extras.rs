//! What a repository has besides its packages: taken in with an import, and put into the metadata of each snapshot. The
//! files are made once and kept in memory; the store has those of the parent.

use std::sync::Arc;

use bytes::Bytes;
use protocol::builder_api::{Artifact, Beside};
use protocol::{FailureKind, Sha256};
use repodata::{Compression, ExtraFile, ExtraKind, decompress, extra_files};
use sha2::Digest as _;
use storage::StorageKey;

use crate::context::Context;
use crate::error::JobError;

/// Largest such file as it comes, in bytes; builders bring smaller ones.
const MAX: u64 = 128 << 20;
/// The same, decompressed. All advisories of a Fedora release have 40 MiB.
const MAX_OPEN: u64 = 256 << 20;

fn kind(of: Beside) -> ExtraKind {
    match of {
        Beside::Comps => ExtraKind::Group,
        Beside::Modules => ExtraKind::Modules,
        Beside::UpdateInfo => ExtraKind::UpdateInfo,
    }
}

/// Takes in what an import brought: it is what it should be, and becomes a blob, which a row has to name next.
///
/// # Errors
/// When it is something else, or database or store fail.
pub(crate) async fn take_in(
    context: &Context,
    key: &StorageKey,
    (of, artifact): (Beside, &Artifact),
) -> Result<(Beside, Sha256), JobError> {
    let name = of.file_name();
    let refuse = |why: String| {
        let message =
            format!("the {name} of the repository cannot be taken: {why}; import packages without it");
        JobError::package(FailureKind::BadResult, message)
    };
    let bytes = context.storage.get(key, MAX).await?;
    let bytes = bytes.ok_or_else(|| refuse("it was announced but not uploaded".to_owned()))?;
    let digest = Sha256::from_bytes(&sha2::Sha256::digest(&bytes).into());
    if digest != artifact.sha256 {
        return Err(refuse("it is not the file that the builder announced".to_owned()));
    }
    let given = bytes.clone();
    let checked = context.compute(move || Ok(check(of, &given)));
    checked.await?.map_err(refuse)?;
    crate::blob::claim(context, &artifact.sha256).await?;
    let blob = StorageKey::Blob(artifact.sha256.clone());
    if context.storage.exists(&blob).await? != Some(bytes.len() as u64) {
        context.storage.put(&blob, bytes).await?;
    }
    Ok((of, artifact.sha256.clone()))
}

/// Whether somebody else's file is what it should be, and does no harm to whoever reads it.
fn check(of: Beside, given: &[u8]) -> Result<(), String> {
    let unpacked = match given {
        [0x1f, 0x8b, ..] => decompress(Compression::Gzip, given, MAX_OPEN),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => decompress(Compression::Zstd, given, MAX_OPEN),
        plain => Ok(plain.to_vec()),
    };
    let open = unpacked.map_err(|error| error.to_string())?;
    if of != Beside::Modules && open.windows(8).any(|part| part == b"<!ENTITY") {
        return Err("it has entities of its own, which can be of any size for whoever reads it".to_owned());
    }
    extra_files(kind(of), &open, Compression::Gzip)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// A file beside those of the packages, ready to be published.
#[derive(Clone)]
pub(crate) struct Ready {
    /// The file, with its record of `repomd.xml`.
    pub file: Arc<ExtraFile>,
    /// Whether the store has it already.
    pub stored: bool,
}

impl Ready {
    /// Its content.
    pub fn bytes(&self) -> Bytes {
        Bytes::from(self.file.bytes.clone())
    }
}

/// What a snapshot is to have: the kind, and the blob that it is made of.
pub(crate) type Wanted = (Beside, Sha256);

/// What was made of one blob.
#[derive(Clone)]
struct Kept {
    of: Wanted,
    files: Vec<Ready>,
}

/// What a snapshot has besides packages. A clone shares the files.
#[derive(Clone, Default)]
pub(crate) struct Extras(Vec<Kept>);

impl Extras {
    /// What has to be read for these.
    pub fn missing(&self, wanted: &[Wanted]) -> Vec<Wanted> {
        let kept = |of: &&Wanted| self.0.iter().any(|kept| kept.of == **of);
        wanted.iter().filter(|of| !kept(of)).cloned().collect()
    }

    /// Has just what is wanted, of which `read` brings what was missing.
    ///
    /// # Errors
    /// When what was taken in is not what it was any more.
    pub fn set(
        &mut self,
        wanted: &[Wanted],
        read: Vec<(Wanted, Bytes)>,
        compression: Compression,
    ) -> Result<Vec<Ready>, JobError> {
        self.0.retain(|kept| wanted.contains(&kept.of));
        for (of, bytes) in read {
            let made = extra_files(kind(of.0), &bytes, compression).map_err(JobError::fail)?;
            let files = made.into_iter().map(|file| Ready {
                file: Arc::new(file),
                stored: false,
            });
            let files = files.collect();
            self.0.push(Kept { of, files });
        }
        self.0.sort_by_key(|kept| kept.of.0);
        Ok(self.0.iter().flat_map(|kept| kept.files.clone()).collect())
    }

    /// The store has all of it, or may have nothing of it.
    pub fn are_stored(&mut self, stored: bool) {
        for ready in self.0.iter_mut().flat_map(|kept| &mut kept.files) {
            ready.stored = stored;
        }
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        let files = self.0.iter().flat_map(|kept| &kept.files);
        files.map(|ready| ready.file.bytes.len()).sum()
    }
}

/// Reads what was taken in.
///
/// # Errors
/// When it is gone, or the store fails.
pub(crate) async fn read(context: &Context, missing: Vec<Wanted>) -> Result<Vec<(Wanted, Bytes)>, JobError> {
    let mut all = Vec::with_capacity(missing.len());
    for of in missing {
        let blob = StorageKey::Blob(of.1.clone());
        let bytes = context.storage.get(&blob, MAX).await?;
        let gone = || JobError::fail(format!("the imported {} is gone", of.0.file_name()));
        let bytes = bytes.ok_or_else(gone)?;
        all.push((of, bytes));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPS: &str =
        "<!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n<comps/>";

    #[test]
    fn what_is_hostile_is_refused() {
        assert_eq!(check(Beside::Comps, COMPS.as_bytes()), Ok(()));
        let packed = zstd::encode_all(COMPS.as_bytes(), 3).unwrap();
        assert_eq!(check(Beside::Comps, &packed), Ok(()));
        let bomb = COMPS.replace("\"comps.dtd\"", "\"x\" [<!ENTITY a \"b\">]");
        for (of, bytes, said) in [
            (Beside::Comps, bomb.as_bytes(), "entities of its own"),
            (Beside::Comps, b"<comps>", "well-formed"),
            (Beside::UpdateInfo, b"<comps/>", "outermost element"),
            (Beside::Modules, b"a: b", "document: modulemd"),
            (Beside::UpdateInfo, &packed[..8], ""),
        ] {
            let error = check(of, bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn files_are_made_once() {
        let of: Wanted = (Beside::Comps, Sha256::from_bytes(&[1; 32]));
        let wanted = [of.clone()];
        let mut extras = Extras::default();
        assert_eq!(extras.missing(&wanted), wanted);
        let read = vec![(of, Bytes::from_static(COMPS.as_bytes()))];
        let ready = extras.set(&wanted, read, Compression::Gzip).unwrap();
        assert!(ready.len() == 2 && ready.iter().all(|ready| !ready.stored));
        extras.are_stored(true);
        assert!(extras.missing(&wanted).is_empty() && extras.bytes() > 0);
        let again = extras.set(&wanted, Vec::new(), Compression::Gzip).unwrap();
        assert!(again.iter().all(|ready| ready.stored) && Arc::ptr_eq(&ready[0].file, &again[0].file));
        assert!(extras.set(&[], Vec::new(), Compression::Gzip).unwrap().is_empty());
    }
}
