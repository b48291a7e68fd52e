use std::io::{Read as _, Write as _};

use protocol::BuildId;
use reqwest::Method;
use storage::{Encoding, StorageKey};

use crate::house::{BASE, House, header, place, sha256};

const RPM: &str = "hello-1.0~rc1^2+x-1.x86_64.rpm";

#[actix_web::test]
async fn a_package_is_served_whole_in_part_and_not_again() {
    let house = House::new().await;
    let content: Vec<u8> = (0..3 << 20).map(|i: u32| (i % 251) as u8).collect();
    house.publish(4).await;
    house
        .build("00000012-hello", true, &[(RPM, &content, None)])
        .await;
    let tag = format!("\"{}\"", sha256(&content));
    for path in [
        format!("{BASE}/00000012-hello/{RPM}"),
        format!("{BASE}/@4/00000012-hello/{RPM}"),
    ] {
        let answer = house.get(&path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "etag"), tag);
        assert_eq!(header(&answer, "content-type"), "application/x-rpm");
        assert_eq!(header(&answer, "content-length"), content.len().to_string());
        assert_eq!(header(&answer, "accept-ranges"), "bytes");
        assert_eq!(header(&answer, "last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(header(&answer, "x-koper-snapshot"), "4");
        assert!(header(&answer, "cache-control").contains("immutable"));
        assert!(answer.bytes().await.unwrap() == content);

        let answer = house.request(Method::HEAD, &path, &[]).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "etag")),
            (200, tag.as_str())
        );
        assert_eq!(header(&answer, "content-length"), content.len().to_string());
        assert!(answer.bytes().await.unwrap().is_empty());

        let weak = format!("\"x\", W/{tag}");
        let answer = house
            .request(Method::GET, &path, &[("if-none-match", &weak)])
            .await;
        assert_eq!(answer.status(), 304);

        for (range, first, last) in [
            ("bytes=0-0", 0, 1),
            ("bytes=1000000-", 1_000_000, content.len()),
            ("bytes=-5", content.len() - 5, content.len()),
        ] {
            let answer = house
                .request(Method::GET, &path, &[("range", range), ("if-range", &tag)])
                .await;
            assert_eq!(answer.status(), 206, "{range}");
            let expected = format!("bytes {first}-{}/{}", last - 1, content.len());
            assert_eq!(header(&answer, "content-range"), expected);
            assert!(answer.bytes().await.unwrap() == content[first..last], "{range}");
        }
        let answer = house
            .request(Method::GET, &path, &[("range", "bytes=9999999-")])
            .await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-range")),
            (416, "bytes */3145728")
        );
        let answer = house
            .request(
                Method::GET,
                &path,
                &[("range", "bytes=0-1"), ("if-range", "\"old\"")],
            )
            .await;
        assert_eq!(answer.status(), 200);
    }
}

#[actix_web::test]
async fn a_log_is_sent_compressed_under_its_own_name() {
    let house = House::new().await;
    let mut gzip = flate2();
    gzip.write_all(b"a long log\n").unwrap();
    let gzip = gzip.finish().unwrap();
    house
        .build(
            "00000012-hello",
            true,
            &[
                ("builder-live.log.gz", &gzip, Some(Encoding::Gzip)),
                ("empty.log", b"", None),
            ],
        )
        .await;
    let answer = house
        .get(&format!("{BASE}/00000012-hello/builder-live.log"))
        .await;
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
    let mut text = String::new();
    flate2_reader(&answer.bytes().await.unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "a long log\n");

    let answer = house
        .get(&format!("{BASE}/00000012-hello/builder-live.log.gz"))
        .await;
    assert_eq!(
        (
            header(&answer, "content-encoding"),
            header(&answer, "content-type")
        ),
        ("", "application/gzip")
    );
    assert!(answer.bytes().await.unwrap() == gzip);
    assert_eq!(house.text(&format!("{BASE}/00000012-hello/empty.log")).await, "");
}

fn flate2() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast())
}

fn flate2_reader(bytes: &[u8]) -> flate2::read::GzDecoder<&[u8]> {
    flate2::read::GzDecoder::new(bytes)
}

#[actix_web::test]
async fn a_running_build_shows_what_it_has_so_far() {
    let house = House::new().await;
    let path = format!("{BASE}/00000012-hello/build.log");
    for (complete, content) in [(false, "one"), (false, "one two"), (true, "one two three")] {
        house
            .build(
                "00000012-hello",
                complete,
                &[("build.log", content.as_bytes(), None)],
            )
            .await;
        let answer = house.get(&path).await;
        assert_eq!(header(&answer, "cache-control").contains("immutable"), complete);
        assert_eq!(answer.text().await.unwrap(), content);
    }
}

#[actix_web::test]
async fn build_directories_are_listed() {
    let house = House::new().await;
    house
        .build(
            "00000012-hello",
            true,
            &[(RPM, b"12345", None), ("build.log", b"", None)],
        )
        .await;
    let html = house.text(&format!("{BASE}/00000012-hello/")).await;
    let link = "<a href=\"hello-1.0~rc1%5E2+x-1.x86_64.rpm\">hello-1.0~rc1^2+x-1.x86_64.rpm</a>";
    assert!(
        html.contains(link) && html.contains("<a href=\"build.log\">build.log</a>"),
        "{html}"
    );
    let html = house.text(&format!("{BASE}/00000012-hello")).await;
    assert!(html.contains("<a href=\"00000012-hello/build.log\">"), "{html}");

    let (owner, dir, _) = place();
    let key = StorageKey::SourceIndex {
        owner,
        dir,
        build: BuildId(12),
    };
    house
        .index(&key, true, &[("hello-1.0-1.src.rpm", b"source", None)])
        .await;
    let html = house.text("/results/alice/tools/srpm-builds/").await;
    assert!(html.contains("<a href=\"00000012/\">00000012/</a>"), "{html}");
    let html = house.text("/results/alice/tools/srpm-builds/00000012/").await;
    assert!(html.contains("<a href=\"hello-1.0-1.src.rpm\">"), "{html}");
    assert_eq!(
        house
            .text("/results/alice/tools/srpm-builds/00000012/hello-1.0-1.src.rpm")
            .await,
        "source"
    );
}

#[actix_web::test]
async fn a_type_that_users_chose_runs_nothing() {
    let house = House::new().await;
    house
        .build("00000012-hello", true, &[("page.html", b"<script>", None)])
        .await;
    let answer = house.get(&format!("{BASE}/00000012-hello/page.html")).await;
    assert_eq!(header(&answer, "content-security-policy"), "sandbox");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
}

#[actix_web::test]
async fn what_does_not_exist_or_leads_outside_is_not_found() {
    let house = House::new().await;
    house.publish(1).await;
    house
        .build("00000012-hello", true, &[("build.log", b"x", None)])
        .await;
    for path in [
        "00000012-hello/none.rpm",
        "00000012-hello/none.log",
        "00000013-hello/build.log",
        "12-hello/build.log",
        "00000012-hello//build.log",
        "00000012-hello/build.log/",
        "00000012-hello/%2e%2e%2fpointers%2flatest.json",
        "..%2f..%2f..%2fincoming/x",
        "pointers/latest.json",
        "snapshots/1/repomd.xml",
        "builds/00000012-hello.json",
        "repodata/a%00b",
        "repodata/%ff",
        "@99999999999999999999/repodata/repomd.xml",
    ] {
        let answer = house.get(&format!("{BASE}/{path}")).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    }
    assert_eq!(house.get("/results/").await.status(), 404);
    let answer = house
        .request(Method::PUT, &format!("{BASE}/mirrorlist"), &[])
        .await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "allow")),
        (405, "GET, HEAD")
    );

    // As a client writes it that does not tidy up paths.
    for path in [
        "/results/alice/tools/debian-12-x86_64/../../../../etc/passwd",
        "/results/alice/tools/debian-12-x86_64/../debian-12-x86_64/mirrorlist",
        "/results/alice/tools/debian-12-x86_64/%2e%2e/debian-12-x86_64/mirrorlist",
        "/results/alice/tools/debian-12-x86_64/repodata/%2e%2e",
        "/results/alice/tools/./debian-12-x86_64/mirrorlist",
        "/results/../results/alice/tools/debian-12-x86_64/mirrorlist",
        "/distro/debian-12-x86_64/../../results/alice/tools/pubkey.gpg",
    ] {
        let address = house.gateway.strip_prefix("http://").unwrap().to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
}
