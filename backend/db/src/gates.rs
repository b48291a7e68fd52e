//! Gates: tests outside of the service say of a build, or of a snapshot, whether it is good. What is good comes to builds at
//! once, and to users as the project wants it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{BuildId, PointerName};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult};
use crate::read::{Bind, Prepared};
use crate::schema::{repositories, test_results};
use crate::snapshot_requests::{self, NewRequest};
use crate::snapshots;

/// Most releases that are asked for at once; the rest follows the next time.
const AT_ONCE: i64 = 100;
/// Most results of a repository whose times are looked after at once.
const LOOKED_AFTER: i64 = 200;

/// What was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// A build's packages.
    Build(BuildId),
    /// A snapshot.
    Snapshot(i64),
}

/// What a test found.
#[derive(Debug, Clone)]
pub struct NewResult<'a> {
    /// `repositories.id`.
    pub repository: i64,
    /// Of what.
    pub tested: Tested,
    /// Whether it is good.
    pub passed: bool,
    /// Where the run of the test is; may be empty.
    pub url: &'a str,
    /// What it says; why it failed.
    pub message: &'a str,
    /// Who reports it.
    pub actor: &'a str,
    /// `rpms.id` of packages that come to builds and users if it is good.
    pub added: &'a [i64],
    /// `rpms.id` of packages that go.
    pub removed: &'a [i64],
    /// Whether builds of the project see other snapshots than users.
    pub devel_mode: bool,
    /// Hours after which users get what builds have; `None`: when somebody asks for it.
    pub release_after_hours: Option<i32>,
    /// The object's name in the history of changes, `repository:<owner>/<dir>/<chroot>`.
    pub object: &'a str,
}

/// Writes results down, all of them or none, and asks for the snapshots that come of them. Returns the numbers of the
/// requests (`snapshot_requests.id`).
///
/// # Errors
/// When the query fails.
pub async fn record(conn: &mut Connection, all: &[NewResult<'_>], now: DateTime<Utc>) -> DbResult<Vec<i64>> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let mut requests = Vec::new();
        for new in all {
            requests.extend(record_one(conn, new, now).await?);
        }
        Ok(requests)
    })
    .await
}

async fn record_one(conn: &mut Connection, new: &NewResult<'_>, now: DateTime<Utc>) -> DbResult<Vec<i64>> {
    let (build, snapshot) = match new.tested {
        Tested::Build(build) => (Some(build.0), None),
        Tested::Snapshot(number) => (None, Some(number)),
    };
    let hours = new
        .release_after_hours
        .filter(|_| new.passed && new.devel_mode && !new.added.is_empty());
    let at_once = hours == Some(0);
    let id: i64 = diesel::insert_into(test_results::table)
        .values((
            test_results::repository_id.eq(new.repository),
            test_results::build_id.eq(build),
            test_results::snapshot.eq(snapshot),
            test_results::passed.eq(new.passed),
            test_results::url.eq(new.url),
            test_results::message.eq(new.message),
            test_results::actor.eq(new.actor),
            test_results::at.eq(now),
            test_results::added.eq(new.added),
            test_results::removed.eq(new.removed),
            test_results::release_at.eq(hours.map(|hours| now + TimeDelta::hours(hours.into()))),
            test_results::released_at.eq(at_once.then_some(now)),
        ))
        .returning(test_results::id)
        .get_result(conn)
        .await?;
    let action = if new.passed { "test.pass" } else { "test.fail" };
    let detail = serde_json::json!({
        "result": id, "build": build, "snapshot": snapshot, "url": new.url, "message": new.message,
    });
    audit::record(conn, now, new.actor, action, new.object, detail).await?;
    if !new.passed {
        return Ok(Vec::new());
    }
    let mut pointers = vec![if new.devel_mode {
        PointerName::devel()
    } else {
        PointerName::latest()
    }];
    if at_once {
        pointers.push(PointerName::latest());
    }
    let cause = match new.tested {
        Tested::Build(build) => format!("build {build} passed its test"),
        Tested::Snapshot(number) => format!("snapshot {number} passed its test"),
    };
    let mut requests = Vec::new();
    for pointer in pointers {
        let request = NewRequest {
            repository: new.repository,
            pointer: &pointer,
            expected: None,
            added: new.added,
            removed: new.removed,
            actor: new.actor,
            cause: &cause,
            action: "snapshot.promote",
            object: new.object,
        };
        requests.push(snapshot_requests::create(conn, &request, now).await?);
    }
    // What is there already comes by no snapshot.
    seen(conn, new.repository, now).await?;
    Ok(requests)
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    repository_id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    build_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    snapshot: Option<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    added: Vec<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    removed: Vec<i64>,
    #[diesel(sql_type = Text)]
    actor: String,
    #[diesel(sql_type = Text)]
    object: String,
}

/// Whether the time of some result has come.
///
/// # Errors
/// When the query fails.
pub async fn any_due(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<bool> {
    let due = test_results::table
        .filter(test_results::release_at.le(now))
        .filter(test_results::released_at.is_null())
        .filter(test_results::passed.eq(true));
    Ok(diesel::select(diesel::dsl::exists(due)).get_result(conn).await?)
}

/// Asks for the snapshots that give users what passed its test long enough ago, unless a test of the same build, or of a
/// snapshot, failed since. Returns how many.
///
/// # Errors
/// When the query fails.
pub async fn release(conn: &mut Connection, now: DateTime<Utc>) -> DbResult<usize> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let due: Vec<Due> = diesel::sql_query(format!(
            "SELECT t.id, t.repository_id, t.build_id, t.snapshot, t.added, t.removed, t.actor,
                 'repository:' || p.owner || '/' || r.dirname || '/' || r.chroot AS object
             FROM test_results t JOIN repositories r ON r.id = t.repository_id
                 JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
             WHERE t.release_at <= $1 AND t.released_at IS NULL AND t.passed AND NOT {HELD}
             ORDER BY t.id LIMIT $2 FOR UPDATE OF t SKIP LOCKED",
        ))
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(AT_ONCE)
        .load(conn)
        .await?;
        for one in &due {
            let what = match (one.build_id, one.snapshot) {
                (Some(build), _) => format!("build {build}"),
                (None, number) => format!("snapshot {}", number.unwrap_or_default()),
            };
            let request = NewRequest {
                repository: one.repository_id,
                pointer: &PointerName::latest(),
                expected: None,
                added: &one.added,
                removed: &one.removed,
                actor: &one.actor,
                cause: &format!("{what} passed its test"),
                action: "snapshot.promote",
                object: &one.object,
            };
            snapshot_requests::create(conn, &request, now).await?;
            diesel::update(test_results::table.find(one.id))
                .set(test_results::released_at.eq(now))
                .execute(conn)
                .await?;
        }
        Ok(due.len())
    })
    .await
}

/// Writes down since when builds and users see what passed, in the transaction that moves what they see.
pub(crate) async fn seen(conn: &mut Connection, repository: i64, now: DateTime<Utc>) -> DbResult<()> {
    let open: Vec<(i64, Vec<i64>)> = Prepared::<(BigInt, Array<BigInt>)>::new(
        "SELECT id, added FROM test_results WHERE repository_id = ? AND passed AND testcase = ''
             AND (builds_at IS NULL OR users_at IS NULL) ORDER BY id DESC LIMIT ?",
        [Bind::from(repository), Bind::from(LOOKED_AFTER)],
    )
    .load(conn)
    .await?;
    if open.is_empty() {
        return Ok(());
    }
    // They may have been signed anew, and those of deleted builds come nowhere any more.
    let all: Vec<i64> = open.iter().flat_map(|(_, added)| added).copied().collect();
    let newest: Vec<(i64, i64)> = Prepared::<(BigInt, BigInt)>::new(
        "SELECT o.id, n.id FROM rpms o JOIN rpms n ON n.id = coalesce(o.replaced_by, o.id)
         WHERE o.id = ANY (?) AND n.task_id IS NOT NULL",
        [Bind::Numbers(&all)],
    )
    .load(conn)
    .await?;
    let newest: HashMap<i64, i64> = newest.into_iter().collect();
    let (users, builds): (i64, i64) = repositories::table
        .find(repository)
        .select((repositories::current_snapshot, repositories::devel_snapshot))
        .first(conn)
        .await?;
    let builds = if builds == 0 { users } else { builds };
    let of_users: HashSet<i64> = content(conn, repository, users).await?;
    let of_builds = match builds == users {
        true => of_users.clone(),
        false => content(conn, repository, builds).await?,
    };
    let there = |have: &HashSet<i64>| -> Vec<i64> {
        let whole = |added: &Vec<i64>| {
            let mut now = added.iter().filter_map(|id| newest.get(id)).peekable();
            now.peek().is_some() && now.all(|id| have.contains(id))
        };
        let found = open.iter().filter(|(_, added)| whole(added));
        found.map(|(id, _)| *id).collect()
    };
    for (column, ids) in [("builds_at", there(&of_builds)), ("users_at", there(&of_users))] {
        diesel::sql_query(format!(
            "UPDATE test_results SET {column} = $1 WHERE id = ANY ($2) AND {column} IS NULL"
        ))
        .bind::<Timestamptz, _>(now)
        .bind::<Array<BigInt>, _>(ids)
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn content(conn: &mut Connection, repository: i64, number: i64) -> DbResult<HashSet<i64>> {
    Ok(snapshots::content(conn, repository, number)
        .await?
        .into_iter()
        .collect())
}

/// A result, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct TestResult {
    /// Its number.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Result directory.
    #[diesel(sql_type = Text)]
    pub dir: String,
    /// Chroot.
    #[diesel(sql_type = Text)]
    pub chroot: String,
    /// The build that was tested.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub build: Option<i64>,
    /// Or the snapshot.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub snapshot: Option<i64>,
    /// Whether it is good.
    #[diesel(sql_type = Bool)]
    pub passed: bool,
    /// Where the run of the test is; may be empty.
    #[diesel(sql_type = Text)]
    pub url: String,
    /// What it says.
    #[diesel(sql_type = Text)]
    pub message: String,
    /// Who reported it.
    #[diesel(sql_type = Text)]
    pub actor: String,
    /// Which test of the service itself it is of; empty for those that somebody reported.
    #[diesel(sql_type = Text)]
    pub testcase: String,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// Since when builds see its packages.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub builds_at: Option<DateTime<Utc>>,
    /// Since when users do.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub users_at: Option<DateTime<Utc>>,
    /// When users get them by themselves.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub release_at: Option<DateTime<Utc>>,
    /// Whether they do not, because a later test failed.
    #[diesel(sql_type = Bool)]
    pub held: bool,
}

/// Whether a later test of the same build, or of a snapshot, keeps what passed (`t`) from users. What a test of the service
/// found bad it can find good in a later snapshot, and then it keeps nothing any more.
const HELD: &str = "EXISTS (SELECT 1 FROM test_results f WHERE f.repository_id = t.repository_id AND NOT f.passed
    AND f.id > t.id AND (f.build_id IS NULL OR f.build_id = t.build_id)
    AND (f.testcase = '' OR NOT EXISTS (SELECT 1 FROM test_results g WHERE g.repository_id = f.repository_id AND g.passed
        AND g.testcase = f.testcase AND g.id > f.id)))";

fn shown() -> String {
    format!(
        "SELECT t.id, r.dirname AS dir, r.chroot, t.build_id AS build, t.snapshot, t.passed, t.url, t.message, t.actor,
             t.testcase, t.at, t.builds_at, t.users_at, t.release_at,
             t.release_at IS NOT NULL AND t.released_at IS NULL AND {HELD} AS held
         FROM test_results t JOIN repositories r ON r.id = t.repository_id"
    )
}

/// Results of a build, newest first.
///
/// # Errors
/// When the query fails.
pub async fn of_build(conn: &mut Connection, build: BuildId, limit: i64) -> DbResult<Vec<TestResult>> {
    Ok(diesel::sql_query(format!(
        "{} WHERE t.build_id = $1 ORDER BY t.id DESC LIMIT $2",
        shown()
    ))
    .bind::<BigInt, _>(build.0)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// Results of a repository, newest first.
///
/// # Errors
/// When the query fails.
pub async fn of_repository(conn: &mut Connection, repository: i64, limit: i64) -> DbResult<Vec<TestResult>> {
    Ok(diesel::sql_query(format!(
        "{} WHERE t.repository_id = $1 ORDER BY t.id DESC LIMIT $2",
        shown()
    ))
    .bind::<BigInt, _>(repository)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}
