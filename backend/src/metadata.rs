//! Metadata of the repositories that changed last, kept in memory, so that the next change costs what it changes. It
//! decides nothing: what a repository holds is asked of the database each time, and what is kept is brought to that.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use repodata::{Buckets, Compression, Digest, FilePlan, Fragments, FrameStore};

use crate::error::JobError;

/// Compressed frames in memory; a clone shares their bytes.
#[derive(Clone, Default)]
struct Frames(HashMap<Digest, Arc<[u8]>>);

impl FrameStore for Frames {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        self.0.insert(*digest, compressed.into());
        Ok(())
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let frame = self.0.get(digest).map(|frame| frame.to_vec());
        frame.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "a frame of the metadata is missing"))
    }
}

/// A repository's metadata.
#[derive(Clone)]
pub(crate) struct Held {
    buckets: Buckets,
    frames: Frames,
}

/// What has to change so that metadata holds what it shall.
pub(crate) struct Difference {
    /// `rpms.id` of packages that it lacks.
    pub missing: Vec<i64>,
    /// Packages that it has and should not.
    removed: Vec<String>,
}

/// A finished metadata file.
pub(crate) struct Made {
    /// What it is.
    pub plan: FilePlan,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Held {
    fn new(compression: Compression) -> Result<Self, JobError> {
        Ok(Self {
            buckets: Buckets::new(compression).map_err(JobError::fail)?,
            frames: Frames::default(),
        })
    }

    /// Compares with what a repository holds: `rpms.id` and SHA-256 of each package.
    ///
    /// # Errors
    /// When a package is there twice, which would be one for some clients and two for others.
    pub fn difference(&self, wanted: &[(i64, String)]) -> Result<Difference, JobError> {
        let have: HashSet<String> = self.buckets.packages().map(hex::encode).collect();
        let mut all = HashSet::with_capacity(wanted.len());
        for (_, sha256) in wanted {
            if !all.insert(sha256.as_str()) {
                return Err(JobError::fail(format!(
                    "package {sha256} is in the repository twice"
                )));
            }
        }
        let missing = wanted.iter().filter(|(_, sha256)| !have.contains(sha256));
        Ok(Difference {
            missing: missing.map(|(id, _)| *id).collect(),
            removed: have
                .iter()
                .filter(|sha256| !all.contains(sha256.as_str()))
                .cloned()
                .collect(),
        })
    }

    /// Makes the change, and all files. Busy for a while.
    ///
    /// # Errors
    /// When a package would be there twice, or what is kept is damaged; the latter is made anew with the next try.
    pub fn change(&mut self, difference: &Difference, added: &[Fragments]) -> Result<Vec<Made>, JobError> {
        self.buckets
            .change(&mut self.frames, &difference.removed, added)
            .map_err(JobError::fail)?;
        let plans = self.buckets.files();
        let named: HashSet<&Digest> = plans.iter().flat_map(|plan| &plan.frames).collect();
        self.frames.0.retain(|digest, _| named.contains(digest));
        let made = plans.into_iter().map(|plan| {
            let mut bytes = Vec::with_capacity(usize::try_from(plan.size).unwrap_or(0));
            plan.write(&self.frames, &mut bytes).map_err(JobError::retry)?;
            Ok(Made { plan, bytes })
        });
        made.collect()
    }

    fn bytes(&self) -> usize {
        self.frames.0.values().map(|frame| frame.len()).sum()
    }
}

/// Which metadata: of a repository (`repositories.id`), in a compression, with all that is published or with what users
/// of a project in devel mode were given.
pub(crate) type Which = (i64, Compression, bool);

/// Metadata of some repositories, those that changed last.
#[derive(Clone)]
pub struct Metadata {
    kept: Arc<Mutex<Vec<(Which, Held)>>>,
    /// Bytes of compressed metadata that are kept at most.
    limit: usize,
}

impl Metadata {
    /// Keeps up to so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            kept: Arc::default(),
            limit,
        }
    }

    /// What is kept, or metadata of no packages.
    ///
    /// # Errors
    /// When that cannot be made.
    pub(crate) fn get(&self, which: Which) -> Result<Held, JobError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|(of, _)| *of == which) {
            Some((_, held)) => Ok(held.clone()),
            None => Held::new(which.1),
        }
    }

    /// Keeps metadata, in place of what was kept longest.
    pub(crate) fn keep(&self, which: Which, held: Held) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| *of != which);
        kept.push((which, held));
        let mut bytes = 0;
        // From the newest on, as long as there is room.
        let fits = kept.iter().rev().take_while(|(_, held)| {
            bytes += held.bytes();
            bytes <= self.limit
        });
        let old = kept.len() - fits.count();
        kept.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: usize) -> Fragments {
        Fragments {
            pkgid: format!("{number:064x}"),
            name: number.to_string(),
            primary: format!("<package>{number}</package>"),
            filelists: format!("<files>{number}</files>"),
            other: format!("<other>{number}</other>"),
        }
    }

    fn wanted(numbers: &[usize]) -> Vec<(i64, String)> {
        let row = |n: &usize| (i64::try_from(*n).unwrap(), one(*n).pkgid);
        numbers.iter().map(row).collect()
    }

    fn brought_to(held: &mut Held, numbers: &[usize]) -> Vec<i64> {
        let difference = held.difference(&wanted(numbers)).unwrap();
        let added: Vec<Fragments> = difference
            .missing
            .iter()
            .map(|id| one(usize::try_from(*id).unwrap()))
            .collect();
        held.change(&difference, &added).unwrap();
        difference.missing
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let metadata = Metadata::new(1 << 20);
        let which = (1, Compression::Zstd, false);
        let mut held = metadata.get(which).unwrap();
        assert_eq!(brought_to(&mut held, &[1, 2, 3]), [1, 2, 3]);
        metadata.keep(which, held);
        let mut held = metadata.get(which).unwrap();
        assert_eq!(brought_to(&mut held, &[1, 3, 4]), [4]);
        assert_eq!(held.buckets.len(), 3);
        assert_eq!(held.frames.0.len(), 3, "frames that nothing names are dropped");
        let mut before = metadata.get(which).unwrap();
        assert!(
            brought_to(&mut before, &[1, 2, 3]).is_empty(),
            "a clone is one's own"
        );
        let devel = metadata.get((1, Compression::Zstd, true)).unwrap();
        assert!(devel.buckets.is_empty());
    }

    #[test]
    fn a_package_cannot_be_there_twice() {
        let held = Held::new(Compression::Gzip).unwrap();
        assert!(held.difference(&wanted(&[1, 2, 1])).is_err());
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let made = |number: i64| {
            let mut held = Held::new(Compression::Zstd).unwrap();
            brought_to(&mut held, &[1]);
            ((number, Compression::Zstd, false), held)
        };
        let size = made(0).1.bytes();
        let metadata = Metadata::new(2 * size);
        for number in [1, 2, 1, 3] {
            let (which, held) = made(number);
            metadata.keep(which, held);
        }
        let there = |number| {
            !metadata
                .get((number, Compression::Zstd, false))
                .unwrap()
                .buckets
                .is_empty()
        };
        assert_eq!([1, 2, 3].map(there), [true, false, true]);
        let none = Metadata::new(0);
        let (which, held) = made(1);
        none.keep(which, held);
        assert!(none.get(which).unwrap().buckets.is_empty());
    }
}
