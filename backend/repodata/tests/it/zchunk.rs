//! zchunk files, read by zchunk's own programs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use repodata::{
    Buckets, Compression, Digest, FilePlan, Fragments, Zchunk, decompress, read_repomd, repomd_xml,
};
use sha2::Sha256;
use tempfile::TempDir;

use crate::support::run;

type Frames = HashMap<Digest, Vec<u8>>;

const NONE: [&str; 0] = [];

fn one(number: usize) -> Fragments {
    use sha2::Digest as _;
    let pkgid = hex::encode(Sha256::digest(number.to_string()));
    // Something that does not vanish when it is compressed.
    let text = format!("<package n=\"{number}\">{}</package>\n", pkgid.repeat(3));
    Fragments {
        name: format!("package-{number}"),
        primary: text.clone(),
        filelists: text.clone(),
        other: text,
        pkgid,
    }
}

fn write(folder: &TempDir, name: &str, frames: &Frames, plan: &FilePlan) -> PathBuf {
    use sha2::Digest as _;
    let zchunk = Zchunk::of(plan, frames).unwrap().unwrap();
    let mut bytes = Vec::new();
    zchunk.write(plan, frames, &mut bytes).unwrap();
    assert_eq!(zchunk.size, bytes.len() as u64);
    assert_eq!(zchunk.sha256, hex::encode(Sha256::digest(&bytes)));
    let path = folder.path().join(name);
    fs_err::write(&path, bytes).unwrap();
    path
}

#[test]
fn zchunk_s_own_programs_read_it() {
    let folder = TempDir::new().unwrap();
    for packages in [0, 1, 50] {
        let mut frames = Frames::new();
        let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
        let all: Vec<Fragments> = (0..packages).map(one).collect();
        buckets.change(&mut frames, &NONE, &all).unwrap();
        for plan in buckets.files() {
            let path = write(&folder, "a.xml.zck", &frames, &plan);
            let mut whole = Vec::new();
            plan.write(&frames, &mut whole).unwrap();
            let open = decompress(Compression::Zstd, &whole, 1 << 20).unwrap();
            run(Command::new("unzck").current_dir(folder.path()).arg(&path));
            assert!(
                fs_err::read(folder.path().join("a.xml")).unwrap() == open,
                "{packages}"
            );
            fs_err::remove_file(folder.path().join("a.xml")).unwrap();
            let said = run(Command::new("zck_read_header").arg(&path));
            let zchunk = Zchunk::of(&plan, &frames).unwrap().unwrap();
            for line in [
                format!("Header size: {}", zchunk.header.len()),
                format!("Header checksum: {}", zchunk.header_sha256),
                format!("Data size: {}", plan.size),
                format!("Data checksum: {}", plan.sha256),
            ] {
                assert!(said.lines().any(|l| l == line), "{line}: {said}");
            }
        }
    }
}

#[test]
fn a_client_fetches_one_bucket_for_a_new_package() {
    let folder = TempDir::new().unwrap();
    let mut frames = Frames::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
    let all: Vec<Fragments> = (0..804).map(one).collect();
    buckets.change(&mut frames, &NONE, &all).unwrap();
    let old = write(&folder, "old.zck", &frames, &buckets.files()[0]);
    buckets.change(&mut frames, &NONE, &[one(804)]).unwrap();
    let new = write(&folder, "new.zck", &frames, &buckets.files()[0]);
    let said = run(Command::new("zck_delta_size").arg(&old).arg(&new));
    // 101 buckets, head, tail, and the dictionary that there is not: all but the last bucket are there already.
    assert!(said.contains("Matched 103 of 104 chunks"), "{said}");
}

#[test]
fn its_record_stands_beside_the_file_s() {
    let mut frames = Frames::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap();
    buckets.change(&mut frames, &NONE, &[one(1)]).unwrap();
    let [plan, ..] = buckets.files();
    let zchunk = Zchunk::of(&plan, &frames).unwrap().unwrap();
    let records = [plan.record(7), zchunk.record(&plan, 7)];
    let (_, read) = read_repomd(&repomd_xml("1", &Default::default(), &records)).unwrap();
    assert_eq!(read, records);
    assert_eq!(read[1].kind, "primary_zck");
    assert_eq!(read[1].open_checksum, read[0].open_checksum);
    assert_eq!(read[1].header.as_ref().unwrap().1, zchunk.header.len() as u64);
    let gzip = Buckets::new(Compression::Gzip).unwrap();
    assert_eq!(Zchunk::of(&gzip.files()[0], &frames).unwrap(), None);
}
