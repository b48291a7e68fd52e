//! Hints: PostgreSQL's NOTIFY and LISTEN. Losing one costs a slow poll's time, nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel_async::RunQueryDsl as _;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::connect::{Connection, DbResult};

/// What a hint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A task became pending.
    Tasks,
    /// A job was enqueued.
    Jobs,
    /// A task, build or project changed its state, or a log grew.
    Progress,
    /// An event waits in the outbox.
    Events,
}

impl Topic {
    const ALL: [Self; 4] = [Self::Tasks, Self::Jobs, Self::Progress, Self::Events];

    fn channel(self) -> &'static str {
        match self {
            Self::Tasks => "koper_tasks",
            Self::Jobs => "koper_jobs",
            Self::Progress => "koper_progress",
            Self::Events => "koper_events",
        }
    }
}

/// Sends a hint; inside a transaction it leaves with the commit.
///
/// # Errors
/// When the query fails.
pub async fn notify(conn: &mut Connection, topic: Topic) -> DbResult<()> {
    diesel::sql_query(format!("NOTIFY {}", topic.channel()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Listens to all topics on one connection of its own and wakes whoever waits.
///
/// Register interest with [`Listener::subscribe`] *before* looking at the database, then wait: a hint in between is
/// not lost.
#[derive(Clone)]
pub struct Listener {
    senders: Arc<Mutex<HashMap<Topic, watch::Sender<u64>>>>,
}

/// Interest in one topic.
pub struct Subscription(watch::Receiver<u64>);

impl Subscription {
    /// Returns at the next hint, or after `at_most`.
    pub async fn wait(&mut self, at_most: Duration) {
        // A closed channel means that the listener is gone; the time-out then paces the poll.
        if let Ok(Err(_)) = tokio::time::timeout(at_most, self.0.changed()).await {
            tokio::time::sleep(at_most).await;
        }
    }
}

impl Listener {
    /// Starts listening; reconnects by itself for as long as the process lives.
    pub fn start(database_url: &str) -> Self {
        let senders: HashMap<_, _> = Topic::ALL.iter().map(|t| (*t, watch::channel(0).0)).collect();
        let listener = Self {
            senders: Arc::new(Mutex::new(senders)),
        };
        let (this, url) = (listener.clone(), database_url.to_owned());
        tokio::spawn(async move {
            loop {
                if let Err(error) = this.listen(&url).await {
                    tracing::debug!("listening for hints failed, trying again: {error}");
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        listener
    }

    /// Registers interest in a topic.
    pub fn subscribe(&self, topic: Topic) -> Subscription {
        let mut senders = self
            .senders
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Subscription(
            senders
                .entry(topic)
                .or_insert_with(|| watch::channel(0).0)
                .subscribe(),
        )
    }

    fn wake(&self, channel: Option<&str>) {
        let senders = self
            .senders
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (topic, sender) in senders.iter() {
            if channel.is_none_or(|c| c == topic.channel()) {
                sender.send_modify(|n| *n += 1);
            }
        }
    }

    async fn listen(&self, url: &str) -> Result<(), tokio_postgres::Error> {
        let (client, mut connection) = tokio_postgres::connect(url, NoTls).await?;
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        let commands: String = Topic::ALL
            .iter()
            .map(|t| format!("LISTEN {};", t.channel()))
            .collect();
        let setup = client.batch_execute(&commands);
        tokio::pin!(setup);
        let mut listening = false;
        loop {
            tokio::select! {
                done = &mut setup, if !listening => {
                    done?;
                    listening = true;
                    // Whatever was said while nobody listened is made up for by one look.
                    self.wake(None);
                }
                message = messages.next() => match message {
                    Some(Ok(AsyncMessage::Notification(n))) => self.wake(Some(n.channel())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                }
            }
        }
    }
}
