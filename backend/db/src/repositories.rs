//! Repositories: a directory's packages for a chroot.

use diesel::sql_types::{Bool, Text};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use protocol::{ChrootName, DirName, OwnerName, ProjectName};

use crate::connect::{Connection, DbResult, parse};
use crate::read::{Bind, Prepared};
use crate::schema::repositories;

/// A repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Number.
    pub id: i64,
    /// `projects.id`.
    pub project: i64,
    /// Result directory.
    pub dir: DirName,
    /// Target.
    pub chroot: ChrootName,
    /// The snapshot that `latest` names; 0 before the first.
    pub current_snapshot: i64,
    /// Counts pointer moves.
    pub generation: i64,
    /// The snapshot that builds see, whether or not users do; 0 when the same as users.
    pub devel_snapshot: i64,
}

impl Repository {
    /// The snapshot that builds of a project in devel mode see; 0 before the first.
    pub fn seen_by_builds(&self) -> i64 {
        if self.devel_snapshot == 0 {
            self.current_snapshot
        } else {
            self.devel_snapshot
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = repositories)]
struct Row {
    id: i64,
    project_id: i64,
    dirname: String,
    chroot: String,
    current_snapshot: i64,
    generation: i64,
    devel_snapshot: i64,
}

impl Row {
    fn repository(self) -> DbResult<Repository> {
        Ok(Repository {
            id: self.id,
            project: self.project_id,
            dir: parse("directory", &self.dirname)?,
            chroot: parse("chroot", &self.chroot)?,
            current_snapshot: self.current_snapshot,
            generation: self.generation,
            devel_snapshot: self.devel_snapshot,
        })
    }
}

/// Finds a repository, or makes its row.
///
/// # Errors
/// When the query fails.
pub async fn ensure(
    conn: &mut Connection,
    project: i64,
    dir: &DirName,
    chroot: &ChrootName,
) -> DbResult<Repository> {
    diesel::insert_into(repositories::table)
        .values((
            repositories::project_id.eq(project),
            repositories::dirname.eq(dir.as_str()),
            repositories::chroot.eq(chroot.as_str()),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    repositories::table
        .filter(repositories::project_id.eq(project))
        .filter(repositories::dirname.eq(dir.as_str()))
        .filter(repositories::chroot.eq(chroot.as_str()))
        .select(Row::as_select())
        .first(conn)
        .await?
        .repository()
}

/// A repository by number.
///
/// # Errors
/// When the query fails.
pub async fn by_id(conn: &mut Connection, id: i64) -> DbResult<Option<Repository>> {
    let row = repositories::table
        .find(id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::repository).transpose()
}

/// All repositories of a project.
///
/// # Errors
/// When the query fails.
pub async fn of_project(conn: &mut Connection, project: i64) -> DbResult<Vec<Repository>> {
    let rows: Vec<Row> = repositories::table
        .filter(repositories::project_id.eq(project))
        .order(repositories::id)
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Row::repository).collect()
}

/// A project's repository in one directory and chroot, if something was ever built there.
///
/// # Errors
/// When the query fails.
pub async fn find(
    conn: &mut Connection,
    project: i64,
    dir: &DirName,
    chroot: &ChrootName,
) -> DbResult<Option<Repository>> {
    let row: Option<Row> = repositories::table
        .filter(repositories::project_id.eq(project))
        .filter(repositories::dirname.eq(dir.as_str()))
        .filter(repositories::chroot.eq(chroot.as_str()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Row::repository).transpose()
}

/// A directory of a live project, as builds in one chroot see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name space.
    pub owner: OwnerName,
    /// Directory.
    pub dir: DirName,
    /// Whether the project's packages win over modules.
    pub module_hotfixes: bool,
    /// Whether the chroot's repository there has a snapshot for users.
    pub published: bool,
}

/// What builds in a chroot see of these directories: one query. Those of projects that there are not are left out.
///
/// # Errors
/// When the query fails.
pub async fn places(
    conn: &mut Connection,
    chroot: &ChrootName,
    wanted: &[(&OwnerName, &DirName)],
) -> DbResult<Vec<Place>> {
    let projects: Vec<ProjectName> = wanted.iter().map(|(_, dir)| dir.project()).collect();
    let owners: Vec<&str> = wanted.iter().map(|(owner, _)| owner.as_str()).collect();
    let names: Vec<&str> = projects.iter().map(ProjectName::as_str).collect();
    let dirs: Vec<&str> = wanted.iter().map(|(_, dir)| dir.as_str()).collect();
    let rows: Vec<(String, String, bool, bool)> = Prepared::<(Text, Text, Bool, Bool)>::new(
        "SELECT w.owner, w.dir, coalesce((p.settings->>'module_hotfixes')::boolean, false),
             coalesce(r.current_snapshot > 0, false)
         FROM unnest(?::text[], ?::text[], ?::text[]) AS w (owner, name, dir)
             JOIN projects p ON p.owner = w.owner AND p.name = w.name AND p.deleted_at IS NULL
             LEFT JOIN repositories r ON r.project_id = p.id AND r.dirname = w.dir AND r.chroot = ?",
        [
            Bind::Texts(&owners),
            Bind::Texts(&names),
            Bind::Texts(&dirs),
            Bind::from(chroot.as_str()),
        ],
    )
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|(owner, dir, module_hotfixes, published)| {
            Ok(Place {
                owner: parse("project owner", &owner)?,
                dir: parse("directory", &dir)?,
                module_hotfixes,
                published,
            })
        })
        .collect()
}
