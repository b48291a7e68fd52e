//! Names and identifiers, parsed once.
//!
//! A value of one of these types is safe to put into a URL path segment, an object key, a file name or an RPM tag,
//! because its alphabet leaves out `/`, control characters and white space, and because `.` and `..` are refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that does not follow its rules; the text says which name, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{value}' is not a valid {what}: {rule}")]
pub struct NameError {
    /// Which kind of name was expected.
    pub what: &'static str,
    /// The offending text, shortened to 80 characters and without control characters.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn error(what: &'static str, value: &str, rule: &'static str) -> NameError {
    let value = value.chars().filter(|c| !c.is_control()).take(80).collect();
    NameError { what, value, rule }
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(s) { Ok(Self(s.to_owned())) } else { Err(error($what, s, $rule)) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                s.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn dotted(s: &str) -> bool {
    !matches!(s, "." | "..") && !s.starts_with('.')
}

name!(
    /// A user's name: 1–64 of `[A-Za-z0-9_.-]`, starting with a letter or digit.
    UserName, "user name", "use 1 to 64 letters, digits, '_', '-' or '.', starting with a letter or digit",
    |s| (1..=64).contains(&s.len()) && s.starts_with(|c: char| c.is_ascii_alphanumeric()) && s.chars().all(word)
);

name!(
    /// A group's name without the `@`: the same alphabet as a user's.
    GroupName, "group name", "use 1 to 64 letters, digits, '_', '-' or '.', starting with a letter or digit",
    |s| (1..=64).contains(&s.len()) && s.starts_with(|c: char| c.is_ascii_alphanumeric()) && s.chars().all(word)
);

name!(
    /// A holder of projects: a [`UserName`], or `@` and a [`GroupName`].
    OwnerName, "owner", "name a user, or a group as @group",
    |s| {
        let bare = s.strip_prefix('@').unwrap_or(s);
        (1..=64).contains(&bare.len()) && bare.starts_with(|c: char| c.is_ascii_alphanumeric()) && bare.chars().all(word)
    }
);

impl From<&GroupName> for OwnerName {
    fn from(group: &GroupName) -> Self {
        Self(format!("@{group}"))
    }
}

impl From<UserName> for OwnerName {
    fn from(user: UserName) -> Self {
        Self(user.0)
    }
}

impl OwnerName {
    /// The group that this names.
    pub fn group(&self) -> Option<GroupName> {
        self.0.strip_prefix('@').map(|bare| GroupName(bare.to_owned()))
    }

    /// Whether this names a group.
    pub fn is_group(&self) -> bool {
        self.0.starts_with('@')
    }

    /// The name without the `@` of a group.
    pub fn bare(&self) -> &str {
        self.0.strip_prefix('@').unwrap_or(&self.0)
    }
}

name!(
    /// A project's name: 1–100 of `[A-Za-z0-9_.-]`, not digits only, not starting with a dot (Copr's rule is
    /// `^[\w.-]+$` and not digits only).
    ProjectName, "project name", "use 1 to 100 letters, digits, '_', '-' or '.', not only digits, not starting with '.'",
    |s| (1..=100).contains(&s.len()) && dotted(s) && s.chars().all(word) && !s.chars().all(|c| c.is_ascii_digit())
);

name!(
    /// Which projects a token may touch: `owner/name`, or `owner/*` for all of an owner.
    ProjectPattern, "project", "name a project as owner/name, or all of an owner as owner/*",
    |s| s.split_once('/').is_some_and(|(owner, name)| {
        owner.parse::<OwnerName>().is_ok() && (name == "*" || name.parse::<ProjectName>().is_ok())
    })
);

impl ProjectPattern {
    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }

    /// Whether a project is meant.
    pub fn matches(&self, owner: &OwnerName, name: &ProjectName) -> bool {
        let (wanted, tail) = self.parts();
        wanted == owner.as_str() && (tail == "*" || tail == name.as_str())
    }

    /// Whether all projects of an owner are meant, those to come too.
    pub fn matches_all_of(&self, owner: &OwnerName) -> bool {
        self.parts() == (owner.as_str(), "*")
    }

    /// Whether everything that `other` means is meant.
    pub fn covers(&self, other: &Self) -> bool {
        let ((owner, name), (others, others_name)) = (self.parts(), other.parts());
        owner == others && (name == "*" || name == others_name)
    }
}

name!(
    /// A result directory of a project: the project's name itself, `proj:custom:x` or `proj:pr:12`; suffix parts
    /// are alphanumeric and dash (Copr's rule).
    DirName, "directory name", "use project, project:custom:<suffix> or project:pr:<id>, suffixes of letters, digits and '-'",
    |s| {
        let mut parts = s.split(':');
        let main = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        let part = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        main.parse::<ProjectName>().is_ok()
            && s.len() <= 180
            && match rest.as_slice() {
                [] => true,
                ["custom", x] | ["pr", x] => part(x),
                _ => false,
            }
    }
);

impl From<ProjectName> for DirName {
    fn from(project: ProjectName) -> Self {
        Self(project.0)
    }
}

impl DirName {
    /// The project that this directory belongs to.
    pub fn project(&self) -> ProjectName {
        ProjectName(self.0.split(':').next().unwrap_or_default().to_owned())
    }

    /// Whether this is the directory of a pull request, which does not stay.
    pub fn is_pull_request(&self) -> bool {
        self.0.split(':').nth(1) == Some("pr")
    }

    /// Whether new builds may go here: the directory of a pull request ends with a number, `12` or `word-12`. Older
    /// ones were not held to that.
    pub fn is_well_formed(&self) -> bool {
        let id = self.0.split(':').nth(2).unwrap_or_default();
        let (word, number) = id.rsplit_once('-').map_or((None, id), |(w, n)| (Some(w), n));
        !self.is_pull_request()
            || (word.is_none_or(|w| !w.is_empty())
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit()))
    }

    /// Whether this is the project's main directory.
    pub fn is_main(&self) -> bool {
        !self.0.contains(':')
    }
}

name!(
    /// A package's name as RPM takes it: 1–100 of `[-+_.a-zA-Z0-9]` (Copr's rule), not starting with a dot.
    PackageName, "package name", "use 1 to 100 letters, digits, '-', '+', '_' or '.', not starting with '.'",
    |s| (1..=100).contains(&s.len()) && dotted(s) && s.chars().all(|c| word(c) || c == '+')
);

name!(
    /// A file's name without any directory: 1–200 of letters, digits and `._+~^:-`, not starting with a dot or dash.
    FileName, "file name", "use 1 to 200 letters, digits or '._+~^:-', without '/', not starting with '.' or '-'",
    |s| (1..=200).contains(&s.len()) && dotted(s) && !s.starts_with('-')
        && s.chars().all(|c| word(c) || matches!(c, '+' | '~' | '^' | ':'))
);

name!(
    /// A builder's name, chosen by its administrator: 1–100 of `[A-Za-z0-9_.-]`.
    BuilderName, "builder name", "use 1 to 100 letters, digits, '_', '-' or '.'",
    |s| (1..=100).contains(&s.len()) && dotted(s) && s.chars().all(word)
);

name!(
    /// A pointer to a snapshot, such as `latest` or `stable`: 1–64 of `[a-z0-9_.-]`, starting with a letter. So it is
    /// never taken for a snapshot's number or a time.
    PointerName, "pointer name", "use 1 to 64 lower-case letters, digits, '_', '-' or '.', starting with a letter",
    |s| (1..=64).contains(&s.len()) && s.starts_with(|c: char| c.is_ascii_lowercase())
        && s.chars().all(|c| word(c) && !c.is_ascii_uppercase())
);

impl PackageName {
    /// Stands for the package where packages of many sources came at once.
    pub fn import() -> Self {
        Self("import".to_owned())
    }
}

impl PointerName {
    /// The pointer that is served where none is named.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// What builds of a project in devel mode see.
    pub fn devel() -> Self {
        Self("devel".to_owned())
    }

    /// [`PointerName::latest`] by another name.
    pub fn current() -> Self {
        Self("current".to_owned())
    }

    /// The newest publication at which no package's newest build was failing.
    pub fn consistent() -> Self {
        Self("consistent".to_owned())
    }

    /// Whether nobody but the service moves it. `latest`, which publications move, goes back by hand.
    pub fn is_read_only(&self) -> bool {
        matches!(self.as_str(), "devel" | "current" | "consistent")
    }

    /// What builds go to that nobody but the service moves: `latest` and the names that follow publications.
    pub fn is_reserved(&self) -> bool {
        matches!(self.as_str(), "latest" | "devel" | "current" | "consistent")
    }

    /// Whether the service itself moves it with each publication, so that nobody makes or removes it.
    pub fn is_built_in(&self) -> bool {
        matches!(self.as_str(), "latest" | "devel")
    }
}

name!(
    /// A chroot, `<os>-<version>-<arch>`; the os may hold dashes (`opensuse-leap`), version and arch do not.
    ChrootName, "chroot name", "use <os>-<version>-<arch>, such as fedora-44-x86_64",
    |s| s.len() <= 80 && dotted(s) && s.chars().all(word) && s.split('-').count() >= 3 && s.split('-').all(|p| !p.is_empty())
);

impl ChrootName {
    /// Whether a binary package of this architecture belongs into it: of its own, `noarch`, or one that its rpmbuild may
    /// name besides (rpm's `buildarch_compat`).
    pub fn takes_arch(&self, arch: &str) -> bool {
        let besides: &[&str] = match self.arch() {
            "i386" => &["i486", "i586", "i686"],
            "armhfp" => &["armv7hl", "armv7hnl"],
            "x86_64" => &["amd64", "x86_64_v2", "x86_64_v3", "x86_64_v4"],
            _ => &[],
        };
        arch == "noarch" || arch == self.arch() || besides.contains(&arch)
    }

    /// The architecture, the last part.
    pub fn arch(&self) -> &str {
        self.0.rsplit('-').next().unwrap_or_default()
    }

    /// `<os>-<version>`, which names a `.repo` file.
    pub fn name_release(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(head, _)| head)
    }

    /// The operating system's name, with its dashes.
    pub fn os(&self) -> &str {
        self.name_release().rsplit_once('-').map_or("", |(os, _)| os)
    }

    /// The version of the operating system.
    pub fn version(&self) -> &str {
        self.name_release()
            .rsplit_once('-')
            .map_or("", |(_, version)| version)
    }
}

name!(
    /// A SHA-256 in 64 lower-case hexadecimal digits.
    Sha256, "SHA-256", "use 64 lower-case hexadecimal digits",
    |s| s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);

impl Sha256 {
    /// Writes a digest as text.
    pub fn from_bytes(digest: &[u8; 32]) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in digest {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

name!(
    /// A commit of a source repository, whole: 40 or 64 lower-case hexadecimal digits, as git names one by SHA-1 or SHA-256.
    CommitId, "commit", "use the whole hash, 40 or 64 lower-case hexadecimal digits",
    |s| matches!(s.len(), 40 | 64) && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);

impl CommitId {
    /// A commit as people and programs write it: capitals count as small letters, and white space around it as nothing.
    ///
    /// # Errors
    /// For what is no whole hash.
    pub fn typed(text: &str) -> Result<Self, NameError> {
        text.trim().to_ascii_lowercase().parse()
    }

    /// The folder that is called after it, below others that few names share: `<aa>/<bb>/<sha>`.
    pub fn folder(&self) -> String {
        format!("{}/{}/{self}", &self.0[..2], &self.0[2..4])
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub i64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                s.parse().ok().filter(|n| *n > 0).map(Self).ok_or_else(|| error(stringify!($type), s, "use a positive whole number"))
            }
        }
    };
}

id!(
    /// Number of a build, as users see it.
    BuildId
);
id!(
    /// Number of a task: one attempt-counted, leased unit of work.
    TaskId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_follow_coprs_rule() {
        for good in ["tools", "a.b_c-d", "0ad", "C++x".trim_end_matches("++x")] {
            assert!(good.parse::<ProjectName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "123",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "a\0",
            "é",
            "a:b",
            &"x".repeat(101),
        ] {
            assert!(bad.parse::<ProjectName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn chroot_names_split_from_the_right() {
        let chroot: ChrootName = "opensuse-leap-15.6-x86_64".parse().unwrap();
        assert_eq!(
            (chroot.os(), chroot.version(), chroot.arch()),
            ("opensuse-leap", "15.6", "x86_64")
        );
        assert_eq!(chroot.name_release(), "opensuse-leap-15.6");
        for bad in ["fedora", "fedora-44", "fedora--x86_64", "../a-b-c", "a-b-c/d"] {
            assert!(bad.parse::<ChrootName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn commits_are_whole() {
        let sha1 = "0123456789abcdef0123456789ABCDEF01234567";
        let commit = CommitId::typed(&format!(" {sha1}\n")).unwrap();
        assert_eq!(commit.as_str(), sha1.to_lowercase());
        assert_eq!(commit.folder(), format!("01/23/{commit}"));
        assert!(CommitId::typed(&"a".repeat(64)).is_ok());
        assert!(sha1.parse::<CommitId>().is_err(), "one spelling in addresses");
        for bad in [
            "",
            "main",
            &"a".repeat(39),
            &"a".repeat(41),
            &"g".repeat(40),
            &"é".repeat(20),
        ] {
            let said = CommitId::typed(bad).unwrap_err().to_string();
            assert!(said.contains("use the whole hash"), "{said}");
        }
    }

    #[test]
    fn directories_know_their_project() {
        let dir: DirName = "tools:pr:12".parse().unwrap();
        assert_eq!(dir.project().as_str(), "tools");
        assert!(!dir.is_main() && dir.is_pull_request());
        for good in ["tools", "tools:pr:12", "tools:pr:forge-12", "tools:custom:pr"] {
            let dir: DirName = good.parse().unwrap();
            assert!(dir.is_well_formed(), "{good}");
        }
        for bad in ["tools:pr:x", "tools:pr:12-x", "tools:pr:-12", "tools:pr:12-"] {
            let dir: DirName = bad.parse().unwrap();
            assert!(!dir.is_well_formed(), "{bad}");
        }
        for bad in [
            "tools:",
            "tools:other:x",
            "tools:pr:",
            "tools:pr:a/b",
            "tools:pr:1:2",
            ":pr:1",
        ] {
            assert!(bad.parse::<DirName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_mean_a_project_or_all_of_an_owner() {
        let pattern = |text: &str| text.parse::<ProjectPattern>().unwrap();
        let (alice, tools) = ("alice".parse().unwrap(), "tools".parse().unwrap());
        assert!(pattern("alice/tools").matches(&alice, &tools));
        assert!(!pattern("alice/tools").matches(&alice, &"tools2".parse().unwrap()));
        assert!(!pattern("alice/tools").matches_all_of(&alice));
        let all = pattern("alice/*");
        assert!(all.matches(&alice, &tools) && all.matches_all_of(&alice));
        assert!(!all.matches(&"@alice".parse().unwrap(), &tools));
        assert!(all.covers(&pattern("alice/tools")) && !pattern("alice/tools").covers(&all));
        assert!(!all.covers(&pattern("bob/*")));
        for bad in [
            "",
            "alice",
            "*/*",
            "alice/",
            "alice/a*",
            "*/tools",
            "alice/a/b",
            "@/x",
        ] {
            assert!(bad.parse::<ProjectPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_hold_no_path() {
        assert!(
            "hello-1.0~rc1-1.deb12.kpr.a_b.x86_64.rpm"
                .parse::<FileName>()
                .is_ok()
        );
        for bad in ["a/b", "..", ".x", "-rf", "a b", "a\nb", ""] {
            assert!(bad.parse::<FileName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_quote_the_name_without_control_characters() {
        let text = "a\x1b[31mb".parse::<ProjectName>().unwrap_err().to_string();
        assert!(
            text.starts_with("'a[31mb' is not a valid project name: "),
            "{text}"
        );
    }
}
