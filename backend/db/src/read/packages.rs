//! Packages with their latest builds.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use protocol::{OwnerName, PackageName, ProjectName};
use serde_json::value::{RawValue, to_raw_value};

use super::builds::{self, COLUMNS, Line, NO_COLUMNS, Names, columns_of};
use super::{Bind, Parsed, Prepared, projects};
use crate::connect::{Connection, DbError, DbResult};
use crate::package_edit::Package;

/// Which of a package's builds come with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct With {
    /// The newest one.
    pub latest: bool,
    /// The newest one that succeeded.
    pub latest_succeeded: bool,
}

/// A package as lists show it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// `packages.id`.
    pub id: i64,
    /// Name.
    pub name: String,
    /// `scm`, `pypi`, …; `unset`.
    pub source_type: String,
    /// The fields of that type, a JSON object as it is stored.
    pub source: Box<RawValue>,
    /// Whether webhooks rebuild it.
    pub webhook_rebuild: bool,
}

impl Listed {
    /// The same of a package that was read for itself.
    ///
    /// # Errors
    /// Never for what came from the database, which only holds JSON.
    pub fn of(package: &Package) -> DbResult<Self> {
        let source = to_raw_value(&package.source).map_err(|e| DbError::Corrupt {
            what: "a package's source",
            reason: e.to_string(),
        })?;
        Ok(Self {
            id: package.id,
            name: package.name.clone(),
            source_type: package.source_type.clone(),
            source,
            webhook_rebuild: package.webhook_rebuild,
        })
    }
}

/// A package with the builds that were asked for.
#[derive(Debug, Clone)]
pub struct WithBuilds {
    /// The package.
    pub package: Listed,
    /// The newest build.
    pub latest: Option<Line>,
    /// The newest build that succeeded.
    pub latest_succeeded: Option<Line>,
}

/// How packages are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By number.
    #[default]
    Number,
    /// By number, the last first.
    LastFirst,
    /// By name.
    Name,
    /// By name, the last first.
    NameLastFirst,
}

/// Which packages of a project to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only the one of this name.
    pub name: Option<&'a PackageName>,
    /// Only those whose name contains this text.
    pub contains: Option<&'a str>,
    /// With which builds.
    pub with: With,
    /// In which order.
    pub order: Order,
    /// How many at most.
    pub limit: i64,
    /// How many to leave out.
    pub offset: i64,
}

#[derive(Queryable)]
pub(super) struct Row {
    id: i64,
    name: String,
    source_type: String,
    source: Parsed<Box<RawValue>>,
    webhook_rebuild: bool,
}

type PackageTypes = (BigInt, Text, Text, Jsonb, Bool);

impl Row {
    fn package(self) -> Listed {
        Listed {
            id: self.id,
            name: self.name,
            source_type: self.source_type,
            source: self.source.0,
            webhook_rebuild: self.webhook_rebuild,
        }
    }
}

/// A package with its builds, as they are stored.
pub(super) type Found = (Row, Option<builds::Row>, Option<builds::Row>);

/// Packages of a live project; `None`: there is no such project.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    wanted: Wanted<'_>,
) -> DbResult<Option<Vec<WithBuilds>>> {
    let rows = rows(conn, owner, project, wanted).await?;
    if rows.is_empty() {
        let exists = projects::exists(conn, owner, project).await?;
        return Ok(exists.then(Vec::new));
    }
    let names = Names::of(conn, builds_of(&rows)).await?;
    Ok(Some(named(rows, &names)))
}

/// The same without the submitters' names; none, too, when there is no such project.
pub(super) async fn rows(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    wanted: Wanted<'_>,
) -> DbResult<Vec<Found>> {
    type Types = (PackageTypes, Nullable<builds::Types>, Nullable<builds::Types>);
    let pattern = wanted.contains.map(super::like);
    let (text, binds) = list_query(owner.as_str(), project.as_str(), wanted, pattern.as_deref());
    Ok(Prepared::<Types>::new(text, binds).load(conn).await?)
}

/// All builds of some packages.
pub(super) fn builds_of(rows: &[Found]) -> impl Iterator<Item = &builds::Row> {
    rows.iter()
        .flat_map(|(_, latest, succeeded)| [latest, succeeded])
        .flatten()
}

/// Adds the submitters' names.
pub(super) fn named(rows: Vec<Found>, names: &Names) -> Vec<WithBuilds> {
    let with_builds = |(package, latest, succeeded): Found| WithBuilds {
        package: package.package(),
        latest: latest.map(|row| names.line(row)),
        latest_succeeded: succeeded.map(|row| names.line(row)),
    };
    rows.into_iter().map(with_builds).collect()
}

fn list_query<'a>(
    owner: &'a str,
    project: &'a str,
    wanted: Wanted<'a>,
    pattern: Option<&'a str>,
) -> (String, Vec<Bind<'a>>) {
    let mut binds: Vec<Bind<'a>> = vec![owner.into(), project.into()];
    let mut filter = String::new();
    if let Some(name) = wanted.name {
        filter.push_str(" AND k.name = ?");
        binds.push(name.as_str().into());
    }
    if let Some(pattern) = pattern {
        filter.push_str(" AND k.name ILIKE ?");
        binds.push(pattern.into());
    }
    binds.extend([Bind::from(wanted.limit), Bind::from(wanted.offset)]);
    let order = match wanted.order {
        Order::Number => "k.id",
        Order::LastFirst => "k.id DESC",
        Order::Name => "k.name",
        Order::NameLastFirst => "k.name DESC",
    };
    // What is not asked for is not looked up, but has its columns.
    let newest = |wanted: bool, columns: &'static str, which: &str, alias: &str| {
        if !wanted {
            return (NO_COLUMNS, String::new());
        }
        let join = format!(
            "LEFT JOIN LATERAL (SELECT {COLUMNS} FROM builds b WHERE b.package_id = k.id{which} \
             ORDER BY b.id DESC LIMIT 1) {alias} ON true"
        );
        (columns, join)
    };
    let succeeded = " AND b.state = 'succeeded'";
    let (latest, join_latest) = newest(wanted.with.latest, columns_of!("l"), "", "l");
    let (succeeded, join_succeeded) = newest(wanted.with.latest_succeeded, columns_of!("s"), succeeded, "s");
    // The project is looked up by itself, not joined: the packages then come in their order, and need not be sorted again.
    let text = format!(
        "SELECT k.id, k.name, k.source_type, k.source, k.webhook_rebuild, {latest}, {succeeded} \
         FROM (SELECT * FROM packages k WHERE k.project_id = \
                 (SELECT p.id FROM projects p WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL){filter} \
             ORDER BY {order} LIMIT (SELECT ?::bigint) OFFSET (SELECT ?::bigint)) k {join_latest} {join_succeeded} \
         ORDER BY {order}"
    );
    (text, binds)
}
