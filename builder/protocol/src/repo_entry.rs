//! One entry of a list of repositories, as settings of projects and chroots hold them.

use std::fmt;
use std::str::FromStr;

use crate::names::{DirName, OwnerName};

/// What starts the name of a project of this service.
const SCHEME: &str = "copr://";
/// The part of the query that is ours (Copr's rule): smaller wins, as dnf has it.
const PRIORITY: &str = "priority=";

/// What is wrong with an entry, as the end of a sentence that begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepoEntryError {
    /// It begins as a project's name and is none.
    #[error("names no project; write {SCHEME}owner/project")]
    Project,
    /// Its priority is no number from 1 to 99.
    #[error("has no valid priority; write ?priority=N with N between 1 and 99")]
    Priority,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoTarget {
    /// A directory of a project of this service.
    Project {
        /// Name space.
        owner: OwnerName,
        /// Directory, mostly the main one.
        dir: DirName,
    },
    /// Somewhere else; the text is not checked to be a URL.
    Url(String),
}

/// `copr://owner/project`, `copr://owner/project:custom:x` or a URL, with or without `priority=N` among its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoEntry {
    /// Where it is; of a URL's query all but the priority.
    pub target: RepoTarget,
    /// 1 to 99.
    pub priority: Option<u8>,
}

impl RepoEntry {
    /// Reads an entry that was taken before: a priority that is none does not count. `None`: it looks like a project and
    /// names none.
    pub fn stored(text: &str) -> Option<Self> {
        let (rest, priority) = cut(text);
        Some(Self {
            target: target(&rest)?,
            priority: priority.and_then(|number| number_of(&number)),
        })
    }
}

impl FromStr for RepoEntry {
    type Err = RepoEntryError;

    fn from_str(text: &str) -> Result<Self, RepoEntryError> {
        let (rest, priority) = cut(text);
        let target = target(&rest).ok_or(RepoEntryError::Project)?;
        let priority = priority
            .map(|number| number_of(&number).ok_or(RepoEntryError::Priority))
            .transpose()?;
        Ok(Self { target, priority })
    }
}

impl fmt::Display for RepoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project { owner, dir } => write!(f, "{SCHEME}{owner}/{dir}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// The text without its priority, and the last priority that it has, as it is written.
fn cut(text: &str) -> (String, Option<String>) {
    let Some((head, query)) = text.split_once('?') else {
        return (text.to_owned(), None);
    };
    let mut priority = None;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.strip_prefix(PRIORITY) {
            Some(number) => priority = Some(number.to_owned()),
            None => rest.push(pair),
        }
    }
    let text = if rest.is_empty() {
        head.to_owned()
    } else {
        format!("{head}?{}", rest.join("&"))
    };
    (text, priority)
}

fn number_of(text: &str) -> Option<u8> {
    text.parse().ok().filter(|n| (1..=99).contains(n))
}

fn target(text: &str) -> Option<RepoTarget> {
    let Some(name) = text.strip_prefix(SCHEME) else {
        return Some(RepoTarget::Url(text.to_owned()));
    };
    let (owner, dir) = name.trim_end_matches('/').split_once('/')?;
    Some(RepoTarget::Project {
        owner: owner.parse().ok()?,
        dir: dir.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RepoTarget {
        RepoTarget::Url(text.to_owned())
    }

    #[test]
    fn a_priority_is_cut_off_wherever_it_stands() {
        for (text, target, priority) in [
            ("https://h/x", "https://h/x", None),
            ("https://h/x?priority=5", "https://h/x", Some(5)),
            ("https://h/x?a=b&priority=5", "https://h/x?a=b", Some(5)),
            ("https://h/x?priority=5&a=b", "https://h/x?a=b", Some(5)),
            ("https://h/x?a=b", "https://h/x?a=b", None),
            (
                "https://h/$chroot/?a&priority=99",
                "https://h/$chroot/?a",
                Some(99),
            ),
        ] {
            let entry: RepoEntry = text.parse().unwrap();
            assert_eq!((entry.target, entry.priority), (url(target), priority), "{text}");
        }
    }

    #[test]
    fn projects_and_their_directories_are_read() {
        for (text, named, priority) in [
            ("copr://alice/libs", "copr://alice/libs", None),
            ("copr://alice/libs/?priority=10", "copr://alice/libs", Some(10)),
            ("copr://@sig/libs:custom:x", "copr://@sig/libs:custom:x", None),
        ] {
            let entry: RepoEntry = text.parse().unwrap();
            assert!(matches!(entry.target, RepoTarget::Project { .. }), "{text}");
            assert_eq!(
                (entry.target.to_string().as_str(), entry.priority),
                (named, priority)
            );
        }
        for bad in [
            "copr://libs",
            "copr://a/b/c",
            "copr://a/b?x=1",
            "copr://a/b:x:y",
            "copr://",
        ] {
            assert_eq!(bad.parse::<RepoEntry>(), Err(RepoEntryError::Project), "{bad}");
            assert_eq!(RepoEntry::stored(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_priority_has_its_limits() {
        for bad in ["0", "100", "-1", "x", ""] {
            let text = format!("https://h/x?priority={bad}&a=b");
            assert_eq!(text.parse::<RepoEntry>(), Err(RepoEntryError::Priority), "{text}");
            let stored = RepoEntry::stored(&text).unwrap();
            assert_eq!((stored.target, stored.priority), (url("https://h/x?a=b"), None));
        }
    }
}
