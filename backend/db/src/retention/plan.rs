//! What would go of a repository: looked at, not done.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Jsonb, Text};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, QueryableByName};
use diesel_async::RunQueryDsl as _;
use protocol::OwnerName;

use super::{Facts, Orphans, Policy, facts, orphans, uses};
use crate::connect::{Connection, DbResult, from_json, parse};
use crate::doomed;
use crate::projects::ProjectSettings;
use crate::repositories::{self, Repository};
use crate::schema::rpms;

/// Most packages that are listed.
const PACKAGES: i64 = 1_000;

/// A snapshot that goes.
#[derive(Debug, Clone)]
pub struct Going {
    /// What is known of it.
    pub facts: Facts,
    /// When its files go, at the earliest.
    pub goes_at: DateTime<Utc>,
}

/// A package that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoingPackage {
    /// File name.
    pub file_name: String,
    /// Bytes.
    pub size: i64,
    /// When it goes, at the earliest; not before the last snapshot that has it.
    pub goes_at: DateTime<Utc>,
}

/// What would go of a repository.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The rule by which that is so: the project's own where it has one.
    pub policy: Policy,
    /// Snapshots that go, by number.
    pub going: Vec<Going>,
    /// How many stay.
    pub kept: usize,
    /// Packages that go when these snapshots have gone.
    pub orphans: Orphans,
    /// These packages, a thousand at most, by name.
    pub packages: Vec<GoingPackage>,
    /// Parts of metadata that no snapshot names, and that go after the time of grace.
    pub metadata: i64,
}

/// Looks at what would become of a repository now, under its project's rule.
///
/// # Errors
/// When the query fails.
pub async fn plan(
    conn: &mut Connection,
    repository: i64,
    policy: Policy,
    now: DateTime<Utc>,
) -> DbResult<Plan> {
    let facts = facts(conn, repository).await?;
    let uses = uses(conn, repository).await?;
    let verdict = policy.judge(&facts, &uses, now);
    let kept = [verdict.keep, verdict.spare].concat();
    let orphans = orphans(conn, repository, &kept).await?;
    let packages = packages(conn, &orphans.ids).await?;
    let packages = packages.into_iter().map(|package| GoingPackage {
        goes_at: policy.end_of_grace(package.since.unwrap_or(now)).max(now),
        file_name: package.file_name,
        size: package.size,
    });
    let going = facts.into_iter().filter(|facts| !kept.contains(&facts.number));
    let going = going.map(|facts| Going {
        goes_at: facts
            .purge_at
            .unwrap_or_else(|| policy.end_of_grace(now))
            .max(now),
        facts,
    });
    Ok(Plan {
        policy,
        going: going.collect(),
        kept: kept.len(),
        orphans,
        packages: packages.collect(),
        metadata: doomed::count(conn, repository).await?,
    })
}

#[derive(Queryable)]
struct Row {
    file_name: String,
    size: i64,
    since: Option<DateTime<Utc>>,
}

async fn packages(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<Row>> {
    Ok(rpms::table
        .filter(rpms::id.eq_any(ids))
        .order((rpms::file_name, rpms::id))
        .limit(PACKAGES)
        .select((rpms::file_name, rpms::size, rpms::orphaned_at))
        .load(conn)
        .await?)
}

/// The first repository of a live project after one (`repositories.id`), with its owner and the project's settings.
///
/// # Errors
/// When the query fails.
pub async fn next_repository(
    conn: &mut Connection,
    after: i64,
) -> DbResult<Option<(Repository, OwnerName, ProjectSettings)>> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        owner: String,
        #[diesel(sql_type = Jsonb)]
        settings: serde_json::Value,
    }
    let rows: Vec<Next> = diesel::sql_query(
        "SELECT r.id, p.owner, p.settings FROM repositories r JOIN projects p ON p.id = r.project_id
         WHERE r.id > $1 AND p.deleted_at IS NULL ORDER BY r.id LIMIT 1",
    )
    .bind::<BigInt, _>(after)
    .load(conn)
    .await?;
    let Some(next) = rows.into_iter().next() else {
        return Ok(None);
    };
    let Some(repository) = repositories::by_id(conn, next.id).await? else {
        return Ok(None);
    };
    let settings = from_json("project settings", next.settings)?;
    Ok(Some((repository, parse("owner", &next.owner)?, settings)))
}
