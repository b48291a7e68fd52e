//! The forced identity: what every package that leaves the service carries, made in one place so that what builders are
//! told and what the backend demands cannot differ.

use serde::{Deserialize, Serialize};

use crate::builder_api::Identity;
use crate::names::{NameError, OwnerName, ProjectName};
use crate::repotag::RepoTag;

/// How the service names itself in packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceIdentity {
    /// Name for people, the head of `Vendor`.
    pub name: String,
    /// The fixed part of every repotag, `[a-z0-9_]`.
    pub tag: String,
    /// Public URL of the web interface, without a trailing slash.
    pub url: String,
}

impl Default for ServiceIdentity {
    fn default() -> Self {
        Self {
            name: "Koper".to_owned(),
            tag: "kpr".to_owned(),
            url: "http://127.0.0.1:5080".to_owned(),
        }
    }
}

impl ServiceIdentity {
    /// URL of a project's page.
    pub fn project_url(&self, owner: &OwnerName, project: &ProjectName) -> String {
        let base = self.url.trim_end_matches('/');
        if owner.is_group() {
            format!("{base}/coprs/g/{}/{project}/", owner.bare())
        } else {
            format!("{base}/coprs/{owner}/{project}/")
        }
    }

    /// The identity of a project's packages; `contact` becomes the `BugURL` when it is an `http` or `https` URL.
    ///
    /// # Errors
    /// When the service's or the project's part of the repotag leaves its alphabet.
    pub fn of_project(
        &self,
        owner: &OwnerName,
        project: &ProjectName,
        repotag: &str,
        contact: &str,
    ) -> Result<Identity, NameError> {
        let kind = if owner.is_group() { "group" } else { "user" };
        let page = self.project_url(owner, project);
        let plain = |c: char| c.is_ascii_graphic() && c != '%' && c != '"';
        let tracker =
            (contact.starts_with("https://") || contact.starts_with("http://")) && contact.chars().all(plain);
        Ok(Identity {
            repotag: RepoTag::new(&self.tag, repotag)?,
            vendor: format!("{} - {kind} {owner}", self.name),
            packager: format!("{owner}/{project} <{page}>"),
            bugurl: if tracker { contact.to_owned() } else { page },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bug_url_is_the_owners_tracker_if_there_is_one() {
        let service = ServiceIdentity {
            url: "https://koper.example/".to_owned(),
            ..ServiceIdentity::default()
        };
        let (owner, project) = ("alice".parse().unwrap(), "tools".parse().unwrap());
        let own = service
            .of_project(&owner, &project, "alice_tools", "https://bugs.example/tools")
            .unwrap();
        assert_eq!(own.bugurl, "https://bugs.example/tools");
        assert_eq!(own.vendor, "Koper - user alice");
        assert_eq!(own.repotag.to_string(), "kpr.alice_tools");
        for no_url in [
            "",
            "alice@example.com",
            "https://a b",
            "https://x/%{lua:os.exit()}",
        ] {
            let page = service
                .of_project(&owner, &project, "alice_tools", no_url)
                .unwrap();
            assert_eq!(page.bugurl, "https://koper.example/coprs/alice/tools/");
        }
    }
}
