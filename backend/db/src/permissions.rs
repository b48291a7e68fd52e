//! Roles of users in projects that are not theirs: asked for by themselves, approved by whoever may edit the project.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::UserName;
use serde_json::json;

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::projects::Project;
use crate::schema::{project_permissions, users};
use crate::users::User;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Changes the project, and builds.
    Admin,
    /// Builds.
    Builder,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "admin" => Ok(Self::Admin),
            "builder" => Ok(Self::Builder),
            _ => Err(()),
        }
    }
}

/// How it stands with a role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// The user does not have it.
    #[default]
    Nothing,
    /// The user asks for it.
    Request,
    /// The user has it.
    Approved,
}

impl State {
    /// Copr's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Request => "request",
            Self::Approved => "approved",
        }
    }

    fn number(self) -> i16 {
        match self {
            Self::Nothing => 0,
            Self::Request => 1,
            Self::Approved => 2,
        }
    }

    fn read(number: i16) -> DbResult<Self> {
        [Self::Nothing, Self::Request, Self::Approved]
            .into_iter()
            .find(|state| state.number() == number)
            .ok_or_else(|| DbError::Corrupt {
                what: "a permission",
                reason: format!("{number} is no state"),
            })
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        [Self::Nothing, Self::Request, Self::Approved]
            .into_iter()
            .find(|state| state.as_str() == s)
            .ok_or(())
    }
}

/// A user's roles in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    /// Changes the project, and builds.
    pub admin: State,
    /// Builds.
    pub builder: State,
}

/// New states of a user's roles; `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Changes the project, and builds.
    pub admin: Option<State>,
    /// Builds.
    pub builder: Option<State>,
}

impl Change {
    /// Changes one role only.
    pub fn set(&mut self, role: Role, state: State) {
        match role {
            Role::Admin => self.admin = Some(state),
            Role::Builder => self.builder = Some(state),
        }
    }

    fn apply(self, old: Roles) -> Roles {
        Roles {
            admin: self.admin.unwrap_or(old.admin),
            builder: self.builder.unwrap_or(old.builder),
        }
    }
}

fn roles(admin: i16, builder: i16) -> DbResult<Roles> {
    Ok(Roles {
        admin: State::read(admin)?,
        builder: State::read(builder)?,
    })
}

/// Everybody's roles in a project, by name.
///
/// # Errors
/// When the query fails.
pub async fn of_project(conn: &mut Connection, project: i64) -> DbResult<Vec<(UserName, Roles)>> {
    let rows: Vec<(String, i16, i16)> = project_permissions::table
        .inner_join(users::table)
        .filter(project_permissions::project_id.eq(project))
        .order(users::name)
        .select((
            users::name,
            project_permissions::admin,
            project_permissions::builder,
        ))
        .load(conn)
        .await?;
    rows.iter()
        .map(|(name, admin, builder)| Ok((parse("user name", name)?, roles(*admin, *builder)?)))
        .collect()
}

/// A user's roles in a project.
///
/// # Errors
/// When the query fails.
pub async fn of_user(conn: &mut Connection, project: i64, user: i64) -> DbResult<Roles> {
    let row: Option<(i16, i16)> = project_permissions::table
        .find((project, user))
        .select((project_permissions::admin, project_permissions::builder))
        .first(conn)
        .await
        .optional()?;
    row.map_or_else(|| Ok(Roles::default()), |(admin, builder)| roles(admin, builder))
}

/// Changes users' roles, all or none; gives the names of those for whom something changed.
///
/// # Errors
/// When a query fails.
pub async fn set(
    conn: &mut Connection,
    project: &Project,
    changes: &[(User, Change)],
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<Vec<UserName>> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let mut updated = Vec::new();
        for (user, change) in changes {
            if change_one(conn, project, user, |_| *change, actor, now).await? {
                updated.push(user.name.clone());
            }
        }
        Ok(updated)
    })
    .await
}

async fn change_one(
    conn: &mut Connection,
    project: &Project,
    user: &User,
    change: impl FnOnce(Roles) -> Change,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let row = project_permissions::table.find((project.id, user.id));
    // Only a row that is there can be locked, and nobody else is to make it meanwhile.
    diesel::insert_into(project_permissions::table)
        .values((
            project_permissions::project_id.eq(project.id),
            project_permissions::user_id.eq(user.id),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let (admin, builder): (i16, i16) = row
        .select((project_permissions::admin, project_permissions::builder))
        .for_update()
        .first(conn)
        .await?;
    let old = roles(admin, builder)?;
    let new = change(old).apply(old);
    if new == Roles::default() {
        diesel::delete(row).execute(conn).await?;
    } else if new != old {
        diesel::update(row)
            .set((
                project_permissions::admin.eq(new.admin.number()),
                project_permissions::builder.eq(new.builder.number()),
            ))
            .execute(conn)
            .await?;
    }
    if new == old {
        return Ok(false);
    }
    let words = |r: Roles| json!({"admin": r.admin.as_str(), "builder": r.builder.as_str()});
    let object = format!("project:{}/{}", project.owner, project.name);
    let detail = json!({"user": user.name, "old": words(old), "new": words(new)});
    audit::record(conn, now, actor, "project.permissions", &object, detail).await?;
    Ok(true)
}

/// Asks for a role, or gives it up; whether anything changed. Whoever has it keeps it when they ask again.
///
/// # Errors
/// When a query fails.
pub async fn request(
    conn: &mut Connection,
    project: &Project,
    user: &User,
    wishes: &[(Role, bool)],
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let change = |old: Roles| {
            let mut change = Change::default();
            for (role, wanted) in wishes {
                let has = match role {
                    Role::Admin => old.admin,
                    Role::Builder => old.builder,
                };
                match (wanted, has) {
                    (true, State::Approved) => {}
                    (true, _) => change.set(*role, State::Request),
                    (false, _) => change.set(*role, State::Nothing),
                }
            }
            change
        };
        change_one(conn, project, user, change, user.name.as_str(), now).await
    })
    .await
}
