use aws_sdk_s3::error::ProvideErrorMetadata;
use embedded_s3::serve;

use crate::support::{BUCKET, TestServer, bytes, client, code_of, config};

#[tokio::test]
async fn odd_keys_are_just_keys() {
    let server = TestServer::start().await;
    let long = [format!("{}/", "k".repeat(300)).repeat(3), "k".repeat(121)].concat();
    assert_eq!(long.len(), 1024);
    let (wide, slashes) = ("é".repeat(512), "/".repeat(1024));
    let mut keys = vec![
        "a",
        "a/",
        "/a",
        "//",
        "a//b",
        "../../../escape",
        "..",
        ".",
        "./a",
        "a/../b",
        "a b",
        "a+b",
        "a%2Fb",
        "%00",
        "ключ/日本語 🦀",
        "=o",
        "a=d/x",
        "x\u{1}y",
        "q?r#s&t",
        "\\\\host",
        "~",
        "*",
        "a\"'<>&b",
        "nul\u{0}x",
    ];
    keys.extend([long.as_str(), &wide, &slashes]);
    for key in &keys {
        server.put(key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(server.get(key).await.as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    let url = aws_sdk_s3::types::EncodingType::Url;
    let listed = server
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .encoding_type(url)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.contents().len(), keys.len());
    let root: Vec<_> = fs_err::read_dir(server.dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(root.len(), 3, "{root:?}");
    let too_long = server
        .client
        .put_object()
        .bucket(BUCKET)
        .key("k".repeat(1025))
        .send()
        .await
        .unwrap_err();
    assert_eq!(code_of(too_long), "KeyTooLongError");
    for key in &keys {
        server
            .client
            .delete_object()
            .bucket(BUCKET)
            .key(*key)
            .send()
            .await
            .unwrap();
    }
    server.client.delete_bucket().bucket(BUCKET).send().await.unwrap();
}

#[tokio::test]
async fn a_reader_keeps_the_object_it_opened() {
    let server = TestServer::start().await;
    let old = bytes(4, 8 << 20);
    server.put("k", &old).await;
    let open = server
        .client
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    server.put("k", b"new").await;
    assert_eq!(open.body.collect().await.unwrap().to_vec(), old);
    assert_eq!(server.get("k").await.unwrap(), b"new");
}

#[tokio::test]
async fn strangers_are_refused() {
    let server = TestServer::start().await;
    server.put("k", b"secret").await;
    let url = format!("http://{}/{BUCKET}/k", server.address);
    assert_eq!(
        crate::support::http().get(&url).send().await.unwrap().status(),
        403
    );
    let config = server.client.config().to_builder();
    let credentials = aws_credential_types::Credentials::from_keys("access", "wrong", None);
    let stranger = aws_sdk_s3::Client::from_conf(config.credentials_provider(credentials).build());
    let error = stranger
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn one_process_per_directory_and_objects_outlive_it() {
    let server = TestServer::start().await;
    server.put("k", b"kept").await;
    let second = serve(config(server.dir.path()), |_| (), std::future::ready(()))
        .await
        .unwrap_err();
    let text = second.to_string();
    assert!(text.ends_with("is in use by another process"), "{text}");
    fs_err::write(server.dir.path().join("tmp/left-over"), "x").unwrap();
    let dir = server.stop().await;
    let server = TestServer::start_in(dir).await;
    assert_eq!(
        client(server.address)
            .list_buckets()
            .send()
            .await
            .unwrap()
            .buckets()
            .len(),
        1
    );
    assert_eq!(server.get("k").await.unwrap(), b"kept");
    assert_eq!(server.unfinished(), 0);
}
