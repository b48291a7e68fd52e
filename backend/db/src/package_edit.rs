//! Packages: names with a default source and options. Making, changing and deleting them.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgSortExpressionMethods as _, QueryDsl as _, Queryable,
    Selectable, SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::PackageName;
use serde_json::{Map, Value, json};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, from_json};
use crate::projects::Project;
use crate::schema::{builds, packages};

/// Word for a package without a default source.
pub const UNSET: &str = "unset";
/// The constraint that keeps a project's package names apart.
pub const NAME_TAKEN: &str = "packages_project_id_name_key";

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Number.
    pub id: i64,
    /// `projects.id`.
    pub project: i64,
    /// Name.
    pub name: String,
    /// What it has been set to.
    pub settings: PackageSettings,
}

impl std::ops::Deref for Package {
    type Target = PackageSettings;

    fn deref(&self) -> &PackageSettings {
        &self.settings
    }
}

/// What a user sets of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSettings {
    /// Copr's word for the type of the default source; [`UNSET`] when there is none.
    pub source_type: String,
    /// The fields of that type, with the names that Copr's server stores.
    pub source: Map<String, Value>,
    /// Whether webhooks rebuild it.
    pub webhook_rebuild: bool,
    /// Builds to keep; 0: all.
    pub max_builds: i32,
    /// Seconds that its builds may take; `None`: the service's default.
    pub timeout_s: Option<i32>,
    /// Patterns of chroots that it is not built for, with commas between them.
    pub chroot_denylist: String,
}

impl Default for PackageSettings {
    fn default() -> Self {
        Self {
            source_type: UNSET.to_owned(),
            source: Map::new(),
            webhook_rebuild: false,
            max_builds: 0,
            timeout_s: None,
            chroot_denylist: String::new(),
        }
    }
}

impl PackageSettings {
    /// The patterns of the denylist, one by one.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.chroot_denylist
            .split(',')
            .map(str::trim)
            .filter(|p| !p.is_empty())
    }

    fn audited(&self) -> Value {
        json!({
            "source_type": self.source_type, "source": self.source, "webhook_rebuild": self.webhook_rebuild,
            "max_builds": self.max_builds, "timeout": self.timeout_s, "chroot_denylist": self.chroot_denylist,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = packages)]
struct Row {
    id: i64,
    project_id: i64,
    name: String,
    source_type: String,
    source: Value,
    webhook_rebuild: bool,
    max_builds: i32,
    timeout_s: Option<i32>,
    chroot_denylist: String,
}

impl Row {
    fn package(self) -> DbResult<Package> {
        Ok(Package {
            id: self.id,
            project: self.project_id,
            name: self.name,
            settings: PackageSettings {
                source_type: self.source_type,
                source: from_json("package source", self.source)?,
                webhook_rebuild: self.webhook_rebuild,
                max_builds: self.max_builds,
                timeout_s: self.timeout_s,
                chroot_denylist: self.chroot_denylist,
            },
        })
    }
}

/// A package by name.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, project: i64, name: &str) -> DbResult<Option<Package>> {
    let row: Option<Row> = packages::table
        .filter(packages::project_id.eq(project))
        .filter(packages::name.eq(name))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::package).transpose()
}

/// All packages of a project, by name.
///
/// # Errors
/// When the query fails.
pub async fn all(conn: &mut Connection, project: i64) -> DbResult<Vec<Package>> {
    let rows: Vec<Row> = packages::table
        .filter(packages::project_id.eq(project))
        .order(packages::name)
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::package).collect()
}

/// Packages of a project with a source in a repository whose address holds this text, by name; upper and lower case
/// are the same. At most 1000.
///
/// # Errors
/// When the query fails.
pub async fn cloned_from(conn: &mut Connection, project: i64, text: &str) -> DbResult<Vec<Package>> {
    let rows: Vec<Row> = packages::table
        .filter(packages::project_id.eq(project))
        .filter(packages::source_type.eq("scm"))
        .filter(
            diesel::dsl::sql::<diesel::sql_types::Bool>("strpos(lower(source->>'clone_url'), ")
                .bind::<diesel::sql_types::Text, _>(text.to_lowercase())
                .sql(") > 0"),
        )
        .order(packages::name)
        .limit(1_000)
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::package).collect()
}

/// Numbers of a package's builds, at most `limit`; those that have not ended first.
///
/// # Errors
/// When the query fails.
pub async fn builds(conn: &mut Connection, package: i64, limit: i64) -> DbResult<Vec<i64>> {
    Ok(builds::table
        .filter(builds::package_id.eq(package))
        .order((builds::ended_at.asc().nulls_first(), builds::id))
        .limit(limit)
        .select(builds::id)
        .load(conn)
        .await?)
}

/// Adds a package.
///
/// # Errors
/// [`DbError::Duplicate`] with [`NAME_TAKEN`] when the project has one of that name.
pub async fn add(
    conn: &mut Connection,
    project: &Project,
    name: &PackageName,
    settings: &PackageSettings,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<Package> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let row: Row = diesel::insert_into(packages::table)
            .values((
                packages::project_id.eq(project.id),
                packages::name.eq(name.as_str()),
                packages::source_type.eq(&settings.source_type),
                packages::source.eq(Value::Object(settings.source.clone())),
                packages::webhook_rebuild.eq(settings.webhook_rebuild),
                packages::max_builds.eq(settings.max_builds),
                packages::timeout_s.eq(settings.timeout_s),
                packages::chroot_denylist.eq(&settings.chroot_denylist),
            ))
            .returning(Row::as_returning())
            .get_result(conn)
            .await?;
        let detail = settings.audited();
        record(conn, project, name.as_str(), actor, "package.add", detail, now).await?;
        row.package()
    })
    .await
}

/// Writes new settings.
///
/// # Errors
/// [`DbError::NotFound`] when the package is gone.
pub async fn edit(
    conn: &mut Connection,
    project: &Project,
    package: &Package,
    settings: &PackageSettings,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<Package> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let row: Row = diesel::update(packages::table.find(package.id))
            .set((
                packages::source_type.eq(&settings.source_type),
                packages::source.eq(Value::Object(settings.source.clone())),
                packages::webhook_rebuild.eq(settings.webhook_rebuild),
                packages::max_builds.eq(settings.max_builds),
                packages::timeout_s.eq(settings.timeout_s),
                packages::chroot_denylist.eq(&settings.chroot_denylist),
            ))
            .returning(Row::as_returning())
            .get_result(conn)
            .await?;
        let detail = json!({"old": package.settings.audited(), "new": settings.audited()});
        record(conn, project, &package.name, actor, "package.edit", detail, now).await?;
        row.package()
    })
    .await
}

/// Removes a package; builds of it that are left lose their link to it.
///
/// # Errors
/// When the query fails.
pub async fn delete(
    conn: &mut Connection,
    project: &Project,
    package: &Package,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::delete(packages::table.find(package.id))
            .execute(conn)
            .await?;
        let detail = package.settings.audited();
        record(conn, project, &package.name, actor, "package.delete", detail, now).await
    })
    .await
}

async fn record(
    conn: &mut Connection,
    project: &Project,
    package: &str,
    actor: &str,
    action: &str,
    detail: Value,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let object = format!("package:{}/{}/{package}", project.owner, project.name);
    audit::record(conn, now, actor, action, &object, detail).await
}
