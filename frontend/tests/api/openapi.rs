//! The API's description of itself.

use std::process::{Command, Stdio};

use frontend::api_3::routes;
use serde_json::Value;

use crate::house::House;

/// Writes the document where the tests' python can read it.
pub async fn document(house: &House) -> (Value, tempfile::NamedTempFile) {
    let document = house.get("/openapi.json").await.ok();
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), document.to_string()).unwrap();
    (document, file)
}

#[tokio::test]
async fn the_document_is_valid_and_names_every_route() {
    let house = House::new().await;
    let (document, file) = document(&house).await;
    let validator = testkit::venv().join("bin/openapi-spec-validator");
    let said = Command::new(&validator)
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; deploy/test installs it", validator.display()));
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    for route in routes() {
        let path = if route.path.is_empty() {
            "/".into()
        } else {
            route.plain_path()
        };
        for method in route.reads.methods {
            let operation = &document["paths"][&*path][method.to_ascii_lowercase()];
            assert!(operation["operationId"].is_string(), "{method} {path} is missing");
        }
    }
    let edit = &document["paths"]["/project/edit/{owner}/{project}"];
    assert_eq!(edit["put"]["security"][0]["token"][0], "edit");
    assert_eq!(edit["post"]["deprecated"], true);
}

#[tokio::test]
async fn the_document_is_sent_once_and_the_page_names_every_route() {
    let house = House::new().await;
    let first = house.request("GET", "/openapi.json", None).send().await.unwrap();
    let etag = first.headers()["etag"].clone();
    let again = house
        .request("GET", "/openapi.json/", None)
        .header("If-None-Match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status().as_u16(), 304);
    for path in ["/docs", "/docs/"] {
        let response = house.request("GET", path, None).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert!(
            response.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'self'")
        );
        let html = response.text().await.unwrap();
        for route in routes() {
            let path = route.plain_path().replace('/', "&#x2F;");
            let written = html.contains(&path) || html.contains(&*route.plain_path());
            assert!(written, "{path} is missing on the page");
        }
    }
}
