//! Files of frames, and their list.

use repodata::{
    Assembler, Compression, Fragments, Kind, RepomdError, RepomdInfo, RepositoryBuilder, Tags, assemble,
    compress_bucket, decompress, read_repomd,
};
use sha2::{Digest, Sha256};

use crate::support::{Element, describe, package};

fn fragments(count: usize) -> Vec<Fragments> {
    let one = describe(&package("beta-", "noarch.rpm")).fragments();
    let numbered = |number: usize| {
        let pkgid = hex::encode(Sha256::digest(number.to_string()));
        let name = format!("filler-{number}");
        let rewrite = |xml: &String| {
            xml.replace(&one.pkgid, &pkgid)
                .replace(">beta<", &format!(">{name}<"))
        };
        let (primary, filelists, other) = (
            rewrite(&one.primary),
            rewrite(&one.filelists),
            rewrite(&one.other),
        );
        Fragments {
            pkgid,
            name,
            primary,
            filelists,
            other,
        }
    };
    (0..count).map(numbered).collect()
}

#[test]
fn every_checksum_and_size_is_right() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut builder = RepositoryBuilder::new(compression).bucket_size(16);
        for fragments in fragments(50) {
            builder.add(&fragments).unwrap();
        }
        let tags = Tags {
            distro: vec![(Some("cpe:/o:x".to_owned()), "X & Y".to_owned())],
            ..Tags::default()
        };
        let info = RepomdInfo {
            revision: "17".to_owned(),
            timestamp: 1234,
            tags,
            extra: Vec::new(),
        };
        let repository = builder.finish(&info).unwrap();
        let (revision, records) = read_repomd(&repository.repomd).unwrap();
        assert_eq!(revision, "17");
        assert_eq!(records.len(), 3);
        for ((file, record), kind) in repository.files.iter().zip(&records).zip(Kind::ALL) {
            let open = decompress(compression, &file.bytes, 1 << 30).unwrap();
            assert_eq!(file.packages, 50);
            assert_eq!(
                Element::parse(std::str::from_utf8(&open).unwrap()).children.len(),
                50
            );
            assert_eq!(record.kind, kind.name());
            assert_eq!(record.checksum, hex::encode(Sha256::digest(&file.bytes)));
            assert_eq!(record.open_checksum, Some(hex::encode(Sha256::digest(&open))));
            assert_eq!(
                (record.size, record.open_size),
                (file.bytes.len() as u64, Some(open.len() as u64))
            );
            assert_eq!(record.timestamp, 1234);
            let extension = compression.extension();
            assert_eq!(
                record.href,
                format!("repodata/{}-{}.xml.{extension}", record.checksum, kind.name())
            );
        }
        let tags = Element::parse(&repository.repomd);
        assert_eq!(tags.child("tags").child("distro").text, "X & Y");
    }
}

#[test]
fn an_empty_repository_is_one() {
    let repository = RepositoryBuilder::new(Compression::Gzip)
        .finish(&RepomdInfo::default())
        .unwrap();
    assert_eq!(repository.files.len(), 3);
    for file in &repository.files {
        let open = decompress(Compression::Gzip, &file.bytes, 1 << 20).unwrap();
        assert!(
            Element::parse(std::str::from_utf8(&open).unwrap())
                .children
                .is_empty()
        );
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let build = || {
        let mut builder = RepositoryBuilder::new(Compression::Zstd);
        fragments(10)
            .iter()
            .for_each(|fragments| builder.add(fragments).unwrap());
        builder.finish(&RepomdInfo::default()).unwrap().repomd
    };
    assert_eq!(build(), build());
}

#[test]
fn a_package_cannot_be_there_twice() {
    let mut builder = RepositoryBuilder::new(Compression::Zstd);
    let one = &fragments(1)[0];
    builder.add(one).unwrap();
    assert!(matches!(builder.add(one), Err(RepomdError::Duplicate { .. })));
}

#[test]
fn a_cached_frame_and_a_saved_state_give_the_same_file() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let frames: Vec<_> = fragments(4)
            .iter()
            .map(|one| compress_bucket(compression, 3, one.primary.as_bytes(), 1).unwrap())
            .collect();
        let whole = assemble(Kind::Primary, compression, &frames).unwrap();
        let mut saved = Assembler::new(Kind::Primary, compression).unwrap();
        frames[..3]
            .iter()
            .for_each(|frame| saved.push(frame, None).unwrap());
        let mut continued = saved.clone();
        let last = &fragments(4)[3];
        continued.push(&frames[3], Some(last.primary.as_bytes())).unwrap();
        let continued = continued.finish().unwrap();
        assert_eq!(
            (&continued.name, &continued.open_sha256),
            (&whole.name, &whole.open_sha256)
        );
        assert!(saved.push(&frames[3], Some(b"something else")).is_err());
        assert_eq!(saved.finish().unwrap().packages, 3);
    }
}
