//! Live logs of attempts.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::TaskId;

use crate::connect::{Connection, DbError, DbResult};
use crate::notify::{Topic, notify};
use crate::schema::log_chunks;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Stored.
    Stored,
    /// The offset is not where the stored log ends; this is.
    WrongOffset(u64),
}

/// Bytes stored of an attempt's log.
///
/// # Errors
/// When the query fails.
pub async fn length(conn: &mut Connection, task: TaskId, attempt: i32) -> DbResult<u64> {
    let last: Option<(i64, Vec<u8>)> = log_chunks::table
        .filter(log_chunks::task_id.eq(task.0))
        .filter(log_chunks::attempt.eq(attempt))
        .order(log_chunks::start.desc())
        .select((log_chunks::start, log_chunks::bytes))
        .first(conn)
        .await
        .optional()?;
    Ok(last.map_or(0, |(start, bytes)| start.unsigned_abs() + bytes.len() as u64))
}

/// Appends to an attempt's log at `offset`. The caller has checked that the attempt still holds its lease.
///
/// # Errors
/// When the query fails.
pub async fn append(
    conn: &mut Connection,
    task: TaskId,
    attempt: i32,
    offset: u64,
    bytes: &[u8],
) -> DbResult<Appended> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let end = length(conn, task, attempt).await?;
        if end != offset {
            return Ok(Appended::WrongOffset(end));
        }
        if bytes.is_empty() {
            return Ok(Appended::Stored);
        }
        diesel::insert_into(log_chunks::table)
            .values((
                log_chunks::task_id.eq(task.0),
                log_chunks::attempt.eq(attempt),
                log_chunks::start.eq(i64::try_from(offset).unwrap_or(i64::MAX)),
                log_chunks::bytes.eq(bytes),
            ))
            .execute(conn)
            .await?;
        notify(conn, Topic::Progress).await?;
        Ok(Appended::Stored)
    })
    .await
}

/// Reads an attempt's log from `offset`, at most some 256 KiB.
///
/// # Errors
/// When the query fails.
pub async fn read(conn: &mut Connection, task: TaskId, attempt: i32, offset: u64) -> DbResult<Vec<u8>> {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let chunks: Vec<(i64, Vec<u8>)> = log_chunks::table
        .filter(log_chunks::task_id.eq(task.0))
        .filter(log_chunks::attempt.eq(attempt))
        .filter(
            diesel::dsl::sql::<diesel::sql_types::Bool>("start + length(bytes) > ")
                .bind::<diesel::sql_types::BigInt, _>(offset),
        )
        .order(log_chunks::start)
        .limit(64)
        .select((log_chunks::start, log_chunks::bytes))
        .load(conn)
        .await?;
    let mut out = Vec::new();
    for (start, bytes) in chunks {
        let skip = usize::try_from(offset.saturating_sub(start))
            .unwrap_or(0)
            .min(bytes.len());
        out.extend_from_slice(&bytes[skip..]);
        if out.len() > 256 << 10 {
            break;
        }
    }
    Ok(out)
}

/// Removes all stored log of an attempt, after it became an object.
///
/// # Errors
/// When the query fails.
pub async fn remove(conn: &mut Connection, task: i64, attempt: i32) -> DbResult<()> {
    diesel::delete(
        log_chunks::table
            .filter(log_chunks::task_id.eq(task))
            .filter(log_chunks::attempt.le(attempt)),
    )
    .execute(conn)
    .await?;
    Ok(())
}
