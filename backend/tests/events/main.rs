//! Events reach a real RabbitMQ, in order, whatever happens to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod rabbit;

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backend::events::{EventsConfig, Parts, run};
use chrono::{DateTime, TimeDelta, Utc};
use db::builds::{BuildOptions, NewBuild, Source, Srpm, Target};
use db::chroots::Chroot;
use db::projects::{NewProject, Project, ProjectSettings};
use db::testing::Cluster;
use db::users::User;
use db::{Connection, Listener, Pool, tasks};
use protocol::builder_api::ClaimRequest;
use protocol::{BuildRoot, ChrootDefinition, DirName, MetadataCompression, Outcome, PackageManager};
use rabbit::{Rabbit, Received, next};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CHROOT: &str = "debian-12-x86_64";

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

struct House {
    pool: Pool,
    url: String,
    user: User,
    project: Project,
}

impl House {
    async fn new() -> Self {
        let url = Cluster::shared().await.unwrap().database().await.unwrap();
        let pool = db::pool(&url, 8).unwrap();
        let mut conn = pool.get().await.unwrap();
        let user = db::users::ensure(&mut conn, &"alice".parse().unwrap(), false, now())
            .await
            .unwrap();
        let chroot = Chroot {
            definition: ChrootDefinition {
                name: CHROOT.parse().unwrap(),
                dist: ".deb12".to_owned(),
                package_manager: PackageManager::Dnf,
                metadata_compression: MetadataCompression::Zstd,
                buildroot: BuildRoot { packages: Vec::new() },
                repos: Vec::new(),
            },
            description: String::new(),
            active: true,
        };
        db::chroots::upsert(&mut conn, &chroot).await.unwrap();
        let new = NewProject {
            owner: &"alice".parse().unwrap(),
            name: &"tools".parse().unwrap(),
            created_by: user.id,
            actor: "alice",
            settings: &ProjectSettings::default(),
            chroots: &[CHROOT.parse().unwrap()],
            key_id: "project-alice-tools",
        };
        let project = db::projects::create(&mut conn, &new, now()).await.unwrap();
        drop(conn);
        Self {
            pool,
            url,
            user,
            project,
        }
    }

    async fn conn(&self) -> impl std::ops::DerefMut<Target = Connection> + use<> {
        self.pool.get().await.unwrap()
    }

    async fn submit(&self) -> i64 {
        let srpm = Srpm {
            sha256: "a".repeat(64).parse().unwrap(),
            file_name: "hello-1-1.src.rpm".parse().unwrap(),
            size: 10,
            package: "hello".parse().unwrap(),
            version: "2:1-1".to_owned(),
        };
        let dir = DirName::from(self.project.name.clone());
        let new = NewBuild {
            project: &self.project,
            dir: &dir,
            submitter: Some(self.user.id),
            actor: "alice",
            source: &Source::Upload(srpm),
            targets: &[Target {
                chroot: CHROOT.parse().unwrap(),
                skipped: false,
            }],
            options: &BuildOptions::default(),
            batch: None,
            package: None,
        };
        let mut conn = self.conn().await;
        db::builds::create(&mut conn, &new, now()).await.unwrap().0
    }

    /// Claims the oldest task and takes it to its end.
    async fn run_one(&self) {
        let request = ClaimRequest {
            protocol: protocol::builder_api::PROTOCOL,
            builder: "one".parse().unwrap(),
            arches: vec!["x86_64".to_owned()],
            chroots: Vec::new(),
            memory_mib: 4_096,
            wait_s: 0,
            checks: false,
        };
        let mut conn = self.conn().await;
        let task = tasks::claim(&mut conn, &request, now(), TimeDelta::seconds(60))
            .await
            .unwrap()
            .unwrap();
        tasks::finish(&mut conn, task.id, 1, &Outcome::Succeeded, &[], None, now())
            .await
            .unwrap();
        tasks::succeed(&mut conn, task.id, 1, now()).await.unwrap();
    }

    /// Waits until so many events wait: that one was sent is written down a moment after its arrival.
    async fn waiting(&self, events: i64) {
        let mut conn = self.conn().await;
        let deadline = Instant::now() + rabbit::ARRIVAL;
        loop {
            let (now, _) = db::events::backlog(&mut conn).await.unwrap();
            if now == events {
                return;
            }
            assert!(Instant::now() < deadline, "{now} events wait instead of {events}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The numbers of the messages that wait, in the order of what they tell.
    async fn unsent(&self) -> Vec<String> {
        let mut conn = self.conn().await;
        let unsent = db::events::unsent(&mut conn, 1_000).await.unwrap();
        unsent.into_iter().map(|event| event.message_id).collect()
    }

    fn sender(&self, rabbit: &Rabbit) -> Sender {
        let config = EventsConfig {
            amqp_url: storage::Secret::new(rabbit.url()),
            ..EventsConfig::default()
        };
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            pool: self.pool.clone(),
            listener: Listener::start(&self.url),
            clock: Arc::new(now),
        };
        Sender(stop, tokio::spawn(run(config, parts, stopped)))
    }
}

struct Sender(watch::Sender<bool>, JoinHandle<()>);

impl Sender {
    async fn stop(self) {
        self.0.send(true).unwrap();
        self.1.await.unwrap();
    }
}

/// The messages up to the last one of this build.
async fn collect(consumer: &mut lapin::Consumer, last: i64) -> Vec<Received> {
    let mut all = Vec::new();
    loop {
        let message = next(consumer).await;
        let end = message.topic.ends_with("koper.build.ended") && message.body["build"] == last;
        all.push(message);
        if end {
            return all;
        }
    }
}

const LIFE: [&str; 7] = [
    "koper.build.submitted",
    "copr.build.start",
    "copr.chroot.start",
    "koper.build.started",
    "copr.build.end",
    "copr.chroot.end",
    "koper.build.ended",
];

/// Whether each build's messages are its life, in order, once each when those that came again are left out.
fn assert_lives(all: &[Received], builds: usize) {
    let mut lives: HashMap<i64, Vec<&str>> = HashMap::new();
    let mut seen = HashSet::new();
    for message in all {
        if seen.insert(&message.id) {
            let topic = message.topic.strip_prefix("org.fedoraproject.prod.").unwrap();
            let life = lives.entry(message.body["build"].as_i64().unwrap()).or_default();
            life.push(topic);
        }
    }
    assert_eq!(lives.len(), builds);
    for (build, life) in lives {
        assert_eq!(life, LIFE, "build {build}");
    }
}

/// Asks fedora-messaging and copr-messaging, as a reader would, and prints what they make of each message.
fn as_read(all: &[Received]) -> Vec<serde_json::Value> {
    let script = r#"
import json, sys, pika
from fedora_messaging import message
for line in sys.stdin:
    m = json.loads(line)
    properties = pika.BasicProperties(content_type=m["content_type"], content_encoding=m["content_encoding"],
        delivery_mode=m["delivery_mode"], headers=m["headers"], message_id=m["id"])
    got = message.get_message(m["topic"], properties, json.dumps(m["body"]).encode())
    out = {"class": type(got).__name__, "summary": got.summary, "severity": got.severity, "users": got.usernames}
    if type(got) is not message.Message:
        out.update(project=got.project_full_name, build=got.build_id, chroot=got.chroot, package=got.package_full_name,
            status=str(got.status))
    print(json.dumps(out))
"#;
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("deploy/test makes target/venv with copr-messaging in it");
    let mut stdin = child.stdin.take().unwrap();
    for m in all {
        let line = serde_json::json!({"topic": m.topic, "id": m.id, "headers": m.headers, "body": m.body,
            "content_type": m.content_type, "content_encoding": m.content_encoding, "delivery_mode": m.delivery_mode});
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "a reader refuses a message: pip install copr-messaging into target/venv if it is missing"
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copr_messagings_classes_read_every_message() {
    let (rabbit, house) = (Rabbit::start().await, House::new().await);
    let mut consumer = rabbit.consumer().await;
    let sender = house.sender(&rabbit);
    let build = house.submit().await;
    house.run_one().await;
    let all = collect(&mut consumer, 1).await;
    assert_lives(&all, 1);
    for message in &all {
        assert_eq!(message.delivery_mode, 2, "lost in a restart of the bus");
        assert_eq!(message.headers["fedora_messaging_user_alice"], true);
    }
    let read = as_read(&all);
    let classes: Vec<&str> = read.iter().map(|r| r["class"].as_str().unwrap()).collect();
    assert_eq!(
        classes,
        [
            "Message",
            "BuildChrootStartedV1",
            "BuildChrootStartedV1DontUse",
            "Message",
            "BuildChrootEndedV1",
            "Message",
            "Message"
        ]
    );
    assert_eq!(
        read[4],
        serde_json::json!({"class": "BuildChrootEndedV1", "severity": 20, "users": ["alice"],
            "summary": format!("Copr Message in project \"alice/tools\": build {build}: chroot \"{CHROOT}\" ended as \"succeeded\"."),
            "project": "alice/tools", "build": build, "chroot": CHROOT, "package": "hello-2:1-1", "status": "succeeded"})
    );
    sender.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_was_down_gets_everything_in_order() {
    let (mut rabbit, house) = (Rabbit::start().await, House::new().await);
    let mut consumer = rabbit.consumer().await;
    let (one, two) = (house.sender(&rabbit), house.sender(&rabbit));
    house.submit().await;
    house.run_one().await;
    assert_lives(&collect(&mut consumer, 1).await, 1);
    house.waiting(0).await;

    rabbit.down();
    let busy = Instant::now();
    for _ in 0..10 {
        house.submit().await;
        house.submit().await;
        house.run_one().await;
        house.run_one().await;
    }
    let busy = busy.elapsed();
    assert!(busy < Duration::from_secs(30), "the bus held builds up: {busy:?}");
    house.waiting(20 * 7).await;
    let order = house.unsent().await;

    rabbit.up().await;
    let mut consumer = rabbit.consumer().await;
    // The bus may have forgotten that these were read.
    let mut all = collect(&mut consumer, 21).await;
    all.retain(|m| m.body["build"] != 1);
    assert_lives(&all, 20);
    let mut seen = HashSet::new();
    let arrived = all.iter().filter(|m| seen.insert(&m.id)).map(|m| &m.id);
    assert!(
        arrived.eq(&order),
        "messages of different builds overtook each other"
    );

    // What was sent but not written down as sent comes again, under the same number.
    one.stop().await;
    two.stop().await;
    house.waiting(0).await;
    let mut conn = house.conn().await;
    db::testing::execute(
        &mut conn,
        "UPDATE outbox SET sent_at = NULL WHERE body ->> 'build' = '1'",
    )
    .await
    .unwrap();
    let sender = house.sender(&rabbit);
    let again = collect(&mut consumer, 1).await;
    assert_lives(&again, 1);
    sender.stop().await;
}
