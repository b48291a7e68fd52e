//! Projects and their chroots.

mod edit;
mod end;
mod settings;
mod setup;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, OwnerName, ProjectName, RepoTag};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse, to_json};
use crate::read::Parsed;
use crate::schema::{project_chroots, projects};

pub use edit::{Edit, edit, regenerate};
pub use end::{delete, end_one, is_being_removed, is_worked_on};
pub use settings::{CheckInstalls, ProjectSettings};
pub use setup::{complete, set_public_key, set_ready};

use edit::{enqueue_set_up, set_chroots_in};

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Number.
    pub id: i64,
    /// Name space in which it lives; its URLs and repository ids show this, and it never changes.
    pub owner: OwnerName,
    /// Who decides about it: the owner, until the project is transferred.
    pub holder: OwnerName,
    /// Name.
    pub name: ProjectName,
    /// Who made it (`users.id`).
    pub created_by: i64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Texts and switches.
    pub settings: ProjectSettings,
    /// The project's part of the repotag.
    pub repotag: String,
    /// Name of the key in the signer.
    pub key_id: String,
    /// The signer's answer for that key, as JSON, once it exists.
    pub public_key: Option<serde_json::Value>,
    /// When key and empty repositories were complete.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why the set-up does not get on, if it does not.
    pub setup_error: Option<String>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When a temporary project ends.
    pub delete_at: Option<DateTime<Utc>>,
    /// The project that it was forked from.
    pub forked_from: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = projects)]
struct Row {
    id: i64,
    owner: String,
    name: String,
    created_by: i64,
    created_at: DateTime<Utc>,
    settings: Parsed<ProjectSettings>,
    repotag: String,
    key_id: String,
    public_key: Option<serde_json::Value>,
    ready_at: Option<DateTime<Utc>>,
    setup_error: Option<String>,
    deleted_at: Option<DateTime<Utc>>,
    holder: String,
    delete_at: Option<DateTime<Utc>>,
    forked_from: Option<i64>,
}

impl Row {
    fn project(self) -> DbResult<Project> {
        Ok(Project {
            id: self.id,
            owner: parse("project owner", &self.owner)?,
            holder: parse("project holder", &self.holder)?,
            name: parse("project name", &self.name)?,
            created_by: self.created_by,
            created_at: self.created_at,
            settings: self.settings.0,
            repotag: self.repotag,
            key_id: self.key_id,
            public_key: self.public_key,
            ready_at: self.ready_at,
            setup_error: self.setup_error,
            deleted_at: self.deleted_at,
            delete_at: self.delete_at,
            forked_from: self.forked_from,
        })
    }
}

/// What a new project is made of.
#[derive(Debug, Clone)]
pub struct NewProject<'a> {
    /// Holder.
    pub owner: &'a OwnerName,
    /// Name.
    pub name: &'a ProjectName,
    /// Who makes it.
    pub created_by: i64,
    /// Name of that user, for the audit.
    pub actor: &'a str,
    /// Texts and switches.
    pub settings: &'a ProjectSettings,
    /// Enabled chroots.
    pub chroots: &'a [ChrootName],
    /// A fresh name for the key.
    pub key_id: &'a str,
}

/// Makes a project, its repositories' rows and the job that sets it up.
///
/// # Errors
/// [`DbError::Duplicate`] with `projects_live_name` when the owner has one of that name.
pub async fn create(conn: &mut Connection, new: &NewProject<'_>, now: DateTime<Utc>) -> DbResult<Project> {
    let suggestion = RepoTag::suggestion(new.owner, new.name);
    let settings = to_json("project settings", new.settings)?;
    for n in 1..1_000 {
        let tag = RepoTag::numbered(&suggestion, n);
        let attempt = conn
            .transaction::<_, DbError, _>(async |conn| {
                let id: i64 = diesel::insert_into(projects::table)
                    .values((
                        projects::owner.eq(new.owner.as_str()),
                        projects::holder.eq(new.owner.as_str()),
                        projects::name.eq(new.name.as_str()),
                        projects::created_by.eq(new.created_by),
                        projects::created_at.eq(now),
                        projects::settings.eq(&settings),
                        projects::repotag.eq(&tag),
                        projects::key_id.eq(new.key_id),
                        projects::delete_at.eq(new.settings.ends(now)),
                    ))
                    .returning(projects::id)
                    .get_result(conn)
                    .await?;
                set_chroots_in(conn, id, new.name, new.chroots, now).await?;
                enqueue_set_up(conn, id, now).await?;
                let object = format!("project:{}/{}", new.owner, new.name);
                audit::record(conn, now, new.actor, "project.create", &object, settings.clone()).await?;
                by_id(conn, id).await?.ok_or(DbError::NotFound)
            })
            .await;
        match attempt {
            // Another project took this spelling of the tag: number it.
            Err(DbError::Duplicate(constraint)) if constraint == "projects_repotag_key" => {}
            other => return other,
        }
    }
    Err(DbError::Duplicate("projects_repotag_key".to_owned()))
}

/// A live project by name.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, owner: &OwnerName, name: &ProjectName) -> DbResult<Option<Project>> {
    let row = projects::table
        .filter(projects::owner.eq(owner.as_str()))
        .filter(projects::name.eq(name.as_str()))
        .filter(projects::deleted_at.is_null())
        .select(Row::as_select())
        // Not `first`: there is at most one, and a limit that PostgreSQL does not know makes it plan each time.
        .get_result(conn)
        .await
        .optional()?;
    row.map(Row::project).transpose()
}

/// A project by number, deleted ones too.
///
/// # Errors
/// When the query fails.
pub async fn by_id(conn: &mut Connection, id: i64) -> DbResult<Option<Project>> {
    let row = projects::table
        .find(id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::project).transpose()
}

/// All live projects, by number; for tests.
///
/// # Errors
/// When the query fails.
#[cfg(feature = "testing")]
pub async fn all(conn: &mut Connection) -> DbResult<Vec<Project>> {
    let rows: Vec<Row> = projects::table
        .filter(projects::deleted_at.is_null())
        .order(projects::id)
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::project).collect()
}

/// Which live projects to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in this name space, and those that this user or group holds.
    pub owner: Option<OwnerName>,
    /// Name contains this text.
    pub name_contains: Option<String>,
    /// Leave out those that are hidden from the home page, and temporary ones.
    pub listed_only: bool,
    /// Sorted by name; else by number, which is by age.
    pub by_name: bool,
    /// The last first.
    pub newest_first: bool,
}

/// Names of a project's enabled chroots.
///
/// # Errors
/// When the query fails.
pub async fn chroots(conn: &mut Connection, project: i64) -> DbResult<Vec<ChrootName>> {
    let names: Vec<String> = project_chroots::table
        .filter(project_chroots::project_id.eq(project))
        .filter(project_chroots::enabled.eq(true))
        .order(project_chroots::chroot)
        .select(project_chroots::chroot)
        .load(conn)
        .await?;
    names.iter().map(|n| parse("chroot", n)).collect()
}
