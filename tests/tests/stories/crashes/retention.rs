//! kill -9 while what need not be kept goes.

use std::sync::Arc;
use std::time::Duration;

use testkit::{CHROOT, Client, Copr, Service};

use super::{survives, turn};
use crate::support::{project, snapshot, sql};

/// Something for each step: metadata that is being deleted, and a package that is gone but for its place in lists. Its
/// fragment is a zstd frame of one raw block.
fn leftovers(repository: &str, number: u64) -> String {
    let text = format!("<location href=\"{number:08}-gone/gone-1-1.noarch.rpm\"/>");
    let length = text.len();
    assert!(length < 256);
    let block = (length << 3) | 1;
    let fragment: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let frame = format!(
        "28b52ffd20{length:02x}{:02x}{:02x}{:02x}{fragment}",
        block & 255,
        (block >> 8) & 255,
        block >> 16
    );
    format!(
        "INSERT INTO doomed_objects VALUES ({repository}, 'gone-{number}', now(), now());
         INSERT INTO removed_packages VALUES (-{number}, {repository}, repeat('a', 64), NULL, '\\x{frame}')"
    )
}

/// Of two snapshots, each time the older one ends; clients of the newer one notice nothing.
#[tokio::test]
async fn a_backend_killed_while_the_past_goes() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    let service = &service;
    project(&copr, "lost-past").unwrap();
    let client = Client::new(service, service.owner(), "lost-past").await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    let of = "FROM repositories r JOIN projects p ON p.id = r.project_id WHERE p.owner = 'admin' AND p.name = 'lost-past'";
    let repository = sql(service, &format!("SELECT r.id {of}"));
    let owner = sql(service, &format!("SELECT p.id {of}"));
    for place in [
        "retain.after_mark",
        "retain.before_snapshots",
        "retain.after_snapshots",
        "retain.after_doom",
        "retain.before_metadata",
        "retain.after_metadata",
        "retain.before_lists",
        "retain.after_lists",
    ] {
        let before = snapshot(service, "lost-past").await;
        copr.run(&["regenerate-repos", "lost-past"])
            .unwrap()
            .expect_code(0);
        let moved = async {
            while snapshot(service, "lost-past").await == before {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), moved)
            .await
            .unwrap();
        let end = async || {
            let ended = format!(
                "UPDATE snapshots SET purge_at = now(), purged_at = now() WHERE repository_id = {repository} AND number = {before}"
            );
            sql(service, &ended);
            sql(service, &leftovers(&repository, before));
            let job = format!(
                "INSERT INTO jobs (kind, payload, priority, run_at, created_at) VALUES ('retain',
                 '{{\"kind\": \"retain\", \"project\": {owner}, \"repository\": {repository}}}', 1, now(), now())"
            );
            sql(service, &job);
        };
        let waiting = format!(
            "SELECT (SELECT count(*) FROM snapshots WHERE repository_id = {repository} AND purge_at IS NOT NULL)
                 + (SELECT count(*) FROM doomed_objects WHERE repository_id = {repository} AND deleting_at IS NOT NULL)
                 + (SELECT count(*) FROM removed_packages WHERE repository_id = {repository})"
        );
        let url = format!(
            "{}/admin/lost-past/{CHROOT}/@{before}/repodata/repomd.xml",
            service.results_url()
        );
        let done = async || {
            let gone = reqwest::get(&url)
                .await
                .is_ok_and(|answer| answer.status() == 410);
            gone && sql(service, &waiting) == "0"
        };
        survives(service, place, end, done).await;
    }
    clients.expect_no_failure();
}

/// A file that nothing names goes, and no other.
#[tokio::test]
async fn a_backend_killed_while_files_go() {
    let _turn = turn().await;
    let service = Service::shared().unwrap();
    let service = &service;
    let digits = ["d", "e", "f"];
    let places = [
        "retain_blobs.before_condemn",
        "retain_blobs.before_objects",
        "retain_blobs.after_objects",
    ];
    for (place, digit) in places.into_iter().zip(digits) {
        let end = async || {
            let loose = format!(
                "INSERT INTO loose_blobs VALUES (repeat('{digit}', 64), now() - interval '9 days', NULL);
                 INSERT INTO jobs (kind, payload, priority, run_at, created_at)
                 VALUES ('retain_blobs', '{{\"kind\": \"retain_blobs\"}}', 1, now(), now()) ON CONFLICT DO NOTHING"
            );
            sql(service, &loose);
        };
        let waiting = format!("SELECT count(*) FROM loose_blobs WHERE sha256 = repeat('{digit}', 64)");
        let done = async || sql(service, &waiting) == "0";
        survives(service, place, end, done).await;
    }
}
