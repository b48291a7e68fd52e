//! Metadata of the repositories that changed last, kept in memory, so that the next change costs what it changes. It
//! decides nothing: which snapshot is the parent is asked of the database each time, and what is kept is brought to that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use db::rpms::Member;
use db::snapshots::Audience;
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

/// Metadata of a snapshot.
#[derive(Clone)]
pub(crate) struct Held {
    /// The snapshot's number; 0 for one without packages.
    at: i64,
    /// What `buckets` hold, by `rpms.id`. Two rows can name the same file at different places.
    members: BTreeMap<i64, Digest>,
    buckets: Buckets,
    frames: Frames,
}

/// How the next snapshot differs from its parent, and from what is kept.
pub(crate) struct Next {
    /// `rpms.id` of all its packages, ascending.
    pub content: Vec<i64>,
    /// Those that its parent does not have.
    pub added: Vec<i64>,
    /// Those that only its parent has.
    pub removed: Vec<i64>,
    /// Those that what is kept lacks.
    pub missing: Vec<i64>,
    members: BTreeMap<i64, Digest>,
}

/// A finished metadata file.
pub(crate) struct Made {
    /// What it is.
    pub plan: FilePlan,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Next {
    /// Whether it has what its parent has, which there is.
    pub fn is_parent(&self, parent: i64) -> bool {
        parent > 0 && self.added.is_empty() && self.removed.is_empty()
    }

    /// The lists of [`Self::content`], [`Self::added`] and [`Self::removed`], which nothing else needs.
    pub fn take_lists(&mut self) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
        let lists = (&mut self.content, &mut self.added, &mut self.removed);
        (take(lists.0), take(lists.1), take(lists.2))
    }
}

impl Held {
    fn new(compression: Compression) -> Result<Self, JobError> {
        Ok(Self {
            at: 0,
            members: BTreeMap::new(),
            buckets: Buckets::new(compression).map_err(JobError::fail)?,
            frames: Frames::default(),
        })
    }

    /// Whether this is the metadata of a snapshot.
    pub fn is_at(&self, number: i64) -> bool {
        self.at == number
    }

    /// Whether a package (`rpms.id`) is in it.
    pub fn holds(&self, id: i64) -> bool {
        self.members.contains_key(&id)
    }

    /// Compares the next snapshot with its parent and with what is kept. `parent` has the parent's packages, unless they
    /// are what is kept; of `leaving` counts what the parent has.
    ///
    /// # Errors
    /// When the database has something else than a SHA-256 for a package.
    pub fn next(
        &self,
        parent: Option<Vec<Member>>,
        coming: Vec<Member>,
        leaving: &[i64],
    ) -> Result<Next, JobError> {
        let mut members = match parent {
            Some(parent) => parent.into_iter().map(parse).collect::<Result<_, _>>()?,
            None => self.members.clone(),
        };
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for member in coming {
            let (id, digest) = parse(member)?;
            if members.insert(id, digest).is_none() {
                added.push(id);
            }
        }
        for id in leaving {
            if !added.contains(id) && members.remove(id).is_some() {
                removed.push(*id);
            }
        }
        let missing = members.keys().filter(|id| !self.members.contains_key(id));
        Ok(Next {
            content: members.keys().copied().collect(),
            missing: missing.copied().collect(),
            added,
            removed,
            members,
        })
    }

    /// Becomes the metadata of the next snapshot, and makes all files. Busy for a while.
    ///
    /// # Errors
    /// When a package would be there twice, or what is kept is damaged; the latter is made anew with the next try.
    pub fn advance(&mut self, number: i64, next: Next, missing: &[Fragments]) -> Result<Vec<Made>, JobError> {
        let gone = self
            .members
            .iter()
            .filter(|(id, _)| !next.members.contains_key(id));
        let gone: Vec<String> = gone.map(|(_, digest)| hex::encode(digest)).collect();
        self.buckets
            .change(&mut self.frames, &gone, missing)
            .map_err(JobError::fail)?;
        (self.at, self.members) = (number, next.members);
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
        let frames: usize = self.frames.0.values().map(|frame| frame.len()).sum();
        frames + self.members.len() * size_of::<(i64, Digest)>()
    }
}

fn parse((id, sha256): Member) -> Result<(i64, Digest), JobError> {
    let mut digest = Digest::default();
    hex::decode_to_slice(&sha256, &mut digest).map_err(|e| {
        JobError::fail(format!(
            "package {id} has no SHA-256 in the database but '{sha256}': {e}"
        ))
    })?;
    Ok((id, digest))
}

/// Which metadata: of a repository (`repositories.id`), in a compression, for an audience. Builds and users of a project
/// in devel mode get different packages.
pub(crate) type Which = (i64, Compression, Audience);

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
    pub(crate) fn get(&self, which: &Which) -> Result<Held, JobError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|(of, _)| of == which) {
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

    fn one(number: i64) -> Fragments {
        Fragments {
            pkgid: format!("{number:064x}"),
            name: number.to_string(),
            primary: format!("<package>{number}</package>"),
            filelists: format!("<files>{number}</files>"),
            other: format!("<other>{number}</other>"),
        }
    }

    fn members(numbers: &[i64]) -> Vec<Member> {
        numbers.iter().map(|n| (*n, one(*n).pkgid)).collect()
    }

    /// Adds and removes packages; those whose metadata had to be asked for.
    fn changed(held: &mut Held, parent: Option<&[i64]>, coming: &[i64], leaving: &[i64]) -> Vec<i64> {
        let next = held.next(parent.map(members), members(coming), leaving).unwrap();
        let missing = next.missing.clone();
        let fragments: Vec<Fragments> = missing.iter().map(|n| one(*n)).collect();
        held.advance(held.at + 1, next, &fragments).unwrap();
        missing
    }

    fn users() -> Which {
        (1, Compression::Zstd, Audience::Users)
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let metadata = Metadata::new(1 << 20);
        let mut held = metadata.get(&users()).unwrap();
        assert_eq!(changed(&mut held, None, &[1, 2, 3], &[]), [1, 2, 3]);
        metadata.keep(users(), held);
        let mut held = metadata.get(&users()).unwrap();
        assert!(held.is_at(1));
        assert_eq!(changed(&mut held, None, &[4], &[2, 7]), [4]);
        assert_eq!(held.buckets.len(), 3);
        assert_eq!(held.frames.0.len(), 3, "frames that nothing names are dropped");
        let mut before = metadata.get(&users()).unwrap();
        assert!(
            changed(&mut before, None, &[], &[]).is_empty(),
            "a clone is one's own"
        );
        let devel = metadata.get(&(1, Compression::Zstd, Audience::Builds)).unwrap();
        assert!(devel.buckets.is_empty());
    }

    #[test]
    fn the_next_may_be_made_from_another_snapshot() {
        let mut held = Held::new(Compression::Gzip).unwrap();
        changed(&mut held, None, &[1, 2, 3], &[]);
        let next = held
            .next(Some(members(&[1, 5])), members(&[1, 6]), &[5, 9])
            .unwrap();
        assert_eq!(
            (next.added.as_slice(), next.removed.as_slice()),
            ([6].as_slice(), [5].as_slice())
        );
        assert_eq!(
            (next.content.as_slice(), next.missing.as_slice()),
            ([1, 6].as_slice(), [6].as_slice())
        );
        held.advance(9, next, &[one(6)]).unwrap();
        assert!(held.is_at(9) && held.buckets.len() == 2);
    }

    #[test]
    fn a_package_cannot_be_there_twice() {
        let mut held = Held::new(Compression::Gzip).unwrap();
        let twice = vec![(1, one(1).pkgid), (2, one(1).pkgid)];
        let next = held.next(None, twice, &[]).unwrap();
        assert!(held.advance(1, next, &[one(1), one(1)]).is_err());
        assert!(held.next(None, vec![(1, "nonsense".to_owned())], &[]).is_err());
    }

    #[test]
    fn a_file_can_come_back_at_another_place() {
        let mut held = Held::new(Compression::Gzip).unwrap();
        changed(&mut held, None, &[1, 2], &[]);
        let next = held.next(None, vec![(3, one(1).pkgid)], &[1]).unwrap();
        assert_eq!(next.missing, [3]);
        let moved = Fragments {
            primary: "<package>moved</package>".to_owned(),
            ..one(1)
        };
        held.advance(2, next, &[moved]).unwrap();
        assert_eq!(held.buckets.len(), 2);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let made = |number: i64| {
            let mut held = Held::new(Compression::Zstd).unwrap();
            changed(&mut held, None, &[1], &[]);
            ((number, Compression::Zstd, Audience::Everybody), held)
        };
        let size = made(0).1.bytes();
        let metadata = Metadata::new(2 * size);
        for number in [1, 2, 1, 3] {
            let (which, held) = made(number);
            metadata.keep(which, held);
        }
        let there = |number| {
            let which = (number, Compression::Zstd, Audience::Everybody);
            !metadata.get(&which).unwrap().buckets.is_empty()
        };
        assert_eq!([1, 2, 3].map(there), [true, false, true]);
        let none = Metadata::new(0);
        let (which, held) = made(1);
        none.keep(which.clone(), held);
        assert!(none.get(&which).unwrap().buckets.is_empty());
    }
}
