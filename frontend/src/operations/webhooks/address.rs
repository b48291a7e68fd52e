//! The addresses of a project's webhooks: what is handed out, and whether what comes in fits.

use db::projects::Project;
use db::webhooks::Keys;
use protocol::{OwnerName, ProjectName};

use crate::app::App;
use crate::auth::same_secret;
use crate::error::Error;

/// Where forges and programs deliver to. `PACKAGE` and `DIRECTORY` stand for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// GitHub's.
    pub github: String,
    /// GitLab's.
    pub gitlab: String,
    /// Bitbucket's.
    pub bitbucket: String,
    /// Any program's.
    pub custom: String,
    /// The same, into a directory of the project.
    pub custom_dir: String,
}

/// The addresses of a project's webhooks.
pub fn urls(app: &App, project: &Project, keys: &Keys) -> Urls {
    let base = format!("{}/webhooks", app.config.url);
    let of = |kind: &str| format!("{base}/{kind}/{}/{}/", project.id, keys.secret);
    Urls {
        github: of("github"),
        gitlab: of("gitlab"),
        bitbucket: of("bitbucket"),
        custom: format!("{}PACKAGE/", of("custom")),
        custom_dir: format!(
            "{base}/custom-dir/{}/DIRECTORY/{}/PACKAGE/",
            project.owner, keys.secret
        ),
    }
}

/// The project that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By `projects.id`.
    Number(i64),
    /// By its names.
    Project(OwnerName, ProjectName),
    /// By what cannot name one.
    Nothing,
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// There is no such project.
    Project,
    /// The secret is not its.
    Secret,
}

/// Finds the project of an address, and checks the secret.
///
/// # Errors
/// When the database fails.
pub async fn open(app: &App, named: &Named, secret: &str) -> Result<Result<(Project, Keys), Wrong>, Error> {
    let mut conn = app.conn().await?;
    let project = match named {
        Named::Number(id) => db::projects::by_id(&mut conn, *id).await?,
        Named::Project(owner, name) => db::projects::find(&mut conn, owner, name).await?,
        Named::Nothing => None,
    };
    let Some(project) = project.filter(|p| p.deleted_at.is_none()) else {
        return Ok(Err(Wrong::Project));
    };
    let Some(keys) = db::webhooks::keys(&mut conn, project.id).await? else {
        return Ok(Err(Wrong::Project));
    };
    if same_secret(&keys.secret, secret) {
        return Ok(Ok((project, keys)));
    }
    app.refused_hooks.count(project.id);
    Ok(Err(Wrong::Secret))
}
