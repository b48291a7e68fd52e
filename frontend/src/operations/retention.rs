//! What of the past goes, and when: looked at, not done.

use db::retention::{self, Plan, Stored};
use protocol::{ChrootName, DirName};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{find_project, shown};

/// Looks at what the backend would do with a repository now.
///
/// # Errors
/// 404 where there is no such repository; 403 for anybody but who may change the project.
pub async fn plan(app: &App, actor: &Actor, (owner, dir, chroot): (&str, &str, &str)) -> Result<Plan, Error> {
    let missing = || {
        let (owner, dir, chroot) = (shown(owner), shown(dir), shown(chroot));
        Error::NotFound(format!("Repository {owner}/{dir}/{chroot} does not exist."))
    };
    let dir: DirName = dir.parse().map_err(|_| missing())?;
    let chroot: ChrootName = chroot.parse().map_err(|_| missing())?;
    let project = find_project(app, owner, dir.project().as_str()).await?;
    actor.may_see_retention(&project)?;
    let mut conn = app.conn().await?;
    let repository = db::repositories::find(&mut conn, project.id, &dir, &chroot).await?;
    let repository = repository.ok_or_else(missing)?;
    let policy = app.config.retention.of(&project.settings);
    Ok(retention::plan(&mut conn, repository.id, policy, app.now()).await?)
}

/// What the whole service stores.
///
/// # Errors
/// 403 for anybody but administrators.
pub async fn stored(app: &App, actor: &Actor) -> Result<Stored, Error> {
    actor.may_see_storage()?;
    Ok(retention::stored(&mut *app.conn().await?).await?)
}
