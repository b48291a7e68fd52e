use std::time::{Duration, Instant};

use futures_util::StreamExt;
use storage::Plan;

use crate::house::{BASE, House, header};

#[actix_web::test]
async fn a_request_waits_for_a_store_that_comes_back() {
    let mut house = House::new().await;
    house.publish(1).await;
    house
        .build("00000012-hello", true, &[("hello.rpm", b"package", None)])
        .await;
    house.objects.stop();
    let paths = [
        "mirrorlist",
        "repodata/repomd.xml",
        "00000012-hello/hello.rpm",
        "00000012-hello/",
    ];
    let paths = paths.map(|path| format!("{BASE}/{path}"));
    let outage = Duration::from_secs(3);
    let started = Instant::now();
    let objects = &mut house.objects;
    let restart = async {
        tokio::time::sleep(outage).await;
        objects.start().await;
    };
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(40))
        .build()
        .unwrap();
    let gateway = house.gateway.clone();
    let requests = futures_util::future::join_all(
        paths
            .iter()
            .map(|path| client.get(format!("{gateway}{path}")).send()),
    );
    let (answers, ()) = futures_util::join!(requests, restart);
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.url());
    }
    assert!(started.elapsed() >= outage);
}

#[actix_web::test]
async fn a_store_that_stays_away_ends_in_503() {
    let mut house = House::with_patience(Duration::from_secs(2)).await;
    house.publish(1).await;
    house.objects.stop();
    let started = Instant::now();
    let answer = house.get(&format!("{BASE}/mirrorlist")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(header(&answer, "retry-after"), "5");
    assert_eq!(header(&answer, "cache-control"), "no-store");
    assert!(answer.text().await.unwrap().contains("does not answer"));
    assert!(started.elapsed() < Duration::from_secs(10));
    house.objects.start().await;
    assert_eq!(house.get(&format!("{BASE}/mirrorlist")).await.status(), 200);
}

#[actix_web::test]
async fn metadata_that_was_read_once_outlives_the_store() {
    let mut house = House::with_patience(Duration::from_secs(1)).await;
    house.publish(1).await;
    let path = format!("{BASE}/@1/repodata/{}-primary.xml.gz", "a".repeat(64));
    assert_eq!(house.text(&path).await, "primary");
    house.objects.stop();
    assert_eq!(house.text(&path).await, "primary");
}

#[actix_web::test]
async fn a_download_goes_on_where_the_store_broke_off() {
    let mut house = House::new().await;
    // More than all sockets and buffers on the way hold, so that the server is cut off in the middle.
    let content: Vec<u8> = (0..48 << 20)
        .map(|i: u32| (i.wrapping_mul(31) >> 7) as u8)
        .collect();
    house
        .build("00000012-hello", true, &[("hello.rpm", &content, None)])
        .await;
    let mut stream = house
        .get(&format!("{BASE}/00000012-hello/hello.rpm"))
        .await
        .bytes_stream();
    let mut read = stream.next().await.unwrap().unwrap().to_vec();
    house.objects.stop();
    house.objects.start().await;
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert!(read == content);
}

#[actix_web::test]
async fn a_file_in_pieces_goes_on_where_the_store_broke_off() {
    let mut house = House::new().await;
    let mut content = Vec::new();
    let mut frames = Vec::new();
    for n in 0..24_u32 {
        let frame: Vec<u8> = (0..2 << 20)
            .map(|i: u32| (i.wrapping_mul(31 + n) >> 7) as u8)
            .collect();
        frames.push(house.frame(&frame).await);
        content.extend_from_slice(&frame);
    }
    let plan = Plan::new("", frames, "").unwrap();
    let name = format!("{}-primary.xml.zst", "b".repeat(64));
    house.metadata(&name, plan.to_bytes().unwrap()).await;
    let mut stream = house
        .get(&format!("{BASE}/@1/repodata/{name}"))
        .await
        .bytes_stream();
    let mut read = stream.next().await.unwrap().unwrap().to_vec();
    house.objects.stop();
    house.objects.start().await;
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert!(read == content);
}
