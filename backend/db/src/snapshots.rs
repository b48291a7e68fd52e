//! Snapshots: what each holds, and the compare-and-swap that gives one to whoever follows a pointer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Nullable};
use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::PointerName;

use crate::checks;
use crate::commits;
use crate::connect::{Connection, DbError, DbResult};
use crate::gates;
use crate::pointers::{self, Move};
use crate::read::{Bind, Prepared};
use crate::repositories::Repository;
use crate::schema::{repositories, rpms, snapshots, tasks};
use crate::snapshot_requests;

/// After so many snapshots that hold changes only comes one with the whole list.
const STEPS: i32 = 64;

/// Who gets a new snapshot, and so which one it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Users and builds.
    Everybody,
    /// Builds of a project in devel mode.
    Builds,
    /// Users of a project in devel mode, who get what they were given before.
    Users,
    /// Whoever follows this pointer, which is not built in.
    Pointer(PointerName),
}

impl Audience {
    /// The snapshot that they have, from which the next one is made; 0 before the first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn base(&self, conn: &mut Connection, repository: &Repository) -> DbResult<i64> {
        Ok(match self {
            Self::Everybody | Self::Builds => repository.seen_by_builds(),
            Self::Users => repository.current_snapshot,
            Self::Pointer(name) => pointers::find(conn, repository.id, name).await?.unwrap_or(0),
        })
    }
}

/// A snapshot.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = snapshots)]
pub struct Snapshot {
    /// Its number, in its repository.
    pub number: i64,
    /// The one that it was made from; 0 for none.
    pub parent: i64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Why, such as `build 12`.
    pub cause: String,
    /// Number of packages in it.
    pub packages: i64,
    /// SHA-256 of its `repomd.xml`.
    pub repomd_sha256: String,
    /// `rpms.id` of packages that its parent did not have.
    pub added: Vec<i64>,
    /// `rpms.id` of packages that only its parent had.
    pub removed: Vec<i64>,
    /// The user who asked for it; `None` for the service itself.
    pub actor: Option<String>,
    /// When its files go, if that is decided.
    pub purge_at: Option<DateTime<Utc>>,
    /// When its files went.
    pub purged_at: Option<DateTime<Utc>>,
    /// Fingerprint of the key that signed its `repomd.xml`; `None` where that was not written down.
    pub signed_by: Option<String>,
}

/// A snapshot by number.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, repository: i64, number: i64) -> DbResult<Option<Snapshot>> {
    Ok(snapshots::table
        .find((repository, number))
        .select(Snapshot::as_select())
        .first(conn)
        .await
        .optional()?)
}

/// Snapshots of a repository, newest first, that are older than `before`.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    repository: i64,
    before: Option<i64>,
    limit: i64,
) -> DbResult<Vec<Snapshot>> {
    Ok(snapshots::table
        .filter(snapshots::repository_id.eq(repository))
        .filter(snapshots::number.lt(before.unwrap_or(i64::MAX)))
        .order(snapshots::number.desc())
        .limit(limit)
        .select(Snapshot::as_select())
        .load(conn)
        .await?)
}

/// A snapshot's whole list, and what changed: content, added, removed.
type Step = (Option<Vec<i64>>, Vec<i64>, Vec<i64>);

/// `rpms.id` of the packages that a snapshot holds, ascending; nothing for number 0. Packages that were removed from the
/// database since are still named.
///
/// # Errors
/// When the query fails.
pub async fn content(conn: &mut Connection, repository: i64, number: i64) -> DbResult<Vec<i64>> {
    let steps: Vec<Step> = Prepared::<(Nullable<Array<BigInt>>, Array<BigInt>, Array<BigInt>)>::new(
        "WITH RECURSIVE chain AS (
             SELECT s.*, 0 AS depth FROM snapshots s WHERE s.repository_id = ? AND s.number = ?
             UNION ALL
             SELECT s.*, c.depth + 1 FROM chain c JOIN snapshots s ON s.repository_id = c.repository_id
                 AND s.number = c.parent WHERE c.content IS NULL
         ) SELECT content, added, removed FROM chain ORDER BY depth DESC",
        [Bind::from(repository), Bind::from(number)],
    )
    .load(conn)
    .await?;
    let mut content = BTreeSet::new();
    for (whole, added, removed) in steps {
        match whole {
            Some(whole) => content = whole.into_iter().collect(),
            None => {
                for id in removed {
                    content.remove(&id);
                }
                content.extend(added);
            }
        }
    }
    Ok(content.into_iter().collect())
}

/// A package of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Package {
    /// `rpms.id`.
    pub id: i64,
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
    /// Bytes.
    pub size: i64,
    /// Its build; `None` when that was deleted.
    pub build: Option<i64>,
}

/// These packages, by name; those that there are not any more are left out.
///
/// # Errors
/// When the query fails.
pub async fn packages(conn: &mut Connection, ids: &[i64]) -> DbResult<Vec<Package>> {
    Ok(rpms::table
        .left_join(tasks::table.on(rpms::task_id.eq(tasks::id.nullable())))
        .filter(rpms::id.eq_any(ids))
        .order((rpms::name, rpms::arch, rpms::id))
        .select((
            rpms::id,
            rpms::name,
            rpms::epoch,
            rpms::version,
            rpms::release,
            rpms::arch,
            rpms::file_name,
            rpms::size,
            tasks::build_id.nullable(),
        ))
        .load(conn)
        .await?)
}

/// Which packages of a repository are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Those of these names.
    pub names: &'a [&'a str],
    /// Those of this build.
    pub build: Option<i64>,
}

/// Those of a snapshot's packages (`content`, ascending) that are wanted, by number. Reads no others, however many there
/// are.
///
/// # Errors
/// When the query fails.
pub async fn wanted(
    conn: &mut Connection,
    repository: i64,
    content: &[i64],
    wanted: Wanted<'_>,
) -> DbResult<Vec<Package>> {
    let query = Prepared::<(BigInt,)>::new(
        "SELECT id FROM rpms WHERE repository_id = ? AND NOT scratch AND name = ANY (?)
         UNION
         SELECT r.id FROM tasks t JOIN rpms r ON r.task_id = t.id WHERE t.build_id = ? AND r.repository_id = ?",
        [
            Bind::from(repository),
            Bind::Texts(wanted.names),
            Bind::from(wanted.build.unwrap_or_default()),
            Bind::from(repository),
        ],
    );
    let found: Vec<(i64,)> = query.load(conn).await?;
    let held = found.into_iter().map(|(id,)| id);
    let held: Vec<i64> = held.filter(|id| content.binary_search(id).is_ok()).collect();
    let mut packages = packages(conn, &held).await?;
    packages.sort_by_key(|package| package.id);
    Ok(packages)
}

/// The newest snapshot that both of two were made from, or one of them itself; 0 for none. Costs what they are apart.
///
/// # Errors
/// When the query fails.
pub async fn common(conn: &mut Connection, repository: i64, one: i64, other: i64) -> DbResult<i64> {
    // A snapshot's number is larger than its parent's.
    let parent = "coalesce((SELECT s.parent FROM snapshots s WHERE s.repository_id = walk.repository
        AND s.number = greatest(one, other)), 0)";
    let rows: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        format!(
            "WITH RECURSIVE walk AS (
                 SELECT ?::bigint AS repository, ?::bigint AS one, ?::bigint AS other
                 UNION ALL
                 SELECT repository, least(one, other), {parent} FROM walk WHERE one <> other AND least(one, other) > 0
             ) SELECT least(one, other) FROM walk WHERE one = other OR least(one, other) = 0"
        ),
        [Bind::from(repository), Bind::from(one), Bind::from(other)],
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().next().map_or(0, |(number,)| number))
}

/// `rpms.id` of packages that a snapshot has and one that it was made from (`base`, 0 for none) has not, and the other way
/// round; both ascending. Reads what was changed in between and nothing else, unless there is no base.
///
/// # Errors
/// When the query fails.
pub async fn changes(
    conn: &mut Connection,
    repository: i64,
    base: i64,
    number: i64,
) -> DbResult<(Vec<i64>, Vec<i64>)> {
    if base == 0 {
        return Ok((content(conn, repository, number).await?, Vec::new()));
    }
    let steps: Vec<(Vec<i64>, Vec<i64>)> = Prepared::<(Array<BigInt>, Array<BigInt>)>::new(
        "WITH RECURSIVE line AS (
             SELECT s.repository_id, s.number, s.parent, s.added, s.removed FROM snapshots s
             WHERE s.repository_id = ? AND s.number = ? AND s.number > ?
             UNION ALL
             SELECT s.repository_id, s.number, s.parent, s.added, s.removed FROM line l JOIN snapshots s
                 ON s.repository_id = l.repository_id AND s.number = l.parent WHERE l.parent > ?
         ) SELECT added, removed FROM line ORDER BY number",
        [
            Bind::from(repository),
            Bind::from(number),
            Bind::from(base),
            Bind::from(base),
        ],
    )
    .load(conn)
    .await?;
    let (mut came, mut went) = (BTreeSet::new(), BTreeSet::new());
    for (added, removed) in steps {
        for id in removed {
            if !came.remove(&id) {
                went.insert(id);
            }
        }
        for id in added {
            if !went.remove(&id) {
                came.insert(id);
            }
        }
    }
    Ok((came.into_iter().collect(), went.into_iter().collect()))
}

/// Takes a number for a new snapshot; numbers are never given twice, so a half-written snapshot is never confused
/// with a whole one.
///
/// # Errors
/// When the query fails.
pub async fn reserve(conn: &mut Connection, repository: i64) -> DbResult<i64> {
    let next: i64 = diesel::update(repositories::table.find(repository))
        .set(repositories::next_snapshot.eq(repositories::next_snapshot + 1))
        .returning(repositories::next_snapshot)
        .get_result(conn)
        .await?;
    Ok(next - 1)
}

/// What somebody gets as the next snapshot.
#[derive(Debug, Clone)]
pub struct NewSnapshot<'a> {
    /// The repository as it was when the metadata was made.
    pub repository: &'a Repository,
    /// The snapshot that it is made from, which is what the swap compares; 0 for none.
    pub parent: i64,
    /// Reserved number.
    pub number: i64,
    /// Why, such as `build 12`.
    pub cause: &'a str,
    /// Who asked for it; `None` for the service itself.
    pub actor: Option<&'a str>,
    /// `rpms.id` of all packages in it, ascending.
    pub content: &'a [i64],
    /// Those of them that the parent does not have.
    pub added: &'a [i64],
    /// Those that only the parent has.
    pub removed: &'a [i64],
    /// SHA-256 of its `repomd.xml`.
    pub repomd_sha256: &'a str,
    /// Fingerprint of the key that signed that.
    pub signed_by: &'a str,
    /// Who gets it.
    pub audience: &'a Audience,
    /// The request that it answers (`snapshot_requests.id`).
    pub request: Option<i64>,
    /// Whether a builder shall find out if what it brings can be installed.
    pub check: bool,
}

/// Gives a snapshot to its audience if they still have its parent; false when they do not, and nothing has changed.
///
/// # Errors
/// When the query fails.
pub async fn publish(conn: &mut Connection, new: &NewSnapshot<'_>, now: DateTime<Utc>) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        if !swap(conn, new, now).await? {
            return Ok(false);
        }
        insert(conn, new, now).await?;
        diesel::update(
            rpms::table
                .filter(rpms::id.eq_any(new.added))
                .filter(rpms::since_snapshot.is_null()),
        )
        .set(rpms::since_snapshot.eq(new.number))
        .execute(conn)
        .await?;
        commits::record(conn, new).await?;
        if !matches!(new.audience, Audience::Pointer(_)) {
            gates::seen(conn, new.repository.id, now).await?;
        }
        if new.check {
            checks::ask(conn, new.repository.id, new.number, now).await?;
        }
        if let Some(request) = new.request {
            snapshot_requests::made(conn, request, new.number).await?;
        }
        Ok(true)
    })
    .await
}

async fn swap(conn: &mut Connection, new: &NewSnapshot<'_>, now: DateTime<Utc>) -> DbResult<bool> {
    let repository = new.repository;
    let moved = |name| Move {
        repository: repository.id,
        name,
        from: new.parent,
        to: Some(new.number),
        actor: new.actor,
        cause: new.cause,
    };
    let base = diesel::update(repositories::table.find(repository.id));
    let same_current = repositories::current_snapshot.eq(repository.current_snapshot);
    let same_devel = repositories::devel_snapshot.eq(repository.devel_snapshot);
    let current = repositories::current_snapshot.eq(new.number);
    let devel = repositories::devel_snapshot.eq(new.number);
    let released = repositories::released_snapshot.eq(new.number);
    let count = repositories::generation.eq(repositories::generation + 1);
    let (rows, names) = match new.audience {
        Audience::Pointer(name) => return pointers::swap(conn, &moved(name.clone()), now).await,
        Audience::Everybody => {
            let set = base.filter(same_current).filter(same_devel);
            let rows = set.set((current, devel, released, count)).execute(conn).await?;
            (rows, vec![PointerName::latest(), PointerName::devel()])
        }
        Audience::Builds => {
            let rows = base.filter(same_devel).set((devel, count)).execute(conn).await?;
            (rows, vec![PointerName::devel()])
        }
        Audience::Users => {
            let rows = base
                .filter(same_current)
                .set((current, count))
                .execute(conn)
                .await?;
            (rows, vec![PointerName::latest()])
        }
    };
    if rows == 0 {
        return Ok(false);
    }
    for name in names {
        let from = if name == PointerName::latest() {
            repository.current_snapshot
        } else {
            repository.seen_by_builds()
        };
        pointers::record(conn, &Move { from, ..moved(name) }, now).await?;
    }
    Ok(true)
}

async fn insert(conn: &mut Connection, new: &NewSnapshot<'_>, now: DateTime<Utc>) -> DbResult<()> {
    let parent: Option<i32> = snapshots::table
        .find((new.repository.id, new.parent))
        .select(snapshots::steps)
        .first(conn)
        .await
        .optional()?;
    let steps = parent.map_or(STEPS, |steps| steps + 1);
    let whole = steps >= STEPS;
    diesel::insert_into(snapshots::table)
        .values((
            snapshots::repository_id.eq(new.repository.id),
            snapshots::number.eq(new.number),
            snapshots::parent.eq(new.parent),
            snapshots::created_at.eq(now),
            snapshots::cause.eq(new.cause),
            snapshots::packages.eq(i64::try_from(new.content.len()).unwrap_or(i64::MAX)),
            snapshots::repomd_sha256.eq(new.repomd_sha256),
            snapshots::added.eq(new.added),
            snapshots::removed.eq(new.removed),
            snapshots::content.eq(whole.then_some(new.content)),
            snapshots::steps.eq(if whole { 0 } else { steps }),
            snapshots::actor.eq(new.actor),
            snapshots::signed_by.eq(new.signed_by),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
