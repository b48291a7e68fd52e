use protocol::{DirName, OwnerName};
use reqwest::Method;
use storage::{DistroCurrent, StorageKey};

use crate::house::{BASE, House, RESULTS_URL, header, place};

#[actix_web::test]
async fn the_mirrorlist_names_the_current_snapshot_at_once() {
    let house = House::new().await;
    assert_eq!(house.get(&format!("{BASE}/mirrorlist")).await.status(), 404);
    for number in 1..=20 {
        house.point(number).await;
        let answer = house.get(&format!("{BASE}/mirrorlist")).await;
        assert_eq!(header(&answer, "x-koper-snapshot"), number.to_string());
        assert_eq!(header(&answer, "cache-control"), "no-cache");
        assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
        let line = format!("{RESULTS_URL}/alice/tools/debian-12-x86_64/@{number}/\n");
        assert_eq!(answer.text().await.unwrap(), line);
    }
    let latest: serde_json::Value = house
        .get(&format!("{BASE}/latest.json"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(latest["snapshot"], 20);
    assert_eq!(latest["moved_at"], "2026-01-02T03:04:05Z");
}

#[actix_web::test]
async fn every_snapshot_stays_at_its_own_address() {
    let house = House::new().await;
    house.publish(1).await;
    house.publish(2).await;
    for (path, expected, number) in [
        ("repodata/repomd.xml", "<repomd 2/>", "2"),
        ("repodata/repomd.xml.asc", "asc 2", "2"),
        ("@1/repodata/repomd.xml", "<repomd 1/>", "1"),
        ("@1/repodata/repomd.xml.asc", "asc 1", "1"),
        ("%402/repodata/repomd.xml", "<repomd 2/>", "2"),
    ] {
        let answer = house.get(&format!("{BASE}/{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "x-koper-snapshot"), number, "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-cache", "{path}");
        assert_eq!(answer.text().await.unwrap(), expected, "{path}");
    }
    let metadata = format!("repodata/{}-primary.xml.gz", "a".repeat(64));
    for path in [
        metadata.clone(),
        format!("@1/{metadata}"),
        format!("@2/{metadata}"),
    ] {
        let answer = house.get(&format!("{BASE}/{path}")).await;
        assert!(header(&answer, "cache-control").contains("immutable"));
        assert_eq!(header(&answer, "content-type"), "application/gzip");
        assert_eq!(answer.text().await.unwrap(), "primary");
    }
    for path in [
        "@3/repodata/repomd.xml",
        "@01/repodata/repomd.xml",
        "repodata/none.xml.gz",
    ] {
        assert_eq!(house.get(&format!("{BASE}/{path}")).await.status(), 404, "{path}");
    }
}

#[actix_web::test]
async fn a_client_that_has_the_current_repomd_gets_304_until_it_changes() {
    let house = House::new().await;
    house.publish(1).await;
    let path = format!("{BASE}/repodata/repomd.xml");
    let tag = header(&house.get(&path).await, "etag").to_owned();
    let answer = house
        .request(Method::GET, &path, &[("if-none-match", &tag)])
        .await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "etag")),
        (304, tag.as_str())
    );
    house.publish(2).await;
    let answer = house
        .request(Method::GET, &path, &[("if-none-match", &tag)])
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "<repomd 2/>");
}

#[actix_web::test]
async fn the_key_is_served_at_both_addresses() {
    let house = House::new().await;
    // The project's only one, which its directories have as well.
    let (owner, dir): (OwnerName, DirName) = ("@sig".parse().unwrap(), "tools".parse().unwrap());
    house
        .storage
        .put(&StorageKey::PublicKey { owner, dir }, "a key")
        .await
        .unwrap();
    for path in [
        "pubkey.gpg",
        "debian-12-x86_64/repodata/repomd.xml.key",
        "debian-12-x86_64/@9/repodata/repomd.xml.key",
    ] {
        let answer = house.get(&format!("/results/@sig/tools:pr:1/{path}")).await;
        assert_eq!(header(&answer, "content-type"), "application/pgp-keys");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "content-security-policy"), "sandbox");
        assert_eq!(answer.text().await.unwrap(), "a key");
    }
    assert_eq!(
        house.text("/results/%40sig/tools%3Apr%3A1/pubkey.gpg").await,
        "a key"
    );
    assert_eq!(house.get("/results/@sig/other/pubkey.gpg").await.status(), 404);
}

#[actix_web::test]
async fn the_page_of_a_repository_lists_its_builds() {
    let house = House::new().await;
    assert_eq!(house.get(&format!("{BASE}/")).await.status(), 404);
    house.publish(3).await;
    house.build("00000002-b", true, &[]).await;
    house.build("00000001-a", true, &[]).await;
    let answer = house.get(&format!("{BASE}/")).await;
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&answer, "x-koper-snapshot"), "3");
    let html = answer.text().await.unwrap();
    let expected = "<a href=\"../\">../</a>\n<a href=\"repodata/\">repodata/</a>\n\
                    <a href=\"00000001-a/\">00000001-a/</a>\n<a href=\"00000002-b/\">00000002-b/</a>\n";
    assert!(html.contains(expected), "{html}");
    let html = house.text(BASE).await;
    assert!(
        html.contains("<a href=\"debian-12-x86_64/00000001-a/\">"),
        "{html}"
    );
    let html = house.text(&format!("{BASE}/@3/")).await;
    assert!(html.contains("<a href=\"00000001-a/\">"), "{html}");
    let html = house.text(&format!("{BASE}/repodata/")).await;
    assert!(html.contains("<a href=\"repomd.xml\">"), "{html}");
}

#[actix_web::test]
async fn the_repository_of_a_chroot_follows_its_current_recipe() {
    let house = House::new().await;
    let (_, _, chroot) = place();
    assert_eq!(
        house
            .get("/distro/debian-12-x86_64/repodata/repomd.xml")
            .await
            .status(),
        404
    );
    for hash in ["one", "two"] {
        for path in ["repodata/repomd.xml", "Packages/gcc-12.2~1^a+b.x86_64.rpm"] {
            let key = StorageKey::Distro {
                chroot: chroot.clone(),
                hash: hash.parse().unwrap(),
                path: path.parse().unwrap(),
            };
            house.storage.put(&key, format!("{hash} {path}")).await.unwrap();
        }
        let current = DistroCurrent {
            hash: hash.parse().unwrap(),
        };
        house
            .storage
            .put_json(
                &StorageKey::DistroCurrent {
                    chroot: chroot.clone(),
                },
                &current,
            )
            .await
            .unwrap();
        assert_eq!(
            house.text("/distro/debian-12-x86_64/repodata/repomd.xml").await,
            format!("{hash} repodata/repomd.xml")
        );
        let path = "/distro/debian-12-x86_64/Packages/gcc-12.2~1%5Ea%2Bb.x86_64.rpm";
        let answer = house.request(Method::GET, path, &[("range", "bytes=4-11")]).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (206, "application/x-rpm")
        );
        assert_eq!(answer.text().await.unwrap(), "Packages");
    }
    for path in [
        "current.json",
        "one/repodata/repomd.xml",
        "..%2fdebian-12-x86_64/repodata/repomd.xml",
    ] {
        assert_eq!(
            house
                .get(&format!("/distro/debian-12-x86_64/{path}"))
                .await
                .status(),
            404,
            "{path}"
        );
    }
}
