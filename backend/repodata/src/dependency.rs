//! Dependencies of a package, reduced as `createrepo_c` reduces them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::evr::rpmvercmp;
use crate::header::Header;
use crate::tag;
use crate::xml::{push_attr, push_number};

// Bits of the flag tags, from rpm's `rpmds.h`.
const SENSE: u32 = 0x0f;
const POSTTRANS: u32 = 1 << 5;
const PREREQ: u32 = 1 << 6;
const PRETRANS: u32 = 1 << 7;
const SCRIPT_PRE: u32 = 1 << 9;
const SCRIPT_POST: u32 = 1 << 10;
const MISSING_OK: u32 = 1 << 19;
const STRONG: u32 = 1 << 27;
/// Requirements that must be there before the package's scriptlets run.
const PRE: u32 = POSTTRANS | PREREQ | PRETRANS | SCRIPT_PRE | SCRIPT_POST;

/// One dependency as the metadata has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Capability, path or rich expression.
    pub name: String,
    /// `EQ`, `LT`, `GT`, `LE` or `GE`; None if any version will do.
    pub flags: Option<&'static str>,
    /// Epoch, `0` if the version names none; None without a version.
    pub epoch: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Release; None if the version names none.
    pub release: Option<String>,
    /// Needed before the package's own scriptlets run.
    pub pre: bool,
}

/// All dependencies of a package, in the order of its header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies {
    pub(crate) provides: Vec<Dependency>,
    pub(crate) requires: Vec<Dependency>,
    pub(crate) conflicts: Vec<Dependency>,
    pub(crate) obsoletes: Vec<Dependency>,
    pub(crate) suggests: Vec<Dependency>,
    pub(crate) enhances: Vec<Dependency>,
    pub(crate) recommends: Vec<Dependency>,
    pub(crate) supplements: Vec<Dependency>,
}

/// One entry of the header's three parallel arrays.
struct Raw<'a> {
    name: Cow<'a, str>,
    flags: u32,
    version: Cow<'a, str>,
}

impl Raw<'_> {
    /// What makes two dependencies the same.
    fn key(&self) -> String {
        format!("{}{}{}", self.name, sense(self.flags).unwrap_or(""), self.version)
    }

    /// None if the version's epoch is no number; such a dependency nobody can resolve.
    fn dependency(&self, pre: bool) -> Option<Dependency> {
        let (epoch, version, release) = split_evr(&self.version)?;
        Some(Dependency {
            name: self.name.clone().into_owned(),
            flags: sense(self.flags),
            epoch,
            version,
            release,
            pre,
        })
    }
}

fn sense(flags: u32) -> Option<&'static str> {
    match flags & SENSE {
        2 => Some("LT"),
        4 => Some("GT"),
        8 => Some("EQ"),
        10 => Some("LE"),
        12 => Some("GE"),
        _ => None,
    }
}

type SplitEvr = (Option<String>, Option<String>, Option<String>);

fn split_evr(text: &str) -> Option<SplitEvr> {
    if text.is_empty() {
        return Some((None, None, None));
    }
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    if !epoch.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let epoch = if epoch.is_empty() { "0" } else { epoch };
    let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
    let some = |part: &str| (!part.is_empty()).then(|| part.to_owned());
    Some((some(epoch), some(version), some(release)))
}

fn raw(header: &Header, name: u32, flags: u32, version: u32) -> Vec<Raw<'_>> {
    let (Some(names), Some(flags), Some(versions)) =
        (header.strings(name), header.u32s(flags), header.strings(version))
    else {
        return Vec::new();
    };
    let triples = names.into_iter().zip(flags).zip(versions);
    triples
        .map(|((name, flags), version)| Raw { name, flags, version })
        .collect()
}

fn plain(raw: &[Raw<'_>]) -> Vec<Dependency> {
    raw.iter()
        .filter(|raw| !raw.name.is_empty())
        .filter_map(|raw| raw.dependency(false))
        .collect()
}

impl Dependencies {
    /// Reads all dependencies; `owns(path)` says whether the package itself holds that path.
    pub(crate) fn read(header: &Header, owns: impl Fn(&str) -> bool) -> Dependencies {
        let get = |name, flags, version| raw(header, name, flags, version);
        let provides = get(tag::PROVIDE_NAME, tag::PROVIDE_FLAGS, tag::PROVIDE_VERSION);
        // What nobody can resolve provides nothing.
        let provided = provides.iter().filter(|raw| raw.dependency(false).is_some());
        let provided = provided.map(Raw::key).collect();
        let requires = get(tag::REQUIRE_NAME, tag::REQUIRE_FLAGS, tag::REQUIRE_VERSION);
        let (requires, recommends) = requirements(&requires, &provided, owns);
        let mut all = Dependencies {
            requires,
            provides: plain(&provides),
            conflicts: plain(&get(
                tag::CONFLICT_NAME,
                tag::CONFLICT_FLAGS,
                tag::CONFLICT_VERSION,
            )),
            obsoletes: plain(&get(
                tag::OBSOLETE_NAME,
                tag::OBSOLETE_FLAGS,
                tag::OBSOLETE_VERSION,
            )),
            suggests: plain(&get(tag::SUGGEST_NAME, tag::SUGGEST_FLAGS, tag::SUGGEST_VERSION)),
            enhances: plain(&get(tag::ENHANCE_NAME, tag::ENHANCE_FLAGS, tag::ENHANCE_VERSION)),
            recommends,
            supplements: plain(&get(
                tag::SUPPLEMENT_NAME,
                tag::SUPPLEMENT_FLAGS,
                tag::SUPPLEMENT_VERSION,
            )),
        };
        all.recommends.extend(plain(&get(
            tag::RECOMMEND_NAME,
            tag::RECOMMEND_FLAGS,
            tag::RECOMMEND_VERSION,
        )));
        let old = get(
            tag::OLD_SUGGEST_NAME,
            tag::OLD_SUGGEST_FLAGS,
            tag::OLD_SUGGEST_VERSION,
        );
        let (strong, weak): (Vec<_>, Vec<_>) = old.into_iter().partition(|raw| raw.flags & STRONG != 0);
        all.recommends.extend(plain(&strong));
        all.suggests.extend(plain(&weak));
        let old = get(
            tag::OLD_ENHANCE_NAME,
            tag::OLD_ENHANCE_FLAGS,
            tag::OLD_ENHANCE_VERSION,
        );
        let (strong, weak): (Vec<_>, Vec<_>) = old.into_iter().partition(|raw| raw.flags & STRONG != 0);
        all.supplements.extend(plain(&strong));
        all.enhances.extend(plain(&weak));
        all
    }

    /// Appends the `rpm:provides` … `rpm:supplements` elements.
    pub(crate) fn push_xml(&self, out: &mut String) {
        for (element, list) in [
            ("rpm:provides", &self.provides),
            ("rpm:requires", &self.requires),
            ("rpm:conflicts", &self.conflicts),
            ("rpm:obsoletes", &self.obsoletes),
            ("rpm:suggests", &self.suggests),
            ("rpm:enhances", &self.enhances),
            ("rpm:recommends", &self.recommends),
            ("rpm:supplements", &self.supplements),
        ] {
            if list.is_empty() {
                continue;
            }
            out.push_str(&format!("    <{element}>\n"));
            for dependency in list {
                dependency.push_xml(out);
            }
            out.push_str(&format!("    </{element}>\n"));
        }
    }
}

impl Dependency {
    fn push_xml(&self, out: &mut String) {
        out.push_str("      <rpm:entry");
        push_attr(out, "name", &self.name);
        if let Some(flags) = self.flags {
            push_attr(out, "flags", flags);
            for (name, value) in [
                ("epoch", &self.epoch),
                ("ver", &self.version),
                ("rel", &self.release),
            ] {
                if let Some(value) = value {
                    push_attr(out, name, value);
                }
            }
        }
        if self.pre {
            push_number(out, "pre", 1);
        }
        out.push_str("/>\n");
    }
}

/// Whether a path belongs into primary.xml; yum's old rule, which solvers still rely on.
pub(crate) fn is_primary(path: &str) -> bool {
    path.starts_with("/etc/") || path == "/usr/lib/sendmail" || path.contains("bin/")
}

/// Requirements and, of packages of old SUSE releases, recommendations, which those mark by a flag. Leaves out what says
/// nothing to a solver: rpmlib features, what the package itself provides or (among the paths of primary.xml) holds,
/// repetitions, and all versions of the C library but the highest, which comes last.
fn requirements(
    raw: &[Raw<'_>],
    provided: &HashSet<String>,
    owns: impl Fn(&str) -> bool,
) -> (Vec<Dependency>, Vec<Dependency>) {
    let (mut requires, mut recommends) = (Vec::new(), Vec::new());
    let mut seen: HashMap<&str, (Option<&str>, &str, bool)> = HashMap::new();
    let mut highest_libc: Option<Dependency> = None;
    for raw in raw {
        let name: &str = &raw.name;
        let own_file = name.starts_with('/') && is_primary(name) && owns(name);
        if name.is_empty() || name.starts_with("rpmlib(") || own_file || provided.contains(&raw.key()) {
            continue;
        }
        let pre = raw.flags & PRE != 0;
        let identity = (sense(raw.flags), &*raw.version, pre);
        if seen.get(name) == Some(&identity) {
            continue;
        }
        let Some(dependency) = raw.dependency(pre) else {
            continue;
        };
        if raw.flags & MISSING_OK != 0 {
            recommends.push(Dependency {
                pre: false,
                ..dependency
            });
        } else if name.starts_with("libc.so.6") {
            match &highest_libc {
                Some(highest) if compare_libc(&highest.name, name) != Ordering::Less => {}
                _ => highest_libc = Some(dependency),
            }
        } else {
            seen.insert(name, identity);
            requires.push(dependency);
        }
    }
    requires.extend(highest_libc);
    (requires, recommends)
}

/// Orders `libc.so.6`, `libc.so.6()(64bit)`, `libc.so.6(GLIBC_2.3.4)(64bit)`, … by the version in the first
/// parentheses, if there is one.
fn compare_libc(a: &str, b: &str) -> Ordering {
    match (libc_version(a), libc_version(b)) {
        ((4, a), (4, b)) => rpmvercmp(a, b),
        ((a, _), (b, _)) => a.cmp(&b),
    }
}

/// How much of a version there is: no parentheses, no closing one, nothing between them, no digit, a version.
fn libc_version(name: &str) -> (u8, &str) {
    let Some((_, rest)) = name.split_once('(') else {
        return (0, "");
    };
    let Some((inner, _)) = rest.split_once(')') else {
        return (1, "");
    };
    match inner.find(|c: char| c.is_ascii_digit()) {
        Some(at) => (4, &inner[at..]),
        None if inner.is_empty() => (2, ""),
        None => (3, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_versions_as_createrepo_does() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(split_evr(""), Some((None, None, None)));
        assert_eq!(split_evr("1.0"), Some((some("0"), some("1.0"), None)));
        assert_eq!(split_evr("2:1.0-3"), Some((some("2"), some("1.0"), some("3"))));
        assert_eq!(split_evr(":1-"), Some((some("0"), some("1"), None)));
        assert_eq!(split_evr("x:1"), None);
    }

    #[test]
    fn takes_the_highest_libc() {
        assert_eq!(
            compare_libc("libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.4)(64bit)"),
            Ordering::Greater
        );
        assert_eq!(
            compare_libc("libc.so.6()(64bit)", "libc.so.6(GLIBC_2.2.5)(64bit)"),
            Ordering::Less
        );
        assert_eq!(compare_libc("libc.so.6", "libc.so.6()(64bit)"), Ordering::Less);
        assert_eq!(
            compare_libc("libc.so.6(X)", "libc.so.6()(64bit)"),
            Ordering::Greater
        );
        assert_eq!(compare_libc("libc.so.6(X)", "libc.so.6(Y)"), Ordering::Equal);
    }

    #[test]
    fn knows_the_paths_of_primary() {
        for path in ["/etc/x", "/usr/lib/sendmail", "/opt/a/sbin/b", "/usr/bin/c"] {
            assert!(is_primary(path), "{path}");
        }
        assert!(!is_primary("/usr/share/doc/x"));
    }
}
