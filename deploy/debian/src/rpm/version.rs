use std::fmt;

/// Epoch, version and release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evr {
    /// Zero is the same as none.
    pub epoch: u32,
    /// Upstream's version.
    pub version: String,
    /// Debian's revision.
    pub release: String,
}

impl Evr {
    /// Debian's `[epoch:]upstream[-revision]`. A hyphen within upstream's part is not allowed here and becomes a
    /// dot; a native package, which has no revision, gets release 0.
    pub fn from_debian(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        Self {
            epoch,
            version: version.replace(['-', ':'], "."),
            release: release.to_owned(),
        }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        write!(f, "{}-{}", self.version, self.release)
    }
}

/// Something provided or required.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    /// A package, a file, `pkgconfig(zlib)` …
    pub name: String,
    /// The version that it has, or must have.
    pub version: Option<String>,
}

impl Dependency {
    /// In any version.
    pub fn any(name: String) -> Self {
        Self { name, version: None }
    }

    /// In exactly this version.
    pub fn exactly(name: String, version: String) -> Self {
        Self {
            name,
            version: Some(version),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} = {version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_mapped() {
        for (debian, rpm) in [
            ("1:5.2.1-2", "1:5.2.1-2"),
            ("2.36-9+deb12u10", "2.36-9+deb12u10"),
            ("12.4+deb12u11", "12.4+deb12u11-0"),
            ("1.0-rc1-3", "1.0.rc1-3"),
            ("0:1~beta-1", "1~beta-1"),
        ] {
            assert_eq!(Evr::from_debian(debian).to_string(), rpm);
        }
    }
}
