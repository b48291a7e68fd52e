//! URLs of the gateway, parsed into names.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use protocol::{BuildId, ChrootName, DirName, FileName, OwnerName, PointerName, ProjectName};
use storage::{BuildDir, DistroPath, Mini, RepomdFile, StorageKey};

use crate::results::at::At;

/// A repository: a directory's packages for one chroot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub owner: OwnerName,
    pub dir: DirName,
    pub chroot: ChrootName,
}

/// What the relative links of a directory's page start with: nothing if the URL ended with a slash, else the name of
/// the directory. So a missing slash needs no redirect.
pub(super) type Base = String;

/// What is asked of a build directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Listing(Base),
    File(FileName),
}

/// What is asked of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Listing(Base),
    Mirrorlist,
    Latest,
    MetadataListing(Base),
    Repomd(RepomdFile),
    Key,
    Metadata(FileName),
    Comps,
    Build(BuildDir, Wanted),
    /// A package that was signed anew, below the name of the key.
    Signed(BuildDir, FileName, FileName),
    /// Of a small repository: at a revision, or at the one that is served.
    Mini(Mini, Option<i64>, MiniItem),
}

/// What is asked of a small repository, but for packages, which have the same addresses everywhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MiniItem {
    Listing(Base),
    Mirrorlist,
    MetadataListing(Base),
    Key,
    Metadata(FileName),
}

/// A parsed URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    PublicKey {
        owner: OwnerName,
        dir: DirName,
    },
    SourceBuilds {
        owner: OwnerName,
        dir: DirName,
        base: Base,
    },
    SourceBuild {
        owner: OwnerName,
        dir: DirName,
        build: BuildId,
        file: Wanted,
    },
    Repository {
        place: Place,
        at: At,
        item: Item,
    },
    Distro {
        chroot: ChrootName,
        path: DistroPath,
    },
}

impl Address {
    /// Parses the path of a URL as it was sent; `None` for whatever names nothing.
    pub fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path
            .strip_prefix('/')?
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8().ok().map(String::from))
            .collect::<Option<_>>()?;
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["results", owner, dir, rest @ ..] => results(name(owner)?, name(dir)?, rest),
            // A part with a slash of its own would join what was split.
            ["distro", chroot, rest @ ..] if rest.iter().all(|part| !part.contains('/')) => {
                Some(Self::Distro {
                    chroot: name(chroot)?,
                    path: name(&rest.join("/"))?,
                })
            }
            _ => None,
        }
    }
}

impl Address {
    /// The project whose files it names.
    pub fn project(&self) -> Option<(OwnerName, ProjectName)> {
        let (owner, dir) = match self {
            Self::PublicKey { owner, dir }
            | Self::SourceBuilds { owner, dir, .. }
            | Self::SourceBuild { owner, dir, .. } => (owner, dir),
            Self::Repository { place, .. } => (&place.owner, &place.dir),
            Self::Distro { .. } => return None,
        };
        Some((owner.clone(), dir.project()))
    }
}

impl Place {
    /// The key of a pointer.
    pub fn pointer(&self, name: &PointerName) -> StorageKey {
        StorageKey::Pointer {
            owner: self.owner.clone(),
            dir: self.dir.clone(),
            chroot: self.chroot.clone(),
            name: name.clone(),
        }
    }
}

fn name<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn results(owner: OwnerName, dir: DirName, rest: &[&str]) -> Option<Address> {
    match rest {
        ["pubkey.gpg"] => Some(Address::PublicKey { owner, dir }),
        ["srpm-builds"] => Some(Address::SourceBuilds {
            owner,
            dir,
            base: "srpm-builds/".to_owned(),
        }),
        ["srpm-builds", ""] => Some(Address::SourceBuilds {
            owner,
            dir,
            base: Base::new(),
        }),
        ["srpm-builds", build, rest @ ..] => Some(Address::SourceBuild {
            owner,
            dir,
            build: source_build(build)?,
            file: wanted(build, rest)?,
        }),
        [chroot, rest @ ..] => {
            let place = Place {
                owner,
                dir,
                chroot: name(chroot)?,
            };
            let (at, directory, rest) = match rest {
                [at, rest @ ..] if at.starts_with('@') => (At::parse(&at[1..])?, *at, rest),
                [a, b, sha, rest @ ..] if let Some(at) = At::commit([a, b, sha]) => (at, *sha, rest),
                ["devel", rest @ ..] => (At::Pointer(PointerName::devel()), "devel", rest),
                rest => (At::Pointer(PointerName::latest()), *chroot, rest),
            };
            let item = item(directory, rest)?;
            // A snapshot is where a mirrorlist leads; and `latest.json` tells where a pointer is.
            let sensible = match (&at, &item) {
                (At::Number(_), Item::Mirrorlist)
                | (At::Number(_) | At::Time(_) | At::Commit(_), Item::Latest) => false,
                // A small repository is not part of a snapshot.
                (At::Pointer(name), Item::Mini(..)) => *name == PointerName::latest() && directory == *chroot,
                (_, Item::Mini(..)) => false,
                (At::Pointer(name), Item::Latest) => *name != PointerName::devel(),
                _ => true,
            };
            sensible.then_some(Address::Repository { place, at, item })
        }
        [] => None,
    }
}

fn item(directory: &str, rest: &[&str]) -> Option<Item> {
    Some(match rest {
        [] | [""] => Item::Listing(base(directory, rest)),
        ["mirrorlist"] => Item::Mirrorlist,
        ["latest.json"] => Item::Latest,
        ["comps.xml"] => Item::Comps,
        ["repodata"] | ["repodata", ""] => Item::MetadataListing(base("repodata", &rest[1..])),
        ["repodata", "repomd.xml"] => Item::Repomd(RepomdFile::Xml),
        ["repodata", "repomd.xml.asc"] => Item::Repomd(RepomdFile::Asc),
        ["repodata", "repomd.xml.key"] => Item::Key,
        ["repodata", file] => Item::Metadata(name(file)?),
        ["batches", number, rest @ ..] => batch(number, rest)?,
        [build, rest @ ..] if is_mini(rest) => mini(build, Mini::Build(name(build)?), rest)?,
        [_, key, _] if is_key(key) => package(rest)?,
        [build, rest @ ..] => Item::Build(name(build)?, wanted(build, rest)?),
    })
}

/// Whether what is asked of a build's folder is asked of its small repository.
fn is_mini(rest: &[&str]) -> bool {
    matches!(rest, ["repodata", ..] | ["mirrorlist"]) || rest.first().is_some_and(|at| at.starts_with('@'))
}

/// What is asked of a batch's repository. Packages are below the folders of their builds.
fn batch(number: &str, rest: &[&str]) -> Option<Item> {
    let batch = name(&format!("batches/{number}"))?;
    match rest {
        [] | [""] => Some(Item::Mini(batch, None, MiniItem::Listing(base(number, rest)))),
        _ if is_mini(rest) => mini(number, batch, rest),
        [_, _, ..] => package(rest),
        _ => None,
    }
}

fn mini(directory: &str, mini: Mini, rest: &[&str]) -> Option<Item> {
    let (revision, directory, rest) = match rest {
        [at, rest @ ..] if at.starts_with('@') => match At::parse(&at[1..])? {
            At::Number(revision) => (Some(revision), *at, rest),
            _ => return None,
        },
        rest => (None, directory, rest),
    };
    let item = match rest {
        [] | [""] => MiniItem::Listing(base(directory, rest)),
        ["mirrorlist"] if revision.is_none() => MiniItem::Mirrorlist,
        ["mirrorlist"] => return None,
        ["repodata"] | ["repodata", ""] => MiniItem::MetadataListing(base("repodata", &rest[1..])),
        ["repodata", "repomd.xml.key"] => MiniItem::Key,
        ["repodata", file] => MiniItem::Metadata(name(file)?),
        _ => {
            let build = match &mini {
                Mini::Build(dir) => dir.to_string(),
                Mini::Batch(_) => return package(rest),
            };
            return package(&[&[build.as_str()], rest].concat());
        }
    };
    Some(Item::Mini(mini, revision, item))
}

/// A package, by its location in a repository.
fn package(location: &[&str]) -> Option<Item> {
    match location {
        [build, key, file] if is_key(key) && !file.is_empty() => {
            Some(Item::Signed(name(build)?, name(key)?, name(file)?))
        }
        [build, file] if !file.is_empty() => Some(Item::Build(name(build)?, Wanted::File(name(file)?))),
        _ => None,
    }
}

/// Whether a name is that of a key: 16 upper-case hexadecimal digits.
fn is_key(text: &str) -> bool {
    text.len() == 16
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

fn wanted(directory: &str, rest: &[&str]) -> Option<Wanted> {
    match rest {
        [] | [""] => Some(Wanted::Listing(base(directory, rest))),
        [file] => Some(Wanted::File(name(file)?)),
        _ => None,
    }
}

fn base(directory: &str, rest: &[&str]) -> Base {
    if rest.is_empty() {
        format!("{directory}/")
    } else {
        Base::new()
    }
}

/// Builds and snapshots have one spelling each, or one object had many URLs.
fn source_build(text: &str) -> Option<BuildId> {
    let build: BuildId = name(text)?;
    (format!("{:08}", build.0) == text).then_some(build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_url_is_told_apart() {
        let item =
            |path: &str| match Address::parse(&format!("/results/@sig/tools:pr:1/debian-12-x86_64{path}")) {
                Some(Address::Repository { place, at, item }) => {
                    assert_eq!(place.owner.as_str(), "@sig");
                    let number = match at {
                        At::Number(number) => Some(number),
                        at => {
                            assert_eq!(at, At::Pointer(PointerName::latest()));
                            None
                        }
                    };
                    Some((number, item))
                }
                _ => None,
            };
        let build: BuildDir = "00000012-hello".parse().unwrap();
        let file = |name: &str| Wanted::File(name.parse().unwrap());
        assert_eq!(item("/"), Some((None, Item::Listing(String::new()))));
        assert_eq!(
            item(""),
            Some((None, Item::Listing("debian-12-x86_64/".to_owned())))
        );
        assert_eq!(item("/mirrorlist"), Some((None, Item::Mirrorlist)));
        assert_eq!(item("/@7"), Some((Some(7), Item::Listing("@7/".to_owned()))));
        assert_eq!(
            item("/%407/repodata/repomd.xml"),
            Some((Some(7), Item::Repomd(RepomdFile::Xml)))
        );
        assert_eq!(item("/@7/mirrorlist"), None);
        assert_eq!(item("/repodata/repomd.xml.key"), Some((None, Item::Key)));
        assert_eq!(
            item("/@7/00000012-hello/a%2Bb-1%7e2%5e3.rpm"),
            Some((Some(7), Item::Build(build.clone(), file("a+b-1~2^3.rpm"))))
        );
        assert_eq!(
            item("/00000012-hello/"),
            Some((None, Item::Build(build, Wanted::Listing(String::new()))))
        );
    }

    #[test]
    fn what_builds_see_has_an_address_of_its_own() {
        let item = |path: &str| match Address::parse(&format!("/results/a/b/debian-12-x86_64{path}")) {
            Some(Address::Repository { at, item, .. }) if at == At::Pointer(PointerName::devel()) => {
                Some(item)
            }
            _ => None,
        };
        assert_eq!(item("/devel/mirrorlist"), Some(Item::Mirrorlist));
        assert_eq!(
            item("/devel/repodata/repomd.xml"),
            Some(Item::Repomd(RepomdFile::Xml))
        );
        assert_eq!(item("/devel"), Some(Item::Listing("devel/".to_owned())));
        assert_eq!(item("/devel/latest.json"), None);
        assert_eq!(item("/devel/devel/mirrorlist"), None);
    }

    #[test]
    fn a_commit_is_three_folders() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let item = |path: &str| match Address::parse(&format!("/results/a/b/debian-12-x86_64/{path}")) {
            Some(Address::Repository { at, item, .. }) => Some((at, item)),
            _ => None,
        };
        let at = || At::Commit(sha.parse().unwrap());
        let base = format!("01/23/{sha}");
        for (path, wanted) in [
            ("", Item::Listing(format!("{sha}/"))),
            ("/", Item::Listing(String::new())),
            ("/mirrorlist", Item::Mirrorlist),
            ("/repodata/repomd.xml", Item::Repomd(RepomdFile::Xml)),
            ("/comps.xml", Item::Comps),
            (
                "/00000012-hello/a-1.rpm",
                Item::Build(
                    "00000012-hello".parse().unwrap(),
                    Wanted::File("a-1.rpm".parse().unwrap()),
                ),
            ),
        ] {
            assert_eq!(item(&format!("{base}{path}")), Some((at(), wanted)), "{path}");
        }
        let other = "f".repeat(64);
        assert!(item(&format!("ff/ff/{other}/")).is_some());
        let capitals = format!("01/23/{}/", sha.to_uppercase());
        for bad in [
            "01/",
            "01/23/",
            &format!("01/24/{sha}/"),
            &format!("{base}/latest.json"),
            &format!("{base}/00000012-hello/repodata/repomd.xml"),
            &format!("{base}/batches/7/mirrorlist"),
            &format!("@7/{base}/"),
            &capitals,
        ] {
            assert_eq!(item(bad), None, "{bad}");
        }
    }

    #[test]
    fn builds_and_batches_are_repositories() {
        let item = |path: &str| match Address::parse(&format!("/results/a/b/debian-12-x86_64/{path}")) {
            Some(Address::Repository { item, .. }) => Some(item),
            _ => None,
        };
        let dir: BuildDir = "00000012-hello".parse().unwrap();
        let (build, batch) = (Mini::Build(dir.clone()), Mini::Batch(7));
        let repomd = || MiniItem::Metadata("repomd.xml".parse().unwrap());
        let file = |name: &str| Wanted::File(name.parse().unwrap());
        assert_eq!(
            item("00000012-hello/repodata/repomd.xml"),
            Some(Item::Mini(build.clone(), None, repomd()))
        );
        assert_eq!(
            item("00000012-hello/@3/repodata/repomd.xml"),
            Some(Item::Mini(build.clone(), Some(3), repomd()))
        );
        assert_eq!(
            item("00000012-hello/mirrorlist"),
            Some(Item::Mini(build, None, MiniItem::Mirrorlist))
        );
        let packages = Some(Item::Build(dir.clone(), file("x.rpm")));
        let signed = || {
            Some(Item::Signed(
                dir.clone(),
                "0123456789ABCDEF".parse().unwrap(),
                "x.rpm".parse().unwrap(),
            ))
        };
        assert_eq!(item("00000012-hello/@3/x.rpm"), packages);
        assert_eq!(item("batches/7/00000012-hello/x.rpm"), packages);
        assert_eq!(item("batches/7/@3/00000012-hello/x.rpm"), packages);
        assert_eq!(item("00000012-hello/@3/0123456789ABCDEF/x.rpm"), signed());
        assert_eq!(
            item("batches/7/@3/00000012-hello/0123456789ABCDEF/x.rpm"),
            signed()
        );
        assert_eq!(
            item("batches/7/repodata/repomd.xml"),
            Some(Item::Mini(batch.clone(), None, repomd()))
        );
        assert_eq!(
            item("batches/7"),
            Some(Item::Mini(batch, None, MiniItem::Listing("7/".to_owned())))
        );
        for nothing in [
            "batches",
            "batches/",
            "batches/07/mirrorlist",
            "batches/7/x.rpm",
            "00000012-hello/@stable/repodata/repomd.xml",
            "00000012-hello/@3/mirrorlist",
            "00000012-hello/repodata/a/b",
            "@3/00000012-hello/repodata/repomd.xml",
            "devel/batches/7/mirrorlist",
        ] {
            assert_eq!(item(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn snapshots_are_named_by_pointers_and_times() {
        let at = |path: &str| match Address::parse(&format!("/results/a/b/debian-12-x86_64/{path}")) {
            Some(Address::Repository { at, item, .. }) => Some((at, item)),
            _ => None,
        };
        let stable = At::Pointer("stable".parse().unwrap());
        assert_eq!(at("@stable/mirrorlist"), Some((stable.clone(), Item::Mirrorlist)));
        assert_eq!(at("@stable/latest.json"), Some((stable.clone(), Item::Latest)));
        let latest = At::Pointer(PointerName::latest());
        assert_eq!(at("@current/mirrorlist"), Some((latest, Item::Mirrorlist)));
        assert_eq!(at("@stable/"), Some((stable, Item::Listing(String::new()))));
        let time = At::Time("2026-11-21T10:00:07Z".parse().unwrap());
        for text in [
            "@20261121T100007Z",
            "@2026-11-21T10:00:07Z",
            "@2026-11-21T10%3A00%3A07Z",
        ] {
            let wanted = Some((time.clone(), Item::Repomd(RepomdFile::Xml)));
            assert_eq!(at(&format!("{text}/repodata/repomd.xml")), wanted, "{text}");
            assert_eq!(
                at(&format!("{text}/mirrorlist")),
                Some((time.clone(), Item::Mirrorlist))
            );
            assert_eq!(at(&format!("{text}/latest.json")), None);
        }
        for text in [
            "@latest",
            "@devel",
            "@Stable",
            "@2026-11-21",
            "@20261321T100007Z",
            "@20261121T100007",
            "@",
        ] {
            assert_eq!(at(&format!("{text}/mirrorlist")), None, "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for path in [
            "/",
            "/results",
            "/results/",
            "/results/a",
            "/results/a/b",
            "/results/a/b/",
            "/results//b/pubkey.gpg",
            "/results/a/../pubkey.gpg",
            "/results/a/%2e%2e/pubkey.gpg",
            "/results/a/b%2fc/pubkey.gpg",
            "/results/a/b%00/pubkey.gpg",
            "/results/a/b%ff/pubkey.gpg",
            "/results/a/b/debian-12-x86_64/..",
            "/results/a/b/debian-12-x86_64/12-hello/x.rpm",
            "/results/a/b/debian-12-x86_64/00000012-hello/../x",
            "/results/a/b/debian-12-x86_64/00000012-hello/..%2f..%2fx",
            "/results/a/b/debian-12-x86_64/00000012-hello//x",
            "/results/a/b/debian-12-x86_64/repodata/..%2f..%2fpointers",
            "/results/a/b/debian-12-x86_64/pointers/latest.json",
            "/results/a/b/debian-12-x86_64/@0/repodata/repomd.xml",
            "/results/a/b/debian-12-x86_64/@01/repodata/repomd.xml",
            "/results/a/b/debian-12-x86_64/@+1/repodata/repomd.xml",
            "/results/a/b/debian-12-x86_64/@-1/repodata/repomd.xml",
            "/results/a/b/srpm-builds/12/",
            "/distro/debian-12-x86_64/",
            "/distro/debian-12-x86_64/../x",
            "/distro/debian-12-x86_64/a%2f..%2fb",
            "/distro/debian-12-x86_64//a",
            "/keys/a/b/pubkey.gpg",
        ] {
            assert_eq!(Address::parse(path), None, "{path}");
        }
    }
}
