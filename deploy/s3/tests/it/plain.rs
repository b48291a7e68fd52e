//! Requests that no SDK made.

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{ACCESS, BUCKET, SECRET, TestServer, bytes, http};

#[tokio::test]
async fn presigned_urls_read_and_write() {
    let server = TestServer::start().await;
    let body = bytes(7, 2_000_000);
    let put = server.presign_put("up/load é.bin").await;
    let sent = http()
        .put(&put)
        .header("content-type", "text/css")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    let url = server.presign_get("up/load é.bin").await;
    let got = http().get(&url).send().await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-type"], "text/css");
    assert_eq!(got.headers()["content-length"], "2000000");
    let tag = got.headers()["etag"].clone();
    assert_eq!(got.bytes().await.unwrap(), body);

    let untyped = http()
        .put(server.presign_put("untyped").await)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(untyped.status(), 200);
    let untyped = http()
        .get(server.presign_get("untyped").await)
        .send()
        .await
        .unwrap();
    assert_eq!(untyped.headers()["content-type"], "binary/octet-stream");

    let part = http()
        .get(&url)
        .header("range", "bytes=5-9")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 5-9/2000000");
    assert_eq!(part.bytes().await.unwrap(), body[5..10]);
    let same = http()
        .get(&url)
        .header("if-none-match", tag.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (same.status().as_u16(), same.headers()["etag"].clone()),
        (304, tag)
    );
    assert!(same.bytes().await.unwrap().is_empty());
    assert_eq!(http().put(&url).body("x").send().await.unwrap().status(), 403);
    let other = url.replace("load", "lead");
    assert_eq!(http().get(&other).send().await.unwrap().status(), 403);
}

fn hmac_of(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
        .as_ref()
        .to_vec()
}

fn hex_sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// A PUT signed by hand (AWS Signature Version 4). `headers` are signed too; their names sort after `host`.
async fn signed_put(
    server: &TestServer,
    key: &str,
    headers: &[(&str, &str)],
    body: String,
) -> reqwest::Response {
    let now = DateTime::from_secs(DateTime::from(SystemTime::now()).secs());
    let now = now.fmt(DateTimeFormat::DateTime).unwrap().replace(['-', ':'], "");
    let (day, host) = (&now[..8], server.address.to_string());
    let mut all = vec![("host", host.as_str()), ("x-amz-date", &now)];
    all.extend(headers);
    all.sort();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = all
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let payload = all
        .iter()
        .find(|(name, _)| *name == "x-amz-content-sha256")
        .unwrap()
        .1;
    let canonical = format!("PUT\n/{BUCKET}/{key}\n\n{lines}\n{names}\n{payload}");
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex_sha256(&canonical));
    let mut secret = format!("AWS4{SECRET}").into_bytes();
    for step in [day, "us-east-1", "s3", "aws4_request"] {
        secret = hmac_of(&secret, step);
    }
    let signature = hex::encode(hmac_of(&secret, &to_sign));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}");
    let mut request = http()
        .put(format!("http://{host}/{BUCKET}/{key}"))
        .header("authorization", authorization);
    for (name, value) in all {
        request = request.header(name, value);
    }
    request.body(body).send().await.unwrap()
}

/// An `aws-chunked` PUT whose SHA-256 comes in the trailer.
async fn put_with_trailer(server: &TestServer, key: &str, body: &str, trailer: &str) -> reqwest::Response {
    let length = body.len().to_string();
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", &length),
        ("x-amz-trailer", "x-amz-checksum-sha256"),
    ];
    let (first, rest) = body.split_at(body.len() / 2);
    let framed = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\nx-amz-checksum-sha256:{trailer}\r\n\r\n",
        first.len(),
        rest.len()
    );
    signed_put(server, key, &headers, framed).await
}

#[tokio::test]
async fn a_body_must_be_what_was_signed() {
    let server = TestServer::start().await;
    let signed = hex_sha256("signed");
    let headers = [("x-amz-content-sha256", signed.as_str())];
    assert_eq!(
        signed_put(&server, "k", &headers, "signed".to_owned())
            .await
            .status(),
        200
    );
    let refused = signed_put(&server, "k", &headers, "forged".to_owned()).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("BadDigest"));
    assert_eq!(server.get("k").await.unwrap(), b"signed");
}

#[tokio::test]
async fn trailing_checksums_are_verified() {
    let server = TestServer::start().await;
    let body = "some streamed body";
    let sum = STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes()));
    let sent = put_with_trailer(&server, "t", body, &sum).await;
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    assert_eq!(server.get("t").await.unwrap(), body.as_bytes());
    let head = server
        .client
        .head_object()
        .bucket(BUCKET)
        .key("t")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_encoding(), None);
    let refused = put_with_trailer(&server, "t", "another body", &sum).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("BadDigest"));
    assert_eq!(server.get("t").await.unwrap(), body.as_bytes());
    assert_eq!(server.unfinished(), 0);
}

/// Bodies that break off leave the old object and no files.
#[tokio::test]
async fn an_interrupted_upload_changes_nothing() {
    let server = TestServer::start().await;
    server.put("k", b"old").await;
    let url = server.presign_put("k").await;
    let path = url.split_once(&server.address.to_string()).unwrap().1;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 9000000\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes(8, 3_000_000)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.unfinished() == 0 {
        assert!(Instant::now() < deadline, "the upload begins");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    while server.unfinished() != 0 {
        assert!(Instant::now() < deadline, "the unfinished file goes away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.get("k").await.unwrap(), b"old");
}
