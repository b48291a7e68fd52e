//! What clients ask when they enable a project's repositories.

use db::Connection;
use db::repo_specs::{self, Dependency, RepoSpec};
use protocol::{DirName, OwnerName};

use crate::error::Error;
use crate::operations::projects::shown;

/// Finds the project of a directory, whether or not the directory exists. A group is `@x`, or `group_x` as in ids of
/// repositories, unless there is a user of that name.
///
/// # Errors
/// [`Error::NotFound`] when there is no such project.
pub async fn find(conn: &mut Connection, owner: &str, dir: &str) -> Result<(RepoSpec, DirName), Error> {
    let missing = || Error::NotFound(format!("Project {}/{} does not exist.", shown(owner), shown(dir)));
    let name: DirName = dir.parse().map_err(|_| missing())?;
    let mut owners: Vec<OwnerName> = vec![owner.parse().map_err(|_| missing())?];
    owners.extend(
        owner
            .strip_prefix("group_")
            .and_then(|group| format!("@{group}").parse().ok()),
    );
    let spec = repo_specs::find(conn, &owners, &name.project()).await?;
    Ok((spec.ok_or_else(missing)?, name))
}

/// What a project's packages need at run time; asks only where there is something.
///
/// # Errors
/// When the query fails.
pub async fn dependencies(conn: &mut Connection, spec: &RepoSpec) -> Result<Vec<Dependency>, Error> {
    if spec.depends {
        Ok(repo_specs::dependencies(conn, spec.project).await?)
    } else {
        Ok(Vec::new())
    }
}
