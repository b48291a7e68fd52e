//! What clients need to know to enable a project's repositories: one query, and one more where the project depends on
//! others.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension as _, Queryable, QueryableByName};
use diesel_async::RunQueryDsl as _;
use protocol::{ChrootName, DirName, OwnerName, ProjectName};

use crate::connect::{Connection, DbResult, parse};
use crate::read::{Bind, Prepared};

/// Most dependencies, transitive ones too, that are looked at.
const MAX_DEPENDENCIES: i64 = 200;

/// Options that a project sets for all of its repositories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepoOptions {
    /// `module_hotfixes=1`.
    pub module_hotfixes: bool,
    /// `priority=`.
    pub priority: Option<i32>,
}

/// A result directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoDir {
    /// Name.
    pub name: DirName,
    /// When something was last built into it, or else when it was made; `None` where nobody knows.
    pub used_at: Option<DateTime<Utc>>,
}

/// A live project, as far as its clients see it.
#[derive(Debug, Clone)]
pub struct RepoSpec {
    /// Number.
    pub project: i64,
    /// Name space.
    pub owner: OwnerName,
    /// Name.
    pub name: ProjectName,
    /// For all of its repositories.
    pub options: RepoOptions,
    /// Whether 64-bit systems get the 32-bit repository as well.
    pub multilib: bool,
    /// Whether it names dependencies, see [`dependencies`].
    pub depends: bool,
    /// When it is deleted, if it is temporary.
    pub delete_at: Option<DateTime<Utc>>,
    /// Enabled chroots, by name.
    pub chroots: Vec<ChrootName>,
    /// Result directories, by name; the main one is among them.
    pub dirs: Vec<RepoDir>,
}

#[derive(Queryable)]
struct SpecRow {
    id: i64,
    owner: String,
    name: String,
    delete_at: Option<DateTime<Utc>>,
    module_hotfixes: bool,
    multilib: bool,
    priority: Option<i32>,
    depends: bool,
    chroots: Vec<String>,
    dirs: Vec<String>,
    used_at: Vec<Option<DateTime<Utc>>>,
}

type SpecTypes = (
    BigInt,
    Text,
    Text,
    Nullable<Timestamptz>,
    Bool,
    Bool,
    Nullable<Integer>,
    Bool,
    Array<Text>,
    Array<Text>,
    Array<Nullable<Timestamptz>>,
);

impl SpecRow {
    fn spec(self) -> DbResult<RepoSpec> {
        let name: ProjectName = parse("project name", &self.name)?;
        let mut dirs = Vec::with_capacity(self.dirs.len());
        for (dir, used_at) in self.dirs.iter().zip(self.used_at) {
            dirs.push(RepoDir {
                name: parse("directory", dir)?,
                used_at,
            });
        }
        let main = DirName::from(name.clone());
        if !dirs.iter().any(|dir| dir.name == main) {
            let used_at = None;
            dirs.insert(0, RepoDir { name: main, used_at });
        }
        Ok(RepoSpec {
            project: self.id,
            owner: parse("project owner", &self.owner)?,
            name,
            options: RepoOptions {
                module_hotfixes: self.module_hotfixes,
                priority: self.priority,
            },
            multilib: self.multilib,
            depends: self.depends,
            delete_at: self.delete_at,
            chroots: self
                .chroots
                .iter()
                .map(|c| parse("chroot", c))
                .collect::<DbResult<_>>()?,
            dirs,
        })
    }
}

/// Finds a live project. `owners` are spellings of the owner's name; the first that has such a project counts.
///
/// # Errors
/// When the query fails.
pub async fn find(
    conn: &mut Connection,
    owners: &[OwnerName],
    name: &ProjectName,
) -> DbResult<Option<RepoSpec>> {
    let owners: Vec<&str> = owners.iter().map(OwnerName::as_str).collect();
    let query = Prepared::<SpecTypes>::new(
        "SELECT p.id, p.owner, p.name, p.delete_at,
             coalesce((p.settings->>'module_hotfixes')::boolean, false) AS module_hotfixes,
             coalesce((p.settings->>'multilib')::boolean, false) AS multilib,
             (p.settings->>'repo_priority')::int AS priority,
             coalesce(jsonb_array_length(p.settings->'runtime_dependencies'), 0) > 0 AS depends,
             ARRAY(SELECT c.chroot FROM project_chroots c WHERE c.project_id = p.id AND c.enabled ORDER BY c.chroot)
                 AS chroots,
             d.dirs, d.used_at
         FROM projects p CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(n.name ORDER BY n.name), '{}') AS dirs,
                 coalesce(array_agg(coalesce(k.last_build_at, k.created_at) ORDER BY n.name), '{}') AS used_at
             FROM (SELECT name FROM directories WHERE project_id = p.id
                   UNION SELECT dirname FROM repositories WHERE project_id = p.id) n
             LEFT JOIN directories k ON k.project_id = p.id AND k.name = n.name
         ) d
         WHERE p.owner = ANY(?) AND p.name = ? AND p.deleted_at IS NULL
         ORDER BY array_position(?, p.owner) LIMIT 1",
        [
            Bind::Texts(&owners),
            Bind::from(name.as_str()),
            Bind::Texts(&owners),
        ],
    );
    let row: Option<SpecRow> = query.get_result(conn).await.optional()?;
    row.map(SpecRow::spec).transpose()
}

/// Something that a project's packages need at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// Another project.
    Project {
        /// Name space.
        owner: OwnerName,
        /// Name.
        name: ProjectName,
        /// Of its repositories.
        options: RepoOptions,
    },
    /// A project that does not exist, as it is named.
    Missing(String),
    /// A repository somewhere else, as it is named.
    External(String),
}

#[derive(QueryableByName)]
struct EdgeRow {
    #[diesel(sql_type = BigInt)]
    parent: i64,
    #[diesel(sql_type = Text)]
    dep: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    owner: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Bool)]
    module_hotfixes: bool,
    #[diesel(sql_type = Nullable<Integer>)]
    priority: Option<i32>,
}

/// Everything that a project's packages need at run time, with what that needs in turn: nearest first, each once, and
/// the project itself never, so circles end.
///
/// # Errors
/// When the query fails.
pub async fn dependencies(conn: &mut Connection, project: i64) -> DbResult<Vec<Dependency>> {
    let edges: Vec<EdgeRow> = diesel::sql_query(
        "WITH RECURSIVE edges(parent, position, dep) AS (
             SELECT p.id, d.position, d.dep FROM projects p
                 CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(p.settings->'runtime_dependencies', '[]'))
                     WITH ORDINALITY AS d(dep, position)
                 WHERE p.id = $1
             UNION
             SELECT p.id, d.position, d.dep FROM edges e
                 JOIN projects p ON p.owner = split_part(substr(e.dep, 8), '/', 1)
                     AND p.name = split_part(substr(e.dep, 8), '/', 2) AND p.deleted_at IS NULL
                 CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(p.settings->'runtime_dependencies', '[]'))
                     WITH ORDINALITY AS d(dep, position)
                 WHERE e.dep LIKE 'copr://%'
         )
         SELECT e.parent, e.dep, p.id, p.owner, p.name,
             coalesce((p.settings->>'module_hotfixes')::boolean, false) AS module_hotfixes,
             (p.settings->>'repo_priority')::int AS priority
         FROM (SELECT * FROM edges LIMIT $2) e LEFT JOIN projects p ON e.dep LIKE 'copr://%'
             AND p.owner = split_part(substr(e.dep, 8), '/', 1)
             AND p.name = split_part(substr(e.dep, 8), '/', 2) AND p.deleted_at IS NULL
         ORDER BY e.parent, e.position",
    )
    .bind::<BigInt, _>(project)
    .bind::<BigInt, _>(MAX_DEPENDENCIES)
    .load(conn)
    .await?;
    in_order(project, &edges)
}

/// Walks the graph by breadth.
fn in_order(project: i64, edges: &[EdgeRow]) -> DbResult<Vec<Dependency>> {
    let mut found = Vec::new();
    let mut projects = vec![project];
    let mut at = 0;
    while let Some(parent) = projects.get(at).copied() {
        at += 1;
        for edge in edges.iter().filter(|edge| edge.parent == parent) {
            let dependency = match (edge.id, &edge.owner, &edge.name) {
                (Some(id), Some(owner), Some(name)) => {
                    if projects.contains(&id) {
                        continue;
                    }
                    projects.push(id);
                    Dependency::Project {
                        owner: parse("project owner", owner)?,
                        name: parse("project name", name)?,
                        options: RepoOptions {
                            module_hotfixes: edge.module_hotfixes,
                            priority: edge.priority,
                        },
                    }
                }
                _ if edge.dep.starts_with("copr://") => Dependency::Missing(edge.dep.clone()),
                _ => Dependency::External(edge.dep.clone()),
            };
            if !found.contains(&dependency) {
                found.push(dependency);
            }
        }
    }
    Ok(found)
}
