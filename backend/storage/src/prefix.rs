//! Beginnings of names of objects, for listings.

use std::fmt;

use protocol::{ChrootName, DirName, OwnerName, TaskId};

use crate::mini::Mini;

/// The common start of the names of some objects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named after their types")]
pub enum StoragePrefix {
    /// All content-addressed blobs.
    Blobs,
    /// All uploads in progress.
    Incoming,
    /// All repositories, with the lists of results in them.
    Repositories,
    /// All that builders uploaded.
    Quarantine,
    /// What builders uploaded for a task.
    Task { task: TaskId },
    /// What a builder uploaded in one attempt.
    Attempt { task: TaskId, attempt: i32 },
    /// All repositories and indexes of a directory, without its key.
    Dir { owner: OwnerName, dir: DirName },
    /// The key of a directory.
    Keys { owner: OwnerName, dir: DirName },
    /// One repository: metadata, snapshots, pointers, indexes.
    Repository {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The parts of a repository's metadata files. Those that no plan names may be about to be named by one, unless they
    /// were written more than a day ago.
    Frames {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The metadata files of a repository, or their plans, which its snapshots share.
    Metadata {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The files of all snapshots of a repository.
    Snapshots {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The files of one snapshot.
    Snapshot {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        number: i64,
    },
    /// A small repository, all of its revisions.
    Mini {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        mini: Mini,
    },
    /// One revision of a small repository.
    MiniRevision {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
        mini: Mini,
        revision: i64,
    },
    /// The pointers of a repository.
    Pointers {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The indexes of a repository's builds, in the order of the builds.
    Builds {
        owner: OwnerName,
        dir: DirName,
        chroot: ChrootName,
    },
    /// The indexes of a directory's source parts.
    SourceBuilds { owner: OwnerName, dir: DirName },
    /// Everything of a chroot's self-made repositories.
    Distro { chroot: ChrootName },
}

impl StoragePrefix {
    /// The start of the keys, with its final `/`: the prefix of `tools` does not cover `tools2`.
    pub fn path(&self) -> String {
        match self {
            Self::Blobs => "blobs/sha256/".to_owned(),
            Self::Incoming => "incoming/".to_owned(),
            Self::Repositories => "repos/".to_owned(),
            Self::Quarantine => "quarantine/".to_owned(),
            Self::Task { task } => format!("quarantine/{task}/"),
            Self::Attempt { task, attempt } => format!("quarantine/{task}/{attempt}/"),
            Self::Dir { owner, dir } => format!("repos/{owner}/{dir}/"),
            Self::Keys { owner, dir } => format!("keys/{owner}/{dir}/"),
            Self::Repository { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/"),
            Self::Frames { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/frames/"),
            Self::Metadata { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/repodata/"),
            Self::Snapshots { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/snapshots/"),
            Self::Snapshot {
                owner,
                dir,
                chroot,
                number,
            } => {
                format!("repos/{owner}/{dir}/{chroot}/snapshots/{number}/")
            }
            Self::Mini {
                owner,
                dir,
                chroot,
                mini,
            } => format!("repos/{owner}/{dir}/{chroot}/minis/{mini}/"),
            Self::MiniRevision {
                owner,
                dir,
                chroot,
                mini,
                revision,
            } => format!("repos/{owner}/{dir}/{chroot}/minis/{mini}/{revision}/"),
            Self::Pointers { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/pointers/"),
            Self::Builds { owner, dir, chroot } => format!("repos/{owner}/{dir}/{chroot}/builds/"),
            Self::SourceBuilds { owner, dir } => format!("repos/{owner}/{dir}/srpm-builds/"),
            Self::Distro { chroot } => format!("distro/{chroot}/"),
        }
    }
}

impl fmt::Display for StoragePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}
