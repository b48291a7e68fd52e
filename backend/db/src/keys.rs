//! Keys of projects: the active one and those before it, and packages whose signatures are replaced. What a key is, only
//! the signer's client knows; here it is JSON with `fingerprint`, `expires` and `revoked`.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::jobs::{self, Job};
use crate::projects::Project;
use crate::read::{Bind, Prepared};
use crate::rpms::{Member, NewRpm};
use crate::schema::{fresh_signatures, project_keys, projects, rpms};

/// Who acts where nobody asked.
const SERVICE: &str = "service";

/// Why a key ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEnd {
    /// `compromised`, `superseded` or `retired`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// A project's keys.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectKeys {
    /// All, oldest first.
    pub all: Vec<Value>,
    /// The one that signs; it may be followed by one that does not sign yet.
    pub active: Value,
}

/// A project's keys; `None` before it has one.
///
/// # Errors
/// When the query fails.
pub async fn of_project(conn: &mut Connection, project: i64) -> DbResult<Option<ProjectKeys>> {
    let active: Option<Option<Value>> = projects::table
        .find(project)
        .select(projects::public_key)
        .first(conn)
        .await
        .optional()?;
    let Some(active) = active.flatten() else {
        return Ok(None);
    };
    let mut all: Vec<Value> = project_keys::table
        .filter(project_keys::project_id.eq(project))
        .order(project_keys::number)
        .select(project_keys::public)
        .load(conn)
        .await?;
    if all.is_empty() {
        all.push(active.clone());
    }
    Ok(Some(ProjectKeys { all, active }))
}

/// Writes down all keys of a project, oldest first, as the signer has them; the active one stays what it is.
///
/// # Errors
/// When the query fails.
pub async fn write(conn: &mut Connection, project: i64, all: &[(String, Value)]) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        for (number, (fingerprint, public)) in (1_i32..).zip(all) {
            diesel::insert_into(project_keys::table)
                .values((
                    project_keys::project_id.eq(project),
                    project_keys::number.eq(number),
                    project_keys::fingerprint.eq(fingerprint),
                    project_keys::public.eq(public),
                ))
                .on_conflict((project_keys::project_id, project_keys::number))
                .do_update()
                .set((
                    project_keys::fingerprint.eq(fingerprint),
                    project_keys::public.eq(public),
                ))
                .execute(conn)
                .await?;
        }
        Ok(())
    })
    .await
}

/// Writes down keys with a later end, `active` among them, and who did it. With `after`, asks for the key that follows that
/// one: machines that have it keep the end that they know.
///
/// # Errors
/// When the query fails.
pub async fn renewed(
    conn: &mut Connection,
    project: &Project,
    (all, active): (&[(String, Value)], &Value),
    after: Option<&str>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        write(conn, project.id, all).await?;
        activate(conn, project.id, active).await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        audit::record(conn, now, SERVICE, "project.key.extend", &object, json!({})).await?;
        if let Some(after) = after {
            change(conn, project, (after, None), SERVICE, now).await?;
        }
        Ok(())
    })
    .await
}

/// Asks for the key that follows `after` (40 hexadecimal digits), for new signatures of everything, and, with `end`, for
/// the end of `after`. A job does it.
///
/// # Errors
/// When the query fails.
pub async fn change(
    conn: &mut Connection,
    project: &Project,
    (after, end): (&str, Option<&KeyEnd>),
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let job = Job::ChangeKey {
            project: project.id,
            after: after.to_owned(),
            end: end.cloned(),
            requester: actor.to_owned(),
        };
        jobs::set_aside(conn, project.id, Some(job.kind())).await?;
        jobs::enqueue(conn, &job, now).await?;
        let object = format!("project:{}/{}", project.owner, project.name);
        let (action, detail) = match end {
            None => ("project.key.rotate", json!({ "after": after })),
            Some(end) => (
                "project.key.revoke",
                json!({ "fingerprint": after, "reason": end.reason, "message": end.message }),
            ),
        };
        audit::record(conn, now, actor, action, &object, detail).await
    })
    .await
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

/// Whether a change of a project's keys waits or is under way.
///
/// # Errors
/// When the query fails.
pub async fn is_changing(conn: &mut Connection, project: i64) -> DbResult<bool> {
    let found: Exists = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM jobs WHERE failed_at IS NULL AND kind = 'change_key'
             AND (payload ->> 'project')::bigint = $1) AS exists",
    )
    .bind::<BigInt, _>(project)
    .get_result(conn)
    .await?;
    Ok(found.exists)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Enqueues a job for each project that has a key which expires before `until` and is not revoked. Returns how many there
/// are.
///
/// # Errors
/// When the query fails.
pub async fn renew(conn: &mut Connection, until: DateTime<Utc>, now: DateTime<Utc>) -> DbResult<usize> {
    let found: Vec<Number> = diesel::sql_query(
        "SELECT id FROM projects WHERE deleted_at IS NULL AND public_key ->> 'expires' IS NOT NULL
             AND (public_key ->> 'expires')::bigint < $1
         UNION
         SELECT k.project_id FROM project_keys k JOIN projects p ON p.id = k.project_id AND p.deleted_at IS NULL
             WHERE k.public ->> 'expires' IS NOT NULL AND k.public -> 'revoked' IS NULL
             AND (k.public ->> 'expires')::bigint < $1
         ORDER BY id",
    )
    .bind::<BigInt, _>(until.timestamp())
    .load(conn)
    .await?;
    for project in &found {
        jobs::enqueue(conn, &Job::RenewKeys { project: project.id }, now).await?;
    }
    Ok(found.len())
}

/// The job runs that publish packages of a project right now: number and attempt. They may have read which key is active
/// before that changed.
///
/// # Errors
/// When the query fails.
pub async fn publishing(
    conn: &mut Connection,
    project: i64,
    now: DateTime<Utc>,
) -> DbResult<Vec<(i64, i32)>> {
    #[derive(QueryableByName)]
    struct Run {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        attempt: i32,
    }
    let runs: Vec<Run> = diesel::sql_query(
        "SELECT j.id, j.attempt FROM jobs j WHERE j.failed_at IS NULL AND j.lease_expires_at > $2
             AND (j.kind = 'fork_project' AND (j.payload ->> 'project')::bigint = $1
                 OR j.kind = 'promote' AND (SELECT r.project_id FROM snapshot_requests s
                     JOIN repositories r ON r.id = s.repository_id WHERE s.id = (j.payload ->> 'request')::bigint) = $1
                 OR j.kind = 'publish_task' AND (SELECT b.project_id FROM tasks t JOIN builds b ON b.id = t.build_id
                     WHERE t.id = (j.payload ->> 'task')::bigint) = $1)",
    )
    .bind::<BigInt, _>(project)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(runs.into_iter().map(|run| (run.id, run.attempt)).collect())
}

/// A package of a repository, as it is signed now.
#[derive(Debug, Clone)]
pub struct SignedRpm {
    /// `rpms.id`.
    pub id: i64,
    /// Task that built it.
    pub task: i64,
    /// The folder of the task's results, such as `00000012-hello`.
    pub result_dir: Option<String>,
    /// File name.
    pub file_name: String,
    /// SHA-256 of the signed file, which names the blob.
    pub sha256: String,
    /// SHA-256 of what a builder uploaded once.
    pub unsigned_sha256: String,
}

/// The packages of up to `limit` tasks after `after` that are published, or of a scratch build that succeeded, in order of
/// their tasks.
///
/// # Errors
/// When the query fails.
pub async fn signed_after(
    conn: &mut Connection,
    repository: i64,
    after: i64,
    limit: i64,
) -> DbResult<Vec<SignedRpm>> {
    let rows: Vec<(i64, i64, Option<String>, String, String, String)> =
        Prepared::<(BigInt, BigInt, Nullable<Text>, Text, Text, Text)>::new(
            "SELECT r.id, r.task_id, t.result_dir, r.file_name, r.sha256, r.unsigned_sha256
             FROM rpms r JOIN tasks t ON t.id = r.task_id
             WHERE r.repository_id = ? AND (r.since_snapshot IS NOT NULL OR r.scratch) AND r.task_id IN (
                 SELECT DISTINCT o.task_id FROM rpms o WHERE o.repository_id = ? AND o.task_id > ?
                     AND (o.since_snapshot IS NOT NULL OR o.scratch AND EXISTS (
                         SELECT FROM tasks d WHERE d.id = o.task_id AND d.state = 'succeeded'))
                 ORDER BY o.task_id LIMIT ?)
             ORDER BY r.task_id, r.id",
            [
                Bind::from(repository),
                Bind::from(repository),
                Bind::from(after),
                Bind::from(limit),
            ],
        )
        .load(conn)
        .await?;
    let rpm = |(id, task, result_dir, file_name, sha256, unsigned_sha256)| SignedRpm {
        id,
        task,
        result_dir,
        file_name,
        sha256,
        unsigned_sha256,
    };
    Ok(rows.into_iter().map(rpm).collect())
}

/// Puts packages with other signatures in place of those that a task has. Snapshots keep what they have; the next one of
/// whoever publishes has the new ones. What is gone, or was replaced by somebody else meanwhile, stays as it is.
///
/// # Errors
/// When the query fails.
pub async fn replace(conn: &mut Connection, replaced: &[(SignedRpm, NewRpm)]) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        for (old, new) in replaced {
            let since: Option<(Option<i64>, bool)> = rpms::table
                .find(old.id)
                .filter(rpms::task_id.eq(old.task))
                .filter(rpms::replaced_by.is_null())
                .select((rpms::since_snapshot, rpms::scratch))
                .for_update()
                .first(conn)
                .await
                .optional()?;
            let Some((since, scratch)) = since.filter(|(since, scratch)| since.is_some() || *scratch) else {
                continue;
            };
            let new = NewRpm {
                scratch,
                ..new.clone()
            };
            let newest: i64 = diesel::insert_into(rpms::table)
                .values((&new, rpms::since_snapshot.eq(since)))
                .returning(rpms::id)
                .get_result(conn)
                .await?;
            if scratch {
                // No snapshot has it.
                diesel::delete(rpms::table.find(old.id)).execute(conn).await?;
                continue;
            }
            diesel::update(rpms::table.find(old.id))
                .set((rpms::task_id.eq(None::<i64>), rpms::replaced_by.eq(newest)))
                .execute(conn)
                .await?;
            diesel::update(rpms::table.filter(rpms::replaced_by.eq(old.id)))
                .set(rpms::replaced_by.eq(newest))
                .execute(conn)
                .await?;
            diesel::insert_into(fresh_signatures::table)
                .values((
                    fresh_signatures::rpm_id.eq(old.id),
                    fresh_signatures::repository_id.eq(new.repository_id),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
        }
        Ok(())
    })
    .await
}

/// A package whose signature was replaced: the one that snapshots have, and the newest; `None` when its build was deleted.
pub type Replaced = (i64, Option<Member>);

/// Packages that the snapshots which pointers name may have, and whose signatures were replaced since.
///
/// # Errors
/// When the query fails.
pub async fn fresh(conn: &mut Connection, repository: i64) -> DbResult<Vec<Replaced>> {
    let query = Prepared::new(
        "SELECT o.id, n.id, n.sha256, n.task_id IS NOT NULL FROM fresh_signatures f JOIN rpms o ON o.id = f.rpm_id
             JOIN rpms n ON n.id = o.replaced_by WHERE f.repository_id = ? ORDER BY o.id",
        [Bind::from(repository)],
    );
    replacements(conn, query).await
}

/// Those of these packages (`rpms.id`) whose signatures were replaced.
///
/// # Errors
/// When the query fails.
pub async fn replaced(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<Replaced>> {
    let query = Prepared::new(
        "SELECT o.id, n.id, n.sha256, n.task_id IS NOT NULL FROM rpms o JOIN rpms n ON n.id = o.replaced_by
         WHERE o.id = ANY (?) ORDER BY o.id",
        [Bind::Numbers(ids)],
    );
    replacements(conn, query).await
}

async fn replacements(
    conn: &mut Connection,
    query: Prepared<'_, (BigInt, BigInt, Text, Bool)>,
) -> DbResult<Vec<Replaced>> {
    let rows: Vec<(i64, i64, String, bool)> = query.load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(old, new, sha256, there)| (old, there.then_some((new, sha256))))
        .collect())
}

/// Whether a snapshot bears signatures of a key of its project that is revoked or expired, or is about to be revoked: that
/// of its metadata, or those of packages that were signed anew since. Whoever got the project's keys since then could not
/// verify it.
///
/// # Errors
/// When the query fails.
pub async fn has_ended_signatures(
    conn: &mut Connection,
    (repository, number): (i64, i64),
    now: DateTime<Utc>,
) -> DbResult<bool> {
    #[derive(QueryableByName)]
    struct Ended {
        #[diesel(sql_type = Nullable<Bool>)]
        metadata: Option<bool>,
    }
    let ended: Vec<Ended> = diesel::sql_query(
        "SELECT s.signed_by IS NULL OR s.signed_by = upper(e.fingerprint) AS metadata
         FROM repositories r JOIN LATERAL (
             SELECT k.fingerprint FROM project_keys k WHERE k.project_id = r.project_id
                 AND (k.public -> 'revoked' IS NOT NULL OR (k.public ->> 'expires')::bigint < $3)
             UNION
             SELECT j.payload ->> 'after' FROM jobs j WHERE j.kind = 'change_key' AND j.failed_at IS NULL
                 AND j.payload -> 'end' IS NOT NULL AND (j.payload ->> 'project')::bigint = r.project_id
         ) e ON true LEFT JOIN snapshots s ON s.repository_id = r.id AND s.number = $2 WHERE r.id = $1",
    )
    .bind::<BigInt, _>(repository)
    .bind::<BigInt, _>(number)
    .bind::<BigInt, _>(now.timestamp())
    .load(conn)
    .await?;
    if ended.is_empty() {
        return Ok(false);
    }
    if ended.iter().any(|key| key.metadata == Some(true)) {
        return Ok(true);
    }
    let content = crate::snapshots::content(conn, repository, number).await?;
    Ok(!replaced(conn, &content).await?.is_empty())
}

/// Forgets replaced packages that no pointer's snapshot has any more.
///
/// # Errors
/// When the query fails.
pub async fn settled(conn: &mut Connection, replaced: &[i64]) -> DbResult<()> {
    diesel::delete(fresh_signatures::table.filter(fresh_signatures::rpm_id.eq_any(replaced)))
        .execute(conn)
        .await?;
    Ok(())
}

/// `rpms.id` of these packages as they are signed now.
///
/// # Errors
/// When the query fails.
pub async fn newest(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<i64>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        "SELECT DISTINCT coalesce(replaced_by, id) FROM rpms WHERE id = ANY (?) ORDER BY 1",
        [Bind::Numbers(ids)],
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Makes a key the active one.
///
/// # Errors
/// When the query fails.
pub async fn activate(conn: &mut Connection, project: i64, public: &Value) -> DbResult<()> {
    diesel::sql_query("UPDATE projects SET public_key = $2 WHERE id = $1")
        .bind::<BigInt, _>(project)
        .bind::<Jsonb, _>(public)
        .execute(conn)
        .await?;
    Ok(())
}
