//! The stream of a running task's log.

use std::time::Duration;

use chrono::TimeDelta;
use db::logs::{self, Appended};
use db::tasks::{self, TaskRow};
use protocol::{FailureKind, Outcome};
use reqwest::Method;

use crate::house::{Browser, CHROOT, House, eventually, location};

/// A stream that is being read.
struct Events {
    response: reqwest::Response,
    seen: String,
}

impl Events {
    async fn open(browser: &Browser, path: &str, last: Option<&str>) -> Self {
        let mut request = browser.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        Self {
            response,
            seen: String::new(),
        }
    }

    async fn until(&mut self, text: &str) -> &str {
        let read = async {
            while !self.seen.contains(text) {
                let chunk = self.response.chunk().await.unwrap();
                let chunk = chunk.unwrap_or_else(|| panic!("the stream ended without {text}: {}", self.seen));
                self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(in_time.is_ok(), "no {text} in {}", self.seen);
        &self.seen
    }
}

async fn started(house: &House, alice: &Browser) -> (TaskRow, String) {
    let path = alice.make_project("tools").await;
    let fields = [("chroots", CHROOT), ("urls", "https://h/a-1-1.src.rpm")];
    let build = location(alice.post(&format!("{path}add_build/url/"), &fields).await).await;
    (house.claim().await, format!("{build}srpm-builds/log"))
}

async fn append(house: &House, task: &TaskRow, offset: u64, bytes: &[u8]) {
    let done = logs::append(&mut *house.conn().await, task.id, task.attempt, offset, bytes)
        .await
        .unwrap();
    assert_eq!(done, Appended::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_resumed_and_ended() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let (task, path) = started(&house, &alice).await;
    append(&house, &task, 0, b"one\n\x1b[31m<b>two\n").await;
    let anybody = house.anonymous();
    let mut events = Events::open(&anybody, &path, None).await;
    let seen = events.until("id: 1-").await;
    assert!(seen.contains("data: fetching the source"), "{seen}");
    events.until("data: one\ndata: <b>two\ndata: \n\n").await;
    append(&house, &task, 16, "three €\n".as_bytes()).await;
    let seen = events.until("three €").await;
    assert!(
        seen.contains("id: 1-16\n") && seen.contains("id: 1-26\n"),
        "{seen}"
    );
    let mut resumed = Events::open(&anybody, &path, Some("1-16")).await;
    let seen = resumed.until("three €").await;
    assert!(!seen.contains("two"), "{seen}");
    let now = (house.clock)();
    let failed = Outcome::Failed {
        kind: FailureKind::BadSource,
        message: "gone".to_owned(),
    };
    tasks::finish(&mut *house.conn().await, task.id, 1, &failed, &[], None, now)
        .await
        .unwrap();
    for events in [&mut events, &mut resumed] {
        events.until("event: end\ndata: failed\n\n").await;
        assert!(events.response.chunk().await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_attempt_starts_over() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let (task, path) = started(&house, &alice).await;
    append(&house, &task, 0, b"first try\n").await;
    let mut events = Events::open(&house.anonymous(), &path, None).await;
    events.until("first try").await;
    let later = (house.clock)() + TimeDelta::hours(1);
    assert_eq!(
        tasks::expire_leases(&mut *house.conn().await, later)
            .await
            .unwrap(),
        1
    );
    let again = eventually("another attempt", async || {
        let request = protocol::builder_api::ClaimRequest {
            protocol: 1,
            builder: "builder-2".parse().unwrap(),
            arches: vec!["x86_64".to_owned()],
            chroots: vec![],
            memory_mib: 4096,
            wait_s: 0,
            checks: false,
        };
        let far = later + TimeDelta::hours(1);
        tasks::claim(&mut *house.conn().await, &request, far, TimeDelta::hours(9))
            .await
            .unwrap()
    })
    .await;
    append(&house, &again, 0, b"second try\n").await;
    let seen = events.until("second try").await;
    assert!(seen.contains("event: restart\ndata: 2\n\n"), "{seen}");
    let mut resumed = Events::open(&house.anonymous(), &path, Some("1-10")).await;
    let seen = resumed.until("second try").await;
    assert!(
        seen.contains("event: restart\ndata: 2\n\n") && !seen.contains("first"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_starts_near_its_end() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let (task, path) = started(&house, &alice).await;
    let chunk = vec![b'x'; 256 << 10];
    for n in 0..3 {
        append(&house, &task, n * (256 << 10), &chunk).await;
    }
    append(&house, &task, 3 * (256 << 10), b"the end").await;
    let mut events = Events::open(&house.anonymous(), &path, None).await;
    let seen = events.until("the end").await;
    assert!(
        seen.contains("event: skipped\ndata: 262151\n\n"),
        "{}",
        &seen[..200]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_nothing_are_not_found() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let (_, path) = started(&house, &alice).await;
    for wrong in [
        path.replace("srpm-builds", "fedora-44-x86_64"),
        path.replace("/build/", "/build/9"),
        path.replace("alice", "mallory"),
    ] {
        assert_eq!(house.anonymous().get(&wrong).await.status(), 404, "{wrong}");
    }
}
