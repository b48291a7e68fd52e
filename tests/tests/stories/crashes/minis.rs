//! kill -9 while the small repository of what a build made is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::{Client, Copr, Service, srpm_of};

use super::{survives, turn};
use crate::support::{end, get, project, submit};

#[tokio::test]
async fn a_backend_killed_while_a_builds_repository_is_made() {
    let _turn = turn().await;
    let service = &Service::shared().unwrap();
    let copr = Copr::admin(service);
    project(&copr, "lost-minis").unwrap();
    let client = Client::new(service, service.owner(), "lost-minis").await.unwrap();
    let clients = Arc::new(client).makecache_loop();
    for (n, place) in ["mini.before_store", "mini.before_row", "mini.before_pointer"]
        .iter()
        .enumerate()
    {
        let name = format!("mini{n}");
        let spec = format!(
            "Name: {name}\nVersion: 1\nRelease: 1%{{?dist}}\nSummary: Step\nLicense: MIT\nBuildArch: noarch\n%description\nStep.\n%files\n"
        );
        let made = AtomicU64::new(0);
        let build = async || {
            let build = submit(
                &copr,
                "lost-minis",
                srpm_of(&name, &spec, None).unwrap().arg(),
                &[],
            )
            .unwrap();
            assert_eq!(end(service, build).await, "succeeded", "{place}");
            made.store(build, Ordering::Relaxed);
        };
        let done = async || {
            let build = made.load(Ordering::Relaxed);
            let Ok(found) = get(service, &format!("build/repository/{build}")).await else {
                return false;
            };
            let Some(url) = found["items"][0]["url"].as_str() else {
                return false;
            };
            let asc = reqwest::get(format!("{url}repodata/repomd.xml.asc")).await;
            asc.is_ok_and(|answer| answer.status() == 200)
        };
        survives(service, place, build, done).await;
    }
    clients.expect_no_failure();
}
