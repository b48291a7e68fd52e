//! A small RPM distribution made on the spot from Debian's own packages, and the definitions of all chroots.
//!
//! A machine that reaches no RPM mirror can still run the whole service for real: [`ensure`] takes the packages
//! that a [`Recipe`] names, with everything they depend on, from apt, writes each as an RPM, and makes a repository
//! of them that `dnf` installs from. Maintainer scripts are not run; what matters from them the recipe does as data:
//! links that `update-alternatives` would make, files that are copies of masters, bundles.
//!
//! The way of a package: `apt` knows and downloads it, `resolve` decides that it belongs, `deb` unpacks it in
//! memory, `adapt` merges `/usr` and applies the recipe, `provides` finds what it offers (`elf` for sonames),
//! `convert` puts it together and `rpm` writes it.

mod adapt;
mod apt;
pub mod chroot_file;
mod convert;
mod deb;
mod elf;
mod error;
mod provides;
pub mod recipe;
mod repository;
mod resolve;
mod rpm;

pub use chroot_file::{ChrootFile, load_dir};
pub use error::Error;
pub use recipe::Recipe;
pub use repository::{Repository, ensure};
