use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use embedded_s3::serve;

use crate::support::{BUCKET, bytes, client, config, get, http, presign_put};

const CHILD_DIR: &str = "EMBEDDED_S3_TEST_DIR";

/// The name of the test that a child process runs.
const CHILD: &str = "durability::a_server_ends_with_its_parent";

/// Serves until its standard input ends.
async fn serve_parent(dir: &Path) {
    let parent_gone = async {
        let wait = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1]));
        let _ = wait.await;
    };
    let ready = |address| println!("listening on {address}");
    serve(config(dir), ready, parent_gone).await.unwrap();
}

/// The other tests start this one as a child process, which the environment tells where to serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_with_its_parent() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        return serve_parent(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = ChildServer::start(dir.path());
    let put = server.client.put_object().bucket(BUCKET).key("k");
    put.body(b"kept".to_vec().into()).send().await.unwrap();
    drop(server.child.stdin.take());
    let deadline = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the server goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(ended.success(), "{ended}");
    let again = ChildServer::start(dir.path());
    assert_eq!(get(&again.client, "k").await.unwrap(), b"kept");
}

struct ChildServer {
    child: Child,
    /// What else it says; it must be able to say it.
    _said: Lines<BufReader<ChildStdout>>,
    client: Client,
}

impl ChildServer {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--nocapture"])
            .env(CHILD_DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = said
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("listening on "))
            .expect("the child serves");
        let address: SocketAddr = line
            .split("listening on ")
            .nth(1)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let config = client(address)
            .config()
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            child,
            _said: said,
            client: Client::from_conf(config),
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Peak resident memory in KiB.
    fn peak(&self) -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one worker knows of a key: the versions that may be there (`None` is "no object").
type Possible = HashMap<String, Vec<Option<u64>>>;

fn content(key: &str, version: u64) -> Vec<u8> {
    let size = [10, 5_000, 200_000, 3_000_000][version as usize % 4];
    [format!("{key} {version} ").into_bytes(), bytes(version, size)].concat()
}

/// Changes its keys one after the other until the server is gone.
async fn storm(
    s3: Client,
    worker: usize,
    mut possible: Possible,
    acknowledged: Arc<AtomicUsize>,
) -> Possible {
    for step in 0u64.. {
        let key = format!("shared/{}/{worker}", step % 5);
        let version = (step % 7 != 6).then_some(possible.len() as u64 + step + 1000 * worker as u64);
        let known = possible.entry(key.clone()).or_insert_with(|| vec![None]);
        known.push(version);
        let done = match version {
            Some(version) => {
                let body = content(&key, version).into();
                s3.put_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .body(body)
                    .send()
                    .await
                    .is_ok()
            }
            None => s3.delete_object().bucket(BUCKET).key(&key).send().await.is_ok(),
        };
        if !done {
            break;
        }
        *known = vec![version];
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    possible
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut knowledge: Vec<Possible> = vec![Possible::new(); 6];
    for round in 0..4 {
        let mut server = ChildServer::start(dir.path());
        for (key, versions) in knowledge.iter_mut().flatten() {
            let found = get(&server.client, key).await;
            let kept = versions
                .iter()
                .find(|version| version.map(|v| content(key, v)) == found);
            let kept = *kept.unwrap_or_else(|| panic!("round {round}: {key} is none of {versions:?}"));
            *versions = vec![kept];
        }
        assert_eq!(fs_err::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = knowledge
            .drain(..)
            .enumerate()
            .map(|(n, known)| tokio::spawn(storm(server.client.clone(), n, known, acknowledged.clone())))
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while acknowledged.load(Ordering::Relaxed) < 60 + 17 * round {
            assert!(Instant::now() < deadline, "the storm is too slow");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        server.kill();
        for worker in workers {
            knowledge.push(worker.await.unwrap());
        }
    }
    assert!(knowledge.iter().all(|known| known.len() == 5));
}

#[tokio::test]
async fn large_bodies_stream_with_flat_memory() {
    const SIZE: usize = 256 << 20;
    let dir = tempfile::tempdir().unwrap();
    let server = ChildServer::start(dir.path());
    server
        .client
        .put_object()
        .bucket(BUCKET)
        .key("warm")
        .body(bytes(1, 1 << 20).into())
        .send()
        .await
        .unwrap();
    let before = server.peak();

    let chunk = Bytes::from(bytes(6, 1 << 20));
    let chunks = std::iter::repeat_n(chunk.clone(), SIZE >> 20).map(Ok::<_, std::io::Error>);
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let url = presign_put(&server.client, "large").await;
    let sent = http()
        .put(url)
        .header("content-length", SIZE)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    let mut get = server
        .client
        .get_object()
        .bucket(BUCKET)
        .key("large")
        .send()
        .await
        .unwrap();
    assert_eq!(get.content_length(), Some(SIZE as i64));
    let mut received = 0;
    while let Some(part) = get.body.next().await {
        let part = part.unwrap();
        let at = received % chunk.len();
        let same = part.len().min(chunk.len() - at);
        assert_eq!(part[..same], chunk[at..at + same]);
        received += part.len();
    }
    assert_eq!(received, SIZE);
    let growth = server.peak() - before;
    println!("peak memory grew by {growth} KiB");
    assert!(growth < 64 << 10, "{growth} KiB more");
}

/// A file system of 8 MiB, as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(
            mounted.unwrap().success(),
            "mounting a small file system takes root"
        );
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still hold files when a test has failed.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_keeps_the_old_object() {
    let disk = SmallDisk::mount();
    let dir = disk.0.path();
    let server = ChildServer::start(dir);
    let put = |body: Vec<u8>| {
        server
            .client
            .put_object()
            .bucket(BUCKET)
            .key("k")
            .body(body.into())
            .send()
    };
    put(b"old".to_vec()).await.unwrap();
    let full = put(bytes(1, 20 << 20)).await.unwrap_err();
    assert_eq!(full.raw_response().unwrap().status().as_u16(), 507);
    assert_eq!(get(&server.client, "k").await.unwrap(), b"old");
    assert_eq!(fs_err::read_dir(dir.join("tmp")).unwrap().count(), 0);
    put(b"new".to_vec()).await.unwrap();
    assert_eq!(get(&server.client, "k").await.unwrap(), b"new");
}
