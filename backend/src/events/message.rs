//! The properties that fedora-messaging asks of a message
//! (<https://fedora-messaging.readthedocs.io/en/stable/user-guide/messages.html>, its module `message`).

use chrono::{DateTime, SecondsFormat, Utc};
use db::events::Event;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

/// Readers are not notified of these by default.
const DEBUG: i32 = 10;
const INFO: i32 = 20;
/// AMQP's number for a message that survives a restart of the bus.
const PERSISTENT: u8 = 2;

/// The class that a reader has for a topic, and the Python package that it is in. What Copr does not have is of the
/// base class.
fn schema(topic: &str) -> (&str, &'static str) {
    match topic {
        "copr.build.start" | "copr.build.end" | "copr.chroot.start" => (topic, "copr_messaging"),
        _ => ("base.message", "fedora_messaging"),
    }
}

/// Users whom the event is about, by name: the submitter, and an owner that is not a group.
fn people(event: &Event) -> impl Iterator<Item = &str> {
    ["user", "owner"]
        .into_iter()
        .filter_map(|key| event.body.get(key)?.as_str())
        .filter(|name| !name.starts_with('@'))
}

/// Properties of a message that leaves `now`.
pub(super) fn properties(event: &Event, now: DateTime<Utc>) -> BasicProperties {
    let (class, package) = schema(&event.topic);
    // As in Copr: each of these comes with one about the build.
    let severity = if event.topic.starts_with("copr.chroot.") {
        DEBUG
    } else {
        INFO
    };
    let text = |s: String| AMQPValue::LongString(s.into());
    let mut headers = FieldTable::default();
    headers.insert("fedora_messaging_schema".into(), text(class.to_owned()));
    headers.insert("fedora_messaging_schema_package".into(), text(package.to_owned()));
    headers.insert("fedora_messaging_severity".into(), AMQPValue::LongInt(severity));
    headers.insert(
        "sent-at".into(),
        text(now.to_rfc3339_opts(SecondsFormat::Secs, false)),
    );
    headers.insert("priority".into(), AMQPValue::LongInt(0));
    for name in people(event) {
        if let Ok(key) = ShortString::try_new(format!("fedora_messaging_user_{name}")) {
            headers.insert(key, AMQPValue::Boolean(true));
        }
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    match ShortString::try_new(event.message_id.as_str()) {
        Ok(id) => properties.with_message_id(id),
        Err(_) => properties,
    }
}

/// Splits events into parts, in order, of which each has one event of each build at most: what the bus refuses or loses
/// of one part then never overtakes anything of its build, and what it takes is in the outbox's order.
pub(super) fn waves(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut waves: Vec<Vec<Event>> = Vec::new();
    let mut builds = std::collections::HashSet::new();
    for event in events {
        let again = !builds.insert(event.build());
        if again {
            builds = std::collections::HashSet::from([event.build()]);
        }
        match waves.last_mut() {
            Some(wave) if !again => wave.push(event),
            _ => waves.push(vec![event]),
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, build: i64) -> Event {
        Event {
            id,
            at: DateTime::UNIX_EPOCH,
            topic: "copr.build.start".to_owned(),
            message_id: id.to_string(),
            body: serde_json::json!({"build": build, "user": "alice", "owner": "@sig"}),
        }
    }

    #[test]
    fn a_wave_has_one_event_of_a_build_and_overtakes_nothing() {
        let events = [(1, 7), (2, 7), (3, 8), (4, 9), (5, 8), (6, 7)];
        let waves = waves(events.map(|(id, build)| event(id, build)).into());
        let ids: Vec<Vec<i64>> = waves.iter().map(|w| w.iter().map(|e| e.id).collect()).collect();
        assert_eq!(ids, [vec![1], vec![2, 3, 4], vec![5, 6]]);
    }

    #[test]
    fn groups_are_nobody_to_notify() {
        assert_eq!(people(&event(1, 7)).collect::<Vec<_>>(), ["alice"]);
    }
}
