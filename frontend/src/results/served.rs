//! Counts downloads in memory, so that no download waits for a database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody as _};
use protocol::{OwnerName, ProjectName};

type Project = (OwnerName, ProjectName);

/// Bytes of answers, per project. Only what exists is answered with bytes, so nobody can fill this with names.
#[derive(Debug, Default)]
pub(crate) struct Served(Mutex<HashMap<Project, u64>>);

impl Served {
    fn lock(&self) -> MutexGuard<'_, HashMap<Project, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer when it begins.
    pub fn count(&self, project: Project, response: &HttpResponse) {
        if let (true, BodySize::Sized(bytes)) = (response.status().is_success(), response.body().size()) {
            self.add(project, bytes);
        }
    }

    fn add(&self, project: Project, bytes: u64) {
        if bytes > 0 {
            let mut all = self.lock();
            let sum = all.entry(project).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// What was counted since this was last asked.
    pub fn take(&self) -> HashMap<Project, u64> {
        std::mem::take(&mut self.lock())
    }

    /// Takes back what could not be written down.
    pub fn put_back(&self, counted: impl IntoIterator<Item = (Project, u64)>) {
        for (project, bytes) in counted {
            self.add(project, bytes);
        }
    }
}
