//! Packages with their latest builds.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use protocol::{OwnerName, PackageName, ProjectName};
use serde_json::{Map, Value};

use super::builds::{self, COLUMNS, Line, NO_COLUMNS, Names, columns_of};
use super::{Bind, Parsed, Prepared};
use crate::connect::{Connection, DbResult};
use crate::package_edit::{Package, PackageSettings};

/// Which of a package's builds come with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct With {
    /// The newest one.
    pub latest: bool,
    /// The newest one that succeeded.
    pub latest_succeeded: bool,
}

/// A package with the builds that were asked for.
#[derive(Debug, Clone)]
pub struct WithBuilds {
    /// The package.
    pub package: Package,
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
struct Row {
    id: i64,
    project: i64,
    name: String,
    source_type: String,
    source: Parsed<Map<String, Value>>,
    webhook_rebuild: bool,
    max_builds: i32,
    timeout_s: Option<i32>,
    chroot_denylist: String,
}

type PackageTypes = (
    BigInt,
    BigInt,
    Text,
    Text,
    Jsonb,
    Bool,
    Integer,
    Nullable<Integer>,
    Text,
);

impl Row {
    fn package(self) -> Package {
        Package {
            id: self.id,
            project: self.project,
            name: self.name,
            settings: PackageSettings {
                source_type: self.source_type,
                source: self.source.0,
                webhook_rebuild: self.webhook_rebuild,
                max_builds: self.max_builds,
                timeout_s: self.timeout_s,
                chroot_denylist: self.chroot_denylist,
            },
        }
    }
}

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
    type Types = (
        BigInt,
        Nullable<PackageTypes>,
        Nullable<builds::Types>,
        Nullable<builds::Types>,
    );
    type Found = (i64, Option<Row>, Option<builds::Row>, Option<builds::Row>);
    let pattern = wanted.contains.map(super::like);
    let (text, binds) = list_query(owner.as_str(), project.as_str(), wanted, pattern.as_deref());
    let rows: Vec<Found> = Prepared::<Types>::new(text, binds).load(conn).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let builds = rows
        .iter()
        .flat_map(|(_, _, latest, succeeded)| [latest, succeeded]);
    let names = Names::of(conn, builds.flatten()).await?;
    let with_builds = |(_, package, latest, succeeded): Found| {
        Some(WithBuilds {
            package: package?.package(),
            latest: latest.map(|row| names.line(row)),
            latest_succeeded: succeeded.map(|row| names.line(row)),
        })
    };
    Ok(Some(rows.into_iter().filter_map(with_builds).collect()))
}

fn list_query<'a>(
    owner: &'a str,
    project: &'a str,
    wanted: Wanted<'a>,
    pattern: Option<&'a str>,
) -> (String, Vec<Bind<'a>>) {
    let mut binds = Vec::with_capacity(6);
    let mut filter = String::new();
    if let Some(name) = wanted.name {
        filter.push_str(" AND k.name = ?");
        binds.push(name.as_str().into());
    }
    if let Some(pattern) = pattern {
        filter.push_str(" AND k.name ILIKE ?");
        binds.push(pattern.into());
    }
    let part: [Bind<'a>; 4] = [
        wanted.limit.into(),
        wanted.offset.into(),
        owner.into(),
        project.into(),
    ];
    binds.extend(part);
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
    let text = format!(
        "SELECT p.id, k.id, k.project_id, k.name, k.source_type, k.source, k.webhook_rebuild, k.max_builds, k.timeout_s, \
             k.chroot_denylist, {latest}, {succeeded} \
         FROM projects p LEFT JOIN LATERAL (SELECT * FROM packages k WHERE k.project_id = p.id{filter} \
             ORDER BY {order} LIMIT (SELECT ?::bigint) OFFSET (SELECT ?::bigint)) k ON true {join_latest} {join_succeeded} \
         WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL ORDER BY {order}"
    );
    (text, binds)
}
