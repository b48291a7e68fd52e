//! Files that are either whole or not there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;

/// Writes a new file (mode 0600) that appears under its name only when its bytes are durable. Fails with
/// `AlreadyExists` rather than replace one.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, bytes)?;
    // A link, unlike a rename, does not replace what is there.
    let linked = fs_err::hard_link(&temporary, path);
    fs_err::remove_file(&temporary)?;
    linked?;
    sync_folder(folder_of(path))
}

/// Writes a file (mode 0600) in place of the one that has the name: whoever reads gets the old bytes or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, bytes)?;
    fs_err::rename(&temporary, path)?;
    sync_folder(folder_of(path))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Removes a file for good, before what it held is used.
pub(crate) fn remove_durably(path: &Path) -> io::Result<()> {
    fs_err::remove_file(path)?;
    sync_folder(folder_of(path))
}

/// Makes a folder that only its owner enters.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}
