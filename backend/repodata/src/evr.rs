//! Names and versions of packages, and their order.

use std::cmp::Ordering;
use std::fmt;

/// Epoch, version and release; ordered as rpm orders them.
#[derive(Clone, Debug)]
pub struct Evr {
    /// 0 where none is given.
    pub epoch: u32,
    /// Version.
    pub version: String,
    /// Release; empty where none is given.
    pub release: String,
}

impl Evr {
    /// Reads `[epoch:]version[-release]`; None if the epoch is no number.
    pub fn parse(text: &str) -> Option<Evr> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (if epoch.is_empty() { 0 } else { epoch.parse().ok()? }, rest),
            None => (0, text),
        };
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        Some(Evr {
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
        })
    }
}

impl Ord for Evr {
    fn cmp(&self, other: &Evr) -> Ordering {
        let epoch = self.epoch.cmp(&other.epoch);
        epoch
            .then_with(|| rpmvercmp(&self.version, &other.version))
            .then_with(|| rpmvercmp(&self.release, &other.release))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Evr) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equal as rpm sees it: `1.0` and `1_0` are.
impl PartialEq for Evr {
    fn eq(&self, other: &Evr) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Evr {}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        if !self.release.is_empty() {
            write!(f, "-{}", self.release)?;
        }
        Ok(())
    }
}

/// Name, epoch, version, release and architecture of a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nevra {
    /// Name.
    pub name: String,
    /// Epoch; None and 0 are equal to rpm but differ in the header.
    pub epoch: Option<u32>,
    /// Version.
    pub version: String,
    /// Release.
    pub release: String,
    /// Architecture, `src` for source packages.
    pub arch: String,
}

impl Nevra {
    /// The part that is ordered.
    pub fn evr(&self) -> Evr {
        Evr {
            epoch: self.epoch.unwrap_or(0),
            version: self.version.clone(),
            release: self.release.clone(),
        }
    }

    /// `name-version-release`.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }

    /// `name-version-release.arch.rpm`, the name that rpmbuild gives the file.
    pub fn file_name(&self) -> String {
        format!("{}.{}.rpm", self.nvr(), self.arch)
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.name)?;
        if let Some(epoch) = self.epoch {
            write!(f, "{epoch}:")?;
        }
        write!(f, "{}-{}.{}", self.version, self.release, self.arch)
    }
}

/// Compares two versions or releases by rpm's rules: runs of digits as numbers, runs of letters as text, `~` before
/// everything, even the end, and `^` after the end but before anything else.
pub fn rpmvercmp(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                a = &a[1..];
                b = &b[1..];
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, _) | (_, None) => return a.len().cmp(&b.len()),
            (Some(first), Some(second)) => match (first.is_ascii_digit(), second.is_ascii_digit()) {
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (true, true) => {
                    let (left, right) = (take(&mut a, u8::is_ascii_digit), take(&mut b, u8::is_ascii_digit));
                    let (left, right) = (trim_zeros(left), trim_zeros(right));
                    let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                (false, false) => {
                    let order =
                        take(&mut a, u8::is_ascii_alphabetic).cmp(take(&mut b, u8::is_ascii_alphabetic));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
            },
        }
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let at = text
        .iter()
        .position(|c| c.is_ascii_alphanumeric() || matches!(c, b'~' | b'^'));
    &text[at.unwrap_or(text.len())..]
}

fn take<'a>(text: &mut &'a [u8], wanted: fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|c| !wanted(c)).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits
        .iter()
        .position(|digit| *digit != b'0')
        .unwrap_or(digits.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs from rpm's own test suite (`tests/rpmvercmp.at`).
    #[test]
    fn orders_versions_as_rpm_does() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("1.0", "1.0", Equal),
            ("1.0", "2.0", Less),
            ("2.0.1", "2.0", Greater),
            ("2.0.1a", "2.0.1", Greater),
            ("5.5p1", "5.5p10", Less),
            ("10xyz", "10.1xyz", Less),
            ("xyz10", "xyz10.1", Less),
            ("xyz.4", "8", Less),
            ("5.5p2", "5.6p1", Less),
            ("6.0.rc1", "6.0", Greater),
            ("10b2", "10a1", Greater),
            ("10.0001", "10.1", Equal),
            ("10.0001", "10.0039", Less),
            ("4.999.9", "5.0", Less),
            ("20101121", "20101122", Less),
            ("2_0", "2.0", Equal),
            ("a+", "a_", Equal),
            ("+", "_", Equal),
            ("1.0~rc1", "1.0", Less),
            ("1.0~rc1", "1.0~rc1", Equal),
            ("1.0~rc1~git123", "1.0~rc1", Less),
            ("1.0^", "1.0", Greater),
            ("1.0^git1", "1.0", Greater),
            ("1.0^git1", "1.01", Less),
            ("1.0^20160101", "1.0.1", Less),
            ("1.0~rc1^git1", "1.0~rc1", Greater),
            ("1.0^git1~pre", "1.0^git1", Less),
            ("1.0^git1~pre", "1.0", Greater),
        ] {
            assert_eq!(rpmvercmp(a, b), expected, "{a} {b}");
            assert_eq!(rpmvercmp(b, a), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn epoch_wins() {
        let evr = |text| Evr::parse(text).unwrap();
        assert!(evr("1:0.1-1") > evr("9-9"));
        assert!(evr("1.0-1.fc44") < evr("1.0-2"));
        assert_eq!(evr(":1-1"), evr("0:1-1"));
        assert!(Evr::parse("x:1").is_none());
        assert_eq!(evr("3:1-2").to_string(), "3:1-2");
    }
}
