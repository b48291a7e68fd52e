//! How the packages of a directory stand in each chroot.

use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel::{OptionalExtension as _, Queryable};
use diesel_async::RunQueryDsl as _;
use protocol::{DirName, OwnerName, ProjectName};

use super::{Bind, Prepared};
use crate::connect::{Connection, DbResult};

/// A build that is its package's newest in some chroots.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Newest {
    /// Package.
    pub package: String,
    /// Build.
    pub build: i64,
    /// Version and release.
    pub version: Option<String>,
    /// In which chroots it is the newest, by name.
    pub chroots: Vec<String>,
    /// All of the build's chroots, by name.
    pub all_chroots: Vec<String>,
    /// Copr's word for the state in each of all chroots.
    pub states: Vec<String>,
}

impl Newest {
    /// The chroots in which this is the newest build, with their states.
    pub fn states(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.all_chroots.iter().zip(&self.states);
        // Both lists are sorted by the database, but not in the order of bytes; they are short.
        all.filter(|(chroot, _)| self.chroots.contains(chroot))
            .map(|(chroot, state)| (chroot.as_str(), state.as_str()))
    }
}

/// A directory that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Directory {
    /// `projects.id`.
    pub project: i64,
    /// The project's enabled chroots, by name.
    pub chroots: Vec<String>,
    /// Whether the directory exists.
    pub exists: bool,
}

/// Looks for a directory of a live project.
///
/// # Errors
/// When the query fails.
pub async fn directory(
    conn: &mut Connection,
    owner: &OwnerName,
    project: &ProjectName,
    dir: &DirName,
) -> DbResult<Option<Directory>> {
    let query = Prepared::<(BigInt, Array<Text>, Bool)>::new(
        "SELECT p.id, ARRAY(SELECT c.chroot FROM project_chroots c WHERE c.project_id = p.id AND c.enabled ORDER BY c.chroot), \
             p.name = ? OR EXISTS (SELECT 1 FROM directories d WHERE d.project_id = p.id AND d.name = ?) \
                 OR EXISTS (SELECT 1 FROM builds b WHERE b.project_id = p.id AND b.dirname = ?) \
         FROM projects p WHERE p.owner = ? AND p.name = ? AND p.deleted_at IS NULL",
        [
            dir.as_str(),
            dir.as_str(),
            dir.as_str(),
            owner.as_str(),
            project.as_str(),
        ]
        .map(Bind::from),
    );
    Ok(query.get_result(conn).await.optional()?)
}

/// The newest builds of a directory's packages, by package; a package comes several times when its chroots have
/// different newest builds.
///
/// # Errors
/// When the query fails.
pub async fn newest(conn: &mut Connection, project: i64, dir: &DirName) -> DbResult<Vec<Newest>> {
    let text =
        format!("{SELECT} WHERE n.project_id = ? AND n.dirname = ? ORDER BY n.package_name, n.build_id");
    let query = Prepared::<Types>::new(text, [project.into(), dir.as_str().into()]);
    Ok(query.load(conn).await?)
}

type Types = (
    Text,
    BigInt,
    Nullable<Text>,
    Array<Text>,
    Array<Text>,
    Array<Text>,
);

const SELECT: &str = "SELECT n.package_name, n.build_id, b.package_version, n.chroots, b.chroots, b.chroot_states \
    FROM newest_builds n JOIN builds b ON b.id = n.build_id";

/// Which packages of a directory to list.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Those whose name contains this text.
    pub contains: &'a str,
    /// By name, the last first.
    pub descending: bool,
    /// How many packages at most.
    pub limit: i64,
    /// How many to leave out.
    pub offset: i64,
}

/// The same for some packages only.
///
/// # Errors
/// When the query fails.
pub async fn newest_of_some(
    conn: &mut Connection,
    project: i64,
    dir: &DirName,
    wanted: Wanted<'_>,
) -> DbResult<Vec<Newest>> {
    let pattern = super::like(wanted.contains);
    let direction = if wanted.descending { " DESC" } else { "" };
    let text = format!(
        "{SELECT} JOIN (SELECT DISTINCT s.package_name FROM newest_builds s \
             WHERE s.project_id = ? AND s.dirname = ? AND s.package_name ILIKE ? \
             ORDER BY s.package_name{direction} LIMIT (SELECT ?::bigint) OFFSET (SELECT ?::bigint)) some_of ON some_of.package_name = n.package_name \
         WHERE n.project_id = ? AND n.dirname = ? ORDER BY n.package_name{direction}, n.build_id"
    );
    let (project, dir) = (Bind::from(project), Bind::from(dir.as_str()));
    let part: [Bind<'_>; 3] = [pattern.as_str().into(), wanted.limit.into(), wanted.offset.into()];
    let binds = [[project, dir].as_slice(), &part, &[project, dir]].concat();
    Ok(Prepared::<Types>::new(text, binds).load(conn).await?)
}
