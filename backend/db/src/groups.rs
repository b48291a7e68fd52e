//! Groups of users, which hold projects as `@name`.

use std::str::FromStr;

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
