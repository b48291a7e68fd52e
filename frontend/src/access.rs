//! The one place that decides who may do what. Whatever is not allowed here is refused.

mod action;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use db::builds::Build;
use db::groups::GroupRole;
use db::projects::Project;
use db::rights::Rights;
use db::tokens::Scope;
use db::users::User;
use protocol::{GroupName, OwnerName};

use crate::config::MakesGroups;
use crate::error::{Error, LOGIN_INVALID};

pub use action::Action;

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Without credentials.
    Nobody,
    /// A user who proved it.
    User(Arc<Account>),
}

/// A user, and all that decides what they may do right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub user: User,
    /// What they may beyond their own.
    pub rights: Rights,
    /// What the token that they came with is limited to; a session has no limits.
    pub scope: Scope,
    /// When that token ends; a session's power to make tokens has no end.
    pub ends_at: Option<DateTime<Utc>>,
}

impl Actor {
    /// A user without a token's limits.
    pub fn of(user: User, rights: Rights) -> Self {
        Self::User(Arc::new(Account {
            user,
            rights,
            scope: Scope::default(),
            ends_at: None,
        }))
    }

    /// User, rights and limits, when there is a user.
    fn account(&self) -> Option<&Account> {
        match self {
            Self::Nobody => None,
            Self::User(account) => Some(account),
        }
    }

    fn signed_account(&self) -> Result<&Account, Error> {
        self.account()
            .ok_or_else(|| Error::Unauthenticated(LOGIN_INVALID.to_owned()))
    }

    /// The user, when there is one.
    pub fn user(&self) -> Option<&User> {
        self.account().map(|account| &account.user)
    }

    /// The user, or the error that asks for credentials.
    ///
    /// # Errors
    /// For nobody.
    pub fn signed_in(&self) -> Result<&User, Error> {
        self.signed_account().map(|account| &account.user)
    }

    /// Name for the audit.
    pub fn name(&self) -> &str {
        self.user().map_or("nobody", |user| user.name.as_str())
    }

    /// A user holds what bears their own name, and what a group holds that they are in.
    fn holds(&self, holder: &OwnerName) -> bool {
        self.account().is_some_and(|account| {
            holder.as_str() == account.user.name.as_str() || account.rights.role_in(holder).is_some()
        })
    }

    /// Whom a user may offer to make projects for: themselves first, then their groups.
    pub fn creates_for(&self) -> Vec<String> {
        self.account().map_or_else(Vec::new, |account| {
            let own = std::iter::once(account.user.name.to_string());
            own.chain(account.rights.groups().map(ToString::to_string))
                .collect()
        })
    }

    /// Holds it, and in a group as one of its admins.
    fn leads(&self, holder: &OwnerName) -> bool {
        self.account().is_some_and(|account| {
            holder.as_str() == account.user.name.as_str()
                || account.rights.role_in(holder) == Some(GroupRole::Admin)
        })
    }

    /// Holds the project, or has its role admin.
    fn edits(&self, project: &Project) -> bool {
        self.holds(&project.holder)
            || self
                .account()
                .is_some_and(|account| account.rights.is_admin_of(project.id))
    }

    /// May edit it, or has its role builder.
    fn builds(&self, project: &Project) -> bool {
        self.edits(project)
            || self
                .account()
                .is_some_and(|account| account.rights.is_builder_of(project.id))
    }

    /// The account, if its token may touch the project.
    fn within(&self, project: &Project) -> Result<&Account, Error> {
        let account = self.signed_account()?;
        let inside = account
            .scope
            .projects
            .as_ref()
            .is_none_or(|all| all.iter().any(|p| p.matches(&project.owner, &project.name)));
        allow(
            inside,
            &format!(
                "This API token may not touch {}/{}: it is limited to {}.",
                project.owner,
                project.name,
                limits(&account.scope)
            ),
        )?;
        Ok(account)
    }

    /// The account, if its token is not limited to some projects.
    fn at_large(&self) -> Result<&Account, Error> {
        let account = self.signed_account()?;
        allow(
            account.scope.projects.is_none(),
            &format!(
                "This API token is limited to {}, and this concerns more than that.",
                limits(&account.scope)
            ),
        )?;
        Ok(account)
    }

    /// Whether the token allows an action at all.
    ///
    /// # Errors
    /// When not.
    pub fn may_act(&self, action: Action) -> Result<(), Error> {
        let account = self.signed_account()?;
        let allowed = account.scope.actions.as_deref().unwrap_or_default();
        allow(
            account.scope.allows(action.as_str()),
            &format!(
                "This API token may not do this, which takes '{}': it is limited to {}. Make one that may on the page /api/.",
                action.as_str(),
                allowed.join(", ")
            ),
        )
    }

    /// Whether a token with these limits and this end may be made, seen and revoked.
    ///
    /// # Errors
    /// When the token that asks may less, or ends before.
    pub fn may_handle_token(&self, scope: &Scope, ends_at: Option<DateTime<Utc>>) -> Result<(), Error> {
        let account = self.signed_account()?;
        allow(
            account.scope.covers(scope),
            "A token cannot make, see or revoke tokens that may more than itself.",
        )?;
        let Some(own) = account.ends_at else {
            return Ok(());
        };
        allow(
            ends_at.is_some_and(|end| end <= own),
            &format!(
                "This API token ends at {}, and cannot make, see or revoke tokens that last longer; those are made on the page /api/.",
                own.format("%Y-%m-%d %H:%M UTC")
            ),
        )
    }

    /// When the token that asks ends, if it does.
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.account().and_then(|account| account.ends_at)
    }

    fn administers(&self) -> bool {
        self.user().is_some_and(|user| user.is_admin)
    }

    /// Whether projects may be made for this holder.
    ///
    /// # Errors
    /// When not.
    pub fn may_create_for(&self, owner: &OwnerName) -> Result<(), Error> {
        let account = self.signed_account()?;
        let user = &account.user;
        if self.holds(owner) {
            let inside = account
                .scope
                .projects
                .as_ref()
                .is_none_or(|all| all.iter().any(|p| p.matches_all_of(owner)));
            return allow(
                inside,
                &format!(
                    "This API token may not create projects for {owner}: it is limited to {}.",
                    limits(&account.scope)
                ),
            );
        }
        let (name, kind) = (
            &user.name,
            if owner.is_group() { "the group" } else { "the user" },
        );
        Err(Error::Forbidden(format!(
            "You are signed in as '{name}' and can't create projects for {kind} '{owner}'."
        )))
    }

    /// Whether a project's settings, packages and permissions may be changed.
    ///
    /// # Errors
    /// When not.
    pub fn may_edit(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.edits(project) || self.administers(),
            "Only owners and admins may update their projects.",
        )
    }

    /// Whether a project may be deleted: by the user or the admins of the group that hold it.
    ///
    /// # Errors
    /// When not.
    pub fn may_delete(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.leads(&project.holder) || self.administers(),
            "Only owners may delete their projects.",
        )
    }

    /// Whether a project's key may be followed by another, or revoked: by whoever may delete it.
    ///
    /// # Errors
    /// When not.
    pub fn may_change_keys(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.leads(&project.holder) || self.administers(),
            "Only owners may change the keys of their projects.",
        )
    }

    /// Whether a project may be given to another holder at all: by whoever may delete it.
    ///
    /// # Errors
    /// When not.
    pub fn may_give_away(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.leads(&project.holder) || self.administers(),
            "Only owners may give their projects away.",
        )
    }

    /// Whether a project may be given to this holder: to a user, or to a group of the giver's.
    ///
    /// # Errors
    /// When not.
    pub fn may_transfer(&self, project: &Project, to: &OwnerName) -> Result<(), Error> {
        self.may_give_away(project)?;
        allow(
            !to.is_group() || self.holds(to) || self.administers(),
            &format!("You are no member of the group {to}, so you can't give it projects."),
        )
    }

    /// Whether one may ask for a role in a project: everybody may who is somebody.
    ///
    /// # Errors
    /// For nobody.
    pub fn may_ask_for_roles(&self, project: &Project) -> Result<&User, Error> {
        self.within(project).map(|account| &account.user)
    }

    /// Whether builds may be submitted to a project.
    ///
    /// # Errors
    /// When not.
    pub fn may_build(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.builds(project),
            "You don't have permissions to build in this copr.",
        )
    }

    /// Whether a build may be canceled: by its submitter, and by whoever may build in or change the project.
    ///
    /// # Errors
    /// When not.
    pub fn may_cancel(&self, project: &Project, build: &Build) -> Result<(), Error> {
        let account = self.within(project)?;
        allow(
            self.builds(project)
                || self.administers()
                || build.submitter.as_deref() == Some(account.user.name.as_str()),
            "You are not allowed to cancel this build.",
        )
    }

    /// Whether groups may be made, which the service's administrator decides.
    ///
    /// # Errors
    /// When not.
    pub fn may_make_groups(&self, who: MakesGroups) -> Result<&User, Error> {
        let account = self.at_large()?;
        allow(
            who == MakesGroups::Everybody || self.administers(),
            "Only administrators of this service may make groups; ask one of them.",
        )?;
        Ok(&account.user)
    }

    /// Whether a group and its members may be changed.
    ///
    /// # Errors
    /// When not.
    pub fn may_lead(&self, group: &GroupName) -> Result<&User, Error> {
        let account = self.at_large()?;
        let holder = OwnerName::from(group);
        allow(
            self.leads(&holder) || self.administers(),
            &format!("Only admins of the group {holder} may change it."),
        )?;
        Ok(&account.user)
    }

    /// Whether a member may be taken out of a group: by its admins, or by themselves.
    ///
    /// # Errors
    /// When not.
    pub fn may_take_out(&self, group: &GroupName, member: &str) -> Result<&User, Error> {
        let account = self.at_large()?;
        if account.user.name.as_str() == member {
            return Ok(&account.user);
        }
        self.may_lead(group)
    }

    /// Whether one may read who did what in a project: whoever may change it.
    ///
    /// # Errors
    /// When not.
    pub fn may_see_history(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.edits(project) || self.administers(),
            "Only owners and admins of a project see its history.",
        )
    }

    /// Whether one may read what of a project's past goes: whoever may change it.
    ///
    /// # Errors
    /// When not.
    pub fn may_see_retention(&self, project: &Project) -> Result<(), Error> {
        self.within(project)?;
        allow(
            self.edits(project) || self.administers(),
            "Only owners and admins of a project see what of its past goes.",
        )
    }

    /// Whether one may read what the whole service stores.
    ///
    /// # Errors
    /// When not.
    pub fn may_see_storage(&self) -> Result<(), Error> {
        self.at_large()?;
        self.may_administer("see what the whole service stores")
    }

    /// Whether one may read who did what in the whole service.
    ///
    /// # Errors
    /// When not.
    pub fn may_see_all_history(&self) -> Result<(), Error> {
        self.at_large()?;
        self.may_administer("see the history of the whole service")
    }

    /// Whether one may read what an owner uses and may use.
    ///
    /// # Errors
    /// When not.
    pub fn may_see_quota(&self, owner: &OwnerName) -> Result<(), Error> {
        self.at_large()?;
        allow(
            self.holds(owner) || self.administers(),
            &format!("Only {owner} and administrators of this service see the quota of {owner}."),
        )
    }

    /// Whether one may give an owner other limits.
    ///
    /// # Errors
    /// When not.
    pub fn may_set_quotas(&self) -> Result<&User, Error> {
        let account = self.at_large()?;
        self.may_administer("set quotas")?;
        Ok(&account.user)
    }

    /// Whether settings may be changed that only administrators change.
    ///
    /// # Errors
    /// When not.
    pub fn may_administer(&self, what: &str) -> Result<(), Error> {
        self.signed_in()?;
        allow(self.administers(), &format!("Only admins may {what}."))
    }
}

/// What a token's projects are, for a sentence.
fn limits(scope: &Scope) -> String {
    let names: Vec<&str> = scope.projects.iter().flatten().map(AsRef::as_ref).collect();
    names.join(", ")
}

fn allow(allowed: bool, otherwise: &str) -> Result<(), Error> {
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden(otherwise.to_owned()))
    }
}
