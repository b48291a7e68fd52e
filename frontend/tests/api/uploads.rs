//! Uploads that are no whole source package are refused with a reason, and nothing is left of them.

use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use storage::{StorageKey, StoragePrefix};
use tokio::io::AsyncWriteExt as _;

use crate::house::{CHROOT, House, OTHER_CHROOT, Person};
use crate::packages;

async fn house() -> (House, Person) {
    let house = House::with(|config| config.max_upload_bytes = 8 << 20).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    (house, alice)
}

fn form() -> Value {
    json!({"ownername": "alice", "projectname": "tools"})
}

async fn stored(house: &House, prefix: StoragePrefix) -> usize {
    house.storage.list(&prefix).count().await
}

#[tokio::test]
async fn broken_uploads_are_refused_with_a_reason() {
    let (house, alice) = house().await;
    let source = packages::source("BuildArch: noarch");
    let binary = packages::binary();
    let mut flipped = source.bytes.clone();
    let middle = flipped.len() - 20;
    flipped[middle] ^= 0xff;
    let mut longer = source.bytes.clone();
    longer.extend_from_slice(b"more");
    let half = &source.bytes[..source.bytes.len() - 100];
    let cases: [(&str, &str, &[u8], &str); 10] = [
        ("text", "a-1-1.src.rpm", b"this is no package", "not an RPM"),
        ("nothing", "a-1-1.src.rpm", b"", "not an RPM"),
        ("zeros", "a-1-1.src.rpm", &[0; 300_000], "not an RPM"),
        (
            "a binary package",
            "a-1-1.src.rpm",
            &binary.bytes,
            "is a binary package; submit the source package",
        ),
        ("a binary package's name", &binary.name, &binary.bytes, ".src.rpm"),
        (
            "half a header",
            "a-1-1.src.rpm",
            &source.bytes[..500],
            "truncated",
        ),
        ("half a payload", "a-1-1.src.rpm", half, "bytes"),
        ("a changed payload", "a-1-1.src.rpm", &flipped, "payload"),
        ("something behind it", "a-1-1.src.rpm", &longer, "bytes"),
        ("no spec", "a.spec", b"what: a", "it has no line 'Name:'"),
    ];
    for (what, name, bytes, expected) in cases {
        let text = house.upload(Some(&alice), name, bytes, &form()).await.error(400);
        assert!(text.contains(expected), "{what}: {text}");
    }
    let all = house
        .get("/build/list?ownername=alice&projectname=tools")
        .await
        .ok();
    assert_eq!(all["items"], json!([]), "no build is made");
    assert_eq!(
        stored(&house, StoragePrefix::Incoming).await,
        0,
        "nothing stays behind"
    );
    assert_eq!(stored(&house, StoragePrefix::Blobs).await, 0);
}

#[tokio::test]
async fn uploads_have_a_limit() {
    let (house, alice) = house().await;
    let text = house
        .upload(Some(&alice), "a-1-1.src.rpm", &vec![0; 9 << 20], &form())
        .await
        .error(413);
    assert!(text.contains("too large"), "{text}");
    assert_eq!(stored(&house, StoragePrefix::Incoming).await, 0);
}

#[tokio::test]
async fn a_form_without_file_or_with_two_is_refused() {
    let (house, alice) = house().await;
    let send = async |body: &str| {
        let request = house
            .request("POST", "/build/create/upload", Some(&alice))
            .header("Content-Type", "multipart/form-data; boundary=b")
            .body(body.to_owned());
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 400);
        response.json::<Value>().await.unwrap()["error"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let field = |name: &str, rest: &str, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{text}\r\n")
    };
    let json = field("json", "; filename=\"json\"", &form().to_string());
    assert!(send(&format!("{json}--b--\r\n")).await.contains("missing"));
    let file = field("pkgs", "; filename=\"a-1-1.src.rpm\"", "x");
    assert!(
        send(&format!("{file}{file}{json}--b--\r\n"))
            .await
            .contains("one file")
    );
    assert!(!send("garbage").await.is_empty());
    assert!(
        !send(&format!("{file}--b\r\nContent-")).await.is_empty(),
        "a form that breaks off"
    );
    let file = field("pkgs", "; filename=\"../../etc/x.src.rpm\"", "x");
    send(&format!("{file}{json}--b--\r\n")).await;
    assert_eq!(stored(&house, StoragePrefix::Incoming).await, 0);
}

#[tokio::test]
async fn plain_form_fields_do_as_well_as_json() {
    let (house, alice) = house().await;
    let package = packages::source("BuildArch: noarch");
    let mut body = Vec::new();
    for (name, value) in [
        ("ownername", "alice"),
        ("projectname", "tools"),
        ("chroots", CHROOT),
    ] {
        body.extend_from_slice(
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    let head =
        "--b\r\nContent-Disposition: form-data; name=\"pkgs\"; filename=\"hello-1.0-1.src.rpm\"\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&package.bytes);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let request = house
        .request("POST", "/build/create/upload", Some(&alice))
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(body);
    let build: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(build["chroots"], json!([CHROOT]), "{build}");
}

#[tokio::test]
async fn a_good_upload_is_stored_once_and_skips_foreign_architectures() {
    let (house, alice) = house().await;
    let package = packages::source("ExclusiveArch: aarch64");
    for _ in 0..2 {
        let build = house
            .upload(Some(&alice), &package.name, &package.bytes, &form())
            .await
            .ok();
        let id = &build["id"];
        let chroot = house
            .get(&format!("/build-chroot?build_id={id}&chrootname={CHROOT}"))
            .await
            .ok();
        assert_eq!(chroot["state"], "skipped");
        let chroot = house
            .get(&format!("/build-chroot?build_id={id}&chrootname={OTHER_CHROOT}"))
            .await
            .ok();
        assert_eq!(chroot["state"], "pending");
        let key = StorageKey::SourceIndex {
            owner: "alice".parse().unwrap(),
            dir: "tools".parse().unwrap(),
            build: protocol::BuildId(id.as_i64().unwrap()),
        };
        let index: storage::ResultIndex = house.storage.get_json(&key, 1 << 20).await.unwrap().unwrap();
        assert_eq!(index.files[0].size, package.bytes.len() as u64);
        let blob = house
            .storage
            .get(&StorageKey::Blob(index.files[0].sha256.clone()), 1 << 20)
            .await
            .unwrap();
        assert_eq!(blob.unwrap(), package.bytes);
    }
    assert_eq!(stored(&house, StoragePrefix::Blobs).await, 1);
    assert_eq!(stored(&house, StoragePrefix::Incoming).await, 0);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let (house, alice) = house().await;
    let credentials =
        base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", alice.login, alice.token));
    let mut connection = tokio::net::TcpStream::connect(house.addresses.web).await.unwrap();
    let head = format!(
        "POST /api_3/build/create/upload HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"pkgs\"; filename=\"a-1-1.src.rpm\"\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![7; 1_000_000]).await.unwrap();
    connection.shutdown().await.unwrap();
    drop(connection);
    let deadline = Instant::now() + Duration::from_secs(20);
    while stored(&house, StoragePrefix::Incoming).await > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let package = packages::source("BuildArch: noarch");
    house
        .upload(Some(&alice), &package.name, &package.bytes, &form())
        .await
        .ok();
}
