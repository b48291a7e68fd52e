//! Damage at random, the same at every run.

use repodata::forge::{Forge, Format};
use repodata::{AppStream, Package, PackageFile, RpmFile, add_signature, tag, verify_payload};
use tempfile::TempDir;

use crate::support::{Element, Random, build, package, read};

/// Everything that is done with a package that somebody uploads.
fn use_it(bytes: &[u8]) -> bool {
    let Ok(rpm) = RpmFile::parse(bytes, bytes.len() as u64) else {
        return false;
    };
    let payload = bytes.get(rpm.header_end() as usize..).unwrap();
    let _ = verify_payload(&rpm, &mut &payload[..]);
    let _ = AppStream::of(&rpm, payload);
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
    let real = [
        ("alpha-1", "x86_64.rpm"),
        ("alpha-1", "src.rpm"),
        ("latin", "noarch.rpm"),
    ];
    let real = real.map(|(start, end)| read(&package(start, end)).1);
    let six = crate::corpus::random(7).build(Format::V6).unwrap();
    for whole in real.into_iter().chain([six]) {
        let rpm = RpmFile::parse(&whole, whole.len() as u64).unwrap();
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

/// Damage of a payload that is looked into, of both formats.
#[test]
fn damaged_payloads_never_panic() {
    let mut random = Random(0x6b6f_7065_7200_0002);
    let folder = TempDir::new().unwrap();
    build("editor", folder.path(), &["_binary_payload w.ufdio"]);
    let (rpm, whole) = read(&folder.path().join("editor-1-1.noarch.rpm"));
    let named = whole[rpm.header_end() as usize..].to_vec();
    // The same files without names, and a few more than there are.
    let mut bare = Vec::new();
    for number in 0..12 {
        bare.extend(format!("07070X{number:08x}\0\0").into_bytes());
        bare.extend(vec![b'<'; 40 * number]);
    }
    let mut six = Forge::new("six");
    for name in [tag::BASE_NAMES, tag::DIR_NAMES] {
        six.texts(
            name,
            rpm.header()
                .strings(name)
                .unwrap()
                .iter()
                .map(|text| text.as_bytes().to_vec()),
        );
    }
    six.u32s(tag::DIR_INDEXES, &rpm.header().u32s(tag::DIR_INDEXES).unwrap());
    six.u16s(tag::FILE_MODES, &rpm.header().u16s(tag::FILE_MODES).unwrap());
    let six = six.build(Format::V6).unwrap();
    let six = RpmFile::parse(&six, six.len() as u64).unwrap();
    let (mut read, mut refused) = (0, 0);
    for round in 0..2000 {
        let (rpm, payload) = if round % 2 == 0 {
            (&rpm, &named)
        } else {
            (&six, &bare)
        };
        let mut payload = payload.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(payload.len());
            payload[at] = *random.one(&[0, 0xff, b'0', b'f', b'<', b'&', b'"']);
        }
        if round % 8 > 5 {
            payload.truncate(random.below(payload.len()));
        }
        match AppStream::of(rpm, &payload[..]) {
            Ok(AppStream::Components(components)) => {
                components
                    .iter()
                    .for_each(|xml| assert_eq!(Element::parse(xml).name, "component"));
                read += 1;
            }
            _ => refused += 1,
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
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
