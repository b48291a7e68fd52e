//! Small repositories of what a build or a batch made: found, and where they are.

use db::minis::{self, Shown};
use protocol::DirName;
use storage::Mini;

use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::builds::{find_batch, find_build};
use crate::operations::projects::shown;

/// Whose packages, by names from outside.
#[derive(Debug, Clone)]
pub enum Of {
    /// Those of a build, by its number.
    Build(String),
    /// Those of a batch, by its number.
    Batch(String),
}

/// The small repositories of a build or a batch that there are.
///
/// # Errors
/// 404 when there is no such build or batch.
pub async fn find(app: &App, of: &Of) -> Result<Vec<Shown>, Error> {
    match of {
        Of::Build(id) => {
            let (build, _) = find_build(app, id).await?;
            Ok(minis::shown_of_build(&mut *app.conn().await?, build.id).await?)
        }
        Of::Batch(id) => {
            let batch = find_batch(app, id).await?;
            Ok(minis::shown_of_batch(&mut *app.conn().await?, batch.id).await?)
        }
    }
}

/// 404 for a repository that there is not, or not yet.
pub fn missing(of: &Of, dir: &DirName, name_release: &str) -> Error {
    let (what, when) = match of {
        Of::Build(id) => (format!("Build {}", shown(id)), "once it has succeeded there"),
        Of::Batch(id) => (format!("Batch {}", shown(id)), "once all its builds have ended"),
    };
    Error::NotFound(format!(
        "{what} has no repository in {dir} for {}; it gets one {when}, and has it until it is deleted.",
        shown(name_release)
    ))
}

/// Its name.
///
/// # Errors
/// When the database has something else.
pub fn parsed(mini: &Shown) -> Result<Mini, Error> {
    mini.name
        .parse()
        .map_err(|e| Error::Internal(format!("a small repository is called '{}': {e}", mini.name)))
}

/// URL of a small repository, with its final slash.
pub fn url(config: &Config, mini: &Shown) -> String {
    format!(
        "{}{}/",
        config.repository_url(&mini.owner, &mini.dir, &mini.chroot),
        mini.name
    )
}

/// URL of its `.repo` file.
pub fn repo_url(config: &Config, mini: &Shown) -> String {
    let query = match mini.name.strip_prefix("batches/") {
        Some(batch) => format!("batch={batch}"),
        None => {
            let build = mini.name.split('-').next().unwrap_or_default();
            format!("build={}", build.trim_start_matches('0'))
        }
    };
    format!(
        "{}/coprs/{}/{}/repo/{}/?{query}",
        config.url,
        mini.owner,
        mini.dir,
        mini.chroot.name_release()
    )
}
