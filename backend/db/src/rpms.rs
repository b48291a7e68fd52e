//! Packages of repositories.

use diesel::sql_types::{Array, BigInt, Text};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, Insertable, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};

use crate::connect::{Connection, DbError, DbResult};
use crate::read::{Bind, Prepared};
use crate::schema::{package_software, repositories, rpms, tasks};

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

/// What happens when a repository gets a package of a name, epoch, version, release and architecture that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameNevra {
    /// It is refused.
    Refuse,
    /// It takes the other one's place in the next snapshot.
    Replace,
}

/// Inserts all packages of a task, replacing what an earlier, interrupted try of the same task left unpublished. Does
/// nothing if they are published already, by another worker that took the task for its own.
///
/// # Errors
/// [`DbError::Duplicate`] when the repository has a package of that NEVRA from another task and that is refused, or two
/// of the new ones have the same.
pub async fn insert(conn: &mut Connection, task: i64, new: &[NewRpm], same: SameNevra) -> DbResult<()> {
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
        // Tasks of one repository take turns here, so that the later of two sees what the earlier brought.
        let of: Vec<i64> = new.iter().map(|rpm| rpm.repository_id).collect();
        let _: Vec<i64> = repositories::table
            .filter(repositories::id.eq_any(of))
            .order(repositories::id)
            .select(repositories::id)
            .for_no_key_update()
            .load(conn)
            .await?;
        let twice = duplicates(conn, task, same).await?;
        if twice.is_empty() {
            Ok(())
        } else {
            Err(DbError::Duplicate(twice.join(", ")))
        }
    })
    .await
}

/// File names of a task's packages of which its repository has another, or another that some build still has.
async fn duplicates(conn: &mut Connection, task: i64, same: SameNevra) -> DbResult<Vec<String>> {
    let others = match same {
        SameNevra::Refuse => "o.task_id IS NOT NULL",
        SameNevra::Replace => "o.task_id = n.task_id",
    };
    let rows: Vec<(String,)> = Prepared::<(Text,)>::new(
        format!(
            "SELECT DISTINCT n.file_name FROM rpms n JOIN rpms o ON o.repository_id = n.repository_id AND o.name = n.name
                 AND o.epoch = n.epoch AND o.version = n.version AND o.release = n.release AND o.arch = n.arch
             WHERE n.task_id = ? AND o.id <> n.id AND {others} AND NOT o.scratch AND NOT n.scratch ORDER BY 1"
        ),
        [Bind::from(task)],
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
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
        .filter(rpms::task_id.is_not_null())
        .filter(rpms::scratch.eq(false));
    Ok(diesel::select(diesel::dsl::exists(same)).get_result(conn).await?)
}

/// Writes rows that count as published, for benchmarks and tests that need a large repository; [`seeded`] makes a
/// snapshot of them.
///
/// # Errors
/// When the query fails.
pub async fn seed(conn: &mut Connection, new: &[NewRpm]) -> DbResult<()> {
    // PostgreSQL takes 65 535 parameters a query, and a row has 16.
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

/// Makes a snapshot of all rows of a repository, after its latest one. The store has nothing of it, so that only the
/// next is ever served.
///
/// # Errors
/// When the query fails.
pub async fn seeded(conn: &mut Connection, repository: i64) -> DbResult<()> {
    diesel::sql_query(
        "WITH moved AS (
             UPDATE repositories SET next_snapshot = next_snapshot + 1, current_snapshot = next_snapshot,
                 devel_snapshot = next_snapshot, released_snapshot = next_snapshot, generation = generation + 1
             WHERE id = $1 RETURNING next_snapshot - 1 AS number
         ), held AS (
             SELECT coalesce(array_agg(id ORDER BY id), '{}') AS content FROM rpms
             WHERE repository_id = $1 AND NOT scratch
         ) INSERT INTO snapshots (repository_id, number, parent, created_at, cause, packages, repomd_sha256, content, steps)
         SELECT $1, number, 0, to_timestamp(0), 'seed', cardinality(content), '', content, 0 FROM moved, held",
    )
    .bind::<BigInt, _>(repository)
    .execute(conn)
    .await?;
    Ok(())
}

/// Most files that [`foreign_files`] names.
const MOST_FOREIGN: i64 = 20_000;

/// SHA-256 of files from elsewhere, as they were before they were signed here, that one of these packages (`rpms.id`)
/// was made of; the newest of them, where they are very many.
///
/// # Errors
/// When the query fails.
pub async fn foreign_files(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<String>> {
    let query = Prepared::<(Text,)>::new(
        "SELECT r.unsigned_sha256 FROM rpms r JOIN tasks t ON t.id = r.task_id JOIN builds b ON b.id = t.build_id
         WHERE r.id = ANY (?) AND NOT r.scratch AND b.source_kind IN ('rpm_upload', 'import') ORDER BY r.id DESC LIMIT ?",
        [Bind::Numbers(ids), Bind::from(MOST_FOREIGN)],
    );
    let rows: Vec<(String,)> = query.load(conn).await?;
    Ok(rows.into_iter().map(|(sha256,)| sha256).collect())
}

/// Packages of other tasks that a repository has, or else waits for, of these files: `rpms.id` and the file's SHA-256
/// before it was signed.
///
/// # Errors
/// When the query fails.
pub async fn of_files(
    conn: &mut Connection,
    repository: i64,
    (task, unsigned): (i64, &[String]),
    published: bool,
) -> DbResult<Vec<Member>> {
    Ok(rpms::table
        .filter(rpms::repository_id.eq(repository))
        .filter(rpms::unsigned_sha256.eq_any(unsigned))
        .filter(rpms::task_id.is_not_null())
        .filter(rpms::task_id.ne(task))
        .filter(rpms::since_snapshot.is_not_null().eq(published))
        .filter(rpms::scratch.eq(false))
        .order(rpms::id)
        .select((rpms::id, rpms::unsigned_sha256))
        .load(conn)
        .await?)
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
#[derive(Queryable)]
pub struct StoredFragments {
    /// RPM tag Name.
    pub name: String,
    /// RPM tag Epoch, 0 if absent.
    pub epoch: i32,
    /// RPM tag Version.
    pub version: String,
    /// RPM tag Release.
    pub release: String,
    /// SHA-256 of the signed file, which is the pkgid.
    pub sha256: String,
    /// zstd-compressed fragment.
    pub primary_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub filelists_xml: Vec<u8>,
    /// zstd-compressed fragment.
    pub other_xml: Vec<u8>,
    /// A JSON list of what it has for the catalogue of software, compressed by zstd, if anything.
    pub software: Option<Vec<u8>>,
}

/// A package as snapshots name it: `rpms.id` and the SHA-256 of the signed file.
pub type Member = (i64, String);

/// Those of these packages that there are, by number.
///
/// # Errors
/// When the query fails.
pub async fn members(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<Member>> {
    let query = Prepared::<(BigInt, Text)>::new(
        "SELECT id, sha256 FROM rpms WHERE id = ANY (?) ORDER BY id",
        [Bind::Numbers(ids)],
    );
    Ok(query.load(conn).await?)
}

/// Packages of tasks, by number.
///
/// # Errors
/// When the query fails.
pub async fn of_tasks(conn: &mut Connection, repository: i64, tasks: &[i64]) -> DbResult<Vec<Member>> {
    let query = Prepared::<(BigInt, Text)>::new(
        "SELECT id, sha256 FROM rpms WHERE task_id = ANY (?) AND repository_id = ? AND NOT scratch ORDER BY id",
        [Bind::Numbers(tasks), Bind::from(repository)],
    );
    Ok(query.load(conn).await?)
}

/// `rpms.id` of packages whose build was deleted. Snapshots that had them keep them.
///
/// # Errors
/// When the query fails.
pub async fn withdrawn(conn: &mut Connection, repository: i64) -> DbResult<Vec<i64>> {
    let query = Prepared::<(BigInt,)>::new(
        "SELECT id FROM rpms WHERE repository_id = ? AND task_id IS NULL AND replaced_by IS NULL ORDER BY id",
        [Bind::from(repository)],
    );
    let rows: Vec<(i64,)> = query.load(conn).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// `rpms.id` of other packages of their repository that have the name, epoch, version, release and architecture of one
/// of these. One snapshot never has both.
///
/// # Errors
/// When the query fails.
pub async fn twins(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<i64>> {
    let query = Prepared::<(BigInt,)>::new(
        "SELECT DISTINCT o.id FROM rpms n JOIN rpms o ON o.repository_id = n.repository_id AND o.name = n.name
             AND o.epoch = n.epoch AND o.version = n.version AND o.release = n.release AND o.arch = n.arch
         WHERE n.id = ANY (?) AND o.id <> n.id AND NOT o.scratch ORDER BY 1",
        [Bind::Numbers(ids)],
    );
    let rows: Vec<(i64,)> = query.load(conn).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes packages of deleted builds that no repository was to have, in the transaction that deletes them. Others may
/// become part of a snapshot at this very moment.
pub(crate) async fn drop_scratch(conn: &mut Connection, builds: &[i64]) -> DbResult<()> {
    diesel::sql_query(
        "DELETE FROM rpms r USING tasks t WHERE t.id = r.task_id AND t.build_id = ANY ($1) AND r.scratch",
    )
    .bind::<Array<BigInt>, _>(builds)
    .execute(conn)
    .await?;
    Ok(())
}

/// Fragments of packages, by number.
///
/// # Errors
/// When the query fails.
pub async fn fragments(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<StoredFragments>> {
    let software = package_software::table.on(rpms::unsigned_sha256.eq(package_software::unsigned_sha256));
    Ok(rpms::table
        .left_join(software)
        .filter(rpms::id.eq_any(ids))
        .order(rpms::id)
        .select((
            rpms::name,
            rpms::epoch,
            rpms::version,
            rpms::release,
            rpms::sha256,
            rpms::primary_xml,
            rpms::filelists_xml,
            rpms::other_xml,
            package_software::components.nullable(),
        ))
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
        .inner_join(tasks::table.on(rpms::task_id.eq(tasks::id.nullable())))
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
