//! Small immutable objects in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What an entry costs beside its bytes and its name, roughly.
const OVERHEAD: usize = 256;

/// A cache of at most so many bytes, which drops what was not used for the longest time.
pub(super) struct Cache {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_name: HashMap<String, Entry>,
    /// Names by the turn of their last use.
    by_use: BTreeMap<u64, String>,
    turn: u64,
    size: usize,
}

struct Entry {
    bytes: Bytes,
    used: u64,
    since: Instant,
}

impl Cache {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    /// The bytes under a name, if they are there and no older than `max_age`.
    pub fn get(&self, name: &str, max_age: Duration) -> Option<Bytes> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        let entry = entries.by_name.get_mut(name)?;
        if entry.since.elapsed() > max_age {
            return None;
        }
        entries.turn += 1;
        let name = entries.by_use.remove(&entry.used)?;
        entry.used = entries.turn;
        entries.by_use.insert(entry.used, name);
        Some(entry.bytes.clone())
    }

    /// Keeps bytes under a name, unless they alone are more than a quarter of the cache.
    pub fn insert(&self, name: String, bytes: Bytes) {
        let cost = cost(&name, &bytes);
        if cost > self.capacity / 4 {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&name);
        while entries.size + cost > self.capacity {
            let Some((_, oldest)) = entries.by_use.first_key_value() else {
                break;
            };
            let oldest = oldest.clone();
            entries.remove(&oldest);
        }
        entries.turn += 1;
        let used = entries.turn;
        entries.size += cost;
        entries.by_use.insert(used, name.clone());
        entries.by_name.insert(
            name,
            Entry {
                bytes,
                used,
                since: Instant::now(),
            },
        );
    }
}

impl Entries {
    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.by_name.remove(name) {
            self.by_use.remove(&entry.used);
            self.size -= cost(name, &entry.bytes);
        }
    }
}

fn cost(name: &str, bytes: &Bytes) -> usize {
    2 * name.len() + bytes.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn filled(names: &[&str]) -> Cache {
        let cache = Cache::new(5 * (2 + 1000 + OVERHEAD));
        for name in names {
            cache.insert((*name).to_owned(), Bytes::from(vec![b'x'; 1000]));
        }
        cache
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = filled(&["a", "b", "c", "d", "e"]);
        assert!(cache.get("a", LONG).is_some());
        cache.insert("f".to_owned(), Bytes::from(vec![b'x'; 1000]));
        assert!(cache.get("b", LONG).is_none());
        for name in ["a", "c", "d", "e", "f"] {
            assert!(cache.get(name, LONG).is_some(), "{name}");
        }
    }

    #[test]
    fn its_size_is_bounded_and_replacing_frees() {
        let cache = filled(&["a", "a", "a", "a", "a", "a", "b"]);
        assert_eq!(cache.entries.lock().unwrap().size, 2 * (2 + 1000 + OVERHEAD));
        cache.insert("large".to_owned(), Bytes::from(vec![b'x'; 3000]));
        assert!(cache.get("large", LONG).is_none());
        assert!(cache.get("a", LONG).is_some());
    }

    #[test]
    fn old_entries_do_not_count() {
        let cache = filled(&["a"]);
        assert!(cache.get("a", Duration::ZERO).is_none());
    }
}
