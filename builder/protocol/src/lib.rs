//! What crosses a process boundary: names, identifiers, the builder API and the frames a guest exchanges with its
//! host.
//!
//! No I/O, no clock, no configuration. Everything that arrives from a user, a builder or a guest is parsed once
//! into the types of this crate and is trusted no further than their invariants.

pub mod builder_api;
pub mod chroot;
pub mod guest;
pub mod identity;
pub mod names;
pub mod pattern;
pub mod repo_entry;
pub mod repotag;
pub mod verdict;

pub use chroot::{BuildRoot, ChrootDefinition, MetadataCompression, PackageManager, RepositorySource};
pub use identity::ServiceIdentity;
pub use names::{
    BuildId, BuilderName, ChrootName, CommitId, DirName, FileName, GroupName, NameError, OwnerName,
    PackageName, PointerName, ProjectName, ProjectPattern, Sha256, TaskId, UserName,
};
pub use pattern::fnmatch;
pub use repo_entry::{RepoEntry, RepoEntryError, RepoTarget};
pub use repotag::RepoTag;
pub use verdict::{FailureKind, Limits, Outcome};
