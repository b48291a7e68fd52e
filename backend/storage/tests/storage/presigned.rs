use std::time::Duration;

use storage::{Storage, StoragePrefix};

use crate::server::{Server, config, incoming, names};

const HOUR: Duration = Duration::from_secs(3600);

fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_presigned_upload_takes_its_size_and_no_other() {
    let server = Server::start().await;
    let key = incoming("upload");
    let url = server.storage.presign_put(&key, 5, HOUR).await.unwrap();
    for wrong in ["", "1234", "123456"] {
        let answer = browser().put(&url).body(wrong).send().await.unwrap();
        assert!(
            answer.status().is_client_error(),
            "{} bytes: {}",
            wrong.len(),
            answer.status()
        );
    }
    let chunked =
        reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("123456789")]));
    let answer = browser().put(&url).body(chunked).send().await.unwrap();
    assert!(
        answer.status().is_client_error(),
        "without a length: {}",
        answer.status()
    );
    assert!(names(&server.storage, &StoragePrefix::Incoming).await.is_empty());

    let answer = browser().put(&url).body("12345").send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(server.storage.get(&key, 5).await.unwrap().unwrap(), "12345");

    let moved = url.replace("incoming/upload", "incoming/another");
    let answer = browser().put(&moved).body("12345").send().await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[tokio::test]
async fn a_presigned_download_reads_one_object() {
    let server = Server::start().await;
    let key = incoming("download");
    server.storage.put(&key, "content").await.unwrap();
    let name = "hello-1.0~rc1.src.rpm".parse().unwrap();
    let url = server.storage.presign_get(&key, HOUR, Some(&name)).await.unwrap();
    let answer = browser().get(&url).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-disposition"],
        "attachment; filename=\"hello-1.0~rc1.src.rpm\""
    );
    assert_eq!(answer.text().await.unwrap(), "content");

    let plain = server.storage.presign_get(&key, HOUR, None).await.unwrap();
    assert_eq!(
        browser().get(&plain).send().await.unwrap().text().await.unwrap(),
        "content"
    );
    let answer = browser().put(&plain).body("x").send().await.unwrap();
    assert!(answer.status().is_client_error());
    let answer = browser()
        .get(plain.replace("incoming/download", "incoming/upload"))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_client_error());
    assert!(
        server
            .storage
            .presign_get(&key, Duration::from_secs(8 * 86_400), None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn urls_for_builders_name_the_address_that_builders_reach() {
    let mut config = config("127.0.0.1:9".parse().unwrap());
    config.presign_endpoint = Some("https://objects.example.org".to_owned());
    let storage = Storage::new(&config).unwrap();
    let url = storage.presign_put(&incoming("x"), 1, HOUR).await.unwrap();
    assert!(
        url.starts_with("https://objects.example.org/koper/incoming/x?"),
        "{url}"
    );
    assert!(!url.contains("very-secret-key"));
}
