//! Packages of repositories.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};

use crate::connect::{Connection, DbError, DbResult};
use crate::repositories::{Audience, Repository};
use crate::schema::{repositories, rpms, tasks};

/// A package to publish.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = rpms)]
pub struct NewRpm {
    /// Repository.
    pub repository_id: i64,
    /// Task that built it.
    pub task_id: i64,
    /// RPM tag Name.
    pub name: String,
    /// RPM tag Epoch, 0 if absent.
    pub epoch: i32,
    /// RPM tag Version.
    pub version: String,
    /// RPM tag Release.
    pub release: String,
    /// RPM tag Arch, `src` for source packages.
    pub arch: String,
    /// File name.
    pub file_name: String,
    /// SHA-256 of the signed file.
    pub sha256: String,
    /// SHA-256 of what the builder uploaded.
    pub unsigned_sha256: String,
    /// Size of the signed file in bytes.
    pub size: i64,
    /// zstd-compressed fragment.
    pub primary_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub filelists_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub other_xml: Vec<u8>,
    /// Of a scratch build: listed, but in no repository.
    pub scratch: bool,
}

/// Inserts all packages of a task, replacing what an earlier, interrupted try of the same task left unpublished. Does
/// nothing if they are published already, by another worker that took the task for its own.
///
/// # Errors
/// [`DbError::Duplicate`] when the repository has a package of that NEVRA from another task.
pub async fn insert(conn: &mut Connection, task: i64, new: &[NewRpm]) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        // Two workers with the same task take turns here.
        let _: Option<i64> = tasks::table
            .find(task)
            .select(tasks::id)
            .for_update()
            .first(conn)
            .await
            .optional()?;
        if published_in(conn, task).await?.is_some() {
            return Ok(());
        }
        discard(conn, task).await?;
        diesel::insert_into(rpms::table).values(new).execute(conn).await?;
        Ok(())
    })
    .await
}

/// Whether a repository has a package of this name, epoch, version, release and architecture, or is about to.
///
/// # Errors
/// When the query fails.
pub async fn holds(
    conn: &mut Connection,
    repository: i64,
    (name, epoch, version, release, arch): (&str, i32, &str, &str, &str),
) -> DbResult<bool> {
    let same = rpms::table
        .filter(rpms::repository_id.eq(repository))
        .filter(rpms::name.eq(name))
        .filter(rpms::epoch.eq(epoch))
        .filter(rpms::version.eq(version))
        .filter(rpms::release.eq(release))
        .filter(rpms::arch.eq(arch))
        .filter(rpms::scratch.eq(false));
    Ok(diesel::select(diesel::dsl::exists(same)).get_result(conn).await?)
}

/// Writes rows as already published in the first snapshot, for benchmarks that need a large repository.
///
/// # Errors
/// When the query fails.
pub async fn seed(conn: &mut Connection, new: &[NewRpm]) -> DbResult<()> {
    // PostgreSQL takes 65 535 parameters a query, and a row has 14.
    for some in new.chunks(1_000) {
        let rows: Vec<_> = some
            .iter()
            .map(|r| (r.clone(), rpms::since_snapshot.eq(1)))
            .collect();
        diesel::insert_into(rpms::table)
            .values(rows)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Removes a task's unpublished packages.
///
/// # Errors
/// When the query fails.
pub async fn discard(conn: &mut Connection, task: i64) -> DbResult<()> {
    diesel::delete(
        rpms::table
            .filter(rpms::task_id.eq(task))
            .filter(rpms::since_snapshot.is_null()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The snapshot that a task's packages appeared in, if they are published.
///
/// # Errors
/// When the query fails.
pub async fn published_in(conn: &mut Connection, task: i64) -> DbResult<Option<i64>> {
    Ok(rpms::table
        .filter(rpms::task_id.eq(task))
        .filter(rpms::since_snapshot.is_not_null())
        .select(diesel::dsl::max(rpms::since_snapshot))
        .first(conn)
        .await?)
}

/// The part of a row that metadata is made of.
#[derive(Queryable, Selectable)]
#[diesel(table_name = rpms)]
pub struct StoredFragments {
    /// RPM tag Name.
    pub name: String,
    /// SHA-256 of the signed file, which is the pkgid.
    pub sha256: String,
    /// zstd-compressed fragment.
    pub primary_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub filelists_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub other_xml: Vec<u8>,
}

/// What an audience gets of everything published in a repository and of tasks about to be, in order of arrival:
/// `rpms.id` and SHA-256 of the signed file.
///
/// # Errors
/// When the query fails.
pub async fn content(
    conn: &mut Connection,
    repository: &Repository,
    tasks: &[i64],
    audience: Audience,
) -> DbResult<Vec<(i64, String)>> {
    // A snapshot that became one is newer than all that did before, so numbers tell what users were given.
    let until = match audience {
        Audience::Everybody | Audience::Builds => i64::MAX,
        Audience::Users => repository.released_snapshot,
    };
    Ok(rpms::table
        .filter(rpms::repository_id.eq(repository.id))
        .filter(rpms::since_snapshot.le(until).or(rpms::task_id.eq_any(tasks)))
        .order(rpms::id)
        .select((rpms::id, rpms::sha256))
        .load(conn)
        .await?)
}

/// Fragments of packages, by number.
///
/// # Errors
/// When the query fails.
pub async fn fragments(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<StoredFragments>> {
    Ok(rpms::table
        .filter(rpms::id.eq_any(ids))
        .order(rpms::id)
        .select(StoredFragments::as_select())
        .load(conn)
        .await?)
}

/// A published package as pages and the API show it.
#[derive(Debug, Clone, Queryable)]
pub struct Rpm {
    /// Chroot.
    pub chroot: String,
    /// Build.
    pub build: i64,
    /// Name.
    pub name: String,
    /// Epoch.
    pub epoch: i32,
    /// Version.
    pub version: String,
    /// Release.
    pub release: String,
    /// Architecture.
    pub arch: String,
    /// File name.
    pub file_name: String,
    /// Size in bytes.
    pub size: i64,
}

/// Packages of a build, by chroot and name.
///
/// # Errors
/// When the query fails.
pub async fn of_build(conn: &mut Connection, build: i64) -> DbResult<Vec<Rpm>> {
    Ok(rpms::table
        .inner_join(repositories::table)
        .inner_join(tasks::table.on(tasks::id.eq(rpms::task_id)))
        .filter(tasks::build_id.eq(build))
        .filter(
            rpms::since_snapshot
                .is_not_null()
                .or(rpms::scratch.and(tasks::state.eq("succeeded"))),
        )
        .order((repositories::chroot, rpms::arch.eq("src"), rpms::file_name))
        .select((
            repositories::chroot,
            tasks::build_id,
            rpms::name,
            rpms::epoch,
            rpms::version,
            rpms::release,
            rpms::arch,
            rpms::file_name,
            rpms::size,
        ))
        .load(conn)
        .await?)
}

/// Size of a repository, for benchmarks and pages.
///
/// # Errors
/// When the query fails.
pub async fn count(conn: &mut Connection, repository: i64) -> DbResult<i64> {
    Ok(rpms::table
        .filter(rpms::repository_id.eq(repository))
        .filter(rpms::since_snapshot.is_not_null())
        .count()
        .get_result(conn)
        .await?)
}

/// A published file, to be copied.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rpms)]
pub struct PublishedFile {
    /// File name.
    pub file_name: String,
    /// SHA-256 of the signed file, which names the blob.
    pub sha256: String,
    /// SHA-256 of what a builder uploaded once.
    pub unsigned_sha256: String,
}

/// What a task published.
///
/// # Errors
/// When the query fails.
pub async fn published_files(conn: &mut Connection, task: i64) -> DbResult<Vec<PublishedFile>> {
    Ok(rpms::table
        .filter(rpms::task_id.eq(task))
        .filter(rpms::since_snapshot.is_not_null())
        .order(rpms::id)
        .select(PublishedFile::as_select())
        .load(conn)
        .await?)
}

/// Whether any of these tasks has packages that wait for a snapshot.
///
/// # Errors
/// When the query fails.
pub async fn unpublished(conn: &mut Connection, tasks: &[i64]) -> DbResult<bool> {
    let waiting = rpms::table
        .filter(rpms::task_id.eq_any(tasks))
        .filter(rpms::since_snapshot.is_null());
    Ok(diesel::select(diesel::dsl::exists(waiting))
        .get_result(conn)
        .await?)
}
