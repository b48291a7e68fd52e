//! The spec file inside of source packages that rpmbuild made.

use repodata::find_spec;
use tempfile::TempDir;

use crate::support::{build, package, read};

const SPEC: &str = include_str!("specs/beta.spec");

#[test]
fn a_spec_file_is_taken_out_of_each_kind_of_payload() {
    for (compression, is_read) in [
        ("w9.gzdio", true),
        ("w3.zstdio", true),
        ("w.ufdio", true),
        ("w2.xzdio", false),
    ] {
        let folder = TempDir::new().unwrap();
        build(
            "beta",
            folder.path(),
            &[&format!("_source_payload {compression}")],
        );
        let source = fs_err::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_str().unwrap().ends_with(".src.rpm"))
            .unwrap();
        let (rpm, bytes) = read(&source);
        let payload = &bytes[rpm.header_end() as usize..];
        let found = find_spec(payload, 1 << 20).unwrap();
        assert_eq!(
            found.as_deref(),
            is_read.then_some(SPEC.as_bytes()),
            "{compression}"
        );
        assert_eq!(find_spec(payload, 10).unwrap(), None, "{compression}");
    }
}

#[test]
fn a_binary_package_has_none_and_damage_is_an_error() {
    let (rpm, bytes) = read(&package("beta", ".noarch.rpm"));
    let payload = &bytes[rpm.header_end() as usize..];
    assert_eq!(find_spec(payload, 1 << 20).unwrap(), None);
    assert!(find_spec(&payload[..payload.len() / 2], 1 << 20).is_err());
}
