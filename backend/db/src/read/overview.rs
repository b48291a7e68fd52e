//! What a project's page shows of its content.

use protocol::{OwnerName, ProjectName};

use super::builds::{self, Line, Names};
use super::packages::{self, WithBuilds};
use crate::connect::{Connection, DbResult};

/// Some builds and some packages of a live project; both empty when there is no such project. One query for each, and
/// one for the names of all submitters.
///
/// # Errors
/// When a query fails.
pub async fn of_project(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    builds: builds::Wanted<'_>,
    packages: packages::Wanted<'_>,
) -> DbResult<(Vec<Line>, Vec<WithBuilds>)> {
    let newest = builds::rows(conn, owner, project, builds)
        .await?
        .unwrap_or_default();
    let packages = packages::rows(conn, owner, project, packages).await?;
    let submitted = newest.iter().chain(packages::builds_of(&packages));
    let names = Names::of(conn, submitted).await?;
    let newest = newest.into_iter().map(|row| names.line(row)).collect();
    Ok((newest, packages::named(packages, &names)))
}
