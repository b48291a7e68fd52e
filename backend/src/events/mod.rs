//! Sends the outbox to a message bus, as fedora-messaging does it. `docs/events.md` says what readers can rely on.

mod bus;
mod config;
mod message;
mod sender;

pub use config::EventsConfig;
pub use sender::{Parts, run};
