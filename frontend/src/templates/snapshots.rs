//! What the page about snapshots is given.

use serde::Serialize;

use super::context::{Field, Link, Moment, ProjectHead, TestLine};

/// A repository to choose.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryChoice {
    /// Chroot, behind its directory where that is not the main one.
    pub label: String,
    /// Its page.
    pub url: String,
    /// It is this one.
    pub current: bool,
}

/// A pointer.
#[derive(Debug, Clone, Serialize)]
pub struct PointerLine {
    /// Name.
    pub name: String,
    /// The snapshot that it names.
    pub snapshot: i64,
    /// When it came there.
    pub moved: Moment,
    /// Who moved it.
    pub actor: Option<String>,
    /// URL of its `.repo` file.
    pub repo_url: String,
    /// Whether somebody made it, and may remove it.
    pub removable: bool,
}

/// A snapshot in the timeline.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotLine {
    /// Number.
    pub number: i64,
    /// The one that it was made from; 0 for none.
    pub parent: i64,
    /// When.
    pub at: Moment,
    /// Why.
    pub cause: String,
    /// Who asked for it.
    pub actor: Option<String>,
    /// Packages in it.
    pub packages: i64,
    /// Packages that its parent did not have.
    pub added: usize,
    /// Packages that only its parent had.
    pub removed: usize,
    /// Pointers that name it.
    pub pointers: Vec<String>,
    /// Commits whose builds it was the first to have: the first digits of each, and its `.repo` file.
    pub commits: Vec<Link>,
    /// URL of this page with its difference to its parent.
    pub diff_url: String,
    /// Its own repository.
    pub url: String,
    /// `latest` names it.
    pub current: bool,
    /// Whether what it brought can be installed, if somebody was asked.
    pub check: Option<CheckLine>,
}

/// What is known of whether a snapshot's packages can be installed.
#[derive(Debug, Clone, Serialize)]
pub struct CheckLine {
    /// Of the badge, as for a build's state.
    pub class: &'static str,
    /// In words.
    pub text: &'static str,
    /// Why.
    pub message: String,
}

/// A package that came or went.
#[derive(Debug, Clone, Serialize)]
pub struct PackageName {
    /// `name-version-release.arch`.
    pub text: String,
    /// Its build's page.
    pub build: Option<String>,
}

/// Two snapshots side by side.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The first; 0 for none.
    pub from: i64,
    /// The second.
    pub to: i64,
    /// Packages only in the second.
    pub added: Vec<PackageName>,
    /// Packages only in the first.
    pub removed: Vec<PackageName>,
}

/// A repository's snapshots.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshots {
    /// Top.
    pub project: ProjectHead,
    /// The project's repositories.
    pub repositories: Vec<RepositoryChoice>,
    /// Directory of the one that is shown.
    pub dir: String,
    /// Chroot of the one that is shown; empty: there is none.
    pub chroot: String,
    /// The snapshot that `latest` names.
    pub latest: i64,
    /// What tests found, newest first.
    pub tests: Vec<TestLine>,
    /// Pointers.
    pub pointers: Vec<PointerLine>,
    /// What was asked to be compared.
    pub compared: Option<Compared>,
    /// One page of them.
    pub snapshots: Vec<SnapshotLine>,
    /// How a machine installs from what is the latest now, whatever comes later.
    pub as_of_now: String,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Typed: name of a pointer.
    pub pointer: Field,
    /// Typed: packages to take back.
    pub packages: Field,
    /// Typed: the other repository of a promotion.
    pub into: Field,
    /// Typed: its pointer.
    pub into_pointer: Field,
    /// Typed: packages to promote.
    pub into_packages: Field,
    /// URL of the next page.
    pub older: Option<String>,
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::templates::context::samples::{HOSTILE, head, moment, test_line, wrong};

    impl Snapshots {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |full: bool| Self {
                project: head(full),
                repositories: vec![RepositoryChoice {
                    label: HOSTILE.to_owned(),
                    url: "?dir=tools&chroot=x".to_owned(),
                    current: full,
                }],
                dir: "tools".to_owned(),
                chroot: if full { "debian-12-x86_64" } else { "" }.to_owned(),
                latest: 7,
                tests: if full {
                    vec![test_line(true), test_line(false)]
                } else {
                    vec![]
                },
                pointers: vec![PointerLine {
                    name: HOSTILE.to_owned(),
                    snapshot: 7,
                    moved: moment(),
                    actor: full.then(|| HOSTILE.to_owned()),
                    repo_url: "/coprs/alice/tools/repo/debian-12/?at=stable".to_owned(),
                    removable: full,
                }],
                compared: full.then(|| Compared {
                    from: 6,
                    to: 7,
                    added: vec![PackageName {
                        text: HOSTILE.to_owned(),
                        build: Some("/coprs/build/1/".to_owned()),
                    }],
                    removed: vec![PackageName {
                        text: HOSTILE.to_owned(),
                        build: None,
                    }],
                }),
                snapshots: [7, 6]
                    .map(|number| SnapshotLine {
                        number,
                        parent: number - 1,
                        at: moment(),
                        cause: HOSTILE.to_owned(),
                        actor: full.then(|| HOSTILE.to_owned()),
                        packages: 2,
                        added: 1,
                        removed: 0,
                        pointers: if full { vec![HOSTILE.to_owned()] } else { vec![] },
                        commits: vec![Link {
                            text: HOSTILE.to_owned(),
                            href: Some("/coprs/alice/tools/repo/debian-12/?commit=ab".to_owned()),
                        }],
                        diff_url: "?to=7".to_owned(),
                        url: "http://127.0.0.1/results/".to_owned(),
                        current: number == 7,
                        check: full.then(|| CheckLine {
                            class: "failed",
                            text: "cannot be installed",
                            message: HOSTILE.to_owned(),
                        }),
                    })
                    .to_vec(),
                as_of_now: HOSTILE.to_owned(),
                error: full.then(|| HOSTILE.to_owned()),
                pointer: wrong(),
                packages: wrong(),
                into: wrong(),
                into_pointer: wrong(),
                into_packages: wrong(),
                older: full.then(|| "?before=6".to_owned()),
            };
            let empty = Self {
                repositories: vec![],
                tests: vec![],
                pointers: vec![],
                snapshots: vec![],
                ..of(false)
            };
            vec![of(true), of(false), empty]
        }
    }
}
