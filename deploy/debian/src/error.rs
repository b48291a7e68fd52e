use std::{io, path::PathBuf, process::ExitStatus};

/// What can go wrong while a distribution is made, or while chroot definitions are read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A chroot definition is no valid TOML of the schema.
    #[error("{path}: not a chroot definition")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A chroot definition parses and still makes no sense.
    #[error("{path}: {reason}")]
    Definition {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended badly.
    #[error("{what} failed ({status}): {stderr}")]
    Program {
        /// What was being done.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote to its error output.
        stderr: String,
    },
    /// apt knows no packages at all.
    #[error("apt knows no packages: run `apt-get update` first")]
    NoPackageLists,
    /// The recipe is made for another Debian release than the one apt serves.
    #[error("the recipe is for Debian {wanted}, but apt offers {package} {found} (wanted {prefix}…)")]
    OtherRelease {
        /// Name of the release that the recipe is for.
        wanted: String,
        /// The package that tells.
        package: String,
        /// Its version here.
        found: String,
        /// What the version should begin with.
        prefix: String,
    },
    /// Something that the recipe or a package needs is not in apt.
    #[error("apt has no package {name}, needed by {needed_by}")]
    MissingPackage {
        /// The package, or the alternatives.
        name: String,
        /// Who asked for it.
        needed_by: String,
    },
    /// A download is not there after all attempts, or has another checksum than apt's index says.
    #[error("download of {0} failed or has a wrong checksum")]
    Download(String),
    /// A Debian package could not be unpacked.
    #[error("cannot read package {package}: {reason}")]
    BadPackage {
        /// Its name.
        package: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two packages own one path, which rpm would refuse at installation.
    #[error("{path} is in both {first} and {second}: drop it from one of them in the recipe")]
    SharedPath {
        /// The path.
        path: String,
        /// One owner.
        first: String,
        /// The other owner.
        second: String,
    },
    /// The recipe names a file that its package does not have.
    #[error("the recipe takes {path} from {package}, which has no such file")]
    MissingFile {
        /// The package.
        package: String,
        /// The path.
        path: String,
    },
    /// The file defines a chroot whose distribution is not made here.
    #[error("{0}: no [debian] section, so there is nothing to make")]
    NoRecipe(PathBuf),
}
