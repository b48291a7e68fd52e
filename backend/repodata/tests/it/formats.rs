//! Packages of the formats of rpm 3, 4 and 6.

use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use repodata::forge::{Forge, ForgedFile, Format};
use repodata::{Package, PackageError, PackageFile, RpmFile, VerifyError, tag, verify_payload};
use tempfile::TempDir;

use crate::corpus::put;
use crate::signing::Key;
use crate::support::{Element, describe, read, run, signature_data_at};

fn six() -> Forge {
    let mut forge = Forge::new("six");
    forge.u32s(tag::SIZE, &[4096]).files(&[ForgedFile {
        path: b"/etc/six".to_vec(),
        mode: 0o040_755,
        flags: 0,
    }]);
    forge
}

fn rpmkeys(path: &Path) -> String {
    run(Command::new("rpmkeys").arg("-Kv").arg(path).env("LC_ALL", "C"))
}

#[test]
fn a_package_of_rpm_6_is_read_and_verified() {
    let folder = TempDir::new().unwrap();
    let path = put(&six(), Format::V6, folder.path(), "six");
    let (rpm, bytes) = read(&path);
    let payload = &bytes[rpm.header_end() as usize..];
    let verified = verify_payload(&rpm, &mut &payload[..]).unwrap();
    assert_eq!(verified.header_digest, Some("SHA3-256"));
    assert_eq!(verified.payload_digest, Some("SHA3-256"));
    let primary = Element::parse(&describe(&path).primary_xml());
    assert_eq!(primary.child("name").text, "six");
    let size = primary.child("size");
    assert_eq!(
        (size.attribute("installed"), size.attribute("archive")),
        ("4096", "124")
    );
    assert_eq!(
        primary.child("format").child("rpm:sourcerpm").text,
        "six-1-1.src.rpm"
    );
    // rpm 4 reads what it knows of it, and has no objection.
    let said = rpmkeys(&path);
    assert!(
        said.contains("Header SHA256 digest: OK") && said.contains("Payload SHA256 digest: OK"),
        "{said}"
    );
    let said = run(Command::new("rpm")
        .args(["-qp", "--qf", "%{nevra} %{longsize} [%{filenames}]"])
        .arg(&path));
    assert_eq!(said, "six-1-1.noarch 4096 /etc/six");
}

#[test]
fn damage_of_a_package_of_rpm_6_is_noticed() {
    let folder = TempDir::new().unwrap();
    let (rpm, bytes) = read(&put(&six(), Format::V6, folder.path(), "six"));
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        verify_payload(&rpm, &mut &bytes[rpm.header_end() as usize..]).unwrap_err()
    };
    let error = damaged(signature_data_at(&bytes, tag::SIG_SHA3_256));
    assert!(
        matches!(
            error,
            VerifyError::HeaderDigest {
                algorithm: "SHA3-256",
                ..
            }
        ),
        "{error}"
    );
    let error = damaged(bytes.len() - 1);
    assert!(matches!(error, VerifyError::PayloadDigest { .. }), "{error}");
    let mut longer = bytes.clone();
    longer.push(0);
    let rpm_of_longer = RpmFile::parse(&longer, longer.len() as u64).unwrap();
    let error = repodata::verify_headers(&rpm_of_longer).unwrap_err();
    assert!(matches!(error, VerifyError::PayloadSize { .. }), "{error}");
    // Each of the three digests of the payload counts.
    for tag in [tag::PAYLOAD_DIGEST, tag::PAYLOAD_SHA512, tag::PAYLOAD_SHA3_256] {
        let digest = rpm.header().string(tag).unwrap().into_owned();
        let at = rpm.header_start() as usize
            + rpm
                .header()
                .as_bytes()
                .windows(digest.len())
                .position(|w| w == digest.as_bytes())
                .unwrap();
        let mut bytes = bytes.clone();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let changed = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        let error = verify_payload(&changed, &mut &bytes[changed.header_end() as usize..]).unwrap_err();
        assert!(matches!(error, VerifyError::HeaderDigest { .. }), "{error}");
    }
}

#[test]
fn a_package_of_rpm_6_is_signed_in_its_reserved_space() {
    let (folder, key) = (TempDir::new().unwrap(), Key::new("rsa4096"));
    let path = put(&six(), Format::V6, folder.path(), "six");
    let signed = folder.path().join("signed.rpm");
    assert_eq!(key.sign(&path, &signed), 0);
    // For rpm 6 and for rpm 4, and once each however often it is signed.
    let again = folder.path().join("again.rpm");
    assert_eq!(key.sign(&signed, &again), 0);
    for path in [&signed, &again] {
        let (rpm, _) = read(path);
        let packets = rpm.signature().strings(tag::SIG_OPENPGP).unwrap();
        let [packet] = &packets[..] else {
            panic!("{packets:?}")
        };
        let packet = BASE64_STANDARD.decode(packet.as_bytes()).unwrap();
        assert_eq!(rpm.signature().bin(tag::SIG_RSA), Some(&packet[..]));
    }
    let said = key.verify(&signed);
    assert!(
        said.contains("RSA/SHA256 Signature") && said.contains("OK") && !said.contains("BAD"),
        "{said}"
    );
}

#[test]
fn signatures_of_rpm_3_are_refused() {
    let place = PackageFile {
        sha256_hex: "0".repeat(64),
        size: 1,
        mtime: 0,
        location_href: "a.rpm".to_owned(),
        location_base: None,
    };
    let describe = |forge: &Forge| {
        let bytes = forge.build(Format::V4).unwrap();
        let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        Package::from_rpm(&rpm, place.clone())
    };
    for tag in [tag::SIG_PGP, tag::SIG_GPG, tag::SIG_PGP5] {
        let mut forge = Forge::new("three");
        let error = describe(forge.signature(tag, b"packet")).unwrap_err();
        assert!(matches!(error, PackageError::OldSignature), "{error}");
        assert!(error.to_string().contains("sign the package again"), "{error}");
        // rpmsign of rpm 4 made both at once.
        describe(forge.signature(tag::SIG_RSA, b"packet")).unwrap();
    }
}
