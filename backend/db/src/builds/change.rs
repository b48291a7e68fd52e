//! What happens to builds as a whole.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, ChrootName, TaskId};

use super::create::ensure_package;
use super::{Build, Srpm, result_dir};
use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::notify::{Topic, notify};
use crate::removals;
use crate::schema::{builds, tasks};

/// Takes the source package that a source task made: its build's waiting tasks become pending, or skipped where
/// `skips` says so. Nothing happens when the task is no longer being looked into.
///
/// # Errors
/// When the query fails.
pub async fn accept_source(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    srpm: &Srpm,
    skips: &[ChrootName],
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !crate::tasks::is_publishing(conn, task, attempt).await? {
            return Ok(());
        }
        let Some(row) = crate::tasks::find(conn, task).await? else {
            return Ok(());
        };
        crate::tasks::lock_build(conn, row.build).await?;
        let skips: Vec<&str> = skips.iter().map(ChrootName::as_str).collect();
        let waiting = tasks::table
            .filter(tasks::build_id.eq(row.build.0))
            .filter(tasks::state.eq("waiting"));
        diesel::update(waiting.filter(tasks::chroot.eq_any(&skips)))
            .set((tasks::state.eq("skipped"), tasks::ended_at.eq(now)))
            .execute(conn)
            .await?;
        diesel::update(waiting)
            .set((
                tasks::state.eq("pending"),
                tasks::result_dir.eq(result_dir(row.build, &srpm.package)),
            ))
            .execute(conn)
            .await?;
        set_srpm(conn, row.build, srpm).await?;
        crate::tasks::succeed(conn, task, attempt, now).await?;
        notify(conn, Topic::Tasks).await
    })
    .await
}

async fn set_srpm(conn: &mut Connection, build: BuildId, srpm: &Srpm) -> DbResult<()> {
    let project: i64 = builds::table
        .find(build.0)
        .select(builds::project_id)
        .first(conn)
        .await?;
    let package = ensure_package(conn, project, &srpm.package).await?;
    diesel::update(builds::table.find(build.0))
        .set((
            builds::srpm_sha256.eq(srpm.sha256.as_str()),
            builds::srpm_name.eq(srpm.file_name.as_str()),
            builds::srpm_size.eq(srpm.size),
            builds::package_name.eq(srpm.package.as_str()),
            builds::package_version.eq(&srpm.version),
            builds::package_id.eq(package),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Cancels what can still be canceled of a build; false when there is nothing.
///
/// # Errors
/// When the query fails.
pub async fn cancel(conn: &mut Connection, build: &Build, actor: &str, now: DateTime<Utc>) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if crate::tasks::cancel_build(conn, build.id, now).await? == 0 {
            return Ok(false);
        }
        diesel::update(builds::table.find(build.id.0))
            .set(builds::canceled_at.eq(now))
            .execute(conn)
            .await?;
        // Triggers have set it; parts of the build may have succeeded before.
        let state: String = builds::table
            .find(build.id.0)
            .select(builds::state)
            .first(conn)
            .await?;
        let detail = serde_json::json!({
            "old": {"state": build.state()}, "new": {"state": state},
        });
        let object = format!("build:{}", build.id);
        audit::record(conn, now, actor, "build.cancel", &object, detail).await?;
        Ok(true)
    })
    .await
}

/// Deletes builds with all that is known of them, at whatever state they are. What they published is left to one job a
/// project, which makes snapshots without it and then removes the objects.
///
/// # Errors
/// When the query fails.
pub async fn delete(conn: &mut Connection, ids: &[BuildId], actor: &str, now: DateTime<Utc>) -> DbResult<()> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    conn.transaction::<_, DbError, _>(async |conn| {
        // Whoever follows the events of a build sees its end.
        let stopped = crate::tasks::end_builds(conn, &ids, now).await?;
        if !stopped.is_empty() {
            diesel::update(builds::table.filter(builds::id.eq_any(&stopped)))
                .set(builds::canceled_at.eq(now))
                .execute(conn)
                .await?;
            look_at_the_end(conn, &ids).await?;
        }
        let found: Vec<(i64, i64)> = builds::table
            .filter(builds::id.eq_any(&ids))
            .order(builds::id)
            .select((builds::id, builds::project_id))
            .load(conn)
            .await?;
        // The history finds the project by the build, which is still there.
        for (build, project) in &found {
            let detail = serde_json::json!({"project_id": project});
            audit::record(
                conn,
                now,
                actor,
                "build.delete",
                &format!("build:{build}"),
                detail,
            )
            .await?;
        }
        removals::note(conn, &ids).await?;
        crate::rpms::drop_scratch(conn, &ids).await?;
        diesel::delete(builds::table.filter(builds::id.eq_any(&ids)))
            .execute(conn)
            .await?;
        let projects: BTreeSet<i64> = found.into_iter().map(|(_, project)| project).collect();
        for project in projects {
            jobs::enqueue(conn, &Job::RemoveBuilds { project }, now).await?;
        }
        notify(conn, Topic::Progress).await
    })
    .await
}

/// Runs now what would look at the builds when the transaction ends, and find none. Their packages are locked before,
/// as the last of these triggers locks the row that counts the owner's use, and whoever has that waits for nothing else.
async fn look_at_the_end(conn: &mut Connection, ids: &[i64]) -> DbResult<()> {
    diesel::sql_query(
        "SELECT FROM packages WHERE id IN (SELECT package_id FROM builds WHERE id = ANY ($1))
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind::<Array<BigInt>, _>(ids)
    .execute(conn)
    .await?;
    diesel::sql_query("SET CONSTRAINTS ALL IMMEDIATE")
        .execute(conn)
        .await?;
    Ok(())
}
