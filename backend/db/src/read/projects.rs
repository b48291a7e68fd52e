//! Projects with their enabled chroots.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Text, Timestamptz};
use diesel::{OptionalExtension as _, Queryable};
use diesel_async::RunQueryDsl as _;
use protocol::{OwnerName, ProjectName};

use super::{Bind, Parsed, Prepared};
use crate::connect::{Connection, DbResult};
use crate::projects::{Filter, ProjectSettings};

/// What everybody sees of a project.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Number.
    pub id: i64,
    /// Name space in which it lives.
    pub owner: String,
    /// Who decides about it.
    pub holder: String,
    /// Name.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Texts and switches.
    pub settings: ProjectSettings,
    /// Enabled chroots, by name.
    pub chroots: Vec<String>,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    owner: String,
    holder: String,
    name: String,
    created_at: DateTime<Utc>,
    settings: Parsed<ProjectSettings>,
    chroots: Vec<String>,
}

type Types = (BigInt, Text, Text, Text, Timestamptz, Jsonb, Array<Text>);

const SELECT: &str = "SELECT p.id, p.owner, p.holder, p.name, p.created_at, p.settings, \
    ARRAY(SELECT c.chroot FROM project_chroots c WHERE c.project_id = p.id AND c.enabled ORDER BY c.chroot) \
    FROM projects p WHERE p.deleted_at IS NULL";

/// What lists for everybody show, of a project `p`: neither what its owner hides nor what ends by itself.
pub(super) const LISTED: &str =
    "p.delete_at IS NULL AND NOT coalesce((p.settings->>'unlisted_on_hp')::boolean, false)";

impl Row {
    fn shown(self) -> Shown {
        Shown {
            id: self.id,
            owner: self.owner,
            holder: self.holder,
            name: self.name,
            created_at: self.created_at,
            settings: self.settings.0,
            chroots: self.chroots,
        }
    }
}

/// A live project by name.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, owner: &OwnerName, name: &ProjectName) -> DbResult<Option<Shown>> {
    let text = format!("{SELECT} AND p.owner = ? AND p.name = ?");
    let query = Prepared::<Types>::new(text, [owner.as_str().into(), name.as_str().into()]);
    Ok(query.get_result::<Row>(conn).await.optional()?.map(Row::shown))
}

/// Whether there is a live project of this name.
///
/// # Errors
/// When the query fails.
pub(super) async fn exists(conn: &mut Connection, owner: &OwnerName, name: &ProjectName) -> DbResult<bool> {
    let query = Prepared::<Bool>::new(
        "SELECT EXISTS (SELECT 1 FROM projects WHERE owner = ? AND name = ? AND deleted_at IS NULL)",
        [owner.as_str().into(), name.as_str().into()],
    );
    Ok(query.get_result(conn).await?)
}

/// Lists live projects.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, filter: &Filter, limit: i64, offset: i64) -> DbResult<Vec<Shown>> {
    let pattern = filter.name_contains.as_deref().map(super::like);
    let (text, binds) = list_query(filter, pattern.as_deref(), limit, offset);
    let rows: Vec<Row> = Prepared::<Types>::new(text, binds).load(conn).await?;
    Ok(rows.into_iter().map(Row::shown).collect())
}

fn list_query<'a>(
    filter: &'a Filter,
    pattern: Option<&'a str>,
    limit: i64,
    offset: i64,
) -> (String, Vec<Bind<'a>>) {
    let mut text = SELECT.to_owned();
    let mut binds = Vec::with_capacity(4);
    if let Some(owner) = &filter.owner {
        text.push_str(" AND (p.owner = ? OR p.holder = ?)");
        binds.push(owner.as_str().into());
        binds.push(owner.as_str().into());
    }
    if let Some(pattern) = pattern {
        text.push_str(" AND p.name ILIKE ?");
        binds.push(pattern.into());
    }
    if filter.listed_only {
        text.push_str(" AND ");
        text.push_str(LISTED);
    }
    text.push_str(match (filter.by_name, filter.newest_first) {
        (false, false) => " ORDER BY p.id LIMIT ? OFFSET ?",
        (false, true) => " ORDER BY p.id DESC LIMIT ? OFFSET ?",
        (true, false) => " ORDER BY p.name, p.id LIMIT ? OFFSET ?",
        (true, true) => " ORDER BY p.name DESC, p.id DESC LIMIT ? OFFSET ?",
    });
    binds.extend([Bind::from(limit), Bind::from(offset)]);
    (text, binds)
}
