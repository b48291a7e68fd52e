use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier};

use crate::support::{BUCKET, TestServer, bytes, code_of};

#[tokio::test]
async fn buckets_are_made_listed_and_removed_when_empty() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    s3.create_bucket().bucket("another").send().await.unwrap();
    let again = s3.create_bucket().bucket("another").send().await.unwrap_err();
    assert_eq!(code_of(again), "BucketAlreadyOwnedByYou");
    let listed = s3.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed
        .buckets()
        .iter()
        .map(|bucket| bucket.name().unwrap())
        .collect();
    assert_eq!(names, ["another", BUCKET]);
    s3.head_bucket().bucket("another").send().await.unwrap();
    assert!(
        s3.head_bucket()
            .bucket("missing")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );

    s3.put_object()
        .bucket("another")
        .key("a/b")
        .body(b"x".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(
        code_of(s3.delete_bucket().bucket("another").send().await.unwrap_err()),
        "BucketNotEmpty"
    );
    s3.delete_object()
        .bucket("another")
        .key("a/b")
        .send()
        .await
        .unwrap();
    s3.delete_bucket().bucket("another").send().await.unwrap();
    let gone = s3
        .put_object()
        .bucket("another")
        .key("a")
        .body(b"x".to_vec().into())
        .send()
        .await;
    assert_eq!(code_of(gone.unwrap_err()), "NoSuchBucket");
    assert_eq!(
        code_of(s3.delete_bucket().bucket("another").send().await.unwrap_err()),
        "NoSuchBucket"
    );
}

#[tokio::test]
async fn headers_and_metadata_come_back() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    let body = bytes(1, 300_000);
    let put = s3
        .put_object()
        .bucket(BUCKET)
        .key("pkg/a.rpm")
        .content_type("application/x-rpm")
        .content_encoding("gzip")
        .content_disposition("attachment; filename=\"a.rpm\"")
        .content_language("en")
        .cache_control("max-age=60")
        .metadata("build", "42")
        .metadata("name", "grüße")
        .body(body.clone().into())
        .send()
        .await
        .unwrap();
    let head = s3
        .head_object()
        .bucket(BUCKET)
        .key("pkg/a.rpm")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(300_000));
    assert_eq!(head.content_type(), Some("application/x-rpm"));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.content_disposition(), Some("attachment; filename=\"a.rpm\""));
    assert_eq!(head.content_language(), Some("en"));
    assert_eq!(head.cache_control(), Some("max-age=60"));
    assert_eq!(head.metadata().unwrap()["build"], "42");
    assert_eq!(head.e_tag(), put.e_tag());
    let get = s3
        .get_object()
        .bucket(BUCKET)
        .key("pkg/a.rpm")
        .send()
        .await
        .unwrap();
    assert_eq!(get.metadata().unwrap().len(), 2);
    assert_eq!(get.body.collect().await.unwrap().to_vec(), body);

    let missing = s3
        .get_object()
        .bucket(BUCKET)
        .key("pkg")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code_of(missing), "NoSuchKey");
    let other = s3
        .get_object()
        .bucket(BUCKET)
        .key("pkg/a.rpm")
        .response_content_type("text/plain")
        .response_content_disposition("inline")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (other.content_type(), other.content_disposition()),
        (Some("text/plain"), Some("inline"))
    );
    server.put("plain", b"").await;
    let plain = s3.get_object().bucket(BUCKET).key("plain").send().await.unwrap();
    assert_eq!(plain.content_type(), Some("application/octet-stream"));
    assert_eq!(plain.e_tag(), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
    assert!(plain.body.collect().await.unwrap().to_vec().is_empty());
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test]
async fn ranges() {
    let server = TestServer::start().await;
    let body = bytes(2, 10_000);
    server.put("r", &body).await;
    server.put("empty", b"").await;
    for (range, expected, header) in [
        ("bytes=0-0", 0..1, "bytes 0-0/10000"),
        ("bytes=100-199", 100..200, "bytes 100-199/10000"),
        ("bytes=9990-", 9990..10_000, "bytes 9990-9999/10000"),
        ("bytes=9990-99999", 9990..10_000, "bytes 9990-9999/10000"),
        ("bytes=-10", 9990..10_000, "bytes 9990-9999/10000"),
    ] {
        let part = server
            .client
            .get_object()
            .bucket(BUCKET)
            .key("r")
            .range(range)
            .send()
            .await
            .unwrap();
        assert_eq!(part.content_range(), Some(header));
        assert_eq!(
            part.body.collect().await.unwrap().to_vec(),
            body[expected],
            "{range}"
        );
    }
    for (key, range) in [
        ("r", "bytes=10000-"),
        ("empty", "bytes=0-"),
        ("empty", "bytes=-5"),
    ] {
        let error = server
            .client
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .range(range)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 416);
    }
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    server.put("c", b"content").await;
    let head = s3.head_object().bucket(BUCKET).key("c").send().await.unwrap();
    let (tag, modified) = (head.e_tag().unwrap(), *head.last_modified().unwrap());
    let status =
        async |request: aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder| match request
            .bucket(BUCKET)
            .key("c")
            .send()
            .await
        {
            Ok(_) => 200,
            Err(error) => error.raw_response().unwrap().status().as_u16(),
        };
    assert_eq!(status(s3.get_object().if_none_match(tag)).await, 304);
    assert_eq!(status(s3.get_object().if_none_match("\"other\"")).await, 200);
    assert_eq!(status(s3.get_object().if_modified_since(modified)).await, 304);
    assert_eq!(
        status(s3.get_object().if_modified_since(DateTime::from_secs(1000))).await,
        200
    );
    assert_eq!(status(s3.get_object().if_match(tag)).await, 200);
    assert_eq!(status(s3.get_object().if_match("\"other\"")).await, 412);
    assert_eq!(
        status(s3.get_object().if_unmodified_since(DateTime::from_secs(1000))).await,
        412
    );
    assert_eq!(status(s3.get_object().if_unmodified_since(modified)).await, 200);
}

#[tokio::test]
async fn a_wrong_checksum_replaces_nothing() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    server.put("k", b"old").await;
    let put = || {
        s3.put_object()
            .bucket(BUCKET)
            .key("k")
            .body(b"new".to_vec().into())
    };
    let wrong_md5 = put()
        .content_md5("1B2M2Y8AsgTpgAmY7PhCfg==")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code_of(wrong_md5), "BadDigest");
    assert_eq!(
        code_of(put().content_md5("short").send().await.unwrap_err()),
        "InvalidDigest"
    );
    let sha = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert_eq!(
        code_of(put().checksum_sha256(sha).send().await.unwrap_err()),
        "BadDigest"
    );
    assert_eq!(
        code_of(put().checksum_crc32("AAAAAA==").send().await.unwrap_err()),
        "BadDigest"
    );
    assert_eq!(
        code_of(put().checksum_crc32_c("AAAAAA==").send().await.unwrap_err()),
        "BadDigest"
    );
    assert_eq!(server.get("k").await.unwrap(), b"old");
    assert_eq!(server.unfinished(), 0);

    let get = async || {
        let get = s3
            .get_object()
            .bucket(BUCKET)
            .key("k")
            .checksum_mode(ChecksumMode::Enabled);
        // This makes the client verify what it reads.
        let always = aws_sdk_s3::Config::builder()
            .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
        let got = get.customize().config_override(always).send().await.unwrap();
        let sums = [
            got.checksum_sha256(),
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_sha1(),
        ];
        let found = sums.iter().flatten().count();
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"new");
        found
    };
    for algorithm in [
        ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Sha1,
    ] {
        let always = aws_sdk_s3::Config::builder()
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
        put()
            .checksum_algorithm(algorithm)
            .customize()
            .config_override(always)
            .send()
            .await
            .unwrap();
        assert_eq!(get().await, 1);
    }
    put()
        .content_md5("Iq9kXRhZy1ym2gxITx836g==")
        .send()
        .await
        .unwrap();
    assert_eq!(get().await, 0);
}

#[tokio::test]
async fn objects_are_deleted_one_by_one_and_together() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    for key in ["a/b/c", "a/b/d", "a/x"] {
        server.put(key, key.as_bytes()).await;
    }
    s3.delete_object()
        .bucket(BUCKET)
        .key("a/b/c")
        .send()
        .await
        .unwrap();
    s3.delete_object()
        .bucket(BUCKET)
        .key("a/b/c")
        .send()
        .await
        .unwrap();
    assert_eq!(server.get("a/b/c").await, None);
    assert_eq!(server.get("a/b/d").await.unwrap(), b"a/b/d");
    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder()
        .objects(object("a/b/d"))
        .objects(object("a/x"))
        .objects(object("never"))
        .build();
    let done = s3
        .delete_objects()
        .bucket(BUCKET)
        .delete(delete.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!((done.deleted().len(), done.errors().len()), (3, 0));
    assert_eq!(
        s3.list_objects_v2()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .key_count(),
        Some(0)
    );
    // No directory of a deleted key is left behind.
    assert_eq!(
        fs_err::read_dir(server.dir.path().join("buckets").join(BUCKET).join("keys"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn copies_keep_or_replace_metadata() {
    let server = TestServer::start().await;
    let s3 = &server.client;
    let body = bytes(3, 3_000_000);
    let key = "from/ä b";
    s3.put_object()
        .bucket(BUCKET)
        .key(key)
        .metadata("m", "1")
        .body(body.clone().into())
        .send()
        .await
        .unwrap();
    let source = format!("{BUCKET}/from/%C3%A4%20b");
    let copied = s3
        .copy_object()
        .bucket(BUCKET)
        .key("to")
        .copy_source(&source)
        .send()
        .await
        .unwrap();
    let to = s3.get_object().bucket(BUCKET).key("to").send().await.unwrap();
    assert_eq!(to.e_tag(), copied.copy_object_result().unwrap().e_tag());
    assert_eq!(to.metadata().unwrap()["m"], "1");
    assert_eq!(to.body.collect().await.unwrap().to_vec(), body);
    s3.copy_object()
        .bucket(BUCKET)
        .key(key)
        .copy_source(&source)
        .metadata_directive(MetadataDirective::Replace)
        .metadata("m", "2")
        .content_type("text/x")
        .send()
        .await
        .unwrap();
    let same = s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(
        (same.metadata().unwrap()["m"].as_str(), same.content_type()),
        ("2", Some("text/x"))
    );
    assert_eq!(same.body.collect().await.unwrap().to_vec(), body);
    let stale = s3
        .copy_object()
        .bucket(BUCKET)
        .key("no")
        .copy_source(&source)
        .copy_source_if_match("\"x\"");
    assert_eq!(code_of(stale.send().await.unwrap_err()), "PreconditionFailed");
    let missing = s3
        .copy_object()
        .bucket(BUCKET)
        .key("no")
        .copy_source(format!("{BUCKET}/none"))
        .send()
        .await;
    assert_eq!(code_of(missing.unwrap_err()), "NoSuchKey");
}
