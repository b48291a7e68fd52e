//! RPM packages, format version 4, written directly: rpmbuild takes seconds a package, this milliseconds.
//!
//! Format: "RPM V4 Package format" of rpm's own reference manual; tag numbers are those of its `rpmtag.h`.

mod header;
mod package;
mod version;

pub(crate) use package::Package;
pub(crate) use version::{Dependency, Evr};
