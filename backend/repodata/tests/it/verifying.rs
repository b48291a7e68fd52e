//! Packages that are not what they say.

use repodata::{
    HeaderError, Package, PackageError, PackageFile, Part, RpmFile, VerifyError, tag, verify_headers,
    verify_payload,
};

use crate::support::{package, packages, read, signature_data_at};

#[test]
fn real_packages_are_what_they_say() {
    for path in packages() {
        let (rpm, bytes) = read(&path);
        let verified = verify_payload(&rpm, &mut &bytes[rpm.header_end() as usize..]).unwrap();
        assert_eq!(verified.header_digest, Some("SHA-256"));
        assert_eq!(verified.payload_digest, Some("SHA-256"));
        assert_eq!(rpm.is_source(), path.to_str().unwrap().ends_with(".src.rpm"));
        assert_eq!(
            rpm.nevra().unwrap().file_name(),
            path.file_name().unwrap().to_str().unwrap()
        );
    }
}

#[test]
fn names_are_read() {
    let (rpm, _) = read(&package("alpha-1", "x86_64.rpm"));
    let nevra = rpm.nevra().unwrap();
    assert_eq!(nevra.epoch, Some(2));
    assert_eq!(nevra.to_string(), "alpha-2:1.0~rc1^git5-3.x86_64");
    assert_eq!(
        read(&package("beta", "src.rpm")).0.nevra().unwrap().to_string(),
        "beta-1.2-1.src"
    );
}

#[test]
fn a_text_is_no_package() {
    let text = b"<html>404 Not Found</html>".repeat(20);
    let error = RpmFile::parse(&text, text.len() as u64).unwrap_err();
    assert!(matches!(error, HeaderError::NotAnRpm(_)), "{error}");
    let error = RpmFile::parse(b"", 0).unwrap_err();
    assert!(
        matches!(
            error,
            HeaderError::Truncated {
                part: Part::Lead,
                expected: 96,
                got: 0
            }
        ),
        "{error}"
    );
}

#[test]
fn a_truncated_package_says_where() {
    let (rpm, bytes) = read(&package("gamma", "noarch.rpm"));
    for cut in 0..rpm.header_end() as usize {
        let error = RpmFile::parse(&bytes[..cut], cut as u64).unwrap_err();
        assert!(matches!(error, HeaderError::Truncated { .. }), "{cut}: {error}");
        let error = RpmFile::parse(&bytes[..cut], bytes.len() as u64).unwrap_err();
        assert!(matches!(error, HeaderError::Truncated { .. }), "{cut}: {error}");
    }
    let cut = bytes.len() - 10;
    let short = RpmFile::parse(&bytes[..cut], cut as u64).unwrap();
    let error = verify_headers(&short).unwrap_err();
    assert!(matches!(error, VerifyError::Size { .. }), "{error}");
    let error = verify_payload(&rpm, &mut &bytes[rpm.header_end() as usize..cut]).unwrap_err();
    assert!(matches!(error, VerifyError::PayloadSize { .. }), "{error}");
}

#[test]
fn trailing_garbage_is_noticed() {
    let (rpm, mut bytes) = read(&package("gamma", "noarch.rpm"));
    bytes.extend_from_slice(b"more");
    let long = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
    assert!(matches!(verify_headers(&long), Err(VerifyError::Size { .. })));
    let error = verify_payload(&rpm, &mut &bytes[rpm.header_end() as usize..]).unwrap_err();
    assert!(matches!(error, VerifyError::PayloadSize { .. }), "{error}");
}

#[test]
fn a_changed_payload_is_noticed() {
    let (rpm, mut bytes) = read(&package("gamma", "noarch.rpm"));
    *bytes.last_mut().unwrap() ^= 1;
    let error = verify_payload(&rpm, &mut &bytes[rpm.header_end() as usize..]).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::PayloadDigest {
                algorithm: "SHA-256",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_changed_header_is_noticed() {
    let (_, mut bytes) = read(&package("gamma", "noarch.rpm"));
    let at = bytes
        .windows(12)
        .position(|window| window == b"Needs beta.\0")
        .unwrap();
    bytes[at] = b'n';
    let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
    let error = verify_headers(&rpm).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::HeaderDigest {
                algorithm: "SHA-256",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_source_package_that_lies_about_its_sizes() {
    let (_, bytes) = read(&package("alpha", "src.rpm"));
    let lie = |tag, value: u32| {
        let mut bytes = bytes.clone();
        let at = signature_data_at(&bytes, tag);
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        verify_headers(&RpmFile::parse(&bytes, bytes.len() as u64).unwrap()).unwrap_err()
    };
    let error = lie(tag::SIG_SIZE, 7);
    assert!(matches!(error, VerifyError::Size { declared: 7, .. }));
    assert!(
        error.to_string().ends_with("bytes, the signature header says 7"),
        "{error}"
    );
    let error = lie(tag::SIG_PAYLOAD_SIZE, 3);
    assert!(
        matches!(error, VerifyError::FileSizes { archive: 3, .. }),
        "{error}"
    );
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let (rpm, bytes) = read(&package("beta", "noarch.rpm"));
    let main = rpm.header_start() as usize;
    for (at, value) in [
        (104, u32::MAX),
        (108, u32::MAX),
        (main + 8, 65_536),
        (main + 12, u32::MAX),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let error = RpmFile::parse(&bytes, u64::MAX).unwrap_err();
        assert!(matches!(error, HeaderError::TooLarge { .. }), "{error}");
    }
    let mut bytes = bytes.clone();
    bytes[main + 12..main + 16].copy_from_slice(&(64u32 << 20).to_be_bytes());
    let error = RpmFile::parse(&bytes, bytes.len() as u64).unwrap_err();
    assert!(
        matches!(
            error,
            HeaderError::Truncated {
                part: Part::Header,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let (rpm, mut bytes) = read(&package("beta", "noarch.rpm"));
    let main = rpm.header_start() as usize;
    let at = main
        + bytes[main..]
            .windows(5)
            .position(|window| window == b"beta\0")
            .unwrap();
    for (name, why) in [
        (b"../x", "does not belong"),
        (b".xyz", "dot"),
        (b"\0eta", "empty"),
        (b"b\xffta", "UTF-8"),
    ] {
        bytes[at..at + 4].copy_from_slice(name);
        let parsed = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        let error = parsed.nevra().unwrap_err();
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[test]
fn a_file_in_no_directory_is_refused() {
    let (rpm, mut bytes) = read(&package("gamma", "noarch.rpm"));
    let main = rpm.header_start() as usize;
    let entries = u32::from_be_bytes(bytes[main + 8..main + 12].try_into().unwrap()) as usize;
    let index = (0..entries).map(|entry| main + 16 + 16 * entry);
    // A directory number that is not there, in place of the first one.
    let entry = index
        .into_iter()
        .find(|at| bytes[*at..*at + 4] == tag::DIR_INDEXES.to_be_bytes())
        .unwrap();
    let offset = u32::from_be_bytes(bytes[entry + 8..entry + 12].try_into().unwrap()) as usize;
    let data = main + 16 + 16 * entries + offset;
    bytes[data..data + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
    let file = PackageFile {
        sha256_hex: "0".repeat(64),
        size: 1,
        mtime: 0,
        location_href: "a.rpm".to_owned(),
        location_base: None,
    };
    let error = Package::from_rpm(&rpm, file).unwrap_err();
    assert!(matches!(error, PackageError::Directory(u32::MAX)), "{error}");
}
