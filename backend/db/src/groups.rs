//! Groups of users, which hold projects as `@name`.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use protocol::{GroupName, OwnerName, UserName};

use crate::audit;
use crate::connect::{Connection, DbError, DbResult, parse};
use crate::schema::{group_members, groups, users};
use crate::users::User;

/// What a member of a group may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupRole {
    /// Build in the group's projects and edit them.
    Member,
    /// Also delete and transfer them, and change the group and its members.
    Admin,
}

impl GroupRole {
    /// As it is stored, and as clients say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for GroupRole {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "member" => Ok(Self::Member),
            "admin" => Ok(Self::Admin),
            _ => Err("a role in a group is 'member' or 'admin'".to_owned()),
        }
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Number.
    pub id: i64,
    /// Name without the `@`.
    pub name: GroupName,
    /// For people.
    pub description: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How many members it has.
    pub members: i64,
}

/// A user in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserName,
    /// What they may.
    pub role: GroupRole,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    description: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    members: i64,
}

impl Row {
    fn group(self) -> DbResult<Group> {
        Ok(Group {
            id: self.id,
            name: parse("group name", &self.name)?,
            description: self.description,
            created_at: self.created_at,
            members: self.members,
        })
    }
}

macro_rules! columns {
    () => {
        "SELECT g.id, g.name, g.description, g.created_at,
         (SELECT count(*) FROM group_members m WHERE m.group_id = g.id) AS members FROM groups g "
    };
}

/// A group by name.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, name: &GroupName) -> DbResult<Option<Group>> {
    let rows: Vec<Row> = diesel::sql_query(concat!(columns!(), "WHERE g.name = $1"))
        .bind::<Text, _>(name.as_str())
        .load(conn)
        .await?;
    rows.into_iter().next().map(Row::group).transpose()
}

/// Groups by number, of one user or all.
///
/// # Errors
/// When the query fails.
pub async fn list(
    conn: &mut Connection,
    user: Option<&UserName>,
    descending: bool,
    limit: i64,
    offset: i64,
) -> DbResult<Vec<Group>> {
    // Two statements: one plan for both would walk through all groups to find one user's.
    let which = match user {
        Some(_) => {
            "WHERE g.id IN (SELECT m.group_id FROM group_members m JOIN users u ON u.id = m.user_id WHERE u.name = $1)"
        }
        None => "WHERE $1::text IS NULL",
    };
    let direction = if descending { "DESC" } else { "ASC" };
    let sql = format!(
        "{}{which} ORDER BY g.id {direction} LIMIT $2 OFFSET $3",
        columns!()
    );
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Nullable<Text>, _>(user.map(UserName::as_str))
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(offset)
        .load(conn)
        .await?;
    rows.into_iter().map(Row::group).collect()
}

/// The members of a group, admins first, each by name.
///
/// # Errors
/// When the query fails.
pub async fn members(conn: &mut Connection, group: i64) -> DbResult<Vec<Member>> {
    let rows: Vec<(String, String)> = group_members::table
        .inner_join(users::table)
        .filter(group_members::group_id.eq(group))
        .order((group_members::role, users::name))
        .select((users::name, group_members::role))
        .load(conn)
        .await?;
    rows.iter()
        .map(|(user, role)| {
            Ok(Member {
                user: parse("user name", user)?,
                role: parse("role in a group", role)?,
            })
        })
        .collect()
}

fn object(name: &GroupName) -> String {
    format!("group:@{name}")
}

/// Makes a group, with its maker as its admin.
///
/// # Errors
/// [`DbError::Duplicate`] with `groups_name_key` when there is one of that name.
pub async fn create(
    conn: &mut Connection,
    name: &GroupName,
    description: &str,
    maker: &User,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        let id: i64 = diesel::insert_into(groups::table)
            .values((
                groups::name.eq(name.as_str()),
                groups::description.eq(description),
                groups::created_at.eq(now),
            ))
            .returning(groups::id)
            .get_result(conn)
            .await?;
        diesel::insert_into(group_members::table)
            .values((
                group_members::group_id.eq(id),
                group_members::user_id.eq(maker.id),
                group_members::role.eq(GroupRole::Admin.as_str()),
            ))
            .execute(conn)
            .await?;
        let detail = serde_json::json!({"description": description});
        audit::record(
            conn,
            now,
            maker.name.as_str(),
            "group.create",
            &object(name),
            detail,
        )
        .await
    })
    .await
}

/// Writes a new description.
///
/// # Errors
/// When a query fails.
pub async fn describe(
    conn: &mut Connection,
    group: &Group,
    description: &str,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    conn.transaction::<_, DbError, _>(async |conn| {
        diesel::update(groups::table.find(group.id))
            .set(groups::description.eq(description))
            .execute(conn)
            .await?;
        let detail = serde_json::json!({"old": group.description, "new": description});
        audit::record(conn, now, actor, "group.edit", &object(&group.name), detail).await
    })
    .await
}

/// Removes a group that neither holds projects nor is the name space of any; else does nothing and says so.
///
/// # Errors
/// When a query fails.
pub async fn delete(conn: &mut Connection, group: &Group, actor: &str, now: DateTime<Utc>) -> DbResult<bool> {
    let holder = OwnerName::from(&group.name);
    conn.transaction::<_, DbError, _>(async |conn| {
        let gone = diesel::sql_query(
            "DELETE FROM groups WHERE id = $1 AND NOT EXISTS
                 (SELECT 1 FROM projects WHERE deleted_at IS NULL AND (owner = $2 OR holder = $2))",
        )
        .bind::<BigInt, _>(group.id)
        .bind::<Text, _>(holder.as_str())
        .execute(conn)
        .await?;
        if gone == 0 {
            return Ok(false);
        }
        let detail = serde_json::json!({});
        audit::record(conn, now, actor, "group.delete", &object(&group.name), detail).await?;
        Ok(true)
    })
    .await
}

/// Gives a user a role in a group, or takes them out with `None`; nothing happens, and `false` says so, if the group
/// would be left without an admin.
///
/// # Errors
/// When a query fails.
pub async fn set_member(
    conn: &mut Connection,
    group: &Group,
    user: &User,
    role: Option<GroupRole>,
    actor: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    conn.transaction::<_, DbError, _>(async |conn| {
        // Two admins that leave at once look one after the other.
        groups::table
            .find(group.id)
            .select(groups::id)
            .for_update()
            .first::<i64>(conn)
            .await?;
        let row = group_members::table.find((group.id, user.id));
        let old: Option<String> = row.select(group_members::role).first(conn).await.optional()?;
        let leaders: i64 = group_members::table
            .filter(group_members::group_id.eq(group.id))
            .filter(group_members::role.eq(GroupRole::Admin.as_str()))
            .filter(group_members::user_id.ne(user.id))
            .count()
            .get_result(conn)
            .await?;
        if leaders == 0 && role != Some(GroupRole::Admin) {
            return Ok(false);
        }
        let role = role.map(GroupRole::as_str);
        match role {
            None => {
                diesel::delete(row).execute(conn).await?;
            }
            Some(role) => {
                diesel::insert_into(group_members::table)
                    .values((
                        group_members::group_id.eq(group.id),
                        group_members::user_id.eq(user.id),
                        group_members::role.eq(role),
                    ))
                    .on_conflict((group_members::group_id, group_members::user_id))
                    .do_update()
                    .set(group_members::role.eq(role))
                    .execute(conn)
                    .await?;
            }
        }
        if old.as_deref() != role {
            let detail = serde_json::json!({"user": user.name, "old": old, "new": role});
            audit::record(conn, now, actor, "group.member", &object(&group.name), detail).await?;
        }
        Ok(true)
    })
    .await
}
