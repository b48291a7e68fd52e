//! Submitting, canceling and deleting builds.

mod batch;
mod end;
mod foreign;
mod import;
mod plan;
mod submit;
mod upload;

use db::batches::BatchOf;
use db::builds::{self, Build, BuildOptions};
use db::projects::Project;
use protocol::{BuildId, ChrootName, DirName};

use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

pub use batch::find_batch;
pub use end::{cancel_build, delete_build, delete_builds};
pub use import::{project_of_dir, submit_import};
pub use plan::check_before_build;
pub use submit::{resubmit, submit_source, submit_url};
pub use upload::{
    Received, Uploaded, check_count, discard_upload, receive_upload, submit_upload, submit_uploads,
};

/// What all ways to submit have in common.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Chroots to build for, names or shell patterns (`*`, `?`, `[…]`); empty: all that the project enables.
    pub chroots: Vec<String>,
    /// Chroots to leave out, names or patterns.
    pub exclude_chroots: Vec<String>,
    /// Result directory; `None`: the project's own.
    pub dir: Option<String>,
    /// Start when the batch of this build has ended.
    pub after_build: Option<i64>,
    /// Join the batch of this build.
    pub with_build: Option<i64>,
    /// The pointer that it goes to, as somebody named it; `None` or empty: as the project is set.
    pub pointer: Option<String>,
    /// The commit that the source is, as somebody wrote it; `None` or empty: as the options say.
    pub commit: Option<String>,
    /// Choices.
    pub options: BuildOptions,
}

/// What a request comes to in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Result directory.
    pub dir: DirName,
    /// Chroots, by name.
    pub chroots: Vec<ChrootName>,
    /// Choices, with what the package adds.
    pub options: BuildOptions,
    /// Whose batch decides when it starts.
    pub batch: Option<BatchOf>,
}

/// There is no build of that number in a live project.
pub(crate) fn missing_build(id: &str) -> Error {
    Error::NotFound(format!("Build {} does not exist.", shown(id)))
}

/// Finds a build of a live project.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_build(app: &App, id: &str) -> Result<(Build, Project), Error> {
    let missing = || missing_build(id);
    let id: BuildId = id.parse().map_err(|_| missing())?;
    builds::find_with_project(&mut *app.conn().await?, id)
        .await?
        .ok_or_else(missing)
}
