//! The catalogue of the software in a repository's packages, for software centres. Each package's part is read once, when
//! the package is looked into; the whole is made anew only when it has other parts.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;

use db::rpms::StoredFragments;
use repodata::{AppStream, Compression, Digest, Evr, ExtraKind, RpmFile, appstream_xml, extra_files};

use crate::error::JobError;
use crate::extras::Ready;

/// Most bytes that one package brings; the largest collections of software have less.
const MAX_PACKAGE: usize = 4 << 20;
/// Most bytes of a catalogue. Fedora's whole one has 40 MiB.
const MAX_CATALOGUE: usize = 64 << 20;

/// What a package has for the catalogue, packed as the database keeps it; `None` where it has nothing. `payload` yields the
/// package's payload from its first byte, and is not touched where the header lists nothing of the kind. A payload that
/// cannot be read is the packager's affair, and no reason to be without the package.
pub(crate) fn of_package(rpm: &RpmFile, payload: impl Read, name: &str) -> Result<Option<Vec<u8>>, JobError> {
    let mut components = match AppStream::of(rpm, payload) {
        Ok(AppStream::Components(components)) => components,
        Ok(AppStream::Unreadable) => {
            tracing::info!(
                name,
                "the package's payload is compressed in a way that its software cannot be read of"
            );
            return Ok(None);
        }
        Err(error) => {
            tracing::info!(name, %error, "the package's software cannot be read");
            return Ok(None);
        }
    };
    let mut room = MAX_PACKAGE;
    components.retain(|component| {
        let left = room.checked_sub(component.len());
        room = left.unwrap_or(room);
        left.is_some()
    });
    if components.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_vec(&components).map_err(JobError::fail)?;
    Ok(Some(zstd::encode_all(json.as_slice(), 3)?))
}

/// What one package has.
#[derive(Clone)]
struct Part {
    name: String,
    evr: Evr,
    packed: Arc<[u8]>,
}

/// Software of the packages of a snapshot. A clone shares nearly all of it.
#[derive(Clone, Default)]
pub(crate) struct Software {
    /// By the SHA-256 of the packages' files; packages without are not in it.
    parts: BTreeMap<Digest, Part>,
    catalogue: Option<Ready>,
}

/// Takes what packages have out of their rows.
pub(crate) fn take(stored: &mut [StoredFragments]) -> Result<Vec<(Digest, New)>, JobError> {
    let with = stored
        .iter_mut()
        .filter_map(|row| Some((row.software.take()?, row)));
    with.map(|(packed, row)| {
        let mut digest = Digest::default();
        hex::decode_to_slice(&row.sha256, &mut digest).map_err(JobError::fail)?;
        let evr = Evr {
            epoch: u32::try_from(row.epoch).unwrap_or(0),
            version: row.version.clone(),
            release: row.release.clone(),
        };
        let (name, packed) = (row.name.clone(), packed.into());
        Ok((digest, New(Part { name, evr, packed })))
    })
    .collect()
}

/// What a package brings.
pub(crate) struct New(Part);

impl Software {
    /// Packages go.
    pub fn remove(&mut self, gone: &[Digest]) {
        for digest in gone {
            if self.parts.remove(digest).is_some() {
                self.catalogue = None;
            }
        }
    }

    /// Packages come.
    pub fn add(&mut self, new: Vec<(Digest, New)>) {
        for (digest, New(part)) in new {
            self.parts.insert(digest, part);
            self.catalogue = None;
        }
    }

    /// The store may have nothing of it.
    pub fn distrust(&mut self) {
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.stored = false;
        }
    }

    /// The store has all of it.
    pub fn is_stored(&mut self) {
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.stored = true;
        }
    }

    /// The catalogue of a repository of that name, if it is wanted and there is something for it.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn catalogue(&mut self, origin: Option<&str>) -> Result<Option<Ready>, JobError> {
        let Some(origin) = origin.filter(|_| !self.parts.is_empty()) else {
            self.catalogue = None;
            return Ok(None);
        };
        if self.catalogue.is_none() {
            let xml = appstream_xml(origin, self.components()?);
            let made = extra_files(ExtraKind::AppStream, xml.as_bytes(), Compression::Gzip);
            let made = made.map_err(JobError::fail)?.into_iter().next();
            self.catalogue = made.map(|file| Ready {
                file: Arc::new(file),
                stored: false,
            });
        }
        Ok(self.catalogue.clone())
    }

    /// All components. Of versions of a package that are there side by side, what the newest says.
    fn components(&self) -> Result<Vec<String>, JobError> {
        let mut newest: HashMap<&str, &Evr> = HashMap::new();
        for part in self.parts.values() {
            let known = newest.entry(&part.name).or_insert(&part.evr);
            *known = (*known).max(&part.evr);
        }
        let mut all: Vec<&Part> = self.parts.values().collect();
        all.retain(|part| newest.get(part.name.as_str()) == Some(&&part.evr));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut components, mut room): (Vec<String>, _) = (Vec::new(), MAX_CATALOGUE);
        for part in all {
            let json = zstd::decode_all(&*part.packed)?;
            let of_part: Vec<String> = serde_json::from_slice(&json).map_err(JobError::fail)?;
            for component in of_part {
                // Packages of several architectures say the same.
                if components.last() == Some(&component) {
                    continue;
                }
                match room.checked_sub(component.len()) {
                    Some(left) => room = left,
                    None => return Ok(components),
                }
                components.push(component);
            }
        }
        Ok(components)
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        let parts: usize = self.parts.values().map(|part| part.packed.len()).sum();
        let catalogue = self.catalogue.as_ref();
        parts + catalogue.map_or(0, |catalogue| catalogue.file.bytes.len())
    }
}

/// What a catalogue says that it is of: a repository's owner and directory, in the letters that such a name may have.
pub(crate) fn origin(owner: &str, dir: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let [owner, dir] = [owner, dir].map(|name| name.chars().map(plain).collect::<String>());
    format!("{}/{dir}", owner.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, version: &str, components: &[&str]) -> New {
        let json = serde_json::to_vec(components).unwrap();
        New(Part {
            name: name.to_owned(),
            evr: Evr::parse(version).unwrap(),
            packed: zstd::encode_all(json.as_slice(), 3).unwrap().into(),
        })
    }

    fn text(catalogue: &Ready) -> String {
        let bytes = repodata::decompress(Compression::Gzip, &catalogue.file.bytes, 1 << 20).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn it_is_made_anew_only_when_its_parts_change() {
        let mut software = Software::default();
        assert!(software.catalogue(Some("a/b")).unwrap().is_none());
        let one = "<component><id>one</id></component>\n";
        let old = "<component><id>old</id></component>\n";
        software.add(vec![
            ([1; 32], part("editor", "1.10-1", &[one])),
            ([2; 32], part("editor", "1.9-1", &[old])),
            // The same for another architecture.
            ([3; 32], part("editor", "1.10-1", &[one])),
        ]);
        let first = software.catalogue(Some("a/b")).unwrap().unwrap();
        assert!(!first.stored);
        let xml = text(&first);
        assert!(
            xml.contains("origin=\"a/b\"") && xml.matches(one).count() == 1 && !xml.contains(old),
            "{xml}"
        );
        software.is_stored();
        software.remove(&[[9; 32]]);
        let second = software.catalogue(Some("a/b")).unwrap().unwrap();
        assert!(second.stored && Arc::ptr_eq(&first.file, &second.file));
        software.distrust();
        assert!(!software.catalogue(Some("a/b")).unwrap().unwrap().stored);
        software.remove(&[[1; 32], [3; 32]]);
        let third = software.catalogue(Some("a/b")).unwrap().unwrap();
        assert!(!third.stored && text(&third).contains(old));
        assert!(software.bytes() > 0);
        assert!(software.catalogue(None).unwrap().is_none());
        assert!(!software.catalogue(Some("a/b")).unwrap().unwrap().stored);
    }

    #[test]
    fn an_origin_has_few_letters() {
        assert_eq!(origin("@my.group", "tools:pr:1"), "my-group/tools-pr-1");
        assert_eq!(origin("alice", "tools"), "alice/tools");
    }
}
