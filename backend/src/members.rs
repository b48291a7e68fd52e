//! The packages of a snapshot, as a list of which clones and changes cost nothing to speak of, however long it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use repodata::Digest;

/// More changes than this become part of the list.
const CHANGES: usize = 512;

/// SHA-256 of packages, by `rpms.id`. Two rows can name the same file at different places.
#[derive(Clone, Default)]
pub(crate) struct Members {
    list: Arc<BTreeMap<i64, Digest>>,
    /// What is different from the list; `None` for what is gone.
    changes: BTreeMap<i64, Option<Digest>>,
    len: usize,
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The SHA-256 of one.
    pub fn get(&self, id: i64) -> Option<&Digest> {
        match self.changes.get(&id) {
            Some(change) => change.as_ref(),
            None => self.list.get(&id),
        }
    }

    /// Adds one, and says whether it was not there.
    pub fn insert(&mut self, id: i64, digest: Digest) -> bool {
        let new = self.get(id).is_none();
        self.len += usize::from(new);
        self.change(id, Some(digest));
        new
    }

    /// Takes one away, and says what it was.
    pub fn remove(&mut self, id: i64) -> Option<Digest> {
        let old = self.get(id).copied()?;
        self.len -= 1;
        self.change(id, None);
        Some(old)
    }

    fn change(&mut self, id: i64, to: Option<Digest>) {
        self.changes.insert(id, to);
        if self.changes.len() <= CHANGES {
            return;
        }
        let list = Arc::make_mut(&mut self.list);
        for (id, change) in std::mem::take(&mut self.changes) {
            match change {
                Some(digest) => list.insert(id, digest),
                None => list.remove(&id),
            };
        }
    }

    /// `rpms.id` of all, ascending.
    pub fn ids(&self) -> Vec<i64> {
        let mut ids = Vec::with_capacity(self.len);
        let mut changes = self.changes.iter().peekable();
        for id in self.list.keys() {
            while let Some((new, change)) = changes.next_if(|(new, _)| *new < id) {
                ids.extend(change.map(|_| *new));
            }
            match changes.next_if(|(same, _)| *same == id) {
                Some((_, None)) => {}
                _ => ids.push(*id),
            }
        }
        ids.extend(changes.filter_map(|(new, change)| change.map(|_| *new)));
        ids
    }
}

impl FromIterator<(i64, Digest)> for Members {
    fn from_iter<T: IntoIterator<Item = (i64, Digest)>>(all: T) -> Self {
        let list: BTreeMap<_, _> = all.into_iter().collect();
        Self {
            len: list.len(),
            list: Arc::new(list),
            changes: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut model: BTreeMap<i64, Digest> = (0..700).map(|n| (3 * n, [1; 32])).collect();
        let mut members: Members = model.clone().into_iter().collect();
        let before = members.clone();
        // Past several times the changes that are kept apart.
        for step in 0..5_000_i64 {
            let id = step * 7_919 % 2_500;
            if step % 3 == 0 {
                assert_eq!(members.remove(id), model.remove(&id));
            } else {
                let digest = [step.to_le_bytes()[0]; 32];
                assert_eq!(members.insert(id, digest), model.insert(id, digest).is_none());
            }
            assert_eq!(members.get(id), model.get(&id));
            if step % 251 == 0 {
                assert_eq!(members.ids(), model.keys().copied().collect::<Vec<_>>());
                assert_eq!(members.len(), model.len());
            }
        }
        assert_eq!((before.len(), before.ids().len()), (700, 700));
    }
}
