//! Packages of a snapshot that somebody names.

use std::cmp::Ordering;
use std::fmt;

use db::snapshots::{self, Package, Wanted};
use protocol::BuildId;
use repodata::Evr;

use super::Place;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::shown;

/// Most names in one request.
const MAX_NAMES: usize = 1_000;

/// Which packages somebody means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names, `name-version-release.arch`, or file names.
    pub names: Vec<String>,
    /// All packages of this build.
    pub build: Option<BuildId>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = self.build.map(|build| format!("build {build}"));
        let names: Vec<String> = self.names.iter().take(3).map(|name| shown(name)).collect();
        let parts: Vec<String> = build.into_iter().chain(names).collect();
        f.write_str(&parts.join(", "))?;
        if self.names.len() > 3 {
            write!(f, " and {} more", self.names.len() - 3)?;
        }
        Ok(())
    }
}

impl Choice {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.build.is_none()
    }

    /// The packages of a snapshot (its number) and their like that have to be read to know which are meant.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn among(
        &self,
        app: &App,
        place: &Place,
        content: &[i64],
    ) -> Result<Vec<Package>, Error> {
        let names = self.names.iter().take(MAX_NAMES);
        let mut names: Vec<&str> = names
            .flat_map(|name| [Some(name.as_str()), name_in(name)])
            .flatten()
            // No text in the database holds a zero byte.
            .filter(|name| !name.contains('\0'))
            .collect();
        names.sort_unstable();
        names.dedup();
        let wanted = Wanted {
            names: &names,
            build: self.build.map(|build| build.0),
        };
        let mut conn = app.conn().await?;
        Ok(snapshots::wanted(&mut conn, place.repository.id, content, wanted).await?)
    }

    /// The packages of a snapshot (its number) that are meant.
    ///
    /// # Errors
    /// 400 when nothing is named, or something that the snapshot does not have.
    pub fn of<'a>(&self, all: &'a [Package], snapshot: i64) -> Result<Vec<&'a Package>, Error> {
        if self.is_empty() {
            return Err(Error::Invalid(
                "packages: name packages, or a build with build_id".to_owned(),
            ));
        }
        if self.names.len() > MAX_NAMES {
            return Err(Error::Invalid(format!("packages: at most {MAX_NAMES} at a time")));
        }
        let missing =
            |what: String| Error::Invalid(format!("packages: snapshot {snapshot} has nothing of {what}"));
        let mut chosen: Vec<&Package> = Vec::new();
        if let Some(build) = self.build {
            chosen.extend(all.iter().filter(|p| p.build == Some(build.0)));
            if chosen.is_empty() {
                return Err(missing(format!("build {build}")));
            }
        }
        for name in &self.names {
            let before = chosen.len();
            chosen.extend(all.iter().filter(|p| is_called(p, name)));
            if chosen.len() == before {
                return Err(missing(format!("'{}'", shown(name))));
            }
        }
        chosen.sort_by_key(|p| p.id);
        chosen.dedup_by_key(|p| p.id);
        Ok(chosen)
    }
}

/// The name in `name-version-release.arch`, with or without `.rpm`.
fn name_in(text: &str) -> Option<&str> {
    let text = text.strip_suffix(".rpm").unwrap_or(text);
    let (text, _arch) = text.rsplit_once('.')?;
    let (text, _release) = text.rsplit_once('-')?;
    text.rsplit_once('-').map(|(name, _version)| name)
}

fn is_called(package: &Package, name: &str) -> bool {
    package.name == name || package.file_name == name || package.file_name.strip_suffix(".rpm") == Some(name)
}

/// Those of `target` that are a newer version of one of `chosen`.
pub(super) fn newer_than<'a>(chosen: &[&Package], target: &'a [Package]) -> Vec<&'a Package> {
    let is_newer = |p: &&Package| {
        let mut same = chosen
            .iter()
            .filter(|c| c.name == p.name && c.arch == p.arch && c.id != p.id)
            .peekable();
        same.peek().is_some() && same.all(|c| evr(p).cmp(&evr(c)) == Ordering::Greater)
    };
    target.iter().filter(is_newer).collect()
}

fn evr(package: &Package) -> Option<Evr> {
    let Package {
        epoch,
        version,
        release,
        ..
    } = package;
    Evr::parse(&format!("{epoch}:{version}-{release}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(id: i64, name: &str, version: &str, build: i64) -> Package {
        Package {
            id,
            name: name.to_owned(),
            epoch: 0,
            version: version.to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            file_name: format!("{name}-{version}-1.noarch.rpm"),
            size: 1,
            build: Some(build),
        }
    }

    fn ids(packages: &[&Package]) -> Vec<i64> {
        packages.iter().map(|p| p.id).collect()
    }

    #[test]
    fn packages_are_named_in_many_ways() {
        let all = [
            package(1, "a", "1", 7),
            package(2, "a", "2", 8),
            package(3, "b", "1", 8),
        ];
        let choice = |names: &[&str], build: Option<i64>| Choice {
            names: names.iter().map(ToString::to_string).collect(),
            build: build.map(BuildId),
        };
        let of = |names: &[&str], build| choice(names, build).of(&all, 4).map(|p| ids(&p));
        assert_eq!(of(&["a"], None).unwrap(), [1, 2]);
        assert_eq!(of(&["a-1-1.noarch", "a-1-1.noarch.rpm"], None).unwrap(), [1]);
        assert_eq!(of(&["a"], Some(8)).unwrap(), [1, 2, 3]);
        let error = of(&["a", "c"], None).unwrap_err().to_string();
        assert_eq!(error, "packages: snapshot 4 has nothing of 'c'");
        assert!(of(&[], Some(9)).is_err() && of(&[], None).is_err());
        assert_eq!(name_in("a-b-1-1.noarch.rpm"), Some("a-b"));
        assert_eq!(name_in("a-b-1-1.noarch"), Some("a-b"));
        assert_eq!(name_in("a-b"), None);
        let many = choice(&["a", "b", "c", "d", "e"], Some(3));
        assert_eq!(many.to_string(), "build 3, a, b, c and 2 more");
    }

    #[test]
    fn only_newer_versions_stand_in_the_way() {
        let old = package(1, "a", "1.9", 7);
        let target = [
            package(2, "a", "1.10", 8),
            package(3, "a", "1.8", 8),
            package(4, "b", "9", 8),
            package(1, "a", "1.9", 7),
        ];
        assert_eq!(ids(&newer_than(&[&old], &target)), [2]);
        let both = package(5, "a", "2", 9);
        assert!(
            newer_than(&[&old, &both], &target).is_empty(),
            "the newest of the chosen counts"
        );
    }
}
