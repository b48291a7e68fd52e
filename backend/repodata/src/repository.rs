//! A whole repository's metadata from the fragments of its packages.

use std::collections::HashSet;
use std::io;

use thiserror::Error;

use crate::frames::{Assembler, Compression, Kind, MetadataFile, compress_bucket};
use crate::repomd::{Record, Tags, repomd_xml};

/// Packages in a bucket: with 256, buckets cost nothing in size, with 128 one per cent (at zstd 3).
pub(crate) const BUCKET_SIZE: usize = 256;

/// What the three metadata files say about one package. Depends on nothing but the package and its place, so it can
/// be stored and used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// SHA-256 of the package.
    pub pkgid: String,
    /// Its name.
    pub name: String,
    /// Element of primary.xml.
    pub primary: String,
    /// Element of filelists.xml.
    pub filelists: String,
    /// Element of other.xml.
    pub other: String,
}

impl Fragments {
    /// The element of one of the files.
    pub fn get(&self, kind: Kind) -> &str {
        match kind {
            Kind::Primary => &self.primary,
            Kind::Filelists => &self.filelists,
            Kind::Other => &self.other,
        }
    }
}

/// Why no metadata was made.
#[derive(Debug, Error)]
pub enum RepomdError {
    /// The same file twice would be one package for some clients and two for others.
    #[error("package {name} ({pkgid}) is in the repository twice")]
    Duplicate {
        /// Its name.
        name: String,
        /// SHA-256 of its file.
        pkgid: String,
    },
    /// Compressing failed.
    #[error("cannot compress metadata")]
    Compress(#[from] io::Error),
}

/// What `repomd.xml` says beside the files.
#[derive(Clone, Debug, Default)]
pub struct RepomdInfo {
    /// Revision; `createrepo_c` writes seconds since 1970.
    pub revision: String,
    /// Seconds since 1970, for all three files.
    pub timestamp: i64,
    /// Tags.
    pub tags: Tags,
    /// Files that somebody else made.
    pub extra: Vec<Record>,
}

/// A finished repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Primary, filelists, other; they belong to `repodata/<file.name>`.
    pub files: Vec<MetadataFile>,
    /// Content of `repodata/repomd.xml`; to be put into place last.
    pub repomd: String,
}

/// Collects packages. Open XML is held for one bucket only, compressed data for all.
pub struct RepositoryBuilder {
    compression: Compression,
    level: i32,
    bucket_size: usize,
    seen: HashSet<String>,
    pending: usize,
    open: [String; 3],
    done: Option<[Assembler; 3]>,
}

impl RepositoryBuilder {
    /// A repository without packages. One repository has one compression: clients take the last record of a type,
    /// so a repository with both would be a different one to each.
    pub fn new(compression: Compression) -> RepositoryBuilder {
        RepositoryBuilder {
            compression,
            level: compression.default_level(),
            bucket_size: BUCKET_SIZE,
            seen: HashSet::new(),
            pending: 0,
            open: Default::default(),
            done: None,
        }
    }

    /// Packages that are compressed together, at least one.
    pub fn bucket_size(mut self, packages: usize) -> RepositoryBuilder {
        self.bucket_size = packages.max(1);
        self
    }

    /// Compression level.
    pub fn level(mut self, level: i32) -> RepositoryBuilder {
        self.level = level;
        self
    }

    /// Adds a package; the order of packages is kept.
    pub fn add(&mut self, fragments: &Fragments) -> Result<(), RepomdError> {
        if !self.seen.insert(fragments.pkgid.clone()) {
            let (name, pkgid) = (fragments.name.clone(), fragments.pkgid.clone());
            return Err(RepomdError::Duplicate { name, pkgid });
        }
        for (open, kind) in self.open.iter_mut().zip(Kind::ALL) {
            open.push_str(fragments.get(kind));
        }
        self.pending += 1;
        if self.pending == self.bucket_size {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RepomdError> {
        let done = match &mut self.done {
            Some(done) => done,
            none => none.insert(heads(self.compression)?),
        };
        if self.pending == 0 {
            return Ok(());
        }
        for (assembler, open) in done.iter_mut().zip(&mut self.open) {
            let frame = compress_bucket(self.compression, self.level, open.as_bytes(), self.pending)?;
            assembler.push(&frame, Some(open.as_bytes()))?;
            open.clear();
        }
        self.pending = 0;
        Ok(())
    }

    /// Ends the files and lists them.
    pub fn finish(mut self, info: &RepomdInfo) -> Result<Repository, RepomdError> {
        self.flush()?;
        let mut files = Vec::with_capacity(3);
        for assembler in self.done.into_iter().flatten() {
            files.push(assembler.finish()?);
        }
        let records = files.iter().map(|file| file.record(info.timestamp));
        let records: Vec<Record> = records.chain(info.extra.iter().cloned()).collect();
        let repomd = repomd_xml(&info.revision, &info.tags, &records);
        Ok(Repository { files, repomd })
    }
}

fn heads(compression: Compression) -> io::Result<[Assembler; 3]> {
    let [primary, filelists, other] = Kind::ALL.map(|kind| Assembler::new(kind, compression));
    Ok([primary?, filelists?, other?])
}
