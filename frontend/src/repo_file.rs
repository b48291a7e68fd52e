//! The text of a `.repo` file.

use std::fmt::Write as _;

use protocol::{ChrootName, DirName, OwnerName};

/// What a `.repo` file is made of.
#[derive(Debug, Clone, Copy)]
pub struct RepoFile<'a> {
    /// URL of the service, whose host name becomes part of the section's name.
    pub url: &'a str,
    /// Name of the service.
    pub service: &'a str,
    /// URL of the results, with `/results`, without a trailing slash.
    pub results_url: &'a str,
    /// Holder.
    pub owner: &'a OwnerName,
    /// Result directory.
    pub dir: &'a DirName,
    /// Any chroot of the release: the architecture becomes `$basearch`.
    pub chroot: &'a ChrootName,
    /// `module_hotfixes=1`.
    pub module_hotfixes: bool,
    /// `priority=`.
    pub priority: Option<i32>,
    /// `cost=`.
    pub cost: Option<u32>,
}

impl RepoFile<'_> {
    /// The text, with LF line ends. The first line is the section: dnf's copr plugin (dnf 4) reads the repository's id
    /// out of it, and expects the host name without a port there.
    pub fn text(&self) -> String {
        let Self {
            owner,
            dir,
            results_url,
            ..
        } = self;
        let mut text = format!("[{}]\n", self.section());
        let name_release = name_release_with_variable(self.chroot);
        let lines = [
            format!("name={} repository {dir} of {owner}", self.service),
            // A mirrorlist and not a baseurl: it names one immutable snapshot, so that repomd.xml and its signature
            // always belong together, also behind caches.
            format!("mirrorlist={results_url}/{owner}/{dir}/{name_release}-$basearch/mirrorlist"),
            "type=rpm-md".to_owned(),
            "skip_if_unavailable=True".to_owned(),
            "gpgcheck=1".to_owned(),
            format!("gpgkey={results_url}/{owner}/{}/pubkey.gpg", dir.project()),
            "repo_gpgcheck=1".to_owned(),
            "enabled=1".to_owned(),
            "enabled_metadata=1".to_owned(),
            // Seconds. dnf keeps the mirrorlist for as long as the metadata, and the mirrorlist is what says that there
            // is something new; asking for it costs one line of text.
            "metadata_expire=60".to_owned(),
        ];
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        // Writing to a String cannot fail.
        if self.module_hotfixes {
            text.push_str("module_hotfixes=1\n");
        }
        if let Some(priority) = self.priority {
            let _ = writeln!(text, "priority={priority}");
        }
        if let Some(cost) = self.cost {
            let _ = writeln!(text, "cost={cost}");
        }
        text
    }

    /// The section's name, which is the repository's id: `copr:HOST:owner:dir`, `group_X` for the group X.
    pub fn section(&self) -> String {
        let host = url::Url::parse(self.url)
            .ok()
            .and_then(|url| url.host_str().map(|h| h.trim_matches(['[', ']']).to_owned()))
            .unwrap_or_else(|| "localhost".to_owned());
        let group = if self.owner.is_group() { "group_" } else { "" };
        format!("copr:{host}:{group}{}:{}", self.owner.bare(), self.dir)
    }
}

/// Name of the file that people save: `<owner>-<dir>.repo`, `group_X` for the group X.
pub fn file_name(owner: &OwnerName, dir: &DirName) -> String {
    let group = if owner.is_group() { "group_" } else { "" };
    format!("{group}{}-{dir}.repo", owner.bare())
}

/// `<os>-<version>`, with `$releasever` for the version where a machine's own version is the version of its chroot, so
/// that the file survives an upgrade of the system: Fedora, CentOS Stream, openSUSE Leap, Mageia. Their rolling
/// branches have names, which `$releasever` does not give.
pub fn name_release_with_variable(chroot: &ChrootName) -> String {
    let (os, version) = (chroot.os(), chroot.version());
    let follows = matches!(os, "fedora" | "centos-stream" | "opensuse-leap" | "mageia");
    if follows && version.starts_with(|c: char| c.is_ascii_digit()) {
        format!("{os}-$releasever")
    } else {
        chroot.name_release().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(owner: &str, dir: &str, chroot: &str) -> String {
        RepoFile {
            url: "http://127.0.0.1:5080",
            service: "Koper",
            results_url: "http://127.0.0.1:5082/results",
            owner: &owner.parse().unwrap(),
            dir: &dir.parse().unwrap(),
            chroot: &chroot.parse().unwrap(),
            module_hotfixes: false,
            priority: None,
            cost: None,
        }
        .text()
    }

    #[test]
    fn a_file_is_what_dnf_expects() {
        assert_eq!(
            text("alice", "tools", "debian-12-x86_64"),
            "[copr:127.0.0.1:alice:tools]\n\
             name=Koper repository tools of alice\n\
             mirrorlist=http://127.0.0.1:5082/results/alice/tools/debian-12-$basearch/mirrorlist\n\
             type=rpm-md\n\
             skip_if_unavailable=True\n\
             gpgcheck=1\n\
             gpgkey=http://127.0.0.1:5082/results/alice/tools/pubkey.gpg\n\
             repo_gpgcheck=1\n\
             enabled=1\n\
             enabled_metadata=1\n\
             metadata_expire=60\n"
        );
    }

    #[test]
    fn groups_and_directories_have_their_names() {
        let text = text("@sig", "tools:pr:12", "fedora-44-x86_64");
        assert!(
            text.starts_with("[copr:127.0.0.1:group_sig:tools:pr:12]\n"),
            "{text}"
        );
        assert!(
            text.contains("/@sig/tools:pr:12/fedora-$releasever-$basearch/mirrorlist\n"),
            "{text}"
        );
        assert!(
            text.contains("gpgkey=http://127.0.0.1:5082/results/@sig/tools/pubkey.gpg\n"),
            "{text}"
        );
        let name = file_name(&"@sig".parse().unwrap(), &"tools".parse().unwrap());
        assert_eq!(name, "group_sig-tools.repo");
    }

    #[test]
    fn releasever_stands_where_it_is_right() {
        for (chroot, expected) in [
            ("fedora-44-x86_64", "fedora-$releasever"),
            ("fedora-rawhide-x86_64", "fedora-rawhide"),
            ("centos-stream-10-x86_64", "centos-stream-$releasever"),
            ("epel-10-x86_64", "epel-10"),
            ("opensuse-leap-15.6-x86_64", "opensuse-leap-$releasever"),
            ("opensuse-tumbleweed-x86_64", "opensuse-tumbleweed"),
            ("mageia-9-x86_64", "mageia-$releasever"),
            ("mageia-cauldron-x86_64", "mageia-cauldron"),
            ("debian-12-x86_64", "debian-12"),
        ] {
            assert_eq!(name_release_with_variable(&chroot.parse().unwrap()), expected);
        }
    }

    #[test]
    fn settings_add_lines() {
        let text = RepoFile {
            url: "https://[::1]:8443",
            service: "Koper",
            results_url: "https://h/results",
            owner: &"alice".parse().unwrap(),
            dir: &"tools".parse().unwrap(),
            chroot: &"fedora-44-x86_64".parse().unwrap(),
            module_hotfixes: true,
            priority: Some(10),
            cost: Some(1100),
        }
        .text();
        assert!(text.starts_with("[copr:::1:alice:tools]\n"), "{text}");
        assert!(
            text.ends_with("module_hotfixes=1\npriority=10\ncost=1100\n"),
            "{text}"
        );
    }
}
