use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use futures_util::StreamExt;

use crate::support::{BUCKET, TestServer};

/// What S3 should answer: keys and common prefixes in one sequence by bytes.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>, after: &str) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for key in keys
        .iter()
        .filter(|key| key.starts_with(prefix) && key.as_str() > after)
    {
        let cut = delimiter.and_then(|d| key[prefix.len()..].find(d).map(|at| prefix.len() + at + d.len()));
        lines.insert(match cut {
            Some(end) => format!("prefix {}", &key[..end]),
            None => format!("key {key}"),
        });
    }
    let name = |line: &String| line.split_once(' ').unwrap().1.to_owned();
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort_by_key(name);
    lines
}

async fn pages(s3: &Client, prefix: &str, delimiter: Option<&str>, after: &str, size: i32) -> Vec<String> {
    let (mut lines, mut token) = (Vec::new(), None);
    loop {
        let page = s3
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .set_start_after((!after.is_empty()).then(|| after.to_owned()))
            .max_keys(size)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        let mut found: Vec<(String, &str)> = Vec::new();
        found.extend(
            page.contents()
                .iter()
                .map(|object| (object.key().unwrap().to_owned(), "key")),
        );
        found.extend(
            page.common_prefixes()
                .iter()
                .map(|it| (it.prefix().unwrap().to_owned(), "prefix")),
        );
        assert_eq!(page.key_count(), Some(found.len() as i32));
        assert!(found.len() <= size as usize);
        let plain: Vec<_> = page
            .contents()
            .iter()
            .map(|object| object.key().unwrap())
            .collect();
        assert!(plain.is_sorted());
        found.sort();
        lines.extend(found.into_iter().map(|(name, kind)| format!("{kind} {name}")));
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return lines;
        }
    }
}

async fn fill(server: &TestServer) -> BTreeSet<String> {
    let x64 = "x".repeat(64);
    let mut keys: BTreeSet<String> = [
        "a",
        "a-b",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a/b-c",
        "a//b",
        "a0",
        "a.b",
        "b",
        "/lead",
        "é",
        "日本",
        "Z",
        "~",
        "a/c/1",
        "a/c/2",
        "a/c",
        "dir/one/x-y-z",
        "dir/one/x-y",
        "dir/two",
        "dir-two",
        "dir0",
    ]
    .map(str::to_owned)
    .into();
    for tail in ["", "/", "/k", "!", "!/k", "a", "a/k", "é", "-", "0/z"] {
        keys.insert(format!("{x64}{tail}"));
        keys.insert(format!("{}{tail}", &x64[1..]));
        keys.insert(format!("d/{x64}{x64}{tail}"));
    }
    futures_util::stream::iter(&keys)
        .for_each_concurrent(8, |key| server.put(key, b"v"))
        .await;
    keys
}

#[tokio::test]
async fn every_listing_matches_the_model() {
    let server = TestServer::start().await;
    let keys = fill(&server).await;
    let x = "x".repeat(64);
    let prefixes = [
        "", "a", "a/", "a/b", "a/b/", "dir", "dir/", "dir/one/", "x", &x, "d/", "none", "none/x", "é",
    ];
    let afters = [
        "",
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a0",
        "dir/one/",
        "dir/one/zzz",
        "x",
        &x,
        "\u{10ffff}",
    ];
    for prefix in prefixes {
        for delimiter in [None, Some("/"), Some("-"), Some("b/")] {
            for after in afters {
                let expected = model(&keys, prefix, delimiter, after);
                let found = pages(&server.client, prefix, delimiter, after, 1000).await;
                assert_eq!(
                    found, expected,
                    "prefix {prefix:?} delimiter {delimiter:?} after {after:?}"
                );
            }
            for size in [1, 3, 7] {
                let found = pages(&server.client, prefix, delimiter, "", size).await;
                let expected = model(&keys, prefix, delimiter, "");
                assert_eq!(
                    found, expected,
                    "prefix {prefix:?} delimiter {delimiter:?} pages of {size}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_first_version_pages_by_marker() {
    let server = TestServer::start().await;
    let keys = fill(&server).await;
    let (mut lines, mut marker) = (Vec::new(), None);
    loop {
        let request = server
            .client
            .list_objects()
            .bucket(BUCKET)
            .delimiter("/")
            .max_keys(3);
        let page = request.set_marker(marker).send().await.unwrap();
        lines.extend(
            page.contents()
                .iter()
                .map(|object| object.key().unwrap().to_owned()),
        );
        lines.extend(
            page.common_prefixes()
                .iter()
                .map(|it| it.prefix().unwrap().to_owned()),
        );
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    lines.sort();
    let names = model(&keys, "", Some("/"), "");
    assert_eq!(
        lines,
        names
            .iter()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn odd_requests() {
    let server = TestServer::start().await;
    server.put("a b", b"x").await;
    let list = || server.client.list_objects_v2().bucket(BUCKET);
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
    assert!(list().continuation_token("nonsense!").send().await.is_err());
    assert!(list().max_keys(-1).send().await.is_err());
    let url = list()
        .encoding_type(aws_sdk_s3::types::EncodingType::Url)
        .send()
        .await
        .unwrap();
    assert_eq!(url.contents()[0].key(), Some("a%20b"));
    assert!(
        server
            .client
            .list_objects_v2()
            .bucket("missing")
            .send()
            .await
            .is_err()
    );
    // Directories without objects, as a kill between two steps leaves them, are no common prefixes.
    fs_err::create_dir_all(
        server
            .dir
            .path()
            .join("buckets")
            .join(BUCKET)
            .join("keys/ghost=d/deep=d"),
    )
    .unwrap();
    let listed = list().delimiter("/").send().await.unwrap();
    assert_eq!((listed.contents().len(), listed.common_prefixes().len()), (1, 0));
}
