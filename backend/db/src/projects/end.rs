//! The end of projects, and what keeps their names busy after it.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{OwnerName, ProjectName};

use super::{Project, Row};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::schema::projects;

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
        crate::checks::drop_of_project(conn, project.id).await?;
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
