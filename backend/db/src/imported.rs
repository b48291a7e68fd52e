//! What imports brought besides packages: groups, modules, advisories. Each later snapshot of the repository has them, until
//! an import brings others.

use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::builder_api::Beside;
use protocol::{BuildId, Sha256};

use crate::connect::{Connection, DbError, DbResult, parse};
use crate::read::{Bind, Prepared};
use crate::schema::imported_metadata as table;

/// What a repository has: the blob of each.
///
/// # Errors
/// When the query fails.
pub async fn of(conn: &mut Connection, repository: i64) -> DbResult<Vec<(Beside, Sha256)>> {
    let rows: Vec<(String, String)> = Prepared::<(Text, Text)>::new(
        "SELECT kind, sha256 FROM imported_metadata WHERE repository_id = ? ORDER BY kind",
        [Bind::from(repository)],
    )
    .load(conn)
    .await?;
    let known = rows.into_iter().filter_map(|(kind, sha256)| {
        let beside = Beside::ALL.into_iter().find(|beside| beside.record() == kind)?;
        Some((beside, sha256))
    });
    known
        .map(|(beside, sha256)| Ok((beside, parse("SHA-256 of imported metadata", &sha256)?)))
        .collect()
}

/// Takes in what an import brought: each takes the place of what was there of its kind, and what an earlier import of the
/// same address brought and this one did not, goes. Returns whether this build changed anything, also when it is asked again.
///
/// # Errors
/// When the query fails.
pub async fn replace(
    conn: &mut Connection,
    repository: i64,
    (build, url): (BuildId, &str),
    brought: &[(Beside, Sha256)],
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let kinds: Vec<&str> = brought.iter().map(|(beside, _)| beside.record()).collect();
        let gone = diesel::delete(
            table::table
                .filter(table::repository_id.eq(repository))
                .filter(table::url.eq(url))
                .filter(table::kind.ne_all(kinds)),
        )
        .execute(conn)
        .await?;
        for (beside, sha256) in brought {
            let _: Vec<(i64,)> = Prepared::<(BigInt,)>::new(
                "INSERT INTO imported_metadata AS m (repository_id, kind, sha256, url, build_id) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (repository_id, kind) DO UPDATE SET sha256 = EXCLUDED.sha256, url = EXCLUDED.url,
                     build_id = EXCLUDED.build_id WHERE m.sha256 <> EXCLUDED.sha256 OR m.url <> EXCLUDED.url
                 RETURNING m.build_id",
                [
                    Bind::from(repository),
                    Bind::from(beside.record()),
                    Bind::from(sha256.as_str()),
                    Bind::from(url),
                    Bind::from(build.0),
                ],
            )
            .load(conn)
            .await?;
        }
        // A run that died before its snapshot has written this down already.
        let of_build: i64 = table::table
            .filter(table::repository_id.eq(repository))
            .filter(table::build_id.eq(build.0))
            .count()
            .get_result(conn)
            .await?;
        Ok(gone > 0 || of_build > 0)
    })
    .await
}
