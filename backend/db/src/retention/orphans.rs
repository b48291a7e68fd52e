//! Packages of deleted builds that no snapshot of their repository has any more.

use std::collections::{BTreeSet, HashMap};

use diesel::sql_types::{Array, BigInt, Nullable};
use diesel_async::RunQueryDsl as _;

use crate::connect::{Connection, DbResult};
use crate::read::{Bind, Prepared};

/// Packages that nothing names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Their `rpms.id`, ascending.
    pub ids: Vec<i64>,
    /// Bytes of their files.
    pub bytes: i64,
}

/// Number, parent, whole list, what came, what went.
type Step = (i64, i64, Option<Vec<i64>>, Vec<i64>, Vec<i64>);

/// Packages of deleted builds that none of these snapshots has, and that neither an open request nor the repository of a
/// build or a batch names.
///
/// # Errors
/// When the query fails.
pub async fn orphans(conn: &mut Connection, repository: i64, kept: &[i64]) -> DbResult<Orphans> {
    let withdrawn: Vec<(i64, i64)> = Prepared::<(BigInt, BigInt)>::new(
        "SELECT id, size FROM rpms WHERE repository_id = ? AND task_id IS NULL ORDER BY id",
        [Bind::from(repository)],
    )
    .load(conn)
    .await?;
    if withdrawn.is_empty() {
        return Ok(Orphans::default());
    }
    let wanted: BTreeSet<i64> = withdrawn.iter().map(|(id, _)| *id).collect();
    let mut held = held(conn, repository, kept, &wanted).await?;
    let named: Vec<(Option<i64>,)> = Prepared::<(Nullable<BigInt>,)>::new(
        "SELECT unnest(added) FROM snapshot_requests
             WHERE repository_id = ? AND snapshot IS NULL AND was_at IS NULL AND refusal IS NULL
         UNION ALL SELECT unnest(content) FROM mini_repositories WHERE repository_id = ?",
        [Bind::from(repository), Bind::from(repository)],
    )
    .load(conn)
    .await?;
    held.extend(named.into_iter().filter_map(|(id,)| id));
    let mut orphans = Orphans::default();
    for (id, size) in withdrawn.into_iter().filter(|(id, _)| !held.contains(id)) {
        orphans.ids.push(id);
        orphans.bytes = orphans.bytes.saturating_add(size);
    }
    Ok(orphans)
}

/// Which of these packages any of these snapshots has. Snapshots share most of their past, so that is read once.
async fn held(
    conn: &mut Connection,
    repository: i64,
    kept: &[i64],
    wanted: &BTreeSet<i64>,
) -> DbResult<BTreeSet<i64>> {
    let steps: Vec<Step> = Prepared::<(
        BigInt,
        BigInt,
        Nullable<Array<BigInt>>,
        Array<BigInt>,
        Array<BigInt>,
    )>::new(
        "WITH RECURSIVE chain AS (
             SELECT s.number, s.parent, s.content IS NOT NULL AS whole FROM snapshots s
             WHERE s.repository_id = ? AND s.number = ANY (?)
             UNION
             SELECT s.number, s.parent, s.content IS NOT NULL FROM chain c JOIN snapshots s
                 ON s.repository_id = ? AND s.number = c.parent WHERE NOT c.whole
         ) SELECT s.number, s.parent, s.content, s.added, s.removed FROM chain c JOIN snapshots s
             ON s.repository_id = ? AND s.number = c.number ORDER BY s.number",
        [
            Bind::from(repository),
            Bind::Numbers(kept),
            Bind::from(repository),
            Bind::from(repository),
        ],
    )
    .load(conn)
    .await?;
    let only = |ids: Vec<i64>| ids.into_iter().filter(|id| wanted.contains(id));
    // A parent has a smaller number.
    let mut known: HashMap<i64, BTreeSet<i64>> = HashMap::new();
    for (number, parent, whole, added, removed) in steps {
        let content = match whole {
            Some(whole) => only(whole).collect(),
            None => {
                let mut content = known.get(&parent).cloned().unwrap_or_default();
                for id in removed {
                    content.remove(&id);
                }
                content.extend(only(added));
                content
            }
        };
        known.insert(number, content);
    }
    Ok(kept
        .iter()
        .filter_map(|number| known.get(number))
        .flatten()
        .copied()
        .collect())
}
