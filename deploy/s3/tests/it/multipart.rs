use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::support::{BUCKET, TestServer, bytes, code_of};

const PART: usize = 5 << 20;

async fn part(s3: &Client, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let sent = s3
        .upload_part()
        .bucket(BUCKET)
        .key(key)
        .upload_id(id)
        .part_number(number)
        .body(body.into())
        .send()
        .await
        .unwrap();
    CompletedPart::builder()
        .part_number(number)
        .e_tag(sent.e_tag().unwrap())
        .build()
}

fn list(parts: &[&CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.iter().map(|part| (*part).clone()).collect()))
        .build()
}

#[tokio::test]
async fn parts_become_one_object() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    let begin = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .content_type("a/b")
        .metadata("m", "1");
    let id = begin.send().await.unwrap().upload_id().unwrap().to_owned();
    let body = bytes(5, 2 * PART + 1234);
    // Out of order, and one number twice: the last upload of a number counts.
    let third = part(s3, "big", &id, 9, body[2 * PART..].to_vec()).await;
    part(s3, "big", &id, 1, b"first try".to_vec()).await;
    let first = part(s3, "big", &id, 1, body[..PART].to_vec()).await;
    let second = part(s3, "big", &id, 4, body[PART..2 * PART].to_vec()).await;
    part(s3, "big", &id, 7, b"not listed below".to_vec()).await;

    let parts = s3
        .list_parts()
        .bucket(BUCKET)
        .key("big")
        .upload_id(&id)
        .max_parts(3)
        .send()
        .await
        .unwrap();
    assert_eq!(
        parts
            .parts()
            .iter()
            .map(|part| part.part_number().unwrap())
            .collect::<Vec<_>>(),
        [1, 4, 7]
    );
    assert_eq!(
        (parts.is_truncated(), parts.next_part_number_marker()),
        (Some(true), Some("7"))
    );
    let uploads = s3.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(id.as_str()));
    assert_eq!(server.get("big").await, None);

    let complete = |parts| {
        s3.complete_multipart_upload()
            .bucket(BUCKET)
            .key("big")
            .upload_id(&id)
            .multipart_upload(parts)
    };
    let unordered = complete(list(&[&second, &first])).send().await.unwrap_err();
    assert_eq!(code_of(unordered), "InvalidPartOrder");
    let unknown = CompletedPart::builder().part_number(2).e_tag("\"x\"").build();
    assert_eq!(
        code_of(complete(list(&[&first, &unknown])).send().await.unwrap_err()),
        "InvalidPart"
    );
    let wrong = CompletedPart::builder().part_number(4).e_tag("\"x\"").build();
    assert_eq!(
        code_of(complete(list(&[&first, &wrong])).send().await.unwrap_err()),
        "InvalidPart"
    );
    assert_eq!(
        code_of(complete(list(&[&third, &third])).send().await.unwrap_err()),
        "InvalidPartOrder"
    );

    let done = complete(list(&[&first, &second, &third])).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-3\""));
    let big = s3.get_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!(
        (big.content_type(), big.metadata().unwrap()["m"].as_str()),
        (Some("a/b"), "1")
    );
    assert_eq!(big.e_tag(), done.e_tag());
    assert_eq!(big.body.collect().await.unwrap().to_vec(), body);
    assert_eq!(
        code_of(complete(list(&[&first])).send().await.unwrap_err()),
        "NoSuchUpload"
    );
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test]
async fn small_parts_conditions_and_aborts() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    server.put("k", b"old").await;
    let begin = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    let id = begin.upload_id().unwrap();
    let one = part(s3, "k", id, 1, b"small".to_vec()).await;
    let two = part(s3, "k", id, 2, b"small".to_vec()).await;
    let complete = |parts| {
        s3.complete_multipart_upload()
            .bucket(BUCKET)
            .key("k")
            .upload_id(id)
            .multipart_upload(parts)
    };
    assert_eq!(
        code_of(complete(list(&[&one, &two])).send().await.unwrap_err()),
        "EntityTooSmall"
    );
    let created = complete(list(&[&one]))
        .if_none_match("*")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code_of(created), "PreconditionFailed");
    let bad = complete(list(&[&one])).checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(code_of(bad.send().await.unwrap_err()), "BadDigest");
    assert_eq!(server.get("k").await.unwrap(), b"old");

    for (key, id) in [
        ("other", id),
        ("k", "../../../../etc"),
        ("k", "0123456789abcdef0123456789abcdef"),
    ] {
        let stray = s3
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id)
            .part_number(1)
            .send()
            .await;
        assert_eq!(code_of(stray.unwrap_err()), "NoSuchUpload");
    }
    s3.abort_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(
        code_of(complete(list(&[&one])).send().await.unwrap_err()),
        "NoSuchUpload"
    );
    assert!(
        s3.list_multipart_uploads()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .uploads()
            .is_empty()
    );
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test]
async fn a_part_is_copied_from_another_object() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    let body = bytes(9, 2 * PART + 77);
    let put = s3.put_object().bucket(BUCKET).key("from/ä b");
    put.body(body.clone().into()).send().await.unwrap();
    let source = format!("{BUCKET}/from/%C3%A4%20b");
    let begin = s3.create_multipart_upload().bucket(BUCKET).key("spliced");
    let id = begin.send().await.unwrap().upload_id().unwrap().to_owned();
    let copy = |number: i32, source: &str, range: Option<&str>| {
        s3.upload_part_copy()
            .bucket(BUCKET)
            .key("spliced")
            .upload_id(&id)
            .part_number(number)
            .copy_source(source)
            .set_copy_source_range(range.map(str::to_owned))
    };
    let head = part(s3, "spliced", &id, 1, vec![7; PART]).await;
    let mut parts = vec![head];
    for (number, range) in [(2, Some(format!("bytes=100-{}", PART + 99))), (3, None)] {
        let copied = copy(number, &source, range.as_deref()).send().await.unwrap();
        let tag = copied.copy_part_result().unwrap().e_tag().unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(tag).build());
    }
    for (range, code) in [
        (format!("bytes=0-{}", body.len()), "InvalidRange"),
        ("bytes=9-".to_owned(), "InvalidArgument"),
    ] {
        let refused = copy(4, &source, Some(&range)).send().await;
        assert_eq!(code_of(refused.unwrap_err()), code, "{range}");
    }
    let missing = copy(4, &format!("{BUCKET}/none"), None).send().await;
    assert_eq!(code_of(missing.unwrap_err()), "NoSuchKey");
    let stale = copy(4, &source, None).copy_source_if_match("\"x\"").send().await;
    assert_eq!(code_of(stale.unwrap_err()), "PreconditionFailed");
    s3.complete_multipart_upload()
        .bucket(BUCKET)
        .key("spliced")
        .upload_id(&id)
        .multipart_upload(list(&parts.iter().collect::<Vec<_>>()))
        .send()
        .await
        .unwrap();
    let got = s3
        .get_object()
        .bucket(BUCKET)
        .key("spliced")
        .send()
        .await
        .unwrap();
    let expected = [vec![7; PART], body[100..PART + 100].to_vec(), body].concat();
    assert!(got.body.collect().await.unwrap().to_vec() == expected);
}
