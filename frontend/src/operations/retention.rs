//! What of the past goes, and when: looked at, not done.

use chrono::{DateTime, Utc};
use db::retention::{self, Facts, Orphans, Stored};
use protocol::{ChrootName, DirName};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{find_project, shown};

/// A snapshot that goes.
#[derive(Debug, Clone)]
pub struct Going {
    /// What is known of it.
    pub facts: Facts,
    /// When its files go, at the earliest.
    pub goes_at: DateTime<Utc>,
}

/// What would go of a repository.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Snapshots that go, by number.
    pub going: Vec<Going>,
    /// How many stay.
    pub kept: usize,
    /// Packages that go when these snapshots have gone.
    pub orphans: Orphans,
}

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
    let facts = retention::facts(&mut conn, repository.id).await?;
    let uses = retention::uses(&mut conn, repository.id).await?;
    let (policy, now) = (&app.config.retention, app.now());
    let verdict = policy.judge(&facts, &uses, now);
    let kept = [verdict.keep, verdict.spare].concat();
    let orphans = retention::orphans(&mut conn, repository.id, &kept).await?;
    let going = facts.into_iter().filter(|facts| !kept.contains(&facts.number));
    let going = going.map(|facts| Going {
        goes_at: facts
            .purge_at
            .unwrap_or_else(|| policy.end_of_grace(now))
            .max(now),
        facts,
    });
    Ok(Plan {
        going: going.collect(),
        kept: kept.len(),
        orphans,
    })
}

/// What the whole service stores.
///
/// # Errors
/// 403 for anybody but administrators.
pub async fn stored(app: &App, actor: &Actor) -> Result<Stored, Error> {
    actor.may_see_storage()?;
    Ok(retention::stored(&mut *app.conn().await?).await?)
}
