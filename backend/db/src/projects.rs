//! Projects and their chroots.

use chrono::{DateTime, Days, NaiveTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, PgTextExpressionMethods as _,
    QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, OwnerName, ProjectName, RepoTag};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, parse, to_json};
use crate::jobs::{self, Job};
use crate::schema::{directories, project_chroots, projects};

/// Copr's texts and switches of a project, with Copr's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// Markdown.
    pub description: String,
    /// Markdown.
    pub instructions: String,
    /// URL.
    pub homepage: String,
    /// E-mail or URL; becomes part of `BugURL` when it is a URL.
    pub contact: String,
    /// Repositories for builds.
    pub additional_repos: Vec<String>,
    /// Network in builds.
    pub enable_net: bool,
    /// Not on the home page.
    pub unlisted_on_hp: bool,
    /// Never cleaned up.
    pub persistent: bool,
    /// Old builds are removed.
    pub auto_prune: bool,
    /// Metadata only changes on request.
    pub devel_mode: bool,
    /// New Fedora branches are enabled by themselves.
    pub follow_fedora_branching: bool,
    /// `module_hotfixes=1` in `.repo` files.
    pub module_hotfixes: bool,
    /// `AppStream` metadata.
    pub appstream: bool,
    /// 32-bit packages beside 64-bit ones.
    pub multilib: bool,
    /// fedora-review after builds.
    pub fedora_review: bool,
    /// `default`, `on`, `off`, `image`.
    pub bootstrap: String,
    /// A container image for bootstrapping; kept for Copr's clients.
    pub bootstrap_image: Option<String>,
    /// `default`, `simple`, `nspawn`.
    pub isolation: String,
    /// Forge projects that may build through Packit.
    pub packit_forge_projects_allowed: Vec<String>,
    /// Repositories that clients need as well.
    pub runtime_dependencies: Vec<String>,
    /// `priority=` in `.repo` files.
    pub repo_priority: Option<i32>,
    /// Days after which the project is deleted.
    pub delete_after_days: Option<i32>,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self {
            description: String::new(),
            instructions: String::new(),
            homepage: String::new(),
            contact: String::new(),
            additional_repos: Vec::new(),
            enable_net: false,
            unlisted_on_hp: false,
            persistent: false,
            auto_prune: true,
            devel_mode: false,
            follow_fedora_branching: true,
            module_hotfixes: false,
            appstream: false,
            multilib: false,
            fedora_review: false,
            bootstrap: "default".to_owned(),
            bootstrap_image: None,
            isolation: "default".to_owned(),
            packit_forge_projects_allowed: Vec::new(),
            runtime_dependencies: Vec::new(),
            repo_priority: None,
            delete_after_days: None,
        }
    }
}

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

impl ProjectSettings {
    /// When a temporary project ends: at the midnight (UTC) after the last of its days.
    pub fn ends(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days = u64::try_from(self.delete_after_days?).ok()?;
        let day = now.date_naive().checked_add_days(Days::new(days + 1))?;
        Some(day.and_time(NaiveTime::MIN).and_utc())
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = projects)]
struct Row {
    id: i64,
    owner: String,
    name: String,
    created_by: i64,
    created_at: DateTime<Utc>,
    settings: serde_json::Value,
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
            settings: from_json("project settings", self.settings)?,
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
        .first(conn)
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

/// Lists live projects.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, filter: &Filter, limit: i64, offset: i64) -> DbResult<Vec<Project>> {
    let mut query = projects::table
        .filter(projects::deleted_at.is_null())
        .select(Row::as_select())
        .into_boxed();
    if let Some(owner) = &filter.owner {
        let owner = owner.as_str();
        query = query.filter(
            projects::owner
                .eq(owner.to_owned())
                .or(projects::holder.eq(owner.to_owned())),
        );
    }
    if let Some(text) = &filter.name_contains {
        let escaped: String = text
            .chars()
            .flat_map(|c| {
                if matches!(c, '%' | '_' | '\\') {
                    vec!['\\', c]
                } else {
                    vec![c]
                }
            })
            .collect();
        query = query.filter(projects::name.ilike(format!("%{escaped}%")));
    }
    if filter.listed_only {
        query =
            query
                .filter(projects::delete_at.is_null())
                .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(
                    "NOT coalesce((settings->>'unlisted_on_hp')::boolean, false)",
                ));
    }
    query = if filter.newest_first {
        query.order(projects::id.desc())
    } else {
        query.order(projects::id.asc())
    };
    query
        .limit(limit)
        .offset(offset)
        .load::<Row>(conn)
        .await?
        .into_iter()
        .map(Row::project)
        .collect()
}

/// What changes of a project.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    /// All texts and switches, also those that stay.
    pub settings: &'a ProjectSettings,
    /// The new set of chroots.
    pub chroots: Option<&'a [ChrootName]>,
    /// A temporary project's days count from now, also when their number stays.
    pub renew: bool,
}

/// What was changed of settings that looked like `seen`, in those that there are now: two people who change different
/// things at the same time both have their way.
fn merge(
    now: &ProjectSettings,
    seen: &ProjectSettings,
    wanted: &ProjectSettings,
) -> DbResult<ProjectSettings> {
    const WHAT: &str = "project settings";
    let (mut now, seen) = (to_json(WHAT, now)?, to_json(WHAT, seen)?);
    if let (Some(fields), serde_json::Value::Object(wanted)) = (now.as_object_mut(), to_json(WHAT, wanted)?) {
        let changed = wanted
            .into_iter()
            .filter(|(name, value)| seen.get(name) != Some(value));
        fields.extend(changed);
    }
    from_json(WHAT, now)
}

/// Writes what is new in the settings of a project that looked like this, and chroots if given. Returns whether the
/// project has to be set up anew first.
///
/// # Errors
/// [`DbError::NotFound`] when the project was deleted meanwhile.
pub async fn edit(
    conn: &mut Connection,
    project: &Project,
    edit: &Edit<'_>,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let before: Row = projects::table
            .find(project.id)
            .filter(projects::deleted_at.is_null())
            .select(Row::as_select())
            .for_no_key_update()
            .first(conn)
            .await
            .optional()?
            .ok_or(DbError::NotFound)?;
        let before = before.project()?;
        let settings = merge(&before.settings, &project.settings, edit.settings)?;
        let devel = (before.settings.devel_mode, settings.devel_mode);
        // The set-up makes what is missing: the empty repositories of new chroots, and what only builds see.
        let set_up = edit.chroots.is_some() || devel == (false, true);
        let renew = edit.renew || settings.delete_after_days != before.settings.delete_after_days;
        let delete_at = if renew {
            settings.ends(now)
        } else {
            before.delete_at
        };
        let new = to_json("project settings", &settings)?;
        diesel::update(projects::table.find(project.id))
            .set((projects::settings.eq(&new), projects::delete_at.eq(delete_at)))
            .execute(conn)
            .await?;
        if let Some(chroots) = edit.chroots {
            set_chroots_in(conn, project.id, &project.name, chroots, now).await?;
        }
        if devel == (true, false) {
            let job = Job::Republish {
                project: project.id,
                chroot: None,
                repository: None,
                release: true,
            };
            jobs::enqueue(conn, &job, now).await?;
        }
        if set_up {
            diesel::update(projects::table.find(project.id))
                .set(projects::ready_at.eq(None::<DateTime<Utc>>))
                .execute(conn)
                .await?;
            enqueue_set_up(conn, project.id, now).await?;
        }
        let object = format!("project:{}/{}", project.owner, project.name);
        let old = to_json("project settings", &before.settings)?;
        audit::record(
            conn,
            now,
            actor,
            "project.edit",
            &object,
            serde_json::json!({"old": old, "new": new}),
        )
        .await?;
        Ok(set_up)
    })
    .await
}

async fn enqueue_set_up(conn: &mut Connection, project: i64, now: DateTime<Utc>) -> DbResult<()> {
    let directory = None;
    jobs::enqueue(conn, &Job::SetUpProject { project, directory }, now).await
}

/// Enables exactly these chroots. What others hold stays, and is back when they are enabled again.
async fn set_chroots_in(
    conn: &mut Connection,
    id: i64,
    name: &ProjectName,
    chroots: &[ChrootName],
    now: DateTime<Utc>,
) -> DbResult<()> {
    let names: Vec<&str> = chroots.iter().map(ChrootName::as_str).collect();
    diesel::insert_into(directories::table)
        .values((
            directories::project_id.eq(id),
            directories::name.eq(name.as_str()),
            directories::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    diesel::update(project_chroots::table.filter(project_chroots::project_id.eq(id)))
        .filter(project_chroots::enabled.eq(true))
        .filter(project_chroots::chroot.ne_all(&names))
        .set((
            project_chroots::enabled.eq(false),
            project_chroots::disabled_at.eq(now),
        ))
        .execute(conn)
        .await?;
    let rows: Vec<_> = names
        .iter()
        .map(|chroot| {
            (
                project_chroots::project_id.eq(id),
                project_chroots::chroot.eq(*chroot),
                project_chroots::enabled.eq(true),
            )
        })
        .collect();
    diesel::insert_into(project_chroots::table)
        .values(rows)
        .on_conflict((project_chroots::project_id, project_chroots::chroot))
        .do_update()
        .set((
            project_chroots::enabled.eq(true),
            project_chroots::disabled_at.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await?;
    crate::directories::make_repositories(conn, id, None).await
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

/// Marks a project deleted, cancels what runs, and enqueues the removal of its objects.
///
/// # Errors
/// When the query fails.
pub async fn delete(
    conn: &mut Connection,
    project: &Project,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::update(projects::table.find(project.id))
            .set(projects::deleted_at.eq(now))
            .execute(conn)
            .await?;
        crate::tasks::cancel_project(conn, project.id, now).await?;
        jobs::enqueue(conn, &Job::RemoveProject { project: project.id }, now).await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        audit::record(conn, now, actor, "project.delete", &object, serde_json::json!({})).await
    })
    .await
}

#[derive(diesel::QueryableByName)]
struct Yes {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    yes: bool,
}

/// Whether the objects of an earlier project of this name are still being removed.
///
/// # Errors
/// When the query fails.
pub async fn is_being_removed(
    conn: &mut Connection,
    owner: &OwnerName,
    name: &ProjectName,
) -> DbResult<bool> {
    let answer: Yes = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM jobs j JOIN projects p ON p.id = (j.payload->>'project')::bigint
             WHERE j.kind = 'remove_project' AND j.failed_at IS NULL AND p.owner = $1 AND p.name = $2) AS yes",
    )
    .bind::<diesel::sql_types::Text, _>(owner.as_str())
    .bind::<diesel::sql_types::Text, _>(name.as_str())
    .get_result(conn)
    .await?;
    Ok(answer.yes)
}

/// Whether jobs other than the removal itself wait or run for a project.
///
/// # Errors
/// When the query fails.
pub async fn is_worked_on(conn: &mut Connection, project: i64) -> DbResult<bool> {
    let answer: Yes = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM jobs j LEFT JOIN tasks t ON t.id = (j.payload->>'task')::bigint
             LEFT JOIN builds b ON b.id = t.build_id
             WHERE j.kind <> 'remove_project' AND j.failed_at IS NULL
                 AND $1 IN (b.project_id, (j.payload->>'project')::bigint)) AS yes",
    )
    .bind::<diesel::sql_types::BigInt, _>(project)
    .get_result(conn)
    .await?;
    Ok(answer.yes)
}

/// Stores the public key.
///
/// # Errors
/// When the query fails.
pub async fn set_public_key(conn: &mut Connection, project: i64, key: &serde_json::Value) -> DbResult<()> {
    diesel::update(projects::table.find(project))
        .set(projects::public_key.eq(key))
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks the set-up complete, or notes why it does not get on; what was complete before stays so.
///
/// # Errors
/// When the query fails.
pub async fn set_ready(
    conn: &mut Connection,
    project: i64,
    result: Result<DateTime<Utc>, &str>,
) -> DbResult<()> {
    let row = diesel::update(projects::table.find(project));
    match result {
        Ok(at) => {
            row.set((
                projects::ready_at.eq(at),
                projects::setup_error.eq(None::<String>),
            ))
            .execute(conn)
            .await?
        }
        Err(reason) => row.set(projects::setup_error.eq(reason)).execute(conn).await?,
    };
    crate::notify::notify(conn, crate::notify::Topic::Progress).await
}

/// Marks the set-up complete if the project has no more repositories than the `complete` ones, else changes nothing.
/// So a set-up that looked before another repository was asked for cannot speak for it.
///
/// # Errors
/// When the query fails.
pub async fn complete(
    conn: &mut Connection,
    project: i64,
    complete: usize,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let rows = diesel::sql_query(
        "UPDATE projects SET ready_at = $2, setup_error = NULL
         WHERE id = $1 AND (SELECT count(*) FROM repositories WHERE project_id = $1) = $3",
    )
    .bind::<diesel::sql_types::BigInt, _>(project)
    .bind::<diesel::sql_types::Timestamptz, _>(now)
    .bind::<diesel::sql_types::BigInt, _>(i64::try_from(complete).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    crate::notify::notify(conn, crate::notify::Topic::Progress).await?;
    Ok(rows == 1)
}

/// Enqueues the publishing of a project's repositories for all to see.
///
/// # Errors
/// When the query fails.
pub async fn regenerate(
    conn: &mut Connection,
    project: &Project,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let job = Job::Republish {
            project: project.id,
            chroot: None,
            repository: None,
            release: true,
        };
        jobs::set_aside(conn, project.id, None).await?;
        jobs::enqueue(conn, &job, now).await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        audit::record(
            conn,
            now,
            actor,
            "project.regenerate",
            &object,
            serde_json::json!({}),
        )
        .await
    })
    .await
}

#[derive(diesel::QueryableByName)]
struct Named {
    #[diesel(sql_type = diesel::sql_types::Text)]
    owner: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// Which of these names no live project has.
///
/// # Errors
/// When the query fails.
pub async fn missing(
    conn: &mut Connection,
    names: &[(OwnerName, ProjectName)],
) -> DbResult<Vec<(OwnerName, ProjectName)>> {
    use diesel::sql_types::{Array, Text};
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (owners, projects): (Vec<&str>, Vec<&str>) = names
        .iter()
        .map(|(owner, name)| (owner.as_str(), name.as_str()))
        .unzip();
    let rows: Vec<Named> = diesel::sql_query(
        "SELECT w.owner, w.name FROM unnest($1, $2) AS w (owner, name) WHERE NOT EXISTS
             (SELECT 1 FROM projects p WHERE p.owner = w.owner AND p.name = w.name AND p.deleted_at IS NULL)",
    )
    .bind::<Array<Text>, _>(owners)
    .bind::<Array<Text>, _>(projects)
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                parse("project owner", &row.owner)?,
                parse("project name", &row.name)?,
            ))
        })
        .collect()
}

/// Deletes one temporary project whose end has come; none: `None`. Persistent ones stay.
///
/// # Errors
/// When the query fails.
pub async fn end_one(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<Option<Project>> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let row = projects::table
            .filter(projects::deleted_at.is_null())
            .filter(projects::delete_at.le(now))
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(
                "NOT coalesce((settings->>'persistent')::boolean, false)",
            ))
            .order(projects::delete_at)
            .select(Row::as_select())
            .for_no_key_update()
            .skip_locked()
            .first(conn)
            .await
            .optional()?;
        let Some(project) = row.map(Row::project).transpose()? else {
            return Ok(None);
        };
        delete(conn, &project, "service", now).await?;
        Ok(Some(project))
    })
    .await
}
