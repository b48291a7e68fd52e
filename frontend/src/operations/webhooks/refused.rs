//! How many deliveries came with a wrong secret: anybody can send those, so they are counted and not kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Deliveries with a wrong secret since the process began, by `projects.id`.
#[derive(Debug, Default)]
pub struct Refused(Mutex<HashMap<i64, u64>>);

impl Refused {
    /// Counts one for a project, which exists.
    pub fn count(&self, project: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(project).or_default() += 1;
    }

    /// How many there were.
    pub fn of(&self, project: i64) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&project).copied().unwrap_or(0)
    }
}
