//! Secrets between the parts of one installation: files that only their owner reads.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Secret key of the embedded S3 server.
pub const S3: &str = "s3-secret-key";
/// Token of the signer.
pub const KEYS: &str = "keys-token";
/// Token of builders.
pub const BUILDER: &str = "builder-token";
/// URL of the message bus, with its password; the administrator writes it.
pub const BUS: &str = "amqp-url";

fn path(data: &Path, name: &str) -> PathBuf {
    data.join("secrets").join(name)
}

/// Reads a secret, if it was made.
pub fn read(data: &Path, name: &str) -> Option<String> {
    fs_err::read_to_string(path(data, name))
        .ok()
        .map(|s| s.trim().to_owned())
}

/// Makes all secrets that are missing.
///
/// # Errors
/// When a file cannot be written.
pub fn ensure(data: &Path) -> anyhow::Result<()> {
    let dir = data.join("secrets");
    fs_err::create_dir_all(&dir)?;
    fs_err::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    for name in [S3, KEYS, BUILDER] {
        if path(data, name).exists() {
            continue;
        }
        let secret = db::users::new_secret(&mut rand::rng());
        let unfinished = dir.join(format!("{name}.new"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .with_context(|| format!("making {}", unfinished.display()))?;
        writeln!(file, "{secret}")
            .and_then(|()| file.sync_all())
            .with_context(|| format!("writing {name}"))?;
        fs_err::rename(&unfinished, path(data, name))?;
    }
    Ok(())
}
