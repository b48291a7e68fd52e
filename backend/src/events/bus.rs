//! A connection to the bus: AMQP 0.9.1 with publisher confirms.

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::events::Event;
use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Connection, ConnectionProperties};

use super::config::EventsConfig;
use super::message::properties;

/// How long the bus may take to let us in.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the bus may take to write down what it was given.
const CONFIRM: Duration = Duration::from_secs(30);

/// An open channel in confirm mode.
pub(super) struct Bus {
    connection: Connection,
    channel: Channel,
    exchange: ShortString,
    prefix: String,
}

impl Bus {
    /// Connects; the error is a sentence for the log, without the password.
    pub(super) async fn connect(config: &EventsConfig) -> Result<Self, String> {
        let exchange = ShortString::try_new(config.exchange.as_str())
            .map_err(|e| format!("the setting exchange of [events] cannot be used: {e}"))?;
        let open = async {
            let name = ConnectionProperties::default().with_connection_name("koper".into());
            let connection = Connection::connect(config.amqp_url.expose(), name).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>((connection, channel))
        };
        let (connection, channel) = tokio::time::timeout(CONNECT, open)
            .await
            .map_err(|_| "the message bus does not answer".to_owned())?
            .map_err(|e| format!("the message bus does not let us in: {e}"))?;
        Ok(Self {
            connection,
            channel,
            exchange,
            prefix: config.topic_prefix.trim_end_matches('.').to_owned(),
        })
    }

    /// Gives events to the bus at once, and returns the numbers of those that it has taken, and whether that is all.
    pub(super) async fn send(&self, events: &[Event], now: DateTime<Utc>) -> (Vec<i64>, Result<(), String>) {
        let each = join_all(events.iter().map(|event| async {
            tokio::time::timeout(CONFIRM, self.send_one(event, now))
                .await
                .unwrap_or_else(|_| Err("the message bus does not confirm".to_owned()))
        }))
        .await;
        let taken = events.iter().zip(&each).filter(|(_, r)| r.is_ok());
        let taken = taken.map(|(event, _)| event.id).collect();
        (taken, each.into_iter().collect())
    }

    async fn send_one(&self, event: &Event, now: DateTime<Utc>) -> Result<(), String> {
        let topic = if self.prefix.is_empty() {
            event.topic.clone()
        } else {
            format!("{}.{}", self.prefix, event.topic)
        };
        let topic = ShortString::try_new(topic).map_err(|e| format!("the topic cannot be used: {e}"))?;
        let failed = |e: lapin::Error| format!("the message bus broke off: {e}");
        let confirmation = self
            .channel
            .basic_publish(
                self.exchange.clone(),
                topic,
                BasicPublishOptions::default(),
                event.body.to_string().as_bytes(),
                properties(event, now),
            )
            .await
            .map_err(failed)?
            .await
            .map_err(failed)?;
        if confirmation.is_ack() {
            Ok(())
        } else {
            Err("the message bus refused a message".to_owned())
        }
    }

    /// Says good-bye.
    pub(super) async fn close(self) {
        // The process or the connection is about to end either way.
        let _ = tokio::time::timeout(CONNECT, self.connection.close(200, "".into())).await;
    }
}
