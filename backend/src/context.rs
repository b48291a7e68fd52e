//! What jobs work with.

use std::path::PathBuf;

use protocol::ServiceIdentity;
use storage::Storage;

use crate::error::JobError;
use crate::fault::Faults;
use crate::metadata::Metadata;

/// The explicit list of everything a job may touch.
#[derive(Clone)]
pub struct Context {
    /// Database.
    pub pool: db::Pool,
    /// Object store.
    pub storage: Storage,
    /// Signer.
    pub keys: keys::Client,
    /// Time.
    pub clock: db::Clock,
    /// How packages have to call themselves.
    pub service: ServiceIdentity,
    /// Folder for files in passing.
    pub scratch_dir: PathBuf,
    /// Largest package in bytes.
    pub max_package_bytes: u64,
    /// Days without a build after which the directory of a pull request is removed.
    pub keep_pr_dirs_days: u32,
    /// How much of repositories' past is kept.
    pub retention: db::retention::Policy,
    /// Whether builders find out if what is published can be installed, where a project does not say.
    pub check_installs: bool,
    /// Metadata of the repositories that changed last.
    pub metadata: Metadata,
    /// Places to die at, in tests.
    pub faults: Faults,
}

impl Context {
    /// A connection.
    ///
    /// # Errors
    /// When the database cannot be reached; the job is to be tried again.
    pub async fn conn(
        &self,
    ) -> Result<impl std::ops::DerefMut<Target = db::Connection> + Send + use<>, JobError> {
        self.pool.get().await.map_err(JobError::retry)
    }

    /// Runs work that keeps a processor busy.
    ///
    /// # Errors
    /// What the work says, or that it was interrupted.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, JobError> {
        tokio::task::spawn_blocking(work).await.map_err(|e| {
            let text = format!("a worker thread failed: {e}");
            // The same input would panic again, for ever.
            if e.is_panic() {
                JobError::fail(text)
            } else {
                JobError::retry(text)
            }
        })?
    }

    /// The public key of a project, which its set-up stored.
    ///
    /// # Errors
    /// When the set-up has not come that far yet.
    pub fn public_key(&self, project: &db::projects::Project) -> Result<keys::PublicKey, JobError> {
        let json = project
            .public_key
            .clone()
            .ok_or_else(|| JobError::retry(format!("{}/{} has no key yet", project.owner, project.name)))?;
        serde_json::from_value(json)
            .map_err(|e| JobError::fail(format!("the stored public key cannot be read: {e}")))
    }
}
