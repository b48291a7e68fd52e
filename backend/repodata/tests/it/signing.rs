//! Signatures that rpm itself verifies.

use std::path::{Path, PathBuf};
use std::process::Command;

use repodata::{RpmFile, SignatureError, add_signature, tag, verify_payload};
use tempfile::TempDir;

use crate::support::{build, package, read, run, text, try_run};

/// A key of gpg's making, and an rpm database that knows it.
pub struct Key {
    home: TempDir,
}

impl Key {
    pub fn new(algorithm: &str) -> Key {
        let key = Key {
            home: TempDir::new().unwrap(),
        };
        let user = "Test <test@example.org>";
        run(key.gpg().args([
            "--passphrase",
            "",
            "--quick-gen-key",
            user,
            algorithm,
            "sign",
            "never",
        ]));
        let public = run(key.gpg().args(["--armor", "--export"]));
        fs_err::write(key.public(), public).unwrap();
        run(Command::new("rpmkeys")
            .arg("--dbpath")
            .arg(key.database())
            .arg("--import")
            .arg(key.public()));
        key
    }

    pub fn public(&self) -> PathBuf {
        self.home.path().join("public.asc")
    }

    fn database(&self) -> PathBuf {
        self.home.path().join("rpmdb")
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args([
            "--batch",
            "--quiet",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--homedir",
        ]);
        command.arg(self.home.path());
        command
    }

    fn packet(&self, data: &[u8]) -> Vec<u8> {
        let (input, output) = (self.home.path().join("data"), self.home.path().join("data.sig"));
        fs_err::write(&input, data).unwrap();
        let mut gpg = self.gpg();
        run(gpg
            .args(["--yes", "--digest-algo", "SHA256", "--detach-sign", "-o"])
            .arg(&output)
            .arg(&input));
        fs_err::read(output).unwrap()
    }

    /// Signs a file as the service does; returns by how much it grew.
    pub fn sign(&self, from: &Path, to: &Path) -> i64 {
        let (rpm, bytes) = read(from);
        let signed = add_signature(&rpm, &self.packet(rpm.header().as_bytes())).unwrap();
        let mut file = rpm.lead().to_vec();
        file.extend_from_slice(&signed.bytes);
        assert_eq!(file.len() as u64, signed.header_start);
        file.extend_from_slice(rpm.header().as_bytes());
        file.extend_from_slice(&bytes[rpm.header_end() as usize..]);
        assert_eq!(file.len() as i64 - bytes.len() as i64, signed.size_change);
        fs_err::write(to, &file).unwrap();
        let rpm = RpmFile::parse(&file, file.len() as u64).unwrap();
        verify_payload(&rpm, &mut &file[rpm.header_end() as usize..]).unwrap();
        signed.size_change
    }

    pub fn verify(&self, file: &Path) -> String {
        run(Command::new("rpmkeys")
            .arg("--dbpath")
            .arg(self.database())
            .arg("-Kv")
            .arg(file)
            .env("LC_ALL", "C"))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        let _ = kill
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "gpg-agent"])
            .output();
    }
}

fn assert_signed(said: &str, algorithm: &str) {
    let line = said.lines().find(|line| line.contains("Signature"));
    let line = line.unwrap_or_else(|| panic!("no signature: {said}"));
    assert!(
        line.contains(&format!("Header V4 {algorithm}/SHA256 Signature, key ID ")),
        "{said}"
    );
    assert!(
        line.ends_with(": OK") && !said.contains("NOT OK") && !said.contains("BAD"),
        "{said}"
    );
    assert_eq!(said.matches("Signature").count(), 1, "{said}");
}

#[test]
fn rpm_accepts_our_signature() {
    for (algorithm, name) in [("rsa4096", "RSA"), ("ed25519", "EdDSA")] {
        let key = Key::new(algorithm);
        let out = TempDir::new().unwrap();
        for path in [
            package("alpha-1", "x86_64.rpm"),
            package("alpha", "src.rpm"),
            package("beta", "noarch.rpm"),
        ] {
            let signed = out.path().join("signed.rpm");
            assert_eq!(key.sign(&path, &signed), 0, "the reserved space suffices");
            assert_signed(&key.verify(&signed), name);
            let again = out.path().join("again.rpm");
            assert_eq!(key.sign(&signed, &again), 0);
            assert_signed(&key.verify(&again), name);
        }
    }
}

#[test]
fn a_new_signature_replaces_what_rpmsign_made() {
    let (old, new) = (Key::new("rsa2048"), Key::new("ed25519"));
    let out = TempDir::new().unwrap();
    let file = out.path().join("beta.rpm");
    fs_err::copy(package("beta", "noarch.rpm"), &file).unwrap();
    let mut rpmsign = Command::new("rpmsign");
    rpmsign.args(["--addsign", "--rpmv3", "--define", "_gpg_name test@example.org"]);
    // Debian's rpm has no path for it.
    rpmsign.args(["--define", "__gpg /usr/bin/gpg"]);
    rpmsign.env("GNUPGHOME", old.home.path());
    run(rpmsign.arg(&file));
    let (rpm, _) = read(&file);
    assert!(rpm.signature().contains(tag::SIG_RSA) && rpm.signature().contains(tag::SIG_PGP));
    let signed = out.path().join("signed.rpm");
    assert_eq!(new.sign(&file, &signed), 0);
    assert_signed(&new.verify(&signed), "EdDSA");
    let (rpm, _) = read(&signed);
    assert!(!rpm.signature().contains(tag::SIG_RSA) && !rpm.signature().contains(tag::SIG_PGP));
}

#[test]
fn without_reserved_space_the_file_grows() {
    let key = Key::new("rsa2048");
    let out = TempDir::new().unwrap();
    build("beta", out.path(), &["__gpg_reserved_space 0"]);
    let unsigned = out.path().join("beta-1.2-1.noarch.rpm");
    let signed = out.path().join("signed.rpm");
    let grown = key.sign(&unsigned, &signed);
    assert!(grown > 0 && grown % 8 == 0, "{grown}");
    assert_signed(&key.verify(&signed), "RSA");
    // The same once more: the old signature's place is the new one's.
    assert_eq!(key.sign(&signed, &out.path().join("again.rpm")), 0);
    assert_signed(&key.verify(&out.path().join("again.rpm")), "RSA");
}

/// The test above would be worth nothing if rpmkeys took anything.
#[test]
fn rpm_refuses_a_signature_of_something_else() {
    let key = Key::new("ed25519");
    let out = TempDir::new().unwrap();
    let (rpm, bytes) = read(&package("beta", "noarch.rpm"));
    let signed = add_signature(&rpm, &key.packet(b"something else")).unwrap();
    let file = [rpm.lead(), &signed.bytes, &bytes[rpm.header_start() as usize..]].concat();
    let path = out.path().join("bad.rpm");
    fs_err::write(&path, file).unwrap();
    let output = try_run(
        Command::new("rpmkeys")
            .arg("--dbpath")
            .arg(key.database())
            .arg("-Kv")
            .arg(&path),
    );
    assert!(
        !output.status.success() && text(&output).contains("BAD"),
        "{}",
        text(&output)
    );
    let armoured = add_signature(&rpm, b"-----BEGIN PGP SIGNATURE-----");
    assert!(matches!(armoured, Err(SignatureError::NotASignature(_))));
}
