//! Changes of a project, by which its repositories may have to be set up or published anew.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, ProjectName};

use super::{Project, ProjectSettings, Row};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json, to_json};
use crate::jobs::{self, Job};
use crate::schema::{directories, project_chroots, projects};

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
        let leaves_devel = devel == (true, false);
        if leaves_devel || before.settings.appstream != settings.appstream {
            let job = Job::Republish {
                project: project.id,
                chroot: None,
                repository: None,
                release: leaves_devel,
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

pub(super) async fn enqueue_set_up(conn: &mut Connection, project: i64, now: DateTime<Utc>) -> DbResult<()> {
    let directory = None;
    jobs::enqueue(conn, &Job::SetUpProject { project, directory }, now).await
}

/// Enables exactly these chroots. What others hold stays, and is back when they are enabled again.
pub(super) async fn set_chroots_in(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_gone() {
        let bare = ProjectSettings::default();
        let full = ProjectSettings {
            build_pointer: Some("candidate".parse().unwrap()),
            release_after_hours: Some(7),
            keep_days: Some(3),
            ..bare.clone()
        };
        assert_eq!(merge(&full, &full, &bare).unwrap(), bare);
        // And what somebody else changed meanwhile stays.
        let meanwhile = ProjectSettings {
            contact: "somebody".to_owned(),
            ..full.clone()
        };
        assert_eq!(merge(&meanwhile, &full, &bare).unwrap().contact, "somebody");
    }
}
