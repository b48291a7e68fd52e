//! `.repo` files.

use base64::Engine as _;

use crate::house::{House, RESULTS_URL, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_file_is_served() {
    let house = House::new().await;
    house.browser_of("alice").await.make_project("tools").await;
    let anybody = house.anonymous();
    for tail in ["alice-tools.repo", "dnf.repo?arch=x86_64", "", "?arch="] {
        let response = anybody
            .get(&format!("/coprs/alice/tools/repo/debian-12/{tail}"))
            .await;
        assert_eq!(response.status(), 200, "{tail}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(
            header("content-disposition"),
            "attachment; filename=\"alice-tools.repo\""
        );
        let text = response.text().await.unwrap();
        assert!(
            text.starts_with("[copr:koper.example.org:alice:tools]\nname="),
            "{text}"
        );
        let line = format!("\nmirrorlist={RESULTS_URL}/alice/tools/debian-12-$basearch/mirrorlist\n");
        assert!(text.contains(&line), "{text}");
    }
    assert_eq!(
        anybody.get("/coprs/alice/tools/repo/debian-12").await.status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let house = House::new().await;
    house.browser_of("alice").await.make_project("tools").await;
    let anybody = house.anonymous();
    for path in [
        "/coprs/alice/tools/repo/fedora-44/dnf.repo",
        "/coprs/alice/tools/repo/debian-12/x.repo?arch=s390x",
    ] {
        let response = anybody.get(path).await;
        assert_eq!(response.status(), 404);
        let data = response.headers()["Copr-Error-Data"].to_str().unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(
            data,
            serde_json::json!({"available chroots": ["debian-12-x86_64"]})
        );
    }
    for path in [
        "/coprs/alice/other/repo/debian-12/dnf.repo",
        "/coprs/alice/tools:pr:1/repo/debian-12/dnf.repo",
        "/coprs/@sig/tools/repo/debian-12/dnf.repo",
        "/coprs/g/sig/tools/repo/debian-12/dnf.repo",
    ] {
        refused(anybody.get(path).await, 404).await;
    }
    let response = anybody.get("/coprs/g/sig/tools/").await;
    assert_eq!(crate::house::location(response).await, "/coprs/@sig/tools/");
}
