//! Which snapshot of a repository is meant: what stands behind an `@` in an address.

use chrono::{DateTime, NaiveDateTime, Utc};
use protocol::{CommitId, PointerName};

/// Which snapshot of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// This one.
    Number(i64),
    /// The one that a pointer names now.
    Pointer(PointerName),
    /// The one that `latest` named then.
    Time(DateTime<Utc>),
    /// The one that first had the packages of the newest good build of a commit.
    Commit(CommitId),
}

impl At {
    /// A number, a time in UTC, or a pointer's name. `latest` and `devel` have addresses already.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<i64>() {
            // Snapshots have one spelling each, or one object had many URLs.
            return (number > 0 && number.to_string() == text).then_some(Self::Number(number));
        }
        if let Ok(pointer) = text.parse::<PointerName>() {
            // The newest publication has this name too, so that it can be told from a pointer of one's own.
            if pointer.as_str() == "current" {
                return Some(Self::Pointer(PointerName::latest()));
            }
            return (!pointer.is_built_in()).then_some(Self::Pointer(pointer));
        }
        // Both ways of ISO 8601 that say UTC. One second can be written twice, and what is behind it is small.
        let basic = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok();
        let time = basic
            .map(|time| time.and_utc())
            .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()));
        time.filter(|_| text.ends_with('Z')).map(Self::Time)
    }

    /// What three folders name: `<aa>/<bb>/<sha>`. Nothing else in a repository is called by two hexadecimal digits.
    pub fn commit(folders: [&str; 3]) -> Option<Self> {
        let commit: CommitId = folders[2].parse().ok()?;
        (commit.folder() == folders.join("/")).then_some(Self::Commit(commit))
    }
}
