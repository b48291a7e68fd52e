//! What a token can be limited to.

/// What a token may be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See who one is, and ask for permissions.
    Account,
    /// Submit, cancel and delete builds.
    Build,
    /// Change settings, chroots, packages, permissions and webhooks.
    Edit,
    /// Report results of tests.
    Test,
    /// Make and fork projects.
    Create,
    /// Delete projects, give them away, and change their keys.
    Delete,
    /// Make groups and change their members.
    Groups,
    /// Make and revoke tokens.
    Tokens,
    /// What only administrators do.
    Admin,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Account,
        Self::Build,
        Self::Edit,
        Self::Test,
        Self::Create,
        Self::Delete,
        Self::Groups,
        Self::Tokens,
        Self::Admin,
    ];

    /// What it allows, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Account => "See who one is, and ask for permissions.",
            Self::Build => "Submit, cancel and delete builds.",
            Self::Edit => "Change settings, chroots, packages, permissions and webhooks.",
            Self::Test => "Report results of tests.",
            Self::Create => "Make and fork projects.",
            Self::Delete => "Delete projects, give them away, and change their keys.",
            Self::Groups => "Make groups and change their members.",
            Self::Tokens => "Make and revoke tokens.",
            Self::Admin => "What only administrators do.",
        }
    }

    /// As tokens store it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Build => "build",
            Self::Edit => "edit",
            Self::Test => "test",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Groups => "groups",
            Self::Tokens => "tokens",
            Self::Admin => "admin",
        }
    }
}
