//! The builder against a hub in memory: claims, leases, logs, uploads and ends of tasks that need no VM.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use builder::{Accel, Config, Error, Token};
use protocol::builder_api::{Phase, Task, Work};
use protocol::{BuildId, FailureKind, Limits, Outcome, TaskId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod support;
use support::TestHub;

const SOON: Duration = Duration::from_secs(10);

struct Running {
    hub: TestHub,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), Error>>,
    _dir: tempfile::TempDir,
    data: std::path::PathBuf,
}

/// A kernel directory with what the preparation looks for; nothing boots it.
fn kernel(dir: &std::path::Path) {
    let modules = dir.join("lib/modules/6.1");
    fs_err::create_dir_all(modules.join("kernel")).unwrap();
    fs_err::create_dir_all(dir.join("boot")).unwrap();
    fs_err::write(dir.join("boot/vmlinuz-6.1"), "kernel").unwrap();
    let names = ["pci", "blk", "console", "net", "rng"].map(|name| format!("kernel/virtio_{name}.ko\n"));
    let more = "kernel/ext4.ko\nkernel/crc32c_generic.ko\nkernel/overlay.ko\n";
    fs_err::write(modules.join("modules.builtin"), names.concat() + more).unwrap();
    fs_err::write(dir.join("guest"), "agent").unwrap();
}

async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let hub = TestHub::start().await;
    let dir = tempfile::tempdir().unwrap();
    kernel(dir.path());
    let mut config = Config {
        hub_url: hub.url.clone(),
        token: Token::new("secret"),
        data_dir: dir.path().join("data"),
        accel: Accel::Tcg,
        fetch_private_addresses: true,
        kernel: Some(dir.path().to_owned()),
        guest_binary: dir.path().join("guest"),
        ..Config::default()
    };
    change(&mut config);
    let data = config.data_dir.clone();
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(builder::run(config, async move {
        let _ = stopped.await;
    }));
    Running {
        hub,
        stop,
        done,
        _dir: dir,
        data,
    }
}

async fn start() -> Running {
    start_with(|_| {}).await
}

fn fetch(url: String, lease_s: u64) -> Task {
    Task {
        id: TaskId(7),
        attempt: 3,
        build: Some(BuildId(1)),
        lease_s,
        limits: Limits::default(),
        work: Work::Fetch { url },
    }
}

impl Running {
    fn give(&self, task: Task) {
        self.hub.state.lock().unwrap().tasks.push_back(task);
    }

    fn serve(&self, path: &str, body: &'static [u8]) -> String {
        self.hub
            .state
            .lock()
            .unwrap()
            .files
            .insert(path.to_owned(), body.into());
        format!("{}{path}", self.hub.url)
    }

    async fn outcome(&self) -> Outcome {
        self.hub.wait(SOON, |state| state.finished.clone()).await.outcome
    }

    async fn end(self) -> Result<(), Error> {
        let _ = self.stop.send(());
        tokio::time::timeout(SOON, self.done).await.unwrap().unwrap()
    }
}

/// A server that accepts and never answers.
async fn silent() -> (String, tokio::net::TcpListener) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    (
        format!("http://{}/a-1-1.src.rpm", listener.local_addr().unwrap()),
        listener,
    )
}

#[tokio::test]
async fn a_fetched_package_is_uploaded_and_finished() {
    let running = start().await;
    running.hub.state.lock().unwrap().unavailable = 3;
    let url = running.serve("/a-1-1.src.rpm", b"package");
    running.give(fetch(url, 30));
    let finished = running.hub.wait(SOON, |state| state.finished.clone()).await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    assert_eq!(finished.artifacts.len(), 1);
    assert_eq!(finished.artifacts[0].name.as_str(), "a-1-1.src.rpm");
    assert_eq!(
        running.hub.state.lock().unwrap().files["/put/a-1-1.src.rpm"],
        &b"package"[..]
    );
    let tasks = running.data.join("tasks");
    assert_eq!(
        fs_err::read_dir(tasks).unwrap().count(),
        0,
        "the task's files are gone"
    );
    running.end().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_a_bad_source_with_a_log() {
    let running = start().await;
    // The hub already has two bytes of it, as from a request whose answer was lost.
    running.hub.state.lock().unwrap().log = b"ko".to_vec();
    running.give(fetch(format!("{}/a-1-1.src.rpm", running.hub.url), 30));
    let Outcome::Failed { kind, message } = running.outcome().await else {
        panic!()
    };
    assert_eq!(kind, FailureKind::BadSource);
    assert!(message.contains("answered 404 Not Found"), "{message}");
    let log = String::from_utf8(running.hub.state.lock().unwrap().log.clone()).unwrap();
    assert_eq!(log, format!("koper: {message}\n"));
    running.end().await.unwrap();
}

#[tokio::test]
async fn private_addresses_are_not_fetched_unless_allowed() {
    let running = start_with(|config| config.fetch_private_addresses = false).await;
    let url = running.serve("/a-1-1.src.rpm", b"package");
    running.give(fetch(url, 30));
    let Outcome::Failed { kind, message } = running.outcome().await else {
        panic!()
    };
    assert_eq!(kind, FailureKind::BadSource);
    assert!(message.contains("private addresses"), "{message}");
    running.end().await.unwrap();
}

#[tokio::test]
async fn heartbeats_come_four_times_a_lease_and_carry_cancels() {
    let running = start().await;
    let (url, _listener) = silent().await;
    running.give(fetch(url, 1));
    running
        .hub
        .wait(SOON, |state| (state.beats.len() >= 5).then_some(()))
        .await;
    {
        let mut state = running.hub.state.lock().unwrap();
        assert!(state.beats.iter().all(|(_, phase)| *phase == Phase::Preparing));
        assert!(state.beats[4].0 - state.beats[0].0 < Duration::from_secs(3));
        state.cancel = true;
    }
    assert_eq!(running.outcome().await, Outcome::Canceled);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_lost_lease_drops_the_work_without_another_word() {
    let running = start().await;
    let (url, _listener) = silent().await;
    running.give(fetch(url, 1));
    running
        .hub
        .wait(SOON, |state| (!state.beats.is_empty()).then_some(()))
        .await;
    running.hub.state.lock().unwrap().gone = true;
    // The builder is free for the next task only when it has dropped this one.
    let url = running.serve("/b-1-1.src.rpm", b"next");
    running.give(fetch(url, 30));
    running
        .hub
        .wait(SOON, |state| state.tasks.is_empty().then_some(()))
        .await;
    {
        let mut state = running.hub.state.lock().unwrap();
        assert!(state.finished.is_none() && state.refused.is_none());
        assert!(!state.calls.contains_key("finish"));
        state.gone = false;
    }
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_hub_that_is_away_for_a_lease_has_given_the_task_away() {
    let running = start().await;
    let (url, _listener) = silent().await;
    running.give(fetch(url, 1));
    running
        .hub
        .wait(SOON, |state| (!state.beats.is_empty()).then_some(()))
        .await;
    running.hub.state.lock().unwrap().unavailable = usize::MAX;
    let url = running.serve("/b-1-1.src.rpm", b"next");
    running.give(fetch(url, 30));
    running
        .hub
        .wait(SOON, |state| state.tasks.is_empty().then_some(()))
        .await;
    running.hub.state.lock().unwrap().unavailable = 0;
    assert_eq!(running.outcome().await, Outcome::Succeeded);
    assert_eq!(running.hub.state.lock().unwrap().calls["finish"], 1);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_stopped_builder_hands_its_task_back() {
    let running = start().await;
    let (url, _listener) = silent().await;
    running.give(fetch(url, 30));
    running
        .hub
        .wait(SOON, |state| (!state.beats.is_empty()).then_some(()))
        .await;
    let hub = running.hub.clone();
    running.end().await.unwrap();
    let state = hub.state.lock().unwrap();
    assert!(state.finished.is_none());
    assert!(state.refused.as_ref().unwrap().contains("stopped"));
}

#[tokio::test]
async fn time_limits_hold() {
    let running = start().await;
    let (url, _listener) = silent().await;
    let mut task = fetch(url, 30);
    task.limits.timeout_s = 1;
    running.give(task);
    let Outcome::Failed { kind, message } = running.outcome().await else {
        panic!()
    };
    assert_eq!(kind, FailureKind::TimedOut);
    assert!(message.contains("longer than 1 s"), "{message}");
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_ends_the_builder() {
    let running = start_with(|config| config.token = Token::new("other")).await;
    let ended = tokio::time::timeout(SOON, running.done).await.unwrap().unwrap();
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("wrong token"), "{error}");
}
