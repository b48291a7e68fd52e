//! What a project sets for one of its chroots.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, Sha256};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, parse, to_json};
use crate::jobs::{self, Job};
use crate::projects::Project;
use crate::schema::project_chroots;

/// A chroot's settings, with Copr's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChrootSettings {
    /// Repositories for builds, beside the project's.
    pub additional_repos: Vec<String>,
    /// Packages that every build finds installed.
    pub additional_packages: Vec<String>,
    /// `name:stream`, or `!name:stream` to switch it off.
    pub additional_modules: Vec<String>,
    /// `rpmbuild --with`.
    pub with_opts: Vec<String>,
    /// `rpmbuild --without`.
    pub without_opts: Vec<String>,
    /// `unchanged`, `default`, `on`, `off`, `image`, `custom_image`.
    pub bootstrap: String,
    /// The image of `custom_image`.
    pub bootstrap_image: Option<String>,
    /// `unchanged`, `default`, `simple`, `nspawn`.
    pub isolation: String,
}

impl Default for ChrootSettings {
    fn default() -> Self {
        Self {
            additional_repos: Vec::new(),
            additional_packages: Vec::new(),
            additional_modules: Vec::new(),
            with_opts: Vec::new(),
            without_opts: Vec::new(),
            bootstrap: "unchanged".to_owned(),
            bootstrap_image: None,
            isolation: "unchanged".to_owned(),
        }
    }
}

/// A file that says which packages belong to which group; its content is a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comps {
    /// What it was called.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: Sha256,
}

/// A chroot of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectChroot {
    /// Which.
    pub chroot: ChrootName,
    /// Whether new builds use it.
    pub enabled: bool,
    /// Since when not.
    pub disabled_at: Option<DateTime<Utc>>,
    /// What is set.
    pub settings: ChrootSettings,
    /// Groups of packages.
    pub comps: Option<Comps>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = project_chroots)]
struct Row {
    chroot: String,
    enabled: bool,
    disabled_at: Option<DateTime<Utc>>,
    settings: serde_json::Value,
    comps_name: Option<String>,
    comps_sha256: Option<String>,
}

impl Row {
    fn project_chroot(self) -> DbResult<ProjectChroot> {
        let comps = match (self.comps_name, self.comps_sha256) {
            (Some(name), Some(sha256)) => Some(Comps {
                name,
                sha256: parse("digest of comps", &sha256)?,
            }),
            _ => None,
        };
        Ok(ProjectChroot {
            chroot: parse("chroot", &self.chroot)?,
            enabled: self.enabled,
            disabled_at: self.disabled_at,
            settings: from_json("chroot settings", self.settings)?,
            comps,
        })
    }
}

/// A chroot that a project has, or had.
///
/// # Errors
/// When the query fails.
pub async fn find(
    conn: &mut Connection,
    project: i64,
    chroot: &ChrootName,
) -> DbResult<Option<ProjectChroot>> {
    let row = project_chroots::table
        .find((project, chroot.as_str()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::project_chroot).transpose()
}

/// The enabled chroots of a project, by name.
///
/// # Errors
/// When the query fails.
pub async fn enabled(conn: &mut Connection, project: i64) -> DbResult<Vec<ProjectChroot>> {
    let rows: Vec<Row> = project_chroots::table
        .filter(project_chroots::project_id.eq(project))
        .filter(project_chroots::enabled.eq(true))
        .order(project_chroots::chroot)
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::project_chroot).collect()
}

/// Writes what a project sets for a chroot. New groups of packages are published at once.
///
/// # Errors
/// When the query fails.
pub async fn edit(
    conn: &mut Connection,
    project: &Project,
    new: &ProjectChroot,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let key = (project.id, new.chroot.as_str());
        let old: Row = project_chroots::table
            .find(key)
            .select(Row::as_select())
            .for_update()
            .first(conn)
            .await?;
        let old_comps = old.comps_sha256.clone();
        let old = to_json("chroot settings", &old.project_chroot()?.settings)?;
        let settings = to_json("chroot settings", &new.settings)?;
        let digest = new.comps.as_ref().map(|c| c.sha256.as_str());
        diesel::update(project_chroots::table.find(key))
            .set((
                project_chroots::settings.eq(&settings),
                project_chroots::comps_name.eq(new.comps.as_ref().map(|c| &c.name)),
                project_chroots::comps_sha256.eq(digest),
            ))
            .execute(conn)
            .await?;
        if old_comps.as_deref() != digest {
            let job = Job::Republish {
                project: project.id,
                chroot: Some(new.chroot.clone()),
                repository: None,
                release: false,
            };
            jobs::enqueue(conn, &job, now).await?;
        }
        let object = format!("project:{}/{}/{}", project.owner, project.name, new.chroot);
        let detail = serde_json::json!({
            "old": old, "new": settings, "old_comps": old_comps, "new_comps": digest,
        });
        audit::record(conn, now, actor, "chroot.edit", &object, detail).await
    })
    .await
}
