//! A RabbitMQ of the test's own: free ports on loopback, its own folders, ended with the test.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties, Consumer};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use testkit::free_port;

/// Erlang takes its time, and the machine may be busy.
const START: Duration = Duration::from_secs(180);
/// How long a message may take.
pub const ARRIVAL: Duration = Duration::from_secs(60);

/// A message as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub topic: String,
    pub id: String,
    pub headers: serde_json::Value,
    pub body: serde_json::Value,
    pub content_type: String,
    pub content_encoding: String,
    pub delivery_mode: u8,
}

pub struct Rabbit {
    dir: tempfile::TempDir,
    port: u16,
    dist: u16,
    names: u16,
    /// Erlang's name server, without which no node starts, and which would stay for ever if the node started it.
    epmd: Child,
    server: Option<Child>,
}

/// A process in a group of its own, which ends with this one.
fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).process_group(0).spawn().unwrap()
}

impl Rabbit {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names = free_port().unwrap();
        let epmd = spawn(
            Command::new("setpriv")
                .args(["--pdeathsig=KILL", "--", "epmd", "-address", "127.0.0.1", "-port"])
                .arg(names.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let mut rabbit = Self {
            dir,
            port: free_port().unwrap(),
            dist: free_port().unwrap(),
            names,
            epmd,
            server: None,
        };
        rabbit.up().await;
        rabbit
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Starts the server with what it had before.
    pub async fn up(&mut self) {
        let path = self.dir.path();
        let log = fs_err::File::create(path.join("out")).unwrap();
        fs_err::write(
            path.join("rabbitmq.conf"),
            "loopback_users = none\nlog.console = false\n",
        )
        .unwrap();
        fs_err::write(path.join("plugins"), "[].\n").unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig=TERM", "--", "/usr/lib/rabbitmq/bin/rabbitmq-server"])
            .env("HOME", path)
            .env("RABBITMQ_NODENAME", "koper-test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist.to_string())
            .env("RABBITMQ_MNESIA_BASE", path.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", path.join("log"))
            .env("RABBITMQ_LOGS", path.join("log/rabbit.log"))
            .env("RABBITMQ_CONFIG_FILE", path.join("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path.join("plugins"))
            .env("RABBITMQ_PID_FILE", path.join("pid"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("ERL_EPMD_PORT", self.names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdout(log.into_parts().0)
            .stderr(Stdio::null());
        self.server = Some(spawn(&mut command));
        let deadline = Instant::now() + START;
        while !self.answers().await {
            assert!(
                Instant::now() < deadline,
                "RabbitMQ does not start: {}",
                fs_err::read_to_string(path.join("out")).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// While it starts, it takes connections that it never answers.
    async fn answers(&self) -> bool {
        let (url, options) = (self.url(), ConnectionProperties::default());
        let connect = Connection::connect(&url, options);
        matches!(
            tokio::time::timeout(Duration::from_secs(5), connect).await,
            Ok(Ok(_))
        )
    }

    /// Ends the server, as after a power cut.
    pub fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            let group = Pid::from_raw(server.id().cast_signed());
            killpg(group, Signal::SIGKILL).unwrap();
            server.wait().unwrap();
        }
    }

    /// A queue that lasts, bound to everything, and whoever reads it.
    pub async fn consumer(&self) -> Consumer {
        let connection = Connection::connect(&self.url(), ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = "reader";
        channel
            .queue_declare(
                queue.into(),
                QueueDeclareOptions::durable(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        channel
            .queue_bind(
                queue.into(),
                "amq.topic".into(),
                "#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        channel
            .basic_consume(
                queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap()
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.down();
        // It ends with this process in any case.
        let _ = self.epmd.kill();
        let _ = self.epmd.wait();
    }
}

/// The next message.
pub async fn next(consumer: &mut Consumer) -> Received {
    use futures_util::StreamExt as _;
    let delivery = tokio::time::timeout(ARRIVAL, consumer.next())
        .await
        .expect("no message came")
        .expect("the queue is gone")
        .unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    let properties = &delivery.properties;
    let text = |s: &Option<lapin::types::ShortString>| s.as_ref().unwrap().as_str().to_owned();
    let headers: serde_json::Map<_, _> = properties
        .headers()
        .as_ref()
        .unwrap()
        .inner()
        .iter()
        .map(|(key, value)| {
            let value = match value {
                AMQPValue::LongString(s) => s.to_string().into(),
                AMQPValue::LongInt(n) => (*n).into(),
                AMQPValue::Boolean(b) => (*b).into(),
                other => panic!("{key} is {other:?}"),
            };
            (key.as_str().to_owned(), value)
        })
        .collect();
    Received {
        topic: delivery.routing_key.as_str().to_owned(),
        id: text(properties.message_id()),
        headers: headers.into(),
        body: serde_json::from_slice(&delivery.data).unwrap(),
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        delivery_mode: properties.delivery_mode().unwrap(),
    }
}
