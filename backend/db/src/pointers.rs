//! Pointers: names for snapshots that can be moved. `latest` and `devel`, which each publication moves, are columns of
//! their repository; others are rows that somebody made. Every move is written down.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, QueryableByName, Selectable,
    SelectableHelper as _,
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{ChrootName, DirName, OwnerName, PointerName};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::gates;
use crate::jobs::{self, Job};
use crate::read::{Bind, Prepared};
use crate::retention;
use crate::schema::{pointer_moves, pointers, repositories};

/// A pointer of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Its name.
    pub name: PointerName,
    /// The snapshot that it names.
    pub snapshot: i64,
    /// When it came there.
    pub moved_at: DateTime<Utc>,
    /// Who moved it; `None` for the service itself.
    pub actor: Option<String>,
}

/// Where a pointer goes.
#[derive(Debug, Clone)]
pub(crate) struct Move<'a> {
    pub repository: i64,
    pub name: PointerName,
    /// Where it has to be; 0 for nowhere.
    pub from: i64,
    /// `None` when it goes.
    pub to: Option<i64>,
    pub actor: Option<&'a str>,
    pub cause: &'a str,
}

/// The snapshot that a pointer which is not built in names.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, repository: i64, name: &PointerName) -> DbResult<Option<i64>> {
    Ok(pointers::table
        .find((repository, name.as_str()))
        .select(pointers::snapshot)
        .first(conn)
        .await
        .optional()?)
}

/// Whether a repository has a pointer that is not built in.
///
/// # Errors
/// When the query fails.
pub async fn exists(
    conn: &mut Connection,
    project: i64,
    (dir, chroot): (&DirName, &ChrootName),
    name: &PointerName,
) -> DbResult<bool> {
    let found: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        "SELECT r.id FROM repositories r JOIN pointers p ON p.repository_id = r.id AND p.name = ?
         WHERE r.project_id = ? AND r.dirname = ? AND r.chroot = ?",
        [
            Bind::from(name.as_str()),
            Bind::from(project),
            Bind::from(dir.as_str()),
            Bind::from(chroot.as_str()),
        ],
    )
    .load(conn)
    .await?;
    Ok(!found.is_empty())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    snapshot: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    moved_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    actor: Option<String>,
}

/// Lets `consistent` go on to what users see, if that is newer, and no package's newest build is failing in the repository's
/// directory and chroot. A job writes the object that clients read.
///
/// # Errors
/// When the query fails.
pub async fn follow(conn: &mut Connection, repository: i64, now: DateTime<Utc>) -> DbResult<()> {
    let name = PointerName::consistent();
    conn.transaction::<_, DbError, _>(async |conn| {
        // Whoever moves a pointer of this repository takes turns here.
        let users: Option<i64> = repositories::table
            .find(repository)
            .select(repositories::current_snapshot)
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some(users) = users else { return Ok(()) };
        let is_at = find(conn, repository, &name).await?.unwrap_or(0);
        if users <= is_at || is_failing(conn, repository).await? {
            return Ok(());
        }
        let moved = Move {
            repository,
            name: name.clone(),
            from: is_at,
            to: Some(users),
            actor: None,
            cause: "no package is failing",
        };
        if swap(conn, &moved, now).await? {
            jobs::enqueue(conn, &Job::WritePointers { repository }, now).await?;
        }
        Ok(())
    })
    .await
}

async fn is_failing(conn: &mut Connection, repository: i64) -> DbResult<bool> {
    let failing: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
        "SELECT t.id FROM repositories r
             JOIN newest_builds n ON n.project_id = r.project_id AND n.dirname = r.dirname AND r.chroot = ANY (n.chroots)
             JOIN tasks t ON t.build_id = n.build_id AND t.kind = 'rpm' AND t.chroot = r.chroot AND t.state = 'failed'
         WHERE r.id = ? LIMIT 1",
        [Bind::from(repository)],
    )
    .load(conn)
    .await?;
    Ok(!failing.is_empty())
}

/// All pointers of a repository that name a snapshot, by name; `devel` where builds see another one than users.
/// `consistent`, which nobody made, is none of them.
///
/// # Errors
/// When the query fails.
pub async fn of_repository(conn: &mut Connection, repository: i64) -> DbResult<Vec<Pointer>> {
    let mut all = all(conn, repository).await?;
    all.retain(|pointer| pointer.name != PointerName::consistent());
    Ok(all)
}

/// The same and `consistent`.
///
/// # Errors
/// When the query fails.
pub async fn all(conn: &mut Connection, repository: i64) -> DbResult<Vec<Pointer>> {
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT p.name, p.snapshot, p.moved_at, p.actor FROM pointers p WHERE p.repository_id = $1
         UNION ALL
         SELECT b.name, b.snapshot, m.moved_at, m.actor
         FROM repositories r, LATERAL (VALUES ('latest', r.current_snapshot),
                 ('devel', CASE WHEN r.devel_snapshot = r.current_snapshot THEN 0 ELSE r.devel_snapshot END))
                 AS b (name, snapshot)
             LEFT JOIN LATERAL (SELECT * FROM pointer_moves m WHERE m.repository_id = r.id AND m.name = b.name
                 ORDER BY m.moved_at DESC, m.id DESC LIMIT 1) m ON true
         WHERE r.id = $1 AND b.snapshot > 0
         ORDER BY 1",
    )
    .bind::<BigInt, _>(repository)
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Pointer {
                name: parse("pointer", &row.name)?,
                snapshot: row.snapshot,
                moved_at: row.moved_at.unwrap_or_default(),
                actor: row.actor,
            })
        })
        .collect()
}

/// The snapshot that a pointer of a repository named at a time. The repository is that of a live project.
///
/// # Errors
/// When the query fails.
pub async fn at(
    conn: &mut Connection,
    (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName),
    name: &PointerName,
    time: DateTime<Utc>,
) -> DbResult<Option<i64>> {
    let row: Option<Found> = diesel::sql_query(
        "SELECT m.to_snapshot AS snapshot FROM projects p
             JOIN repositories r ON r.project_id = p.id AND r.dirname = $3 AND r.chroot = $4
             JOIN pointer_moves m ON m.repository_id = r.id AND m.name = $5 AND m.moved_at <= $6
         WHERE p.owner = $1 AND p.name = $2 AND p.deleted_at IS NULL
         ORDER BY m.moved_at DESC, m.id DESC LIMIT 1",
    )
    .bind::<Text, _>(owner.as_str())
    .bind::<Text, _>(dir.project().as_str())
    .bind::<Text, _>(dir.as_str())
    .bind::<Text, _>(chroot.as_str())
    .bind::<Text, _>(name.as_str())
    .bind::<Timestamptz, _>(time)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.and_then(|row| row.snapshot))
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Nullable<BigInt>)]
    snapshot: Option<i64>,
}

/// One time that a pointer was moved.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = pointer_moves)]
pub struct Moment {
    /// Counts up, in the order of the moves.
    pub id: i64,
    /// Which pointer.
    pub name: String,
    /// The snapshot that it named; `None` for none.
    pub from_snapshot: Option<i64>,
    /// The one that it named then; `None` when it was removed.
    pub to_snapshot: Option<i64>,
    /// When.
    pub moved_at: DateTime<Utc>,
    /// Who; `None` for the service itself.
    pub actor: Option<String>,
    /// Why.
    pub cause: String,
}

/// Moves of a repository's pointers, newest first, of which the numbers are smaller than `before`.
///
/// # Errors
/// When the query fails.
pub async fn moves(
    conn: &mut Connection,
    repository: i64,
    before: Option<i64>,
    limit: i64,
) -> DbResult<Vec<Moment>> {
    Ok(pointer_moves::table
        .filter(pointer_moves::repository_id.eq(repository))
        .filter(pointer_moves::id.lt(before.unwrap_or(i64::MAX)))
        .order(pointer_moves::id.desc())
        .limit(limit)
        .select(Moment::as_select())
        .load(conn)
        .await?)
}

/// Writes a move down.
pub(crate) async fn record(conn: &mut Connection, moved: &Move<'_>, now: DateTime<Utc>) -> DbResult<()> {
    diesel::insert_into(pointer_moves::table)
        .values((
            pointer_moves::repository_id.eq(moved.repository),
            pointer_moves::name.eq(moved.name.as_str()),
            pointer_moves::from_snapshot.eq((moved.from > 0).then_some(moved.from)),
            pointer_moves::to_snapshot.eq(moved.to),
            pointer_moves::moved_at.eq(now),
            pointer_moves::actor.eq(moved.actor),
            pointer_moves::cause.eq(moved.cause),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Moves a pointer that is not built in, makes it or removes it, if it is where it was; false when it is not.
pub(crate) async fn swap(conn: &mut Connection, moved: &Move<'_>, now: DateTime<Utc>) -> DbResult<bool> {
    let (repository, name) = (moved.repository, moved.name.as_str());
    let there = pointers::table
        .find((repository, name))
        .filter(pointers::snapshot.eq(moved.from));
    let rows = match moved.to {
        None => diesel::delete(there).execute(conn).await?,
        Some(to) if moved.from == 0 => {
            diesel::insert_into(pointers::table)
                .values((
                    pointers::repository_id.eq(repository),
                    pointers::name.eq(name),
                    pointers::snapshot.eq(to),
                    pointers::moved_at.eq(now),
                    pointers::actor.eq(moved.actor),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?
        }
        Some(to) => {
            diesel::update(there)
                .set((
                    pointers::snapshot.eq(to),
                    pointers::moved_at.eq(now),
                    pointers::actor.eq(moved.actor),
                ))
                .execute(conn)
                .await?
        }
    };
    if rows == 0 {
        return Ok(false);
    }
    count(conn, repository).await?;
    record(conn, moved, now).await?;
    Ok(true)
}

/// Tells whoever writes the pointer objects that there is something new.
async fn count(conn: &mut Connection, repository: i64) -> DbResult<()> {
    diesel::update(repositories::table.find(repository))
        .set(repositories::generation.eq(repositories::generation + 1))
        .execute(conn)
        .await?;
    Ok(())
}

/// What somebody wants of a pointer.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// `repositories.id`.
    pub repository: i64,
    /// Which pointer.
    pub name: &'a PointerName,
    /// Where it shall go; `None` removes it.
    pub to: Option<i64>,
    /// Where it has to be for that, 0 for nowhere; `None` takes it from wherever it is.
    pub expected: Option<i64>,
    /// Who asks.
    pub actor: &'a str,
    /// Why, a word or a sentence for the history.
    pub cause: &'a str,
    /// Whether builds of the project see other snapshots than users, so that `devel` does not follow `latest`.
    pub devel_mode: bool,
    /// The object's name in the history of changes, `repository:<owner>/<dir>/<chroot>`.
    pub object: &'a str,
}

/// What became of a [`Wish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is done; it was there before (0 for nowhere).
    From(i64),
    /// It is not where it has to be, but there (0 for nowhere); nothing has changed.
    IsAt(i64),
    /// There is no snapshot of the number that it shall go to.
    NoSnapshot,
    /// The snapshot's files went then.
    Purged(DateTime<Utc>),
    /// The repository is gone.
    NoRepository,
}

/// Moves a pointer by compare-and-swap. A job writes the object that clients read.
///
/// # Errors
/// When the query fails.
pub async fn shift(conn: &mut Connection, wish: &Wish<'_>, now: DateTime<Utc>) -> DbResult<Moved> {
    conn.transaction::<_, DbError, _>(async |conn| {
        // Whoever moves a pointer of this repository takes turns here.
        let row: Option<(i64, i64, i64)> = repositories::table
            .find(wish.repository)
            .select((
                repositories::project_id,
                repositories::current_snapshot,
                repositories::devel_snapshot,
            ))
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some((project, current, devel)) = row else {
            return Ok(Moved::NoRepository);
        };
        let is_at = match wish.name.as_str() {
            "latest" => current,
            "devel" => devel,
            _ => find(conn, wish.repository, wish.name).await?.unwrap_or(0),
        };
        if wish.expected.is_some_and(|expected| expected != is_at) {
            return Ok(Moved::IsAt(is_at));
        }
        if let Some(to) = wish.to {
            match retention::take(conn, wish.repository, to).await? {
                None => return Ok(Moved::NoSnapshot),
                Some(Some(at)) => return Ok(Moved::Purged(at)),
                Some(None) => {}
            }
        }
        if wish.to.unwrap_or(0) == is_at {
            return Ok(Moved::From(is_at));
        }
        move_it(conn, wish, is_at, now).await?;
        if wish.name.is_built_in() {
            gates::seen(conn, wish.repository, now).await?;
        }
        let detail = serde_json::json!({
            "project_id": project, "pointer": wish.name,
            "old": {"snapshot": is_at}, "new": {"snapshot": wish.to.unwrap_or(0)}, "cause": wish.cause,
        });
        audit::record(conn, now, wish.actor, "pointer.move", wish.object, detail).await?;
        let job = Job::WritePointers {
            repository: wish.repository,
        };
        jobs::enqueue(conn, &job, now).await?;
        Ok(Moved::From(is_at))
    })
    .await
}

/// Why no pointer moved.
enum Stopped {
    Failed(DbError),
    Refused(usize, Moved),
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self::Failed(error)
    }
}

impl From<diesel::result::Error> for Stopped {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Moves pointers of several repositories, all of them or none: where each was before, in the order of the wishes; or which
/// wish was refused first, and why.
///
/// # Errors
/// When the query fails.
pub async fn shift_all(
    conn: &mut Connection,
    wishes: &[Wish<'_>],
    now: DateTime<Utc>,
) -> DbResult<Result<Vec<i64>, (usize, Moved)>> {
    // Two who want the same repositories lock them in the same order.
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|number| wishes.get(*number).map(|wish| wish.repository));
    let moved = conn
        .transaction::<_, Stopped, _>(async |conn| {
            let mut before = vec![0; wishes.len()];
            for number in order {
                let (Some(wish), Some(slot)) = (wishes.get(number), before.get_mut(number)) else {
                    continue;
                };
                match shift(conn, wish, now).await? {
                    Moved::From(was_at) => *slot = was_at,
                    refused => return Err(Stopped::Refused(number, refused)),
                }
            }
            Ok(before)
        })
        .await;
    match moved {
        Ok(before) => Ok(Ok(before)),
        Err(Stopped::Refused(number, why)) => Ok(Err((number, why))),
        Err(Stopped::Failed(error)) => Err(error),
    }
}

async fn move_it(conn: &mut Connection, wish: &Wish<'_>, from: i64, now: DateTime<Utc>) -> DbResult<()> {
    let moved = Move {
        repository: wish.repository,
        name: wish.name.clone(),
        from,
        to: wish.to,
        actor: Some(wish.actor),
        cause: wish.cause,
    };
    let to = wish.to.unwrap_or(0);
    let row = diesel::update(repositories::table.find(wish.repository));
    match wish.name.as_str() {
        "latest" if !wish.devel_mode => {
            let both = (
                repositories::current_snapshot.eq(to),
                repositories::devel_snapshot.eq(to),
            );
            row.set(both).execute(conn).await?;
            let devel = Move {
                name: PointerName::devel(),
                ..moved.clone()
            };
            record(conn, &devel, now).await?;
        }
        "latest" => {
            row.set(repositories::current_snapshot.eq(to))
                .execute(conn)
                .await?;
        }
        "devel" => {
            row.set(repositories::devel_snapshot.eq(to)).execute(conn).await?;
        }
        _ => {
            swap(conn, &moved, now).await?;
            return Ok(());
        }
    }
    count(conn, wish.repository).await?;
    record(conn, &moved, now).await
}
