//! What clients need to know to enable a project's repositories: one query, and a few more where the project depends on
//! others.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension as _, Queryable};
use diesel_async::RunQueryDsl as _;
use protocol::{ChrootName, DirName, OwnerName, ProjectName, RepoEntry, RepoTarget};

use crate::connect::{Connection, DbResult, parse};
use crate::read::{Bind, Prepared};

/// Most dependencies, transitive ones too, that are told.
const MAX_DEPENDENCIES: usize = 200;
/// Most steps that a dependency may be away.
const MAX_STEPS: usize = 20;

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
        /// Directory, mostly the main one.
        dir: DirName,
        /// Of its repositories.
        options: RepoOptions,
    },
    /// A project that does not exist, as it is named.
    Missing(String),
    /// A repository somewhere else.
    External {
        /// As it is named.
        named: String,
        /// URL without the priority.
        url: String,
        /// `priority=`.
        priority: Option<i32>,
    },
}

/// A project that is needed, and what it needs.
struct Node {
    id: i64,
    options: RepoOptions,
    needs: Vec<String>,
}

/// Everything that a project's packages need at run time, with what that needs in turn: nearest first, each once, and
/// the project's own main directory never, so circles end. One query for each step away from the project.
///
/// # Errors
/// When a query fails.
pub async fn dependencies(conn: &mut Connection, project: i64) -> DbResult<Vec<Dependency>> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut visited = vec![project];
    let mut needs = needs_of(conn, project).await?;
    for _ in 0..MAX_STEPS {
        let names = named(&needs);
        if needs.is_empty() || found.len() >= MAX_DEPENDENCIES {
            break;
        }
        let nodes = nodes(conn, &names).await?;
        let mut next = Vec::new();
        for text in needs {
            let (dependency, node) = read(text, &nodes);
            if node.is_some_and(|node| node.id == project) && is_main(&dependency) {
                continue;
            }
            if let Some(node) = node.filter(|node| !visited.contains(&node.id)) {
                visited.push(node.id);
                next.extend_from_slice(&node.needs);
            }
            if found.len() < MAX_DEPENDENCIES && !found.iter().any(|other| same(other, &dependency)) {
                found.push(dependency);
            }
        }
        next.truncate(MAX_DEPENDENCIES);
        needs = next;
    }
    Ok(found)
}

fn is_main(dependency: &Dependency) -> bool {
    matches!(dependency, Dependency::Project { dir, .. } if dir.is_main())
}

/// Whether two name the same repository; the first says with which options.
fn same(one: &Dependency, other: &Dependency) -> bool {
    match (one, other) {
        (Dependency::Project { owner, dir, .. }, Dependency::Project { owner: o, dir: d, .. }) => {
            owner == o && dir == d
        }
        _ => one == other,
    }
}

/// The projects among these entries.
fn named(needs: &[String]) -> Vec<(OwnerName, ProjectName)> {
    let entries = needs.iter().filter_map(|text| RepoEntry::stored(text));
    entries
        .filter_map(|entry| match entry.target {
            RepoTarget::Project { owner, dir } => Some((owner, dir.project())),
            RepoTarget::Url(_) => None,
        })
        .collect()
}

fn read(text: String, nodes: &Nodes) -> (Dependency, Option<&Node>) {
    let Some(RepoEntry { target, priority }) = RepoEntry::stored(&text) else {
        return (Dependency::Missing(text), None);
    };
    let priority = priority.map(i32::from);
    match target {
        RepoTarget::Url(url) => {
            let named = text;
            (Dependency::External { named, url, priority }, None)
        }
        RepoTarget::Project { owner, dir } => match nodes.get(&(owner.clone(), dir.project())) {
            None => (Dependency::Missing(text), None),
            Some(node) => {
                let options = RepoOptions {
                    priority: priority.or(node.options.priority),
                    ..node.options
                };
                (Dependency::Project { owner, dir, options }, Some(node))
            }
        },
    }
}

async fn needs_of(conn: &mut Connection, project: i64) -> DbResult<Vec<String>> {
    let rows: Vec<Vec<String>> = Prepared::<Array<Text>>::new(
        "SELECT ARRAY(SELECT jsonb_array_elements_text(coalesce(p.settings->'runtime_dependencies', '[]')))
         FROM projects p WHERE p.id = ?",
        [Bind::from(project)],
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().flatten().collect())
}

type Nodes = HashMap<(OwnerName, ProjectName), Node>;
type NodeTypes = (BigInt, Text, Text, Bool, Nullable<Integer>, Array<Text>);
type NodeRow = (i64, String, String, bool, Option<i32>, Vec<String>);

/// The live ones among these projects.
async fn nodes(conn: &mut Connection, names: &[(OwnerName, ProjectName)]) -> DbResult<Nodes> {
    if names.is_empty() {
        return Ok(Nodes::new());
    }
    let owners: Vec<&str> = names.iter().map(|(owner, _)| owner.as_str()).collect();
    let projects: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let rows: Vec<NodeRow> = Prepared::<NodeTypes>::new(
        "SELECT DISTINCT ON (p.id) p.id, p.owner, p.name,
             coalesce((p.settings->>'module_hotfixes')::boolean, false), (p.settings->>'repo_priority')::int,
             ARRAY(SELECT jsonb_array_elements_text(coalesce(p.settings->'runtime_dependencies', '[]')))
         FROM unnest(?::text[], ?::text[]) AS w (owner, name)
             JOIN projects p ON p.owner = w.owner AND p.name = w.name AND p.deleted_at IS NULL",
        [Bind::Texts(&owners), Bind::Texts(&projects)],
    )
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|(id, owner, name, module_hotfixes, priority, needs)| {
            let key = (parse("project owner", &owner)?, parse("project name", &name)?);
            let options = RepoOptions {
                module_hotfixes,
                priority,
            };
            Ok((key, Node { id, options, needs }))
        })
        .collect()
}

#[derive(diesel::QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    name: String,
}

/// Which of these names no live project has.
///
/// # Errors
/// When the query fails.
pub async fn missing(
    conn: &mut Connection,
    names: &[(OwnerName, ProjectName)],
) -> DbResult<Vec<(OwnerName, ProjectName)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (owners, projects): (Vec<&str>, Vec<&str>) = names
        .iter()
        .map(|(owner, name)| (owner.as_str(), name.as_str()))
        .unzip();
    let rows: Vec<Named> = diesel::sql_query(
        "SELECT w.owner, w.name FROM unnest($1, $2) AS w (owner, name) WHERE NOT EXISTS
             (SELECT 1 FROM projects p WHERE p.owner = w.owner AND p.name = w.name AND p.deleted_at IS NULL)",
    )
    .bind::<Array<Text>, _>(owners)
    .bind::<Array<Text>, _>(projects)
    .load(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                parse("project owner", &row.owner)?,
                parse("project name", &row.name)?,
            ))
        })
        .collect()
}
