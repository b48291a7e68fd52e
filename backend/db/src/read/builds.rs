//! Builds as lists show them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension as _, Queryable};
use diesel_async::RunQueryDsl as _;
use protocol::{BuildId, OwnerName, PackageName, ProjectName};

use super::projects::LISTED;
use super::{Bind, Parsed, Prepared};
use crate::connect::{Connection, DbResult};
use crate::promotions::Origin;

/// The states that a whole build can be in, in Copr's words.
pub const STATES: [&str; 9] = [
    "pending",
    "starting",
    "running",
    "importing",
    "succeeded",
    "failed",
    "canceled",
    "skipped",
    "forked",
];

/// A build without its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number.
    pub id: i64,
    /// Result directory.
    pub dir: String,
    /// Copr's word for the whole build.
    pub state: String,
    /// Name of the package, once it is known.
    pub package: Option<String>,
    /// Version and release, once they are known.
    pub version: Option<String>,
    /// File name of the source package, once there is one.
    pub srpm: Option<String>,
    /// Where the source comes from, until there is a source package.
    pub source_url: Option<String>,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// When its first task was claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last task ended, if all have.
    pub ended_at: Option<DateTime<Utc>>,
    /// Name of the submitter.
    pub submitter: Option<String>,
    /// Chroots, by name.
    pub chroots: Vec<String>,
    /// Whether it has a lower priority.
    pub background: bool,
}

impl Line {
    /// Whether nothing more happens to it.
    pub fn is_final(&self) -> bool {
        self.ended_at.is_some()
    }
}

/// A [`Line`] as it is stored.
#[derive(Queryable)]
pub(super) struct Row {
    id: i64,
    dir: String,
    state: String,
    package: Option<String>,
    version: Option<String>,
    srpm: Option<String>,
    source_url: Option<String>,
    submitted_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    submitter: Option<i64>,
    chroots: Vec<String>,
    background: bool,
}

impl Row {
    fn line(self, submitter: Option<String>) -> Line {
        Line {
            id: self.id,
            dir: self.dir,
            state: self.state,
            package: self.package,
            version: self.version,
            srpm: self.srpm,
            source_url: self.source_url,
            submitted_at: self.submitted_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            submitter,
            chroots: self.chroots,
            background: self.background,
        }
    }
}

/// Names of submitters.
pub(super) struct Names(HashMap<i64, String>);

impl Names {
    /// Those of some builds, in one query: a join would be planned as a scan of all users, once for each build.
    pub(super) async fn of(conn: &mut Connection, rows: impl Iterator<Item = &Row>) -> DbResult<Self> {
        let ids: BTreeSet<i64> = rows.filter_map(|row| row.submitter).collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let ids = Vec::from_iter(ids);
        let query = Prepared::<(BigInt, Text)>::new(
            "SELECT id, name FROM users WHERE id = ANY(?)",
            [Bind::Numbers(&ids)],
        );
        let names: Vec<(i64, String)> = query.load(conn).await?;
        Ok(Self(names.into_iter().collect()))
    }

    pub(super) fn line(&self, row: Row) -> Line {
        let name = row.submitter.and_then(|id| self.0.get(&id).cloned());
        row.line(name)
    }
}

/// The types of [`COLUMNS`].
pub(super) type Types = (
    BigInt,
    Text,
    Text,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Timestamptz,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Nullable<BigInt>,
    Array<Text>,
    Bool,
);

/// Columns of a [`Row`], of `builds b`.
pub(super) const COLUMNS: &str = "b.id, b.dirname, b.state, b.package_name, b.package_version, b.srpm_name, \
    CASE WHEN b.srpm_name IS NULL THEN b.source_url END AS source_url, b.submitted_at, b.started_at, b.ended_at, \
    b.submitter, b.chroots, coalesce((b.options->>'background')::boolean, false) AS background";

/// The same, of a subquery that was called `$alias`.
macro_rules! columns_of {
    ($alias:literal) => {
        concat!(
            $alias,
            ".id, ",
            $alias,
            ".dirname, ",
            $alias,
            ".state, ",
            $alias,
            ".package_name, ",
            $alias,
            ".package_version, ",
            $alias,
            ".srpm_name, ",
            $alias,
            ".source_url, ",
            $alias,
            ".submitted_at, ",
            $alias,
            ".started_at, ",
            $alias,
            ".ended_at, ",
            $alias,
            ".submitter, ",
            $alias,
            ".chroots, ",
            $alias,
            ".background"
        )
    };
}
pub(super) use columns_of;

/// The same columns, all of them NULL.
pub(super) const NO_COLUMNS: &str = "NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, \
    NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::bigint, NULL::text[], NULL::boolean";

/// A build, and its project.
#[derive(Debug)]
pub struct Found {
    /// The project's owner.
    pub owner: String,
    /// The project's name.
    pub project: String,
    /// The build.
    pub line: Line,
    /// Where its packages come from, if they were promoted.
    pub promoted_from: Option<Origin>,
    /// The commit that its source is.
    pub commit: Option<String>,
}

type FoundRow = (
    String,
    String,
    Option<String>,
    Option<Parsed<Origin>>,
    Option<String>,
    Row,
);

/// A build of a live project.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, id: BuildId) -> DbResult<Option<Found>> {
    let text = format!(
        "SELECT p.owner, p.name, u.name, b.promoted_from, b.commit, {COLUMNS} FROM builds b JOIN projects p ON p.id = b.project_id \
         LEFT JOIN users u ON u.id = b.submitter WHERE b.id = ? AND p.deleted_at IS NULL"
    );
    let query = Prepared::<(Text, Text, Nullable<Text>, Nullable<Jsonb>, Nullable<Text>, Types)>::new(
        text,
        [Bind::from(id.0)],
    );
    let found: Option<FoundRow> = query.get_result(conn).await.optional()?;
    Ok(
        found.map(|(owner, project, submitter, origin, commit, row)| Found {
            owner,
            project,
            line: row.line(submitter),
            promoted_from: origin.map(|Parsed(origin)| origin),
            commit,
        }),
    )
}

/// Some builds of live projects with the names of owner and project, by number.
///
/// # Errors
/// When the query fails.
pub async fn find_all(conn: &mut Connection, ids: &[BuildId]) -> DbResult<Vec<(String, String, Line)>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let text = format!(
        "SELECT p.owner, p.name, {COLUMNS} FROM builds b JOIN projects p ON p.id = b.project_id \
         WHERE b.id = ANY(?) AND p.deleted_at IS NULL ORDER BY b.id"
    );
    let query = Prepared::<(Text, Text, Types)>::new(text, [Bind::Numbers(&numbers)]);
    let rows = query.load(conn).await?;
    named(conn, rows).await
}

/// Adds the submitters' names.
async fn named(
    conn: &mut Connection,
    rows: Vec<(String, String, Row)>,
) -> DbResult<Vec<(String, String, Line)>> {
    let names = Names::of(conn, rows.iter().map(|(_, _, row)| row)).await?;
    Ok(rows
        .into_iter()
        .map(|(owner, project, row)| (owner, project, names.line(row)))
        .collect())
}

/// By what builds are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Column {
    /// Number, which follows the time of submission.
    #[default]
    Number,
    /// When the first task was claimed; what has not begun comes last.
    Started,
    /// When the last task ended; what has not ended comes last.
    Ended,
    /// The package's name; what has none yet comes last.
    Package,
    /// Copr's word for the whole build.
    State,
}

/// How builds are sorted; of those that are the same the newest comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: Column,
    /// The other way round than lists have by default: the oldest first, or the last of a column.
    pub reversed: bool,
}

impl Order {
    /// The part of a query after `ORDER BY`; each has an index that begins with the project.
    fn sql(self, table: &str) -> String {
        let column = match self.by {
            Column::Number if self.reversed => return format!("{table}.id"),
            Column::Number => return format!("{table}.id DESC"),
            Column::Started => "started_at",
            Column::Ended => "ended_at",
            Column::Package => "package_name",
            Column::State => "state",
        };
        if self.reversed {
            format!("{table}.{column} DESC, {table}.id")
        } else {
            format!("{table}.{column}, {table}.id DESC")
        }
    }
}

/// Which builds of a project to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only of this package.
    pub package: Option<&'a PackageName>,
    /// Only in this state, Copr's word for the whole build.
    pub state: Option<&'a str>,
    /// In which order.
    pub order: Order,
    /// How many at most.
    pub limit: i64,
    /// How many to leave out.
    pub offset: i64,
}

/// Builds of a live project; `None`: there is no such project.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    wanted: Wanted<'_>,
) -> DbResult<Option<Vec<Line>>> {
    let Some(rows) = rows(conn, owner, project, wanted).await? else {
        return Ok(None);
    };
    let names = Names::of(conn, rows.iter()).await?;
    Ok(Some(rows.into_iter().map(|row| names.line(row)).collect()))
}

/// The same without the submitters' names.
pub(super) async fn rows(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    wanted: Wanted<'_>,
) -> DbResult<Option<Vec<Row>>> {
    let (text, binds) = list_query(owner.as_str(), project.as_str(), wanted);
    let rows: Vec<(i64, Option<Row>)> = Prepared::<(BigInt, Nullable<Types>)>::new(text, binds)
        .load(conn)
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(rows.into_iter().filter_map(|(_, row)| row).collect()))
}

fn list_query<'a>(owner: &'a str, project: &'a str, wanted: Wanted<'a>) -> (String, Vec<Bind<'a>>) {
    let mut binds = Vec::with_capacity(6);
    // By package goes along its own index; the project is the package's.
    let mut filter = String::from(if wanted.package.is_some() {
        "b.package_id = (SELECT k.id FROM packages k WHERE k.project_id = p.id AND k.name = ?)"
    } else {
        "b.project_id = p.id"
    });
    binds.extend(wanted.package.map(|name| Bind::from(name.as_str())));
    if let Some(state) = wanted.state {
        filter.push_str(" AND b.state = ?");
        binds.push(state.into());
    }
    let part: [Bind<'a>; 4] = [
        wanted.limit.into(),
        wanted.offset.into(),
        owner.into(),
        project.into(),
    ];
    binds.extend(part);
    let shown = columns_of!("l");
    let (inner, outer) = (wanted.order.sql("b"), wanted.order.sql("l"));
    let text = format!(
        "SELECT p.id, {shown} FROM projects p LEFT JOIN LATERAL (SELECT {COLUMNS} \
         FROM builds b WHERE {filter} ORDER BY {inner} LIMIT (SELECT ?::bigint) OFFSET (SELECT ?::bigint)) l ON true \
         WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL ORDER BY {outer}"
    );
    (text, binds)
}

/// Newest builds of all projects that are listed, with the names of owner and project.
///
/// # Errors
/// When the query fails.
pub async fn newest(conn: &mut Connection, limit: i64) -> DbResult<Vec<(String, String, Line)>> {
    // OFFSET keeps the projects from being read all at once for a join.
    let text = format!(
        "SELECT p.owner, p.name, {COLUMNS} FROM builds b CROSS JOIN LATERAL (SELECT p.owner, p.name FROM projects p \
             WHERE p.id = b.project_id AND p.deleted_at IS NULL AND {LISTED} OFFSET 0) p \
         ORDER BY b.id DESC LIMIT (SELECT ?::bigint)"
    );
    let query = Prepared::<(Text, Text, Types)>::new(text, [Bind::from(limit)]);
    let rows = query.load(conn).await?;
    named(conn, rows).await
}
