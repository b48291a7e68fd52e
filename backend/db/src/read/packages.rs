//! Packages with their latest builds.

use diesel::Queryable;
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use protocol::{OwnerName, PackageName, ProjectName};
use serde_json::{Map, Value};

use super::builds::{self, COLUMNS, Line, columns_of};
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
    type Found = (i64, Option<Row>, Option<Line>, Option<Line>);
    let pattern = wanted.contains.map(super::like);
    let (text, binds) = list_query(owner.as_str(), project.as_str(), wanted, pattern.as_deref());
    let rows: Vec<Found> = Prepared::<Types>::new(text, binds).load(conn).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(
        rows.into_iter()
            .filter_map(|(_, package, latest, latest_succeeded)| {
                Some(WithBuilds {
                    package: package?.package(),
                    latest,
                    latest_succeeded,
                })
            })
            .collect(),
    ))
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
    };
    let (latest, succeeded) = (columns_of!("l"), columns_of!("s"));
    // A join would be planned as a scan of all users, once for each package.
    let columns = COLUMNS.replace(
        "u.name AS submitter",
        "(SELECT u.name FROM users u WHERE u.id = b.submitter) AS submitter",
    );
    let newest = |wanted: bool, which: &str, alias: &str| {
        // What is not asked for is not looked up, but has its columns.
        let none = if wanted { "" } else { " AND false" };
        format!(
            "LEFT JOIN LATERAL (SELECT {columns} FROM builds b WHERE b.package_id = k.id{which}{none} \
             ORDER BY b.id DESC LIMIT 1) {alias} ON true"
        )
    };
    let text = format!(
        "SELECT p.id, k.id, k.project_id, k.name, k.source_type, k.source, k.webhook_rebuild, k.max_builds, k.timeout_s, \
             k.chroot_denylist, {latest}, {succeeded} \
         FROM projects p LEFT JOIN LATERAL (SELECT * FROM packages k WHERE k.project_id = p.id{filter} \
             ORDER BY {order} LIMIT ? OFFSET ?) k ON true {} {} \
         WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL ORDER BY {order}",
        newest(wanted.with.latest, "", "l"),
        newest(wanted.with.latest_succeeded, " AND b.state = 'succeeded'", "s"),
    );
    (text, binds)
}
