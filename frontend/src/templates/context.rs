//! What the templates are given. Each page's context makes samples of itself, by which a test renders every template.

mod build;
mod project;

use serde::Serialize;

pub use build::{
    BatchLine, BatchMember, Batches, Build, BuildDelete, BuildLine, Builds, Import, LiveLog, MiniRepository,
    Monitor, MonitorCell, MonitorLine, ResultLine, StateChoice, Submit, TaskFailure, TaskLine, TestLine,
};
pub use project::{
    Arch, Choice, DirectoryLine, Head, Key, PackageLine, Project, ProjectDelete, ProjectEdit, ProjectForm,
    ProjectHead, ProjectLine, ProjectNew, Projects, Repo, Switch, Trouble,
};

/// What every page shows around its content: variable `frame`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Frame {
    /// Name of the service.
    pub service: String,
    /// Who is signed in.
    pub user: Option<String>,
    /// What every form has to carry; empty without a session.
    pub csrf: String,
    /// Something on the page still changes: it refreshes the parts marked `data-live`.
    pub unfinished: bool,
}

/// A point in time.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// RFC 3339.
    pub iso: String,
    /// `2026-11-21 02:35:41 UTC`.
    pub full: String,
    /// `3 min ago`; a date where it is long ago.
    pub ago: String,
}

/// A text that may be a link.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Shown.
    pub text: String,
    /// `http:`, `https:` or `mailto:`; nothing else ever becomes a link.
    pub href: Option<String>,
}

/// What was typed into a field, and what is wrong with it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Field {
    /// As typed.
    pub value: String,
    /// A sentence.
    pub error: Option<String>,
}

impl Field {
    /// A field without an error.
    pub fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            error: None,
        }
    }
}

/// A chroot to tick.
#[derive(Debug, Clone, Serialize)]
pub struct ChrootChoice {
    /// Name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Ticked.
    pub checked: bool,
}

/// The home page.
#[derive(Debug, Clone, Serialize)]
pub struct Home {
    /// A chroot for the example.
    pub example_chroot: String,
    /// Newest projects.
    pub projects: Vec<ProjectLine>,
    /// Newest builds.
    pub builds: Vec<BuildLine>,
}

/// Something that an owner may use so much of.
#[derive(Debug, Clone, Serialize)]
pub struct QuotaLine {
    /// What it is.
    pub what: String,
    /// How much is used.
    pub used: String,
    /// How much may be; none: as much as one likes.
    pub limit: Option<String>,
    /// It is used up.
    pub full: bool,
}

/// How to sign in.
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    /// The visitor came by a link that does not work.
    pub expired: bool,
    /// Days that a session lasts.
    pub days: i64,
}

/// An error.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// HTTP status with its name.
    pub status: String,
    /// In few words.
    pub title: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// Offers to sign in.
    pub sign_in: bool,
}

#[cfg(test)]
#[path = "samples.rs"]
pub(crate) mod samples;
