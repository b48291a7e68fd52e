//! Contexts of the pages about people: tokens, groups, roles in projects.

use serde::Serialize;

use super::context::{ChrootChoice, Field, Moment, ProjectHead, ProjectLine, QuotaLine};

/// A token in the list.
#[derive(Debug, Clone, Serialize)]
pub struct TokenLine {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Projects that it is limited to.
    pub projects: Vec<String>,
    /// Actions that it is limited to.
    pub actions: Vec<String>,
    /// When it was made.
    pub created: Moment,
    /// When it was last used.
    pub last_used: Option<Moment>,
    /// Its last day; none: it does not end.
    pub expires: Option<String>,
    /// It has ended.
    pub expired: bool,
}

/// The API tokens.
#[derive(Debug, Clone, Serialize)]
pub struct Token {
    /// What belongs into `~/.config/copr`, right after a token was made.
    pub block: Option<String>,
    /// The user's.
    pub tokens: Vec<TokenLine>,
    /// What concerns no single field.
    pub error: Option<String>,
    /// What to call a new one.
    pub name: Field,
    /// Projects to limit it to, one a line.
    pub projects: Field,
    /// Actions to limit it to.
    pub actions: Vec<ChrootChoice>,
    /// Days that it lasts.
    pub days: Field,
    /// What to try.
    pub commands: String,
}

/// A group in a list.
#[derive(Debug, Clone, Serialize)]
pub struct GroupLine {
    /// Name with the `@`.
    pub owner: String,
    /// URL path of its page.
    pub path: String,
    /// For people.
    pub description: String,
    /// How many it has.
    pub members: i64,
}

/// All groups.
#[derive(Debug, Clone, Serialize)]
pub struct Groups {
    /// One page of them.
    pub groups: Vec<GroupLine>,
    /// Whether the visitor may make one.
    pub may_create: bool,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Name of a new one.
    pub name: Field,
    /// Its description.
    pub description: Field,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, Serialize)]
pub struct MemberLine {
    /// Who.
    pub name: String,
    /// `member` or `admin`.
    pub role: String,
    /// The visitor may take them out.
    pub may_remove: bool,
}

/// A group, its projects and members.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Name without the `@`.
    pub name: String,
    /// For people.
    pub about: String,
    /// Admins first.
    pub members: Vec<MemberLine>,
    /// Whether the visitor may make projects for it.
    pub may_create: bool,
    /// Whether the visitor may change it.
    pub may_lead: bool,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Who shall become a member.
    pub username: Field,
    /// A new description.
    pub description: Field,
    /// What it uses, for those who may see it.
    pub quota: Vec<QuotaLine>,
    /// One page of them.
    pub projects: Vec<ProjectLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// A user's roles in a project: `nothing`, `request` or `approved`.
#[derive(Debug, Clone, Serialize)]
pub struct RoleLine {
    /// Who.
    pub user: String,
    /// Changes the project.
    pub admin: String,
    /// Submits builds.
    pub builder: String,
}

/// Who may do what in a project.
#[derive(Debug, Clone, Serialize)]
pub struct Permissions {
    /// Top.
    pub project: ProjectHead,
    /// Who decides about it.
    pub holder: String,
    /// Everybody's roles, for who may change them.
    pub roles: Vec<RoleLine>,
    /// The visitor's own, if they may ask for more.
    pub own: Option<RoleLine>,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Whom to give roles.
    pub username: Field,
    /// Whether the visitor may give the project away.
    pub may_transfer: bool,
    /// To whom.
    pub to: Field,
}

#[cfg(test)]
mod samples {
    use super::*;

    const HOSTILE: &str = "<b>hostile</b> \"'&";

    fn moment() -> Moment {
        Moment {
            iso: "2026-11-21T02:35:41Z".to_owned(),
            full: "2026-11-21 02:35:41 UTC".to_owned(),
            ago: "3 min ago".to_owned(),
        }
    }

    fn wrong() -> Field {
        Field {
            value: HOSTILE.to_owned(),
            error: Some(HOSTILE.to_owned()),
        }
    }

    fn project_line() -> ProjectLine {
        ProjectLine {
            owner: "@sig".to_owned(),
            name: "tools".to_owned(),
            path: "/coprs/@sig/tools/".to_owned(),
            description: HOSTILE.to_owned(),
            created: moment(),
        }
    }

    impl Token {
        pub(crate) fn samples() -> Vec<Self> {
            let line = |id: i64, limited: bool| TokenLine {
                id,
                name: HOSTILE.to_owned(),
                projects: if limited {
                    vec!["alice/*".to_owned()]
                } else {
                    vec![]
                },
                actions: if limited { vec!["build".to_owned()] } else { vec![] },
                created: moment(),
                last_used: limited.then(moment),
                expires: limited.then(|| "2027-05-20".to_owned()),
                expired: limited,
            };
            let of = |full: bool| Self {
                block: full.then(|| format!("[copr-cli]\nlogin = {HOSTILE}\n")),
                tokens: if full {
                    vec![line(3, true), line(4, false)]
                } else {
                    vec![]
                },
                error: full.then(|| HOSTILE.to_owned()),
                name: if full { wrong() } else { Field::default() },
                projects: if full { wrong() } else { Field::default() },
                actions: vec![ChrootChoice {
                    name: "build".to_owned(),
                    description: HOSTILE.to_owned(),
                    checked: full,
                }],
                days: if full { wrong() } else { Field::of("180") },
                commands: "copr-cli whoami".to_owned(),
            };
            vec![of(true), of(false)]
        }
    }

    impl Groups {
        pub(crate) fn samples() -> Vec<Self> {
            let line = GroupLine {
                owner: "@sig".to_owned(),
                path: "/coprs/@sig/".to_owned(),
                description: HOSTILE.to_owned(),
                members: 2,
            };
            let of = |full: bool| Self {
                groups: if full { vec![line.clone()] } else { vec![] },
                may_create: full,
                error: full.then(|| HOSTILE.to_owned()),
                name: if full { wrong() } else { Field::default() },
                description: if full { wrong() } else { Field::default() },
                older: full.then(|| "?page=3".to_owned()),
                newer: full.then(|| "?page=1".to_owned()),
            };
            vec![of(true), of(false)]
        }
    }

    impl Group {
        pub(crate) fn samples() -> Vec<Self> {
            let member = |role: &str, may_remove| MemberLine {
                name: "alice".to_owned(),
                role: role.to_owned(),
                may_remove,
            };
            let of = |full: bool| Self {
                name: "sig".to_owned(),
                about: if full { HOSTILE } else { "" }.to_owned(),
                members: vec![member("admin", full), member("member", false)],
                may_create: full,
                may_lead: full,
                error: full.then(|| HOSTILE.to_owned()),
                username: if full { wrong() } else { Field::default() },
                description: if full { wrong() } else { Field::default() },
                quota: if full {
                    crate::templates::context::samples::quota_lines()
                } else {
                    vec![]
                },
                projects: if full { vec![project_line()] } else { vec![] },
                older: full.then(|| "?page=3".to_owned()),
                newer: full.then(|| "?page=1".to_owned()),
            };
            vec![of(true), of(false)]
        }
    }

    impl Permissions {
        pub(crate) fn samples() -> Vec<Self> {
            let line = |admin: &str| RoleLine {
                user: "bob".to_owned(),
                admin: admin.to_owned(),
                builder: "approved".to_owned(),
            };
            let of = |may: bool, own: Option<RoleLine>| Self {
                project: ProjectHead {
                    owner: "alice".to_owned(),
                    name: "tools".to_owned(),
                    path: "/coprs/alice/tools/".to_owned(),
                    holder: None,
                    may_build: may,
                    may_edit: may,
                },
                holder: "@sig".to_owned(),
                roles: if may {
                    vec![line("request"), line("nothing")]
                } else {
                    vec![]
                },
                own,
                error: may.then(|| HOSTILE.to_owned()),
                username: if may { wrong() } else { Field::default() },
                may_transfer: may,
                to: if may { wrong() } else { Field::default() },
            };
            vec![of(true, None), of(false, Some(line("request"))), of(false, None)]
        }
    }
}
