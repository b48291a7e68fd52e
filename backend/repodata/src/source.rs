//! What a source package says about the builds that are made of it.

use crate::{HeaderError, RpmFile, tag};

/// The facts of a source package that a build is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// RPM tag Name.
    pub name: String,
    /// `[epoch:]version-release`; the epoch only where it is not 0.
    pub version: String,
    /// Where it builds.
    pub arches: Arches,
}

impl SourceFacts {
    /// Reads the facts of a source package's header.
    ///
    /// # Errors
    /// When name, version, release or architecture are missing or malformed.
    pub fn of(rpm: &RpmFile) -> Result<Self, HeaderError> {
        let nevra = rpm.nevra()?;
        let epoch = nevra
            .epoch
            .filter(|e| *e > 0)
            .map_or(String::new(), |e| format!("{e}:"));
        Ok(Self {
            version: format!("{epoch}{}-{}", nevra.version, nevra.release),
            arches: Arches::of(rpm),
            name: nevra.name,
        })
    }
}

/// The architectures that a source package names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arches {
    exclusive: Vec<String>,
    exclude: Vec<String>,
    build: Vec<String>,
}

impl Arches {
    fn of(rpm: &RpmFile) -> Self {
        let list = |tag| {
            let strings = rpm.header().strings(tag).unwrap_or_default();
            strings.iter().map(|s| s.to_string()).collect()
        };
        Self {
            exclusive: list(tag::EXCLUSIVE_ARCH),
            exclude: list(tag::EXCLUDE_ARCH),
            build: list(tag::BUILD_ARCHS),
        }
    }

    /// Whether the package builds on an architecture: as rpmbuild, `ExcludeArch` and `ExclusiveArch` decide, and a
    /// `BuildArch` other than `noarch` names the only ones. `noarch` in `ExclusiveArch` restricts nothing by itself.
    pub fn builds_for(&self, arch: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|a| same_arch(a, arch));
        let restricts = |list: &[String]| list.iter().any(|a| a != "noarch");
        !named(&self.exclude)
            && (!restricts(&self.exclusive) || named(&self.exclusive))
            && (self.build.iter().any(|a| a == "noarch") || self.build.is_empty() || named(&self.build))
    }
}

/// Fedora's chroots say `i386` where packages say `i686`.
fn same_arch(named: &str, arch: &str) -> bool {
    named == arch || (arch == "i386" && matches!(named, "i486" | "i586" | "i686"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arches(exclusive: &[&str], exclude: &[&str], build: &[&str]) -> Arches {
        let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        Arches {
            exclusive: list(exclusive),
            exclude: list(exclude),
            build: list(build),
        }
    }

    #[test]
    fn architectures_decide_where_a_package_builds() {
        assert!(Arches::default().builds_for("x86_64"));
        assert!(!arches(&["aarch64"], &[], &[]).builds_for("x86_64"));
        assert!(arches(&["aarch64", "x86_64"], &[], &[]).builds_for("x86_64"));
        assert!(arches(&["noarch"], &[], &["noarch"]).builds_for("x86_64"));
        assert!(!arches(&["aarch64", "noarch"], &[], &["noarch"]).builds_for("x86_64"));
        assert!(!arches(&[], &["x86_64"], &[]).builds_for("x86_64"));
        assert!(!arches(&[], &[], &["s390x"]).builds_for("x86_64"));
        assert!(arches(&["i686"], &[], &[]).builds_for("i386"));
    }
}
