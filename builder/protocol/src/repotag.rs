//! The forced mark in every release: one fixed part for the service, one part for the project.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{NameError, OwnerName, ProjectName};

/// The repotag of a project, such as `kpr.alice_tools`.
///
/// A release built for the project is `<release><dist>.<service>.<project tag>`: one pattern, `\.kpr\.`, finds all
/// packages of the service, and the part after it is unique per project. The alphabet of both parts is `[a-z0-9_]`,
/// so that neither the dot (which RPM's version comparison treats as a separator) nor a dash can move the border.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoTag {
    service: String,
    project: String,
}

fn part(s: &str) -> bool {
    (1..=120).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl RepoTag {
    /// Puts the two parts together.
    ///
    /// # Errors
    /// When a part is empty, longer than 120 bytes, or leaves the alphabet `[a-z0-9_]`.
    pub fn new(service: &str, project: &str) -> Result<Self, NameError> {
        if part(service) && part(project) {
            Ok(Self {
                service: service.to_owned(),
                project: project.to_owned(),
            })
        } else {
            Err(NameError {
                what: "repotag",
                value: format!("{service}.{project}"),
                rule: "use lower-case letters, digits and '_' in both parts",
            })
        }
    }

    /// The project part that one would choose first for a project: owner and name, with everything outside the
    /// alphabet turned into `_`. Two projects can meet in one spelling (`a.b` and `a_b`), so the caller has to
    /// make it unique, for instance by [`RepoTag::numbered`].
    pub fn suggestion(owner: &OwnerName, project: &ProjectName) -> String {
        let group = if owner.is_group() { "g_" } else { "" };
        let text = format!("{group}{}_{}", owner.bare(), project);
        let clean: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        clean.chars().take(100).collect()
    }

    /// The suggestion made unique by a number.
    pub fn numbered(suggestion: &str, n: u32) -> String {
        if n <= 1 {
            suggestion.to_owned()
        } else {
            format!("{suggestion}_{n}")
        }
    }

    /// The service's part.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The project's part.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The value of the macro `%dist` in a build: the distribution's own, then the repotag.
    pub fn dist(&self, distribution_dist: &str) -> String {
        format!("{distribution_dist}.{self}")
    }

    /// Whether a release carries this repotag as whole dot-separated parts.
    pub fn is_in(&self, release: &str) -> bool {
        let parts: Vec<&str> = release.split('.').collect();
        parts
            .windows(2)
            .any(|w| w == [self.service.as_str(), self.project.as_str()])
    }
}

impl fmt::Display for RepoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.project)
    }
}

impl TryFrom<String> for RepoTag {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        let (service, project) = s.split_once('.').unwrap_or((s.as_str(), ""));
        Self::new(service, project)
    }
}

impl From<RepoTag> for String {
    fn from(tag: RepoTag) -> String {
        tag.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_recognised_by_whole_parts() {
        let tag = RepoTag::new("kpr", "alice_tools").unwrap();
        assert_eq!(tag.dist(".fc44"), ".fc44.kpr.alice_tools");
        assert!(tag.is_in("1.fc44.kpr.alice_tools"));
        assert!(tag.is_in("1.fc44.kpr.alice_tools.2"));
        assert!(!tag.is_in("1.fc44.kpr.alice_tools2"));
        assert!(!tag.is_in("1.fc44.xkpr.alice_tools"));
        assert!(!tag.is_in("1.fc44"));
    }

    #[test]
    fn suggestions_stay_inside_the_alphabet() {
        let owner: OwnerName = "@KDE-sig".parse().unwrap();
        let project: ProjectName = "Plasma.6".parse().unwrap();
        let suggestion = RepoTag::suggestion(&owner, &project);
        assert_eq!(suggestion, "g_kde_sig_plasma_6");
        assert!(RepoTag::new("kpr", &RepoTag::numbered(&suggestion, 2)).is_ok());
    }
}
