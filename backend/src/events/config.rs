//! Settings.

use serde::Deserialize;
use storage::Secret;

/// The section `[events]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// `amqp://user:password@host:5672/%2f`, or `amqps://`; empty: no bus. The last part is the virtual host.
    pub amqp_url: Secret,
    /// Exchange of the type `topic`; it has to exist.
    pub exchange: String,
    /// What stands before each topic, without a dot at its end; Fedora's own by default, which readers of Copr's
    /// messages are bound to.
    pub topic_prefix: String,
    /// Days that an event is kept after it was sent; where there is no bus, after it happened.
    pub keep_days: u32,
    /// Seconds between looks at the outbox without a hint.
    pub poll_s: u32,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            amqp_url: Secret::default(),
            exchange: "amq.topic".to_owned(),
            topic_prefix: "org.fedoraproject.prod".to_owned(),
            keep_days: 7,
            poll_s: 10,
        }
    }
}

impl EventsConfig {
    /// Whether there is a bus.
    pub fn is_on(&self) -> bool {
        !self.amqp_url.expose().is_empty()
    }
}
