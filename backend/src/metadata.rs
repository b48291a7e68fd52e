//! Metadata of the repositories that changed last, kept in memory, so that the next change costs what it changes. It
//! decides nothing: which snapshot is the parent is asked of the database each time, and what is kept is brought to that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use db::rpms::Member;
use db::snapshots::Audience;
use repodata::{Buckets, Compression, Digest, FilePlan, Fragments, FrameStore, Zchunk};

use crate::error::JobError;
use crate::extras::{Extras, Ready, Wanted};
use crate::members::Members;
use crate::software::{self, Software};

/// Seconds that a frame which no snapshot names counts as stored. Those who tidy up leave it alone for much longer.
const TRUST: i64 = 3600;

/// Compressed frames in memory; a clone shares their bytes.
#[derive(Clone, Default)]
struct Frames(HashMap<Digest, Bytes>);

impl FrameStore for Frames {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        self.0.insert(*digest, Bytes::copy_from_slice(compressed));
        Ok(())
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let frame = self.0.get(digest).map(|frame| frame.to_vec());
        frame.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "a frame of the metadata is missing"))
    }
}

/// Metadata of a snapshot. A clone shares nearly all of it.
#[derive(Clone)]
pub(crate) struct Held {
    /// The snapshot's number; 0 for one without packages.
    at: i64,
    /// What `buckets` hold.
    members: Members,
    buckets: Buckets,
    frames: Frames,
    /// Frames that the store has, and when they were written: seconds since 1970.
    stored: HashMap<Digest, i64>,
    software: Software,
    extras: Extras,
}

/// How the next snapshot differs from its parent, and from what is kept.
pub(crate) struct Next {
    /// `rpms.id` of those that its parent does not have.
    pub added: Vec<i64>,
    /// Those that only its parent has.
    pub removed: Vec<i64>,
    /// Those that what is kept lacks.
    pub missing: Vec<i64>,
    /// Those that only what is kept has.
    gone: Vec<Digest>,
    /// Whether what is kept is its parent.
    follows: bool,
    members: Members,
}

/// Finished metadata.
pub(crate) struct Made {
    /// The files, which frames of the store make.
    pub plans: [FilePlan; 3],
    /// The same as zchunk, in the same order, where that is wanted.
    pub zchunks: Vec<Zchunk>,
    /// What to write first: the frames that the store may lack.
    pub frames: Vec<(Digest, Bytes)>,
    /// What there is besides packages: the catalogue of software, and what imports brought.
    pub beside: Vec<Ready>,
}

impl Next {
    /// Whether it has what its parent has, which there is.
    pub fn is_parent(&self, parent: i64) -> bool {
        parent > 0 && self.added.is_empty() && self.removed.is_empty()
    }

    /// `rpms.id` of all its packages, ascending, those that were added, and those that were removed. Nothing else needs
    /// the latter two.
    pub fn take_lists(&mut self) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
        (self.members.ids(), take(&mut self.added), take(&mut self.removed))
    }
}

impl Held {
    fn new(compression: Compression) -> Result<Self, JobError> {
        Ok(Self {
            at: 0,
            members: Members::default(),
            buckets: Buckets::new(compression).map_err(JobError::fail)?,
            frames: Frames::default(),
            stored: HashMap::new(),
            software: Software::default(),
            extras: Extras::default(),
        })
    }

    /// Whether this is the metadata of a snapshot.
    pub fn is_at(&self, number: i64) -> bool {
        self.at == number
    }

    /// Whether a package (`rpms.id`) is in it.
    pub fn holds(&self, id: i64) -> bool {
        self.members.get(id).is_some()
    }

    /// Compares the next snapshot with its parent and with what is kept. `parent` has the parent's packages, unless they
    /// are what is kept; then this costs what changes. Of `leaving` counts what the parent has.
    ///
    /// # Errors
    /// When the database has something else than a SHA-256 for a package.
    pub fn next(
        &self,
        parent: Option<Vec<Member>>,
        coming: Vec<Member>,
        leaving: &[i64],
    ) -> Result<Next, JobError> {
        let follows = parent.is_none();
        let mut members = match parent {
            Some(parent) => parent.into_iter().map(parse).collect::<Result<_, _>>()?,
            None => self.members.clone(),
        };
        let (mut added, mut removed) = (BTreeSet::new(), Vec::new());
        let mut gone = Vec::new();
        for member in coming {
            let (id, digest) = parse(member)?;
            if members.insert(id, digest) {
                added.insert(id);
            }
        }
        for id in leaving.iter().filter(|id| !added.contains(id)) {
            if let Some(digest) = members.remove(*id) {
                removed.push(*id);
                gone.push(digest);
            }
        }
        let added: Vec<i64> = added.into_iter().collect();
        let mut missing = added.clone();
        if !follows {
            let absent = |from: &Members, to: &Members| {
                let absent = from.ids().into_iter().filter(|id| to.get(*id).is_none());
                absent.collect::<Vec<_>>()
            };
            missing = absent(&members, &self.members);
            let only_here = absent(&self.members, &members);
            gone = only_here
                .iter()
                .filter_map(|id| self.members.get(*id).copied())
                .collect();
        }
        Ok(Next {
            added,
            removed,
            missing,
            gone,
            follows,
            members,
        })
    }

    /// Becomes the metadata of the next snapshot, and plans all files. Frames of the parent are in the store; others
    /// count as stored for [`TRUST`] seconds before `now`, since nothing else keeps them from being tidied away. Busy
    /// for a while.
    ///
    /// # Errors
    /// When a package would be there twice, or what is kept is damaged; the latter is made anew with the next try.
    pub fn advance(
        &mut self,
        number: i64,
        next: Next,
        missing: &[Fragments],
        now: i64,
    ) -> Result<Made, JobError> {
        if !next.follows {
            self.stored.retain(|_, written| now - *written < TRUST);
            self.software.distrust();
            self.extras.are_stored(false);
        }
        self.software.remove(&next.gone);
        let gone: Vec<String> = next.gone.iter().map(hex::encode).collect();
        self.buckets
            .change(&mut self.frames, &gone, missing)
            .map_err(JobError::fail)?;
        (self.at, self.members) = (number, next.members);
        let plans = self.buckets.files();
        let named: HashSet<&Digest> = plans.iter().flat_map(|plan| &plan.frames).collect();
        self.frames.0.retain(|digest, _| named.contains(digest));
        self.stored.retain(|digest, _| named.contains(digest));
        let new = self
            .frames
            .0
            .iter()
            .filter(|(digest, _)| !self.stored.contains_key(*digest));
        Ok(Made {
            frames: new.map(|(digest, bytes)| (*digest, bytes.clone())).collect(),
            plans,
            zchunks: Vec::new(),
            beside: Vec::new(),
        })
    }

    /// Adds the catalogue of software to what was made, with what the packages that came have; of a repository of that name,
    /// if it is wanted. Costs nothing where no package that has software came or went.
    ///
    /// # Errors
    /// When what is stored of a package cannot be read.
    pub fn add_catalogue(
        &mut self,
        made: &mut Made,
        new: Vec<(Digest, software::New)>,
        origin: Option<&str>,
    ) -> Result<(), JobError> {
        self.software.add(new);
        made.beside.extend(self.software.catalogue(origin)?);
        Ok(())
    }

    /// Which of these have to be read for [`Held::add_extras`].
    pub fn missing_extras(&self, wanted: &[Wanted]) -> Vec<Wanted> {
        self.extras.missing(wanted)
    }

    /// Adds what imports brought besides packages to what was made.
    ///
    /// # Errors
    /// When what was taken in is not what it was.
    pub fn add_extras(
        &mut self,
        made: &mut Made,
        wanted: &[Wanted],
        (read, compression): (Vec<(Wanted, Bytes)>, Compression),
    ) -> Result<(), JobError> {
        made.beside.extend(self.extras.set(wanted, read, compression)?);
        Ok(())
    }

    /// Makes zchunk files of what was made, of the same frames. The checksum of each reads the whole file, as its header
    /// comes first, so that this takes longer for larger repositories: 6 ms for 10 000 packages.
    ///
    /// # Errors
    /// When a frame is missing.
    pub fn add_zchunks(&self, made: &mut Made) -> Result<(), JobError> {
        let of = |plan: &FilePlan| Zchunk::of(plan, &self.frames);
        let [primary, filelists, other] = &made.plans;
        let zchunks = std::thread::scope(|threads| {
            let beside = threads.spawn(|| of(primary));
            let rest = [of(filelists), of(other)];
            let first = beside.join();
            let first = first.unwrap_or_else(|_| Err(io::Error::other("a thread of zchunk failed")));
            std::iter::once(first).chain(rest).collect::<io::Result<Vec<_>>>()
        });
        made.zchunks = zchunks.map_err(JobError::retry)?.into_iter().flatten().collect();
        Ok(())
    }

    /// Remembers that all frames are in the store, some since `now`.
    pub fn are_stored(&mut self, new: &[Digest], now: i64) {
        self.stored.extend(new.iter().map(|digest| (*digest, now)));
        self.software.is_stored();
        self.extras.are_stored(true);
    }

    /// Forgets what the store has, so that all of it is written again.
    pub fn distrust(&mut self) {
        self.stored.clear();
        self.software.distrust();
        self.extras.are_stored(false);
    }

    fn bytes(&self) -> usize {
        let frames: usize = self.frames.0.values().map(Bytes::len).sum();
        frames + self.software.bytes() + self.extras.bytes() + self.members.len() * size_of::<(i64, Digest)>()
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

    /// What is kept and nearest to a snapshot (its number): that itself, also of another audience, or what the audience had,
    /// or what others of the repository have. Else metadata of no packages.
    ///
    /// # Errors
    /// When that cannot be made.
    pub(crate) fn get(&self, which: &Which, number: i64) -> Result<Held, JobError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept
            .iter()
            .rev()
            .filter(|((repository, compression, _), _)| (*repository, *compression) == (which.0, which.1));
        let nearest = same.min_by_key(|(of, held)| (!held.is_at(number), of != which));
        match nearest {
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
        let made = held.advance(held.at + 1, next, &fragments, 0).unwrap();
        are_stored(held, &made, 0);
        missing
    }

    fn are_stored(held: &mut Held, made: &Made, now: i64) {
        let new: Vec<Digest> = made.frames.iter().map(|(digest, _)| *digest).collect();
        held.are_stored(&new, now);
    }

    /// How many frames are to be written when a package comes to what is kept, or to another parent.
    fn written(held: &mut Held, parent: Option<&[i64]>, coming: i64, now: i64) -> usize {
        let next = held.next(parent.map(members), members(&[coming]), &[]).unwrap();
        let fragments: Vec<Fragments> = next.missing.iter().map(|n| one(*n)).collect();
        let made = held.advance(held.at + 1, next, &fragments, now).unwrap();
        are_stored(held, &made, now);
        made.frames.len()
    }

    #[test]
    fn only_frames_that_the_store_may_lack_are_written() {
        let mut held = Held::new(Compression::Zstd).unwrap();
        let all: Vec<i64> = (1..=256).collect();
        changed(&mut held, None, &all, &[]);
        assert_eq!(
            written(&mut held, None, 257, 9 * TRUST),
            3,
            "its parent has the others"
        );
        assert_eq!(
            written(&mut held, Some(&all), 258, 9 * TRUST + 9),
            6,
            "they are old"
        );
        assert_eq!(
            written(&mut held, Some(&all), 259, 9 * TRUST + 99),
            3,
            "just written"
        );
        held.distrust();
        assert_eq!(written(&mut held, None, 260, 9 * TRUST + 100), 6);
        let next = held.next(None, members(&[261]), &[]).unwrap();
        let made = held.advance(held.at + 1, next, &[one(261)], 0).unwrap();
        assert_eq!(made.frames.len(), 3);
        assert_eq!(
            written(&mut held, None, 261, 0),
            3,
            "what was not written is still to be"
        );
    }

    fn users() -> Which {
        (1, Compression::Zstd, Audience::Users)
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let metadata = Metadata::new(1 << 20);
        let mut held = metadata.get(&users(), 1).unwrap();
        assert_eq!(changed(&mut held, None, &[1, 2, 3], &[]), [1, 2, 3]);
        metadata.keep(users(), held);
        let mut held = metadata.get(&users(), 1).unwrap();
        assert!(held.is_at(1));
        assert_eq!(changed(&mut held, None, &[4], &[2, 7]), [4]);
        assert_eq!(held.buckets.len(), 3);
        assert_eq!(held.frames.0.len(), 3, "frames that nothing names are dropped");
        let mut before = metadata.get(&users(), 1).unwrap();
        assert!(
            changed(&mut before, None, &[], &[]).is_empty(),
            "a clone is one's own"
        );
        let other = metadata.get(&(2, Compression::Zstd, Audience::Users), 1).unwrap();
        assert!(other.buckets.is_empty(), "another repository's is of no use");
    }

    #[test]
    fn a_new_pointer_begins_with_what_others_have() {
        let metadata = Metadata::new(1 << 20);
        let mut held = metadata.get(&users(), 1).unwrap();
        changed(&mut held, None, &[1, 2], &[]);
        metadata.keep(users(), held.clone());
        changed(&mut held, None, &[3], &[]);
        let builds = (1, Compression::Zstd, Audience::Builds);
        metadata.keep(builds.clone(), held);
        let stable = (1, Compression::Zstd, Audience::Pointer("stable".parse().unwrap()));
        let at = |which: &Which, number| metadata.get(which, number).unwrap().at;
        assert_eq!([at(&stable, 1), at(&stable, 2), at(&builds, 1)], [1, 2, 1]);
        assert_eq!(at(&users(), 9), 1, "one's own, where nobody has it");
        assert!(at(&stable, 9) > 0);
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
            (next.members.ids().as_slice(), next.missing.as_slice()),
            ([1, 6].as_slice(), [6].as_slice())
        );
        held.advance(9, next, &[one(6)], 0).unwrap();
        assert!(held.is_at(9) && held.buckets.len() == 2);
    }

    #[test]
    fn a_package_cannot_be_there_twice() {
        let mut held = Held::new(Compression::Gzip).unwrap();
        let twice = vec![(1, one(1).pkgid), (2, one(1).pkgid)];
        let next = held.next(None, twice, &[]).unwrap();
        assert!(held.advance(1, next, &[one(1), one(1)], 0).is_err());
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
        held.advance(2, next, &[moved], 0).unwrap();
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
            !metadata.get(&which, 1).unwrap().buckets.is_empty()
        };
        assert_eq!([1, 2, 3].map(there), [true, false, true]);
        let none = Metadata::new(0);
        let (which, held) = made(1);
        none.keep(which.clone(), held);
        assert!(none.get(&which, 1).unwrap().buckets.is_empty());
    }
}
