//! What a user may beyond their own: groups that they are in, and roles in projects of others.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use diesel_async::RunQueryDsl as _;
use protocol::{GroupName, OwnerName, UserName};

use crate::connect::{Connection, DbResult, parse};
use crate::groups::GroupRole;
use crate::users::User;

/// What a user may beyond their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Groups that the user is in, as holders of projects.
    groups: BTreeMap<OwnerName, GroupRole>,
    /// Projects in which the user is an approved builder, ascending.
    builder_in: Vec<i64>,
    /// Projects in which the user is an approved admin, ascending.
    admin_in: Vec<i64>,
}

impl Rights {
    /// The user's role in the group that a holder is, if the holder is a group that the user is in.
    pub fn role_in(&self, holder: &OwnerName) -> Option<GroupRole> {
        self.groups.get(holder).copied()
    }

    /// Groups that the user is in.
    pub fn groups(&self) -> impl Iterator<Item = &OwnerName> {
        self.groups.keys()
    }

    /// Whether the user is an approved builder of a project.
    pub fn is_builder_of(&self, project: i64) -> bool {
        self.builder_in.binary_search(&project).is_ok()
    }

    /// Whether the user is an approved admin of a project.
    pub fn is_admin_of(&self, project: i64) -> bool {
        self.admin_in.binary_search(&project).is_ok()
    }
}

/// Columns of a query over `users u` that [`Row`] reads; all of them come from indexes on the user.
macro_rules! columns {
    () => {
        "u.id AS user_id, u.name AS user_name, u.is_admin,
         ARRAY(SELECT g.name FROM group_members m JOIN groups g ON g.id = m.group_id
             WHERE m.user_id = u.id AND m.role = 'member') AS member_of,
         ARRAY(SELECT g.name FROM group_members m JOIN groups g ON g.id = m.group_id
             WHERE m.user_id = u.id AND m.role = 'admin') AS leader_of,
         ARRAY(SELECT p.project_id FROM project_permissions p
             WHERE p.user_id = u.id AND p.builder = 2 ORDER BY 1) AS builder_in,
         ARRAY(SELECT p.project_id FROM project_permissions p
             WHERE p.user_id = u.id AND p.admin = 2 ORDER BY 1) AS admin_in"
    };
}
pub(crate) use columns;

/// A user with their rights, as the database gives them.
#[derive(QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = Text)]
    user_name: String,
    #[diesel(sql_type = Bool)]
    is_admin: bool,
    #[diesel(sql_type = Array<Text>)]
    member_of: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    leader_of: Vec<String>,
    #[diesel(sql_type = Array<BigInt>)]
    builder_in: Vec<i64>,
    #[diesel(sql_type = Array<BigInt>)]
    admin_in: Vec<i64>,
}

impl Row {
    pub(crate) fn read(self) -> DbResult<(User, Rights)> {
        let user = User {
            id: self.user_id,
            name: parse("user name", &self.user_name)?,
            is_admin: self.is_admin,
        };
        let mut groups = BTreeMap::new();
        for (names, role) in [
            (&self.member_of, GroupRole::Member),
            (&self.leader_of, GroupRole::Admin),
        ] {
            for name in names {
                groups.insert(OwnerName::from(&parse::<GroupName>("group name", name)?), role);
            }
        }
        let rights = Rights {
            groups,
            builder_in: self.builder_in,
            admin_in: self.admin_in,
        };
        Ok((user, rights))
    }
}

/// A user with their rights.
///
/// # Errors
/// When the query fails.
pub async fn of_user(conn: &mut Connection, name: &UserName) -> DbResult<Option<(User, Rights)>> {
    let rows: Vec<Row> = diesel::sql_query(concat!("SELECT ", columns!(), " FROM users u WHERE u.name = $1"))
        .bind::<Text, _>(name.as_str())
        .load(conn)
        .await?;
    rows.into_iter().next().map(Row::read).transpose()
}
