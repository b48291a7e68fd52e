//! Chroots of builds.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use diesel::sql_types::{Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl as _;
use protocol::BuildId;

use super::{Bind, Prepared};
use crate::connect::{Connection, DbResult};

/// One chroot of a build.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Part {
    /// Name.
    pub chroot: String,
    /// Copr's word for where it stands.
    pub state: String,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub ended_at: Option<DateTime<Utc>>,
    /// Result directory, once something can be in it, as of [`crate::tasks::TaskRow::results`].
    pub results: Option<String>,
}

/// Chroots of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Name space of the project.
    pub owner: String,
    /// Result directory of the build.
    pub dir: String,
    /// By name.
    pub parts: Vec<Part>,
}

/// Which chroots of a build.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only the one of this name.
    pub name: Option<&'a str>,
    /// The last first.
    pub descending: bool,
    /// How many at most.
    pub limit: i64,
    /// How many to leave out.
    pub offset: i64,
}

/// Chroots of a build of a live project, by name; `None`: there is no such build.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, build: BuildId, wanted: Wanted<'_>) -> DbResult<Option<Parts>> {
    type Types = (
        Text,
        Text,
        Nullable<(
            Text,
            Text,
            Nullable<Timestamptz>,
            Nullable<Timestamptz>,
            Nullable<Text>,
        )>,
    );
    let named = if wanted.name.is_some() {
        " AND t.chroot = ?"
    } else {
        ""
    };
    let direction = if wanted.descending { " DESC" } else { "" };
    let text = format!(
        "SELECT p.owner, b.dirname, t.chroot, t.state, t.started_at, t.ended_at, t.results \
         FROM builds b JOIN projects p ON p.id = b.project_id LEFT JOIN LATERAL (SELECT t.chroot, \
             CASE t.state WHEN 'publishing' THEN 'running' ELSE t.state END AS state, t.started_at, t.ended_at, \
             CASE WHEN t.attempt > 0 OR t.state = 'forked' THEN t.result_dir END AS results \
             FROM tasks t WHERE t.build_id = b.id AND t.kind = 'rpm'{named} \
             ORDER BY t.chroot{direction} LIMIT ? OFFSET ?) t ON true \
         WHERE b.id = ? AND p.deleted_at IS NULL ORDER BY t.chroot{direction}"
    );
    let mut binds: Vec<Bind<'_>> = wanted.name.map(Bind::from).into_iter().collect();
    binds.extend([wanted.limit, wanted.offset, build.0].map(Bind::from));
    let rows: Vec<(String, String, Option<Part>)> = Prepared::<Types>::new(text, binds).load(conn).await?;
    let Some((owner, dir, _)) = rows.as_slice().first() else {
        return Ok(None);
    };
    Ok(Some(Parts {
        owner: owner.clone(),
        dir: dir.clone(),
        parts: rows.into_iter().filter_map(|(_, _, part)| part).collect(),
    }))
}
