//! Signatures of `repomd.xml`, which `gpgv` checks: it knows no keys but the given ones.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::FailureKind::BadSource;

use crate::outcome::{End, fail};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The bytes of armored certificates.
fn dearmor(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let (block, _) = block.split_once(END)?;
        let mut lines = block.lines().map(str::trim).skip(1);
        // Headers end with an empty line; the checksum at the end is of no use.
        let body: String = lines
            .by_ref()
            .skip_while(|line| line.contains(": "))
            .filter(|line| !line.starts_with('='))
            .collect();
        bytes.extend(STANDARD.decode(body).ok()?);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// Checks a detached signature by one of these certificates. The files lie in `dir`, under these names.
pub async fn check(dir: &Path, certificates: &str, signature: &str, signed: &str) -> Result<(), End> {
    let ring = dearmor(certificates).ok_or_else(|| {
        fail(
            BadSource,
            format!("the key is no armored OpenPGP key ({BEGIN} …)"),
        )
    })?;
    fs_err::write(dir.join("ring.gpg"), ring).map_err(anyhow::Error::from)?;
    let output = tokio::process::Command::new("gpgv")
        .args(["--status-fd", "1", "--weak-digest", "SHA1", "--keyring"])
        .arg(dir.join("ring.gpg"))
        .arg("--homedir")
        .arg(dir)
        .arg("--")
        .arg(dir.join(signature))
        .arg(dir.join(signed))
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("run gpgv, which checks signatures; install the package gpgv")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let has = |word: &str| {
        said.lines().any(|line| {
            line.strip_prefix("[GNUPG:] ")
                .is_some_and(|l| l.starts_with(word))
        })
    };
    if has("GOODSIG ") && !has("BADSIG ") {
        return Ok(());
    }
    let reason = if has("BADSIG ") {
        "the signature does not fit: one of both was changed, or they are of different moments; try again later"
    } else if has("EXPKEYSIG ") || has("EXPSIG ") {
        "the key or the signature has expired"
    } else if has("REVKEYSIG ") {
        "the key was revoked"
    } else if has("NO_PUBKEY ") {
        "it was made by another key than the given one"
    } else {
        "the signature cannot be read"
    };
    Err(fail(BadSource, format!("repomd.xml is not trusted: {reason}")))
}
