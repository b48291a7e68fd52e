//! What packages have for the catalogue of software: read once from a package's files, and kept for whoever publishes it,
//! however it is signed.

use chrono::{DateTime, Utc};
use diesel::ExpressionMethods as _;
use diesel::sql_types::Timestamptz;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::schema::package_software as table;

/// Writes down what packages have that are about to be published: the SHA-256 of a package's file as it was before it was
/// signed, and a JSON list of `<component>` elements, compressed by zstd.
///
/// # Errors
/// When the query fails.
pub async fn insert(conn: &mut Connection, new: &[(String, Vec<u8>)], now: DateTime<Utc>) -> DbResult<()> {
    for (file, components) in new {
        let row = (
            table::unsigned_sha256.eq(file),
            table::components.eq(components),
            table::claimed_at.eq(now),
        );
        diesel::insert_into(table::table)
            .values(row)
            .on_conflict(table::unsigned_sha256)
            .do_update()
            .set((
                table::components.eq(excluded(table::components)),
                table::claimed_at.eq(excluded(table::claimed_at)),
            ))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Forgets what only packages had that are gone, unless somebody was about to publish one since `before`.
///
/// # Errors
/// When the query fails.
pub async fn forget(conn: &mut Connection, before: DateTime<Utc>) -> DbResult<()> {
    diesel::sql_query(
        "DELETE FROM package_software s WHERE s.claimed_at < $1
             AND NOT EXISTS (SELECT 1 FROM rpms r WHERE r.unsigned_sha256 = s.unsigned_sha256)
             AND NOT EXISTS (SELECT 1 FROM promoted_packages p WHERE p.unsigned_sha256 = s.unsigned_sha256)",
    )
    .bind::<Timestamptz, _>(before)
    .execute(conn)
    .await?;
    Ok(())
}
