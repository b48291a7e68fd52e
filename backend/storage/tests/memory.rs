//! A long upload and download do not grow the process. Alone in its binary: it reads the peak of the whole process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use storage::{Config, Secret, Storage, StorageKey};

const SIZE: u64 = 200 << 20;
const CHUNK: u64 = 64 << 10;

/// Largest resident size of this process so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn two_hundred_mebibytes_pass_through_in_flat_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (ready, address) = tokio::sync::oneshot::channel();
    let server = embedded_s3::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.path().join("objects"),
        access_key: "tester".to_owned(),
        secret_key: "very-secret-key".to_owned(),
        buckets: vec!["koper".to_owned()],
    };
    tokio::spawn(async move {
        embedded_s3::serve(
            server,
            |address| ready.send(address).unwrap(),
            std::future::pending(),
        )
        .await
        .unwrap();
    });
    let storage = Storage::new(&Config {
        endpoint: format!("http://{}", address.await.unwrap()),
        access_key: "tester".to_owned(),
        secret_key: Secret::new("very-secret-key"),
        ..Config::default()
    })
    .unwrap();
    let key = StorageKey::Incoming("long".parse().unwrap());
    storage.put(&key, "warm").await.unwrap();

    let before = peak();
    let source = stream::iter(0..SIZE / CHUNK)
        .map(|i| Ok::<_, std::io::Error>(Bytes::from(vec![i as u8; CHUNK as usize])));
    let sent = storage.put_stream(&key, source, SIZE).await.unwrap();
    let got = storage
        .get_to_file(&key, &dir.path().join("long"), SIZE)
        .await
        .unwrap()
        .unwrap();
    let grown = peak() - before;
    assert_eq!(sent, got);
    assert_eq!(sent.size, SIZE);
    println!("client and server together grew by {} MiB", grown >> 20);
    assert!(
        grown < 64 << 20,
        "client and server together grew by {} MiB",
        grown >> 20
    );
}
