#![doc = include_str!("../README.md")]

mod appstream;
mod archive;
mod buckets;
mod dependency;
mod evr;
mod extra;
mod file_plan;
#[cfg(feature = "forge")]
pub mod forge;
mod frames;
mod generate;
mod header;
mod layout;
mod package;
mod reader;
mod repomd;
mod repository;
mod rpm_file;
mod signature;
mod source;
pub mod tag;
mod verify;
mod xml;
mod zchunk;

pub use appstream::{AppStream, appstream_xml};
pub use archive::find_spec;
pub use buckets::{Buckets, ChangeError, Changed};
pub use dependency::Dependency;
pub use evr::{Evr, Nevra, rpmvercmp};
pub use extra::{ExtraError, ExtraFile, ExtraKind, extra_files};
pub use file_plan::{Digest, FilePlan, FrameStore};
pub use frames::{Assembler, Compression, Frame, Kind, MetadataFile, assemble, compress_bucket};
pub use generate::generate;
pub use header::{Header, HeaderError, Part};
pub use package::{Change, File, FileType, Package, PackageError, PackageFile};
pub use reader::{ReadError, decompress, read_repomd};
pub use repomd::{Record, Tags, repomd_xml};
pub use repository::{Fragments, RepomdError, RepomdInfo, Repository, RepositoryBuilder};
pub use rpm_file::RpmFile;
pub use signature::{SignatureError, SignedHeader, add_signature};
pub use source::{Arches, SourceFacts};
pub use verify::{Verified, VerifyError, verify_headers, verify_payload};
pub use zchunk::Zchunk;
