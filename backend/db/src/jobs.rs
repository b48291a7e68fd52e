//! What the service does to itself: leased, attempt-counted, deduplicated by content.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::RunQueryDsl as _;
use protocol::{ChrootName, DirName};
use serde::{Deserialize, Serialize};

use crate::connect::{Connection, DbError, DbResult, from_json, to_json};
use crate::keys::KeyEnd;
use crate::notify::{Topic, notify};
use crate::read::{Bind, Prepared};
use crate::schema::jobs;

/// What to do; the payload names rows, and a missing row is success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Make a project's key, its key file and its empty repositories.
    SetUpProject {
        /// `projects.id`.
        project: i64,
        /// Only what belongs to this directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory: Option<DirName>,
    },
    /// Verify, sign and publish what an attempt uploaded.
    PublishTask {
        /// `tasks.id`.
        task: i64,
        /// The attempt.
        attempt: i32,
    },
    /// Turn a finished attempt's log into an object, and remove what it left in quarantine.
    StoreLog {
        /// `tasks.id`.
        task: i64,
        /// The attempt.
        attempt: i32,
    },
    /// Look into an uploaded source package's result and start the tasks of its build.
    AcceptSource {
        /// `tasks.id` of the source task.
        task: i64,
        /// The attempt.
        attempt: i32,
    },
    /// Make snapshots without the packages of a project's deleted builds, and remove their objects.
    RemoveBuilds {
        /// `projects.id`.
        project: i64,
    },
    /// Remove the objects of a deleted project.
    RemoveProject {
        /// `projects.id`.
        project: i64,
    },
    /// Make new snapshots of what is published already.
    Republish {
        /// `projects.id`.
        project: i64,
        /// Only this chroot's repositories.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chroot: Option<ChrootName>,
        /// Only this one (`repositories.id`). A job without a number makes one for each repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<i64>,
        /// Show users what a project in devel mode kept for builds.
        release: bool,
    },
    /// Write the objects that say which snapshots a repository's pointers name.
    WritePointers {
        /// `repositories.id`.
        repository: i64,
    },
    /// Make the snapshot that somebody asked for.
    MakeSnapshot {
        /// `snapshot_requests.id`.
        request: i64,
    },
    /// Make the snapshot that somebody asked for, with packages of another repository.
    Promote {
        /// `snapshot_requests.id`.
        request: i64,
    },
    /// Make the small repository of what a build made in a chroot.
    MiniRepository {
        /// `tasks.id`.
        task: i64,
    },
    /// Make the small repositories of what the builds of a batch made; the database asks for it when the last has ended.
    BatchRepository {
        /// `batches.id`.
        batch: i64,
        /// Only the one in this repository (`repositories.id`), of this project (`projects.id`). A job without makes one
        /// for each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<i64>,
        /// `projects.id` of the repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<i64>,
    },
    /// Remove what of a repository's past nothing protects.
    Retain {
        /// `projects.id`.
        project: i64,
        /// `repositories.id`.
        repository: i64,
    },
    /// Delete blobs that nothing names.
    RetainBlobs,
    /// Copy the packages of another project, signed with the project's own key.
    ForkProject {
        /// `projects.id` of the copy.
        project: i64,
        /// `projects.id` of the original.
        from: i64,
    },
    /// Make the key that follows another, sign everything anew, and end the other if that is wanted.
    ChangeKey {
        /// `projects.id`.
        project: i64,
        /// Fingerprint of the other, 40 hexadecimal digits.
        after: String,
        /// Why the other ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<KeyEnd>,
        /// Who asked, for the signer's log.
        requester: String,
    },
    /// Put off the end of a project's keys that come near it.
    RenewKeys {
        /// `projects.id`.
        project: i64,
    },
    /// Remove the objects of a directory whose rows are gone.
    RemoveDirectory {
        /// `projects.id`.
        project: i64,
        /// Its name.
        directory: DirName,
    },
}

const SET_UP_PROJECT: &str = "set_up_project";
const RETAIN: &str = "retain";

impl Job {
    /// The name that the row and the administrator see.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetUpProject { .. } => SET_UP_PROJECT,
            Self::PublishTask { .. } => "publish_task",
            Self::StoreLog { .. } => "store_log",
            Self::AcceptSource { .. } => "accept_source",
            Self::RemoveBuilds { .. } => "remove_builds",
            Self::RemoveProject { .. } => "remove_project",
            Self::Republish { .. } => "republish",
            Self::WritePointers { .. } => "write_pointers",
            Self::MakeSnapshot { .. } => "make_snapshot",
            Self::Promote { .. } => "promote",
            Self::MiniRepository { .. } => "mini_repository",
            Self::BatchRepository { .. } => "batch_repository",
            Self::Retain { .. } => RETAIN,
            Self::RetainBlobs => "retain_blobs",
            Self::ForkProject { .. } => "fork_project",
            Self::RemoveDirectory { .. } => "remove_directory",
            Self::ChangeKey { .. } => "change_key",
            Self::RenewKeys { .. } => "renew_keys",
        }
    }

    fn priority(&self) -> i32 {
        match self {
            // What is made anew under the same name waits for these.
            Self::RemoveProject { .. } | Self::RemoveDirectory { .. } => 40,
            Self::SetUpProject { .. } => 30,
            // Somebody waits for these, and they take no time.
            Self::WritePointers { .. } | Self::MakeSnapshot { .. } => 25,
            Self::AcceptSource { .. } => 20,
            Self::PublishTask { .. } => 10,
            Self::Republish { .. } | Self::Promote { .. } => 8,
            Self::ForkProject { .. } => 6,
            // It is long, and what is built meanwhile is not to wait for it.
            Self::ChangeKey { .. } => 4,
            Self::RenewKeys { .. } => 3,
            Self::StoreLog { .. } => 5,
            // Nothing that is published waits for these.
            Self::MiniRepository { .. } | Self::BatchRepository { .. } => 2,
            Self::Retain { .. } | Self::RetainBlobs => 1,
            Self::RemoveBuilds { .. } => 8,
        }
    }
}

/// A claimed job.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// `jobs.id`.
    pub id: i64,
    /// Which attempt this is, from 1; fences [`done`] and [`retry`].
    pub attempt: i32,
    /// What to do.
    pub job: Job,
}

/// Enqueues a job in the transaction that made it necessary; the same job waiting twice is one row. One that runs
/// already does not count, since it may have looked before this transaction's changes.
///
/// # Errors
/// When the query fails.
pub async fn enqueue(conn: &mut Connection, job: &Job, now: DateTime<Utc>) -> DbResult<()> {
    diesel::sql_query(
        "INSERT INTO jobs (kind, payload, priority, run_at, created_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (kind, payload) WHERE failed_at IS NULL AND lease_expires_at IS NULL DO NOTHING",
    )
    .bind::<Text, _>(job.kind())
    .bind::<Jsonb, _>(to_json("job", job)?)
    .bind::<diesel::sql_types::Integer, _>(job.priority())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    notify(conn, Topic::Jobs).await
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    attempt: i32,
    #[diesel(sql_type = Jsonb)]
    payload: serde_json::Value,
}

#[derive(QueryableByName)]
struct Holder {
    #[diesel(sql_type = BigInt)]
    holder: i64,
}

/// Who runs jobs: one process, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderId(pub i64);

/// A number for a process that begins to run jobs. What the one before it in its place had not finished is free at once;
/// nobody has to wait until its leases end. Should that one live, it finds its leases lost.
///
/// # Errors
/// When the query fails.
pub async fn begin(
    conn: &mut Connection,
    before: Option<HolderId>,
    now: DateTime<Utc>,
) -> DbResult<HolderId> {
    if let Some(HolderId(before)) = before {
        diesel::sql_query(
            "UPDATE jobs SET lease_expires_at = $2 - interval '1 second'
             WHERE holder = $1 AND lease_expires_at >= $2 AND failed_at IS NULL",
        )
        .bind::<BigInt, _>(before)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    }
    let Holder { holder } = diesel::sql_query("SELECT nextval('job_holders') AS holder")
        .get_result(conn)
        .await?;
    Ok(HolderId(holder))
}

/// Claims the most urgent job that is due and that nobody holds. One that this release does not know is passed over.
///
/// # Errors
/// When the query fails.
pub async fn claim(
    conn: &mut Connection,
    holder: HolderId,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> DbResult<Option<Claimed>> {
    loop {
        let row: Option<Row> = diesel::sql_query(
            "UPDATE jobs SET attempt = attempt + 1, lease_expires_at = $2, holder = $3 WHERE id = (
                 SELECT id FROM jobs WHERE failed_at IS NULL AND run_at <= $1
                     AND (lease_expires_at IS NULL OR lease_expires_at < $1)
                 ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED
             ) RETURNING id, attempt, payload",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(now + lease)
        .bind::<BigInt, _>(holder.0)
        .get_result(conn)
        .await
        .optional()?;
        let Some(Row { id, attempt, payload }) = row else {
            return Ok(None);
        };
        match from_json("job", payload) {
            Ok(job) => return Ok(Some(Claimed { id, attempt, job })),
            // Of a newer release, which runs it when it is back. Until the lease ends nobody stumbles over it again.
            Err(error) => {
                diesel::update(jobs::table.find(id))
                    .set(jobs::last_error.eq(error.to_string()))
                    .execute(conn)
                    .await?;
            }
        }
    }
}

/// Extends the lease; false when it was lost.
///
/// # Errors
/// When the query fails.
pub async fn extend(conn: &mut Connection, claimed: &Claimed, until: DateTime<Utc>) -> DbResult<bool> {
    let rows = diesel::update(
        jobs::table
            .find(claimed.id)
            .filter(jobs::attempt.eq(claimed.attempt)),
    )
    .set(jobs::lease_expires_at.eq(until))
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

/// Removes a job that is done.
///
/// # Errors
/// When the query fails.
pub async fn done(conn: &mut Connection, claimed: &Claimed) -> DbResult<()> {
    diesel::delete(
        jobs::table
            .find(claimed.id)
            .filter(jobs::attempt.eq(claimed.attempt)),
    )
    .execute(conn)
    .await?;
    notify(conn, Topic::Progress).await
}

/// Puts a job back, to run at `at`; if the same job waits already, that one runs instead. The page of `project` says
/// why until the job has ended.
///
/// # Errors
/// When the query fails.
pub async fn retry(
    conn: &mut Connection,
    claimed: &Claimed,
    at: DateTime<Utc>,
    error: &str,
    project: Option<i64>,
) -> DbResult<()> {
    let mine = jobs::table
        .find(claimed.id)
        .filter(jobs::attempt.eq(claimed.attempt));
    let back = diesel::update(mine)
        .set((
            jobs::run_at.eq(at),
            jobs::lease_expires_at.eq(None::<DateTime<Utc>>),
            jobs::last_error.eq(error),
            jobs::trouble_of.eq(project),
        ))
        .execute(conn)
        .await;
    match back.map_err(DbError::from) {
        Err(DbError::Duplicate(_)) => {
            diesel::delete(mine).execute(conn).await?;
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// Gives a job up; the row stays for the administrator, and the page of `project` says why until [`set_aside`].
///
/// # Errors
/// When the query fails.
pub async fn fail(
    conn: &mut Connection,
    claimed: &Claimed,
    now: DateTime<Utc>,
    error: &str,
    project: Option<i64>,
) -> DbResult<()> {
    diesel::update(
        jobs::table
            .find(claimed.id)
            .filter(jobs::attempt.eq(claimed.attempt)),
    )
    .set((
        jobs::failed_at.eq(now),
        jobs::last_error.eq(error),
        jobs::trouble_of.eq(project),
    ))
    .execute(conn)
    .await?;
    Ok(())
}

/// Why something of a project does not get on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What the last try failed with.
    pub reason: String,
    /// Key and empty repositories are not made; else publishing does not get on.
    pub set_up: bool,
    /// It is not tried again.
    pub given_up: bool,
}

/// Most troubles that [`troubles`] gives.
const MAX_TROUBLES: i64 = 3;

/// Troubles of a project, up to three; those that were given up first.
///
/// # Errors
/// When the query fails.
pub async fn troubles(conn: &mut Connection, project: i64) -> DbResult<Vec<Trouble>> {
    let query = Prepared::<(Text, Nullable<Text>, Bool)>::new(
        "SELECT kind, last_error, failed_at IS NOT NULL FROM jobs WHERE trouble_of = ? \
         ORDER BY failed_at IS NULL, id LIMIT (SELECT ?::bigint)",
        [Bind::from(project), Bind::from(MAX_TROUBLES)],
    );
    let rows: Vec<(String, Option<String>, bool)> = query.load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(kind, reason, given_up)| Trouble {
            reason: reason.unwrap_or_default(),
            set_up: kind == SET_UP_PROJECT,
            given_up,
        })
        .collect())
}

/// Takes what was given up from the project's page, all of it or one kind of jobs; the administrator still sees it.
///
/// # Errors
/// When the query fails.
pub async fn set_aside(conn: &mut Connection, project: i64, kind: Option<&str>) -> DbResult<()> {
    diesel::sql_query(
        "UPDATE jobs SET trouble_of = NULL WHERE trouble_of = $1 AND failed_at IS NOT NULL AND kind = coalesce($2, kind)",
    )
    .bind::<BigInt, _>(project)
    .bind::<Nullable<Text>, _>(kind)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a job waits or runs.
///
/// # Errors
/// When the query fails.
pub async fn is_open(conn: &mut Connection, job: &Job) -> DbResult<bool> {
    let same = jobs::table
        .filter(jobs::kind.eq(job.kind()))
        .filter(jobs::payload.eq(to_json("job", job)?))
        .filter(jobs::failed_at.is_null());
    Ok(diesel::select(diesel::dsl::exists(same)).get_result(conn).await?)
}

/// Whether a job of one of these tasks is being run right now.
///
/// # Errors
/// When the query fails.
pub async fn is_at_work_on(conn: &mut Connection, tasks: &[i64], now: DateTime<Utc>) -> DbResult<bool> {
    let found: Option<Row> = diesel::sql_query(
        "SELECT id, attempt, payload FROM jobs
         WHERE failed_at IS NULL AND lease_expires_at > $2 AND (payload ->> 'task')::bigint = ANY ($1) LIMIT 1",
    )
    .bind::<diesel::sql_types::Array<BigInt>, _>(tasks)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    Ok(found.is_some())
}

/// Whether something of a project's past is being removed right now.
///
/// # Errors
/// When the query fails.
pub async fn is_retaining(conn: &mut Connection, project: i64, now: DateTime<Utc>) -> DbResult<bool> {
    let found: Option<Row> = diesel::sql_query(
        "SELECT id, attempt, payload FROM jobs WHERE kind = $3 AND failed_at IS NULL AND lease_expires_at > $2
             AND (payload ->> 'project')::bigint = $1 LIMIT 1",
    )
    .bind::<BigInt, _>(project)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(RETAIN)
    .get_result(conn)
    .await
    .optional()?;
    Ok(found.is_some())
}

/// How many jobs wait or run, and how many were given up.
///
/// # Errors
/// When the query fails.
pub async fn count(conn: &mut Connection) -> DbResult<(i64, i64)> {
    let open = jobs::table
        .filter(jobs::failed_at.is_null())
        .count()
        .get_result(conn)
        .await?;
    let failed = jobs::table
        .filter(jobs::failed_at.is_not_null())
        .count()
        .get_result(conn)
        .await?;
    Ok((open, failed))
}
