//! What deleted builds left: packages in snapshots, and objects. The rows of the builds are gone, so these say all.

use std::collections::BTreeSet;

use diesel::sql_types::{Array, BigInt};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::{BuildId, ChrootName, DirName, PackageName};

use crate::connect::{Connection, DbResult, parse};
use crate::schema::removed_builds;

/// A deleted build whose packages and objects are still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedBuild {
    /// Its number.
    pub build: BuildId,
    /// Its directory.
    pub dir: DirName,
    /// Its package, if that was known.
    pub package: Option<PackageName>,
    /// Its chroots.
    pub chroots: Vec<ChrootName>,
    /// `repositories.id` of those that have its packages, or were about to.
    pub repositories: BTreeSet<i64>,
    /// Its tasks.
    pub tasks: Vec<i64>,
}

/// Number, directory, package, chroots, repositories, tasks.
type Row = (i64, String, Option<String>, Vec<String>, Vec<i64>, Vec<i64>);

/// Notes what builds leave, in the transaction that deletes them.
pub(crate) async fn note(conn: &mut Connection, builds: &[i64]) -> DbResult<()> {
    diesel::sql_query(
        "INSERT INTO removed_builds (build, project_id, dirname, package, chroots, repositories, tasks)
         SELECT b.id, b.project_id, b.dirname, b.package_name, b.chroots,
             ARRAY(SELECT DISTINCT r.repository_id FROM rpms r JOIN tasks t ON t.id = r.task_id
                 WHERE t.build_id = b.id AND NOT r.scratch),
             ARRAY(SELECT t.id FROM tasks t WHERE t.build_id = b.id ORDER BY t.id)
         FROM builds b WHERE b.id = ANY ($1)",
    )
    .bind::<Array<BigInt>, _>(builds)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is left of a project's deleted builds, by number.
///
/// # Errors
/// When the query fails.
pub async fn of_project(conn: &mut Connection, project: i64) -> DbResult<Vec<RemovedBuild>> {
    let rows: Vec<Row> = removed_builds::table
        .filter(removed_builds::project_id.eq(project))
        .order(removed_builds::build)
        .select((
            removed_builds::build,
            removed_builds::dirname,
            removed_builds::package,
            removed_builds::chroots,
            removed_builds::repositories,
            removed_builds::tasks,
        ))
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(build, dir, package, chroots, repositories, tasks)| {
            Ok(RemovedBuild {
                build: BuildId(build),
                dir: parse("directory", &dir)?,
                package: package.map(|p| parse("package name", &p)).transpose()?,
                chroots: chroots
                    .iter()
                    .map(|c| parse("chroot", c))
                    .collect::<DbResult<_>>()?,
                repositories: repositories.into_iter().collect(),
                tasks,
            })
        })
        .collect()
}

/// Forgets builds of which nothing is left.
///
/// # Errors
/// When the query fails.
pub async fn forget(conn: &mut Connection, builds: &[BuildId]) -> DbResult<()> {
    let builds = builds.iter().map(|build| build.0);
    diesel::delete(removed_builds::table.filter(removed_builds::build.eq_any(builds)))
        .execute(conn)
        .await?;
    Ok(())
}
