//! The text of a `.repo` file, and the names of repositories that it shares with `rpmrepo`.

use std::fmt::Write as _;

use db::repo_specs::{Dependency, RepoOptions, RepoSpec};
use protocol::{ChrootName, DirName, OwnerName, ProjectName};
use storage::Mini;

use crate::config::Config;
use crate::results::At;

/// `cost=` of 32-bit repositories beside 64-bit ones: slightly worse than dnf's default of 1000.
pub const MULTILIB_COST: u32 = 1_100;

/// What a `.repo` file is made of.
#[derive(Debug, Clone, Copy)]
pub struct RepoFile<'a> {
    /// Names and addresses of the service.
    pub config: &'a Config,
    /// The project.
    pub spec: &'a RepoSpec,
    /// Its result directory.
    pub dir: &'a DirName,
    /// Any chroot of the release: the architecture becomes `$basearch`.
    pub chroot: &'a ChrootName,
    /// The architecture that was asked for, if one was.
    pub arch: Option<&'a str>,
    /// A snapshot, or what leads to one, in place of the latest.
    pub at: Option<&'a At>,
    /// A small repository of the directory's in place of the directory's own.
    pub mini: Option<&'a Mini>,
    /// What the project's packages need, from [`db::repo_specs::dependencies`].
    pub dependencies: &'a [Dependency],
}

impl RepoFile<'_> {
    /// The text, with LF line ends. The first line is the section: dnf's copr plugin (dnf 4) reads the repository's id
    /// out of it, and expects the host name without a port there.
    pub fn text(&self) -> String {
        let Self {
            config, spec, dir, ..
        } = *self;
        let (owner, project) = (&spec.owner, &spec.name);
        let chroot = format!("{}-$basearch", name_release_with_variable(self.chroot));
        let mut id = repo_id("copr", config, owner, dir);
        let mut name = format!("{} repository {dir} of {owner}", config.service_name);
        let mut location = location_at(config, owner, dir, &chroot, self.at);
        if let Some(mini) = self.mini {
            let what = match mini {
                Mini::Build(dir) => format!("build {}", dir.build),
                Mini::Batch(batch) => format!("batch {batch}"),
            };
            id = format!("{id}:{}", what.replace(' ', ":"));
            name = format!("{name}, {what}");
            let url = repository_url(config, owner, dir, &chroot);
            location = format!("mirrorlist={url}{mini}/mirrorlist\n");
        }
        let main = Section {
            id: &id,
            name: &name,
            location,
            key: Some(key_url(config, owner, project)),
            options: spec.options,
            cost: None,
        };
        let mut text = main.text();
        if let Some(second) = self
            .arch
            .filter(|_| self.mini.is_none())
            .and_then(|arch| multilib_partner(spec, self.chroot, arch))
        {
            let chroot = format!("{}-{}", name_release_with_variable(self.chroot), second.arch());
            let section = Section {
                id: &format!("{id}:ml"),
                name: &format!("{name} ({})", second.arch()),
                location: location_at(config, owner, dir, &chroot, self.at),
                cost: Some(MULTILIB_COST),
                ..main
            };
            text.push('\n');
            text.push_str(&section.text());
        }
        for (index, dependency) in self.dependencies.iter().enumerate() {
            text.push('\n');
            text.push_str(&self.dependency(dependency, index + 1, &chroot));
        }
        text
    }

    /// The section of a dependency. dnf's plugin shows the `baseurl` of each, so they have one.
    fn dependency(&self, dependency: &Dependency, number: usize, chroot: &str) -> String {
        let config = self.config;
        let name = dependency_name(config, self.spec, dependency, number);
        match dependency {
            Dependency::Project { owner, dir, options } => {
                let base = format!("baseurl={}\n", repository_url(config, owner, dir, chroot));
                Section {
                    id: &repo_id("coprdep", config, owner, dir),
                    name: &name,
                    location: base + &location(config, owner, dir, chroot),
                    key: Some(key_url(config, owner, &dir.project())),
                    options: *options,
                    cost: None,
                }
                .text()
            }
            Dependency::External { url, priority, .. } => {
                let os = self.chroot.os();
                let url = url.replace("$chroot", chroot).replace("$distname", os);
                Section {
                    id: &external_id(&url_of(dependency)),
                    name: &name,
                    location: format!("baseurl={url}\n"),
                    key: None,
                    options: RepoOptions {
                        module_hotfixes: false,
                        priority: *priority,
                    },
                    cost: None,
                }
                .text()
            }
            Dependency::Missing(named) => format!(
                "# {}/{} needs packages of {named} at run time, but there is no such project.\n",
                self.spec.owner, self.spec.name
            ),
        }
    }
}

/// One section.
struct Section<'a> {
    id: &'a str,
    name: &'a str,
    /// Lines that say where it is.
    location: String,
    /// URL of the key that signs packages and metadata; without one nothing is checked.
    key: Option<String>,
    options: RepoOptions,
    cost: Option<u32>,
}

impl Section<'_> {
    fn text(&self) -> String {
        let mut text = format!("[{}]\nname={}\n{}", self.id, self.name, self.location);
        text.push_str("type=rpm-md\nskip_if_unavailable=True\n");
        // Writing to a String cannot fail.
        match &self.key {
            Some(key) => {
                let _ = write!(text, "gpgcheck=1\ngpgkey={key}\nrepo_gpgcheck=1\n");
            }
            None => text.push_str("gpgcheck=0\nrepo_gpgcheck=0\n"),
        }
        if let Some(cost) = self.cost {
            let _ = writeln!(text, "cost={cost}");
        }
        text.push_str("enabled=1\nenabled_metadata=1\n");
        if self.key.is_some() {
            // Seconds. dnf keeps the mirrorlist for as long as the metadata, and the mirrorlist is what says that there
            // is something new; asking for it costs one line of text.
            text.push_str("metadata_expire=60\n");
        }
        if self.options.module_hotfixes {
            text.push_str("module_hotfixes=1\n");
        }
        if let Some(priority) = self.options.priority {
            let _ = writeln!(text, "priority={priority}");
        }
        text
    }
}

/// URL of a repository, whose chroot may hold dnf's variables.
fn repository_url(config: &Config, owner: &OwnerName, dir: &DirName, chroot: &str) -> String {
    format!("{}/{chroot}/", config.dir_url(owner, dir))
}

/// A mirrorlist and not a baseurl: it names one immutable snapshot, so that `repomd.xml` and its signature always belong
/// together, also behind caches.
fn location(config: &Config, owner: &OwnerName, dir: &DirName, chroot: &str) -> String {
    let url = repository_url(config, owner, dir, chroot);
    format!("mirrorlist={url}mirrorlist\n")
}

/// The same for one snapshot, or for what leads to one. A snapshot is one already, and needs no mirrorlist.
fn location_at(config: &Config, owner: &OwnerName, dir: &DirName, chroot: &str, at: Option<&At>) -> String {
    let url = repository_url(config, owner, dir, chroot);
    match at {
        None => location(config, owner, dir, chroot),
        Some(At::Number(number)) => format!("baseurl={url}@{number}/\n"),
        Some(At::Pointer(name)) => format!("mirrorlist={url}@{name}/mirrorlist\n"),
        Some(At::Commit(commit)) => format!("mirrorlist={url}{}/mirrorlist\n", commit.folder()),
        Some(At::Time(time)) => format!("mirrorlist={url}@{}/mirrorlist\n", time.format("%Y%m%dT%H%M%SZ")),
    }
}

/// URL of a project's public key.
pub fn key_url(config: &Config, owner: &OwnerName, project: &ProjectName) -> String {
    format!(
        "{}/pubkey.gpg",
        config.dir_url(owner, &DirName::from(project.clone()))
    )
}

/// Id of a repository: `<kind>:HOST:owner:dir`, `group_X` for the group X.
pub fn repo_id(kind: &str, config: &Config, owner: &OwnerName, dir: &DirName) -> String {
    format!("{kind}:{}:{}:{dir}", config.host(), spelled(owner))
}

/// Id of a dependency's repository; `None` for what does not exist.
pub fn dependency_id(config: &Config, dependency: &Dependency) -> Option<String> {
    match dependency {
        Dependency::Project { owner, dir, .. } => Some(repo_id("coprdep", config, owner, dir)),
        Dependency::External { .. } => Some(external_id(&url_of(dependency))),
        Dependency::Missing(_) => None,
    }
}

/// Name of a dependency's repository, for people.
pub fn dependency_name(config: &Config, spec: &RepoSpec, dependency: &Dependency, number: usize) -> String {
    let of = format!(
        "{} {}/{}/{}",
        config.service_name,
        config.host(),
        spec.owner,
        spec.name
    );
    match dependency {
        Dependency::Project { owner, dir, .. } => {
            format!("{of} runtime dependency #{number} - {owner}/{dir}")
        }
        Dependency::External { .. } | Dependency::Missing(_) => {
            let name = plain(&url_of(dependency));
            format!("{of} external runtime dependency #{number} - {name}")
        }
    }
}

fn url_of(dependency: &Dependency) -> String {
    match dependency {
        Dependency::External { named, .. } | Dependency::Missing(named) => named.clone(),
        Dependency::Project { owner, dir, .. } => format!("copr://{owner}/{dir}"),
    }
}

fn external_id(url: &str) -> String {
    format!("coprdep:{}", plain(url))
}

/// A URL as part of an id, by Copr's rule: everything but letters and digits becomes one underscore.
fn plain(url: &str) -> String {
    let words = url.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// The enabled 32-bit chroot whose packages machines of `arch` take as well, in a project that says so.
pub fn multilib_partner<'a>(spec: &'a RepoSpec, chroot: &ChrootName, arch: &str) -> Option<&'a ChrootName> {
    if !spec.multilib || arch != "x86_64" {
        return None;
    }
    let beside = |c: &&ChrootName| c.name_release() == chroot.name_release();
    let of = |arch: &str| spec.chroots.iter().filter(beside).find(|c| c.arch() == arch);
    ["i386", "i586", "i686"].into_iter().find_map(of)
}

/// Name of the file that people save: `<owner>-<dir>.repo`, `group_X` for the group X.
pub fn file_name(owner: &OwnerName, dir: &DirName) -> String {
    format!("{}-{dir}.repo", spelled(owner))
}

fn spelled(owner: &OwnerName) -> String {
    let group = if owner.is_group() { "group_" } else { "" };
    format!("{group}{}", owner.bare())
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
    use db::repo_specs::RepoDir;

    use super::*;

    fn spec(owner: &str, name: &str, chroots: &[&str]) -> RepoSpec {
        RepoSpec {
            project: 1,
            owner: owner.parse().unwrap(),
            name: name.parse().unwrap(),
            options: RepoOptions::default(),
            multilib: false,
            depends: false,
            delete_at: None,
            chroots: chroots.iter().map(|c| c.parse().unwrap()).collect(),
            dirs: vec![RepoDir {
                name: name.parse().unwrap(),
                used_at: None,
            }],
        }
    }

    fn text(spec: &RepoSpec, dir: &str, arch: Option<&str>, dependencies: &[Dependency]) -> String {
        RepoFile {
            config: &Config::default(),
            spec,
            dir: &dir.parse().unwrap(),
            chroot: &spec.chroots[0],
            arch,
            at: None,
            mini: None,
            dependencies,
        }
        .text()
    }

    #[test]
    fn what_a_build_made_has_a_file_of_its_own() {
        let spec = spec("alice", "tools", &["debian-12-x86_64"]);
        let text = |mini: &str| {
            RepoFile {
                config: &Config::default(),
                spec: &spec,
                dir: &"tools".parse().unwrap(),
                chroot: &spec.chroots[0],
                arch: Some("x86_64"),
                at: None,
                mini: Some(&mini.parse().unwrap()),
                dependencies: &[],
            }
            .text()
        };
        assert!(text("00000012-hello").starts_with(
            "[copr:127.0.0.1:alice:tools:build:12]\n\
             name=Koper repository tools of alice, build 12\n\
             mirrorlist=http://127.0.0.1:5082/results/alice/tools/debian-12-$basearch/00000012-hello/mirrorlist\n"
        ));
        let batch = text("batches/7");
        assert!(
            batch.starts_with("[copr:127.0.0.1:alice:tools:batch:7]\n")
                && batch.contains("/debian-12-$basearch/batches/7/mirrorlist\n")
                && batch.contains("\ngpgcheck=1\n")
                && batch.contains("\nrepo_gpgcheck=1\n"),
            "{batch}"
        );
    }

    #[test]
    fn a_commit_has_a_mirrorlist_of_its_own() {
        let spec = spec("alice", "tools", &["debian-12-x86_64"]);
        let text = RepoFile {
            config: &Config::default(),
            spec: &spec,
            dir: &"tools".parse().unwrap(),
            chroot: &spec.chroots[0],
            arch: None,
            at: Some(&At::Commit("ab".repeat(20).parse().unwrap())),
            mini: None,
            dependencies: &[],
        }
        .text();
        let url = format!(
            "/alice/tools/debian-12-$basearch/ab/ab/{}/mirrorlist\n",
            "ab".repeat(20)
        );
        assert!(text.contains(&url), "{text}");
    }

    #[test]
    fn a_file_is_what_dnf_expects() {
        assert_eq!(
            text(&spec("alice", "tools", &["debian-12-x86_64"]), "tools", None, &[]),
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
        let spec = spec("@sig", "tools", &["fedora-44-x86_64"]);
        let text = text(&spec, "tools:pr:12", None, &[]);
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
        let mut spec = spec("alice", "tools", &["fedora-44-x86_64", "fedora-44-i386"]);
        spec.options = RepoOptions {
            module_hotfixes: true,
            priority: Some(10),
        };
        spec.multilib = true;
        let plain = text(&spec, "tools", None, &[]);
        assert!(plain.ends_with("\nmodule_hotfixes=1\npriority=10\n"), "{plain}");
        assert_eq!(text(&spec, "tools", Some("aarch64"), &[]), plain);
        let both = text(&spec, "tools", Some("x86_64"), &[]);
        let second = both.strip_prefix(&plain).unwrap();
        assert!(
            second.starts_with("\n[copr:127.0.0.1:alice:tools:ml]\n"),
            "{second}"
        );
        assert!(
            second.contains("/alice/tools/fedora-$releasever-i386/mirrorlist\n")
                && second.contains("\ncost=1100\n")
                && second.ends_with("\nmodule_hotfixes=1\npriority=10\n"),
            "{second}"
        );
        spec.chroots.pop();
        assert_eq!(text(&spec, "tools", Some("x86_64"), &[]), plain);
    }

    #[test]
    fn dependencies_follow_with_a_baseurl() {
        let spec = spec("alice", "tools", &["fedora-44-x86_64"]);
        let dependencies = [
            Dependency::Project {
                owner: "@sig".parse().unwrap(),
                dir: "libs".parse().unwrap(),
                options: RepoOptions {
                    module_hotfixes: false,
                    priority: Some(7),
                },
            },
            Dependency::External {
                named: "https://h.example/$distname/$chroot/?x=1&priority=5".to_owned(),
                url: "https://h.example/$distname/$chroot/?x=1".to_owned(),
                priority: Some(5),
            },
            Dependency::Missing("copr://nobody/gone".to_owned()),
        ];
        let text = text(&spec, "tools", None, &dependencies);
        let sections: Vec<&str> = text.split("\n\n").collect();
        assert!(
            sections[1].starts_with("[coprdep:127.0.0.1:group_sig:libs]\n")
                && sections[1].contains(
                    "\nbaseurl=http://127.0.0.1:5082/results/@sig/libs/fedora-$releasever-$basearch/\n"
                )
                && sections[1].contains("\ngpgcheck=1\n")
                && sections[1].ends_with("\npriority=7"),
            "{text}"
        );
        assert!(
            sections[2].starts_with("[coprdep:https_h_example_distname_chroot_x_1_priority_5]\n")
                && sections[2]
                    .contains("\nbaseurl=https://h.example/fedora/fedora-$releasever-$basearch/?x=1\n")
                && sections[2].contains("\ngpgcheck=0\n")
                && sections[2].ends_with("\npriority=5"),
            "{text}"
        );
        assert!(
            sections[3].starts_with("# ") && sections[3].contains("copr://nobody/gone"),
            "{text}"
        );
    }

    #[test]
    fn a_host_has_no_port() {
        let config = Config {
            url: "https://[::1]:8443".to_owned(),
            ..Config::default()
        };
        let id = repo_id(
            "copr",
            &config,
            &"alice".parse().unwrap(),
            &"tools".parse().unwrap(),
        );
        assert_eq!(id, "copr:::1:alice:tools");
    }
}
