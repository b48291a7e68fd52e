//! Metadata files that are stored in pieces.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use repodata::{Buckets, Compression, Digest, FilePlan, Fragments, Zchunk};
use reqwest::Method;
use sha2::Digest as _;
use storage::{Plan, PlanFrame};

use crate::house::{BASE, House, header};

type Frames = HashMap<Digest, Vec<u8>>;

/// Something that does not compress well.
fn one(number: u32) -> Fragments {
    let pkgid = hex::encode(sha2::Sha256::digest(number.to_le_bytes()));
    let noise = (0..40).map(|n| hex::encode(sha2::Sha256::digest(format!("{number} {n}"))));
    let noise: String = noise.collect();
    Fragments {
        primary: format!("<package type=\"rpm\"><checksum>{pkgid}</checksum>{noise}</package>\n"),
        filelists: format!("<package pkgid=\"{pkgid}\">{noise}</package>\n"),
        other: format!("<package pkgid=\"{pkgid}\"/>\n"),
        name: format!("package{number}"),
        pkgid,
    }
}

fn content(plan: &FilePlan, frames: &Frames) -> Vec<u8> {
    let mut bytes = Vec::new();
    plan.write(frames, &mut bytes).unwrap();
    bytes
}

/// Stores a file in pieces, behind a header if it has one.
async fn store(house: &House, name: &str, header: &[u8], plan: &FilePlan, frames: &Frames) {
    let mut list = Vec::new();
    for digest in &plan.frames {
        list.push(house.frame(&frames[digest]).await);
    }
    let head = [header, &plan.head].concat();
    let stored = Plan::new(head, list, plan.tail.clone()).unwrap();
    house.metadata(name, stored.to_bytes().unwrap()).await;
}

#[actix_web::test]
async fn a_file_in_pieces_is_served_like_any_other() {
    let house = House::new().await;
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(20);
    let mut frames = Frames::new();
    let all: Vec<Fragments> = (0..200).map(one).collect();
    buckets.change::<String>(&mut frames, &[], &all).unwrap();
    let [primary, ..] = buckets.files();
    let file = content(&primary, &frames);
    store(&house, &primary.name, b"", &primary, &frames).await;
    let path = format!("{BASE}/@1/repodata/{}", primary.name);
    for _ in 0..2 {
        let answer = house.get(&path).await;
        assert_eq!(answer.status(), 200);
        assert!(header(&answer, "cache-control").contains("immutable"));
        assert_eq!(header(&answer, "content-type"), "application/zstd");
        assert_eq!(header(&answer, "content-length"), file.len().to_string());
        assert_eq!(header(&answer, "accept-ranges"), "bytes");
        let tag = header(&answer, "etag").to_owned();
        assert!(answer.bytes().await.unwrap() == file);
        for asked in [
            vec![("if-none-match", tag.as_str())],
            vec![("if-none-match", tag.as_str()), ("range", "bytes=0-1,4-5")],
        ] {
            let answer = house.request(Method::GET, &path, &asked).await;
            assert_eq!(answer.status(), 304);
        }
    }
    let answer = house.request(Method::HEAD, &path, &[]).await;
    assert_eq!(header(&answer, "content-length"), file.len().to_string());
    for (first, last) in [
        (0, 0),
        (0, 99),
        (50, 40_000),
        (40_000, 40_001),
        (file.len() - 9, file.len() - 1),
    ] {
        let range = format!("bytes={first}-{last}");
        let answer = house.request(Method::GET, &path, &[("range", &range)]).await;
        assert_eq!(answer.status(), 206, "{range}");
        let expected = format!("bytes {first}-{last}/{}", file.len());
        assert_eq!(header(&answer, "content-range"), expected);
        assert!(answer.bytes().await.unwrap() == file[first..=last], "{range}");
    }
    let outside = [("range", "bytes=99999999-")];
    assert_eq!(house.request(Method::GET, &path, &outside).await.status(), 416);
}

#[actix_web::test]
async fn several_ranges_come_in_parts() {
    let house = House::new().await;
    let large: Vec<u8> = (0..5 << 19)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let list = vec![house.frame(&large).await, house.frame(b"small").await];
    let file = [b"head", &large[..], b"smalltail"].concat();
    let name = format!("{}-other.xml.zck", "c".repeat(64));
    let plan = Plan::new("head", list, "tail").unwrap();
    house.metadata(&name, plan.to_bytes().unwrap()).await;
    let path = format!("{BASE}/repodata/{name}");
    let end = file.len();
    let asked = [(2, 6), (1_000_000, 2_200_000), (end - 7, end)];
    let list: Vec<String> = asked
        .iter()
        .map(|(first, last)| format!("{first}-{}", last - 1))
        .collect();
    let range = format!("bytes={}", list.join(", "));
    let answer = house.request(Method::GET, &path, &[("range", &range)]).await;
    assert_eq!(answer.status(), 206);
    let kind = header(&answer, "content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let length: usize = header(&answer, "content-length").parse().unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    let mut expected = Vec::new();
    for (first, last) in asked {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{}/{end}\r\n\r\n",
            last - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&file[first..last]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(body == expected);
    // What would be more than the file, what is of another one, and a request for the head only.
    for (method, asked) in [
        (Method::GET, vec![("range", "bytes=0-,0-5")]),
        (
            Method::GET,
            vec![("range", "bytes=0-1,4-5"), ("if-range", "\"other\"")],
        ),
        (Method::HEAD, vec![("range", "bytes=0-1,4-5")]),
    ] {
        let answer = house.request(method, &path, &asked).await;
        assert_eq!(answer.status(), 200, "{asked:?}");
        assert_eq!(header(&answer, "content-length"), end.to_string());
    }
}

#[actix_web::test]
async fn what_was_stored_whole_is_still_served() {
    let house = House::new().await;
    let large = vec![7_u8; 5 << 20];
    let name = format!("{}-filelists.xml.gz", "d".repeat(64));
    house.metadata(&name, large.clone()).await;
    let path = format!("{BASE}/@1/repodata/{name}");
    assert!(house.get(&path).await.bytes().await.unwrap() == large);
    let answer = house.request(Method::HEAD, &path, &[]).await;
    assert_eq!(header(&answer, "content-length"), large.len().to_string());
    let answer = house.request(Method::GET, &path, &[("range", "bytes=5-8")]).await;
    assert_eq!(answer.bytes().await.unwrap(), large[5..9]);
}

#[actix_web::test]
async fn damaged_plans_are_refused_and_uploads_are_never_plans() {
    let house = House::new().await;
    let missing = PlanFrame {
        digest: [9; 32],
        size: 10,
    };
    let mut short = house.frame(b"twelve bytes").await;
    short.size = 20;
    let good = Plan::new("head", vec![missing], "").unwrap().to_bytes().unwrap();
    for (n, object) in [
        good.slice(..good.len() - 3),
        good.clone(),
        Plan::new("", vec![short], "").unwrap().to_bytes().unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{n}-primary.xml.zst");
        house.metadata(&name, object).await;
        let answer = house.get(&format!("{BASE}/repodata/{name}")).await;
        assert_eq!(answer.status(), 500, "{n}");
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
    house.metadata("1-comps.xml", good.clone()).await;
    let answer = house.get(&format!("{BASE}/repodata/1-comps.xml")).await;
    assert!(answer.bytes().await.unwrap() == good);
}

/// A client that has an older file fetches what it lacks of the new one by several ranges.
#[actix_web::test]
async fn zckdl_fetches_only_what_changed() {
    let house = House::new().await;
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(20);
    let mut frames = Frames::new();
    let all: Vec<Fragments> = (0..400).map(one).collect();
    buckets.change::<String>(&mut frames, &[], &all).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [before, ..] = buckets.files();
    let zchunk = Zchunk::of(&before, &frames).unwrap().unwrap();
    let old = [&zchunk.header, &content(&before, &frames)[..]].concat();
    std::fs::write(dir.path().join("old.zck"), &old).unwrap();
    // At both ends and in the middle.
    let gone = [one(3).pkgid, one(201).pkgid];
    buckets.change(&mut frames, &gone, &[one(1000)]).unwrap();
    let [after, ..] = buckets.files();
    let zchunk = Zchunk::of(&after, &frames).unwrap().unwrap();
    let new = [&zchunk.header, &content(&after, &frames)[..]].concat();
    store(&house, &zchunk.name, &zchunk.header, &after, &frames).await;
    let url = format!("{}{BASE}/@2/repodata/{}", house.gateway, zchunk.name);
    let folder = dir.path().to_owned();
    let said = tokio::task::spawn_blocking(move || zckdl(&folder, &url))
        .await
        .unwrap();
    let fetched = std::fs::read(dir.path().join(&zchunk.name)).unwrap();
    assert!(fetched == new, "{said}");
    let bytes = said.lines().find_map(|line| {
        line.strip_prefix("Downloaded ")?
            .split(' ')
            .next()?
            .parse::<usize>()
            .ok()
    });
    let bytes = bytes.unwrap_or_else(|| panic!("{said}"));
    assert!(bytes < new.len() / 3, "{bytes} of {}", new.len());
}

fn zckdl(folder: &Path, url: &str) -> String {
    let output = Command::new("zckdl")
        .args(["-v", "--source", "old.zck", url])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}
