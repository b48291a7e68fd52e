//! Damage at random, the same at every run.

use repodata::{Package, PackageFile, RpmFile, add_signature, verify_payload};

use crate::support::{Element, Random, package, read};

/// Everything that is done with a package that somebody uploads.
fn use_it(bytes: &[u8]) -> bool {
    let Ok(rpm) = RpmFile::parse(bytes, bytes.len() as u64) else {
        return false;
    };
    let payload = bytes.get(rpm.header_end() as usize..).unwrap();
    let _ = verify_payload(&rpm, &mut &payload[..]);
    let _ = rpm.nevra();
    let signed = add_signature(&rpm, &[0x88, 5, 4, 0, 1, 8, 0]).unwrap();
    let mut again = rpm.lead().to_vec();
    again.extend_from_slice(&signed.bytes);
    again.extend_from_slice(&bytes[rpm.header_start() as usize..]);
    RpmFile::parse(&again, again.len() as u64).expect("a signed header is a header");
    let file = PackageFile {
        sha256_hex: "0".repeat(64),
        size: 1,
        mtime: 0,
        location_href: "a.rpm".to_owned(),
        location_base: None,
    };
    if let Ok(package) = Package::from_rpm(&rpm, file) {
        for xml in [
            package.primary_xml(),
            package.filelists_xml(),
            package.other_xml(),
        ] {
            assert_eq!(Element::parse(&xml).name, "package");
        }
    }
    true
}

#[test]
fn damage_never_panics() {
    let mut random = Random(0x6b6f_7065_7200_0001);
    let (mut parsed, mut refused) = (0, 0);
    for (start, end) in [
        ("alpha-1", "x86_64.rpm"),
        ("alpha-1", "src.rpm"),
        ("latin", "noarch.rpm"),
    ] {
        let (rpm, whole) = read(&package(start, end));
        let headers = rpm.header_end() as usize;
        for round in 0..1000 {
            let mut bytes = whole.clone();
            // Half of the damage goes into the indexes, where it hurts most.
            let main = rpm.header_start() as usize;
            for _ in 0..=random.below(4) {
                let at = match round % 4 {
                    0 => 96 + random.below(160),
                    1 => main + random.below(1200.min(headers - main)),
                    _ => random.below(headers),
                };
                bytes[at] = match random.below(3) {
                    0 => bytes[at] ^ (1 << random.below(8)),
                    1 => 0xff,
                    _ => random.below(256) as u8,
                };
            }
            if round % 8 == 7 {
                bytes.truncate(random.below(headers));
            }
            if use_it(&bytes) { parsed += 1 } else { refused += 1 }
        }
    }
    assert!(parsed > 300 && refused > 300, "{parsed} {refused}");
}

#[test]
fn noise_never_panics() {
    let mut random = Random(7);
    let (rpm, whole) = read(&package("beta", "noarch.rpm"));
    for _ in 0..500 {
        let mut bytes = whole.clone();
        let from = 96 + random.below(rpm.header_end() as usize - 96);
        let to = from + random.below(whole.len() - from);
        bytes[from..to]
            .iter_mut()
            .for_each(|byte| *byte = random.below(256) as u8);
        use_it(&bytes);
    }
}
