use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Sha256, TaskId};
use storage::{DistroCurrent, Storage, StorageError, StorageKey, StoragePrefix};

use crate::server::{Server, config, incoming, names};

#[tokio::test]
async fn the_probe_makes_the_bucket_finds_conditions_and_leaves_nothing() {
    let server = Server::start().await;
    let found = server.storage.probe().await.unwrap();
    assert!(found.conditional_create && found.conditional_replace, "{found:?}");
    assert!(names(&server.storage, &StoragePrefix::Incoming).await.is_empty());
}

#[tokio::test]
async fn what_is_put_is_got() {
    let server = Server::start().await;
    let storage = &server.storage;
    let key = StorageKey::Distro {
        chroot: "debian-12-x86_64".parse().unwrap(),
        hash: "abc".parse().unwrap(),
        path: "Packages/l/libstdc++-1.0~rc1^2:x.rpm".parse().unwrap(),
    };
    assert_eq!(storage.get(&key, 100).await.unwrap(), None);
    assert_eq!(storage.exists(&key).await.unwrap(), None);
    assert!(storage.get_stream(&key, None).await.unwrap().is_none());

    storage.put(&key, "0123456789").await.unwrap();
    assert_eq!(storage.get(&key, 10).await.unwrap().unwrap(), "0123456789");
    assert_eq!(storage.exists(&key).await.unwrap(), Some(10));
    let error = storage.get(&key, 9).await.unwrap_err();
    assert!(
        matches!(error, StorageError::TooLarge { limit: 9, .. }),
        "{error}"
    );

    let copy = incoming("copy");
    storage.copy(&key, &copy).await.unwrap();
    assert_eq!(storage.get(&copy, 10).await.unwrap().unwrap(), "0123456789");
    let error = storage.copy(&incoming("nothing"), &copy).await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().contains("incoming/nothing"),
        "{error}"
    );

    storage.delete(&key).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert_eq!(storage.exists(&key).await.unwrap(), None);

    let empty = incoming("empty");
    storage.put(&empty, Bytes::new()).await.unwrap();
    assert_eq!(storage.get(&empty, 0).await.unwrap().unwrap(), "");
}

#[tokio::test]
async fn json_is_parsed_or_refused() {
    let server = Server::start().await;
    let key = StorageKey::DistroCurrent {
        chroot: "debian-12-x86_64".parse().unwrap(),
    };
    let current = DistroCurrent {
        hash: "abc".parse().unwrap(),
    };
    server.storage.put_json(&key, &current).await.unwrap();
    assert_eq!(server.storage.get_json(&key, 1000).await.unwrap(), Some(current));
    server.storage.put(&key, r#"{"hash": "../x"}"#).await.unwrap();
    let error = server
        .storage
        .get_json::<DistroCurrent>(&key, 1000)
        .await
        .unwrap_err();
    assert!(
        !error.is_retryable() && error.to_string().contains("distro/debian-12-x86_64/current.json"),
        "{error}"
    );
}

#[tokio::test]
async fn parts_of_an_object_are_read() {
    let server = Server::start().await;
    let key = incoming("ranges");
    server.storage.put(&key, "0123456789").await.unwrap();
    for (range, expected) in [
        ((0, Some(0)), "0"),
        ((3, Some(5)), "345"),
        ((7, None), "789"),
        ((8, Some(99)), "89"),
    ] {
        let object = server
            .storage
            .get_stream(&key, Some(range))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(object.size, expected.len() as u64);
        let text: Vec<_> = object.stream.map(Result::unwrap).collect().await;
        assert_eq!(text.concat(), expected.as_bytes());
    }
    let error = server
        .storage
        .get_stream(&key, Some((10, None)))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StorageError::Final { .. }), "{error}");
}

#[tokio::test]
async fn listings_go_over_pages_and_deletions_stay_inside_their_prefix() {
    let server = Server::start().await;
    let storage = &server.storage;
    let keys = (0..1_050).map(|index| StorageKey::Quarantine {
        task: TaskId(1),
        attempt: 1,
        index,
    });
    futures_util::stream::iter(keys)
        .for_each_concurrent(16, |key| async move { storage.put(&key, "x").await.unwrap() })
        .await;
    let other = StorageKey::Quarantine {
        task: TaskId(11),
        attempt: 1,
        index: 0,
    };
    storage.put(&other, "other").await.unwrap();

    let prefix = StoragePrefix::Task { task: TaskId(1) };
    let listed: Vec<_> = storage.list(&prefix).map(Result::unwrap).collect().await;
    assert_eq!(listed.len(), 1_050);
    assert!(listed.is_sorted_by_key(|object| object.path().to_owned()));
    assert!(
        listed
            .iter()
            .all(|object| object.size == 1 && object.modified.is_some())
    );
    assert_eq!((listed[1].path(), listed[1].name()), ("quarantine/1/1/1", "1"));

    storage.delete_listed(&listed[0]).await.unwrap();
    assert_eq!(storage.delete_prefix(&prefix).await.unwrap(), 1_049);
    assert!(names(storage, &prefix).await.is_empty());
    assert_eq!(storage.exists(&other).await.unwrap(), Some(5));
}

#[tokio::test]
async fn a_missing_server_is_retryable_and_a_wrong_secret_is_not() {
    let mut server = Server::start().await;
    let mut wrong = config(server.address);
    wrong.secret_key = storage::Secret::new("not-the-secret");
    let error = Storage::new(&wrong)
        .unwrap()
        .put(&incoming("x"), "x")
        .await
        .unwrap_err();
    assert!(matches!(error, StorageError::Final { .. }), "{error}");
    assert!(error.to_string().starts_with("writing incoming/x: "), "{error}");
    assert!(!format!("{error:?} {error}").contains("not-the-secret"));

    server.stop().await;
    let key = StorageKey::Blob(Sha256::from_bytes(&[1; 32]));
    for error in [
        server.storage.get(&key, 1).await.unwrap_err(),
        server.storage.exists(&key).await.unwrap_err(),
        server.storage.delete(&key).await.unwrap_err(),
        server.storage.probe().await.unwrap_err(),
    ] {
        assert!(error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_not_a_missing_object() {
    let server = Server::start().await;
    let mut elsewhere = config(server.address);
    elsewhere.bucket = "elsewhere".to_owned();
    let storage = Storage::new(&elsewhere).unwrap();
    let error = storage.get(&incoming("x"), 1).await.unwrap_err();
    assert!(matches!(error, StorageError::Final { .. }), "{error}");
    storage.probe().await.unwrap();
    assert_eq!(storage.get(&incoming("x"), 1).await.unwrap(), None);
}
