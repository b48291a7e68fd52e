use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use protocol::Sha256;
use ring::digest::{SHA256, digest};
use storage::{StorageError, StoragePrefix};

use crate::server::{Server, incoming, names};

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i.wrapping_mul(31) >> 5) as u8).collect()
}

fn hash(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

fn chunks(bytes: &[u8], size: usize) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let chunks: Vec<_> = bytes
        .chunks(size)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

#[tokio::test]
async fn streams_of_every_size_arrive_whole_and_hashed() {
    let server = Server::start().await;
    let key = incoming("stream");
    let mib = 1 << 20;
    for (size, chunk) in [
        (0, 1),
        (10, 3),
        (8 * mib - 1, 65_536),
        (8 * mib, 65_536),
        (8 * mib + 1, 65_537),
        (25 * mib, 20 * mib),
    ] {
        let bytes = pattern(size);
        let hashed = server
            .storage
            .put_stream(&key, chunks(&bytes, chunk), size as u64)
            .await
            .unwrap();
        assert_eq!(
            (hashed.size, hashed.sha256),
            (size as u64, hash(&bytes)),
            "{size}"
        );
        let read = server.storage.get(&key, size as u64).await.unwrap().unwrap();
        assert!(read == bytes, "{size}");
    }
}

#[tokio::test]
async fn a_stream_that_fails_or_is_too_long_leaves_nothing() {
    let server = Server::start().await;
    let key = incoming("broken");
    let bytes = pattern(30 << 20);
    let hangup = stream::once(async { Err(std::io::Error::other("the client hung up")) });
    let broken = chunks(&bytes, 1 << 20).chain(hangup);
    let error = server
        .storage
        .put_stream(&key, broken, u64::MAX)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StorageError::Input { .. }) && error.to_string().contains("hung up"),
        "{error}"
    );

    let error = server
        .storage
        .put_stream(&key, chunks(&bytes, 1 << 20), (30 << 20) - 1)
        .await
        .unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { .. }), "{error}");
    let small = server
        .storage
        .put_stream(&key, chunks(b"12345", 5), 4)
        .await
        .unwrap_err();
    assert!(matches!(small, StorageError::TooLarge { .. }), "{small}");

    assert!(names(&server.storage, &StoragePrefix::Incoming).await.is_empty());
    // The parts are given up in the background: of 90 MiB sent, the data directory holds nothing in the end.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while used(server.dir.path()) > 1 << 20 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} bytes of parts stay",
            used(server.dir.path())
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn used(dir: &std::path::Path) -> u64 {
    // Files vanish while they are counted.
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => used(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[tokio::test]
async fn files_go_there_and_back() {
    let server = Server::start().await;
    let (from, to) = (server.dir.path().join("from"), server.dir.path().join("to"));
    let key = incoming("file");
    for size in [0, 5, 70 << 20] {
        let bytes = pattern(size);
        std::fs::write(&from, &bytes).unwrap();
        assert_eq!(server.storage.put_file(&key, &from).await.unwrap(), size as u64);
        let hashed = server
            .storage
            .get_to_file(&key, &to, size as u64)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((hashed.size, hashed.sha256), (size as u64, hash(&bytes)));
        assert!(std::fs::read(&to).unwrap() == bytes);
    }
    let error = server.storage.get_to_file(&key, &to, 5).await.unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { .. }), "{error}");
    assert_eq!(
        server
            .storage
            .get_to_file(&incoming("none"), &to, 5)
            .await
            .unwrap(),
        None
    );
    let error = server
        .storage
        .put_file(&key, &server.dir.path().join("none"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StorageError::File { .. }) && error.to_string().contains("/none"),
        "{error}"
    );
}

/// Short ends are sent with the rest, long ones the store copies.
#[tokio::test]
async fn an_object_ends_as_another_does() {
    let server = Server::start().await;
    let (old, new) = (incoming("old"), incoming("new"));
    let mib = 1 << 20;
    for (size, head, start) in [
        (10, 3, 4),
        (10, 3, 10),
        (3 * mib, 100, 90),
        (17 * mib, 100, 104),
        (17 * mib, 6 * mib, 1),
        (17 * mib, 17 * mib, 17 * mib),
    ] {
        let bytes = pattern(size);
        server.storage.put(&old, bytes.clone()).await.unwrap();
        let tail = storage::Tail {
            of: &old,
            size: size as u64,
            start: start as u64,
        };
        server
            .storage
            .splice(&new, Bytes::from(vec![7; head]), tail)
            .await
            .unwrap();
        let expected = [vec![7; head], bytes[start..].to_vec()].concat();
        let read = server.storage.get(&new, 64 << 20).await.unwrap().unwrap();
        assert!(read == expected, "{size} {head} {start}");
    }
    let tail = storage::Tail {
        of: &incoming("nothing"),
        size: 100,
        start: 10,
    };
    let missing = server.storage.splice(&new, Bytes::from_static(b"x"), tail).await;
    assert!(missing.unwrap_err().is_not_found());
}
