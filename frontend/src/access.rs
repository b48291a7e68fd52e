//! The one place that decides who may do what. Whatever is not allowed here is refused.

use db::builds::Build;
use db::projects::Project;
use db::users::User;
use protocol::OwnerName;

use crate::error::{Error, LOGIN_INVALID};

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Without credentials.
    Nobody,
    /// A user who proved it.
    User(User),
}

impl Actor {
    /// The user, when there is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Nobody => None,
            Self::User(user) => Some(user),
        }
    }

    /// The user, or the error that asks for credentials.
    ///
    /// # Errors
    /// For nobody.
    pub fn signed_in(&self) -> Result<&User, Error> {
        self.user()
            .ok_or_else(|| Error::Unauthenticated(LOGIN_INVALID.to_owned()))
    }

    /// Name for the audit.
    pub fn name(&self) -> &str {
        self.user().map_or("nobody", |user| user.name.as_str())
    }

    /// A user holds what bears their own name.
    fn holds(&self, owner: &OwnerName) -> bool {
        self.user()
            .is_some_and(|user| !owner.is_group() && owner.as_str() == user.name.as_str())
    }

    fn administers(&self) -> bool {
        self.user().is_some_and(|user| user.is_admin)
    }

    /// Whether projects may be made for this holder.
    ///
    /// # Errors
    /// When not.
    pub fn may_create_for(&self, owner: &OwnerName) -> Result<(), Error> {
        let user = self.signed_in()?;
        if self.holds(owner) {
            return Ok(());
        }
        let (name, kind) = (
            &user.name,
            if owner.is_group() { "the group" } else { "the user" },
        );
        Err(Error::Forbidden(format!(
            "You are signed in as '{name}' and can't create projects for {kind} '{owner}'."
        )))
    }

    /// Whether a project's settings may be changed.
    ///
    /// # Errors
    /// When not.
    pub fn may_edit(&self, project: &Project) -> Result<(), Error> {
        self.signed_in()?;
        allow(
            self.holds(&project.holder) || self.administers(),
            "Only owners and admins may update their projects.",
        )
    }

    /// Whether a project may be deleted.
    ///
    /// # Errors
    /// When not.
    pub fn may_delete(&self, project: &Project) -> Result<(), Error> {
        self.signed_in()?;
        allow(
            self.holds(&project.holder) || self.administers(),
            "Only owners may delete their projects.",
        )
    }

    /// Whether builds may be submitted to a project.
    ///
    /// # Errors
    /// When not.
    pub fn may_build(&self, project: &Project) -> Result<(), Error> {
        self.signed_in()?;
        allow(
            self.holds(&project.holder),
            "You don't have permissions to build in this copr.",
        )
    }

    /// Whether a build may be canceled: by its submitter, and by whoever may change the project.
    ///
    /// # Errors
    /// When not.
    pub fn may_cancel(&self, project: &Project, build: &Build) -> Result<(), Error> {
        let user = self.signed_in()?;
        allow(
            self.holds(&project.holder)
                || self.administers()
                || build.submitter.as_deref() == Some(user.name.as_str()),
            "You are not allowed to cancel this build.",
        )
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

fn allow(allowed: bool, otherwise: &str) -> Result<(), Error> {
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden(otherwise.to_owned()))
    }
}
