use aws_sdk_s3::error::ProvideErrorMetadata;
use futures_util::future::join_all;

use crate::support::{BUCKET, TestServer, bytes, code_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_sixteen_creators_wins() {
    let server = TestServer::start().await;
    for round in 0..5 {
        let key = format!("race/{round}");
        let attempts = (0..16u64).map(|n| {
            let body = bytes(n, 100_000);
            let put = server
                .client
                .put_object()
                .bucket(BUCKET)
                .key(&key)
                .if_none_match("*")
                .body(body.into());
            async move { (n, put.send().await) }
        });
        let mut winners = Vec::new();
        for (n, result) in join_all(attempts).await {
            match result {
                Ok(_) => winners.push(n),
                Err(error) => assert_eq!(code_of(error), "PreconditionFailed"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(server.get(&key).await.unwrap(), bytes(winners[0], 100_000));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_sixteen_swappers_wins_each_round() {
    let server = TestServer::start().await;
    server.put("pointer", b"start").await;
    for round in 0..5 {
        let head = server
            .client
            .head_object()
            .bucket(BUCKET)
            .key("pointer")
            .send()
            .await
            .unwrap();
        let tag = head.e_tag().unwrap().to_owned();
        let attempts = (0..16).map(|n| {
            let body = format!("{round} {n}").into_bytes();
            server
                .client
                .put_object()
                .bucket(BUCKET)
                .key("pointer")
                .if_match(&tag)
                .body(body.into())
                .send()
        });
        let results = join_all(attempts).await;
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "round {round}"
        );
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.code(), Some("PreconditionFailed"));
        }
    }
}

#[tokio::test]
async fn conditions_see_what_is_there() {
    let server = TestServer::start().await;
    let put = |key: &str| {
        server
            .client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(b"x".to_vec().into())
    };
    assert_eq!(
        code_of(put("none").if_match("\"a\"").send().await.unwrap_err()),
        "NoSuchKey"
    );
    let tag = put("k")
        .if_none_match("*")
        .send()
        .await
        .unwrap()
        .e_tag()
        .unwrap()
        .to_owned();
    assert_eq!(
        code_of(put("k").if_match("\"a\"").send().await.unwrap_err()),
        "PreconditionFailed"
    );
    put("k").if_match(&tag).send().await.unwrap();
    let delete = || server.client.delete_object().bucket(BUCKET).key("k");
    assert_eq!(
        code_of(delete().if_match("\"a\"").send().await.unwrap_err()),
        "PreconditionFailed"
    );
    delete().if_match(&tag).send().await.unwrap();
    put("k").if_none_match("*").send().await.unwrap();
}

/// Deletes prune directories while puts make them: neither may fail, and nothing acknowledged may be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_and_deletes_beside_each_other() {
    let server = TestServer::start().await;
    let workers = (0..8).map(|n| {
        let client = server.client.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let key = format!("shared/deep/{}/{n}", round % 2);
                client
                    .put_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .body(key.clone().into_bytes().into())
                    .send()
                    .await
                    .unwrap();
                assert_eq!(crate::support::get(&client, &key).await.unwrap(), key.as_bytes());
                client
                    .delete_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .send()
                    .await
                    .unwrap();
            }
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    let keys = server.dir.path().join("buckets").join(BUCKET).join("keys");
    assert_eq!(fs_err::read_dir(keys).unwrap().count(), 0);
}
