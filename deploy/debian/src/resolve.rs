//! Which packages belong together: the closure of the recipe's seeds over Debian's dependencies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    apt::{Index, Relation, Stanza},
    error::Error,
    recipe::DebianSection,
};

/// The packages of the distribution, with what each needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// For each package the relations that hold inside the closure, one of each group of alternatives.
    pub requires: BTreeMap<String, Vec<Relation>>,
}

struct Resolver<'a> {
    index: &'a Index,
    section: &'a DebianSection,
    ignore: BTreeSet<&'a str>,
    taken: BTreeSet<&'a str>,
    /// Virtual names that taken packages provide.
    offered: BTreeSet<&'a str>,
    queue: VecDeque<&'a Stanza>,
}

/// Follows all dependencies from the seeds on.
///
/// Of alternatives the first one wins that is taken already (by its name, or by a virtual name that a taken package
/// provides), then the first one that exists. Groups in which any alternative is ignored are left out.
pub fn resolve(index: &Index, section: &DebianSection) -> Result<Closure, Error> {
    let mut resolver = Resolver {
        index,
        section,
        ignore: section.ignore.iter().map(String::as_str).collect(),
        taken: BTreeSet::new(),
        offered: BTreeSet::new(),
        queue: VecDeque::new(),
    };
    for seed in &section.seeds {
        let stanza = index.get(seed).ok_or_else(|| Error::MissingPackage {
            name: seed.clone(),
            needed_by: "the recipe".to_owned(),
        })?;
        resolver.take(stanza);
    }
    while let Some(stanza) = resolver.queue.pop_front() {
        for group in resolver.groups(stanza) {
            resolver.satisfy(group, &stanza.name)?;
        }
    }
    // Only now is it known which of the alternatives are there.
    let mut closure = Closure::default();
    for name in &resolver.taken {
        let stanza = &index[*name];
        let requires = resolver
            .groups(stanza)
            .filter_map(|group| resolver.chosen(group))
            .cloned()
            .collect();
        closure.requires.insert((*name).to_owned(), requires);
    }
    Ok(closure)
}

impl<'a> Resolver<'a> {
    fn take(&mut self, stanza: &'a Stanza) {
        if self.taken.insert(&stanza.name) {
            self.offered
                .extend(stanza.provides.iter().map(|it| it.name.as_str()));
            self.queue.push_back(stanza);
        }
    }

    /// The dependencies of a package that count here.
    fn groups(&self, stanza: &'a Stanza) -> impl Iterator<Item = &'a [Relation]> + use<'a> {
        let without = self
            .section
            .packages
            .get(&stanza.name)
            .map(|it| it.without.as_slice())
            .unwrap_or_default();
        let ignore = self.ignore.clone();
        stanza.depends.iter().map(Vec::as_slice).filter(move |group| {
            !group
                .iter()
                .any(|it| ignore.contains(it.name.as_str()) || without.contains(&it.name))
        })
    }

    fn chosen(&self, group: &'a [Relation]) -> Option<&'a Relation> {
        let by_name = group.iter().find(|it| self.taken.contains(it.name.as_str()));
        by_name.or_else(|| group.iter().find(|it| self.offered.contains(it.name.as_str())))
    }

    fn satisfy(&mut self, group: &'a [Relation], needed_by: &str) -> Result<(), Error> {
        if self.chosen(group).is_some() {
            return Ok(());
        }
        let real = group.iter().find_map(|it| self.index.get(&it.name));
        let stanza = real.or_else(|| {
            // A virtual package: the first real one that provides it.
            let provides = |stanza: &&Stanza, name: &str| stanza.provides.iter().any(|it| it.name == name);
            group
                .iter()
                .find_map(|it| self.index.values().find(|stanza| provides(stanza, &it.name)))
        });
        let Some(stanza) = stanza else {
            let names: Vec<_> = group.iter().map(|it| it.name.as_str()).collect();
            return Err(Error::MissingPackage {
                name: names.join(" | "),
                needed_by: needed_by.to_owned(),
            });
        };
        self.take(stanza);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apt::parse_index;

    const INDEX: &str = "\
Package: app
Architecture: amd64
Version: 1
Depends: awk, liba (= 2) | libb, debconf (>= 1) | debconf-2.0

Package: gawk
Architecture: amd64
Version: 1
Provides: awk

Package: aaa-awk
Architecture: amd64
Version: 1
Provides: awk

Package: liba
Architecture: amd64
Version: 2
Depends: gone | libb

Package: libb
Architecture: all
Version: 3
";

    fn section(seeds: &[&str], ignore: &[&str]) -> DebianSection {
        let text = format!(
            "codename='x'\nproof=['app','1']\narch='amd64'\nseeds={seeds:?}\nignore={ignore:?}\ndrop_paths=[]\n\
             keep_suffixes=[]\npython='python3'\npackages={{}}\n\
             release={{name='r',version='1',release='1',summary='s',dirs={{}}}}"
        );
        toml::from_str(&text).unwrap()
    }

    fn names(closure: &Closure, package: &str) -> Vec<String> {
        closure.requires[package]
            .iter()
            .map(|it| it.name.clone())
            .collect()
    }

    #[test]
    fn the_closure_prefers_what_is_there_already() {
        let index = parse_index(INDEX, "amd64");
        let closure = resolve(&index, &section(&["app", "gawk"], &["debconf"])).unwrap();
        assert_eq!(
            closure.requires.keys().collect::<Vec<_>>(),
            ["app", "gawk", "liba", "libb"]
        );
        assert_eq!(names(&closure, "app"), ["awk", "liba"]);
        assert_eq!(names(&closure, "liba"), ["libb"]);

        let closure = resolve(&index, &section(&["app"], &["debconf"])).unwrap();
        assert!(closure.requires.contains_key("aaa-awk"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let index = parse_index(INDEX, "amd64");
        let error = resolve(&index, &section(&["app"], &[])).unwrap_err().to_string();
        assert_eq!(error, "apt has no package debconf | debconf-2.0, needed by app");
        let error = resolve(&index, &section(&["nothing"], &[]))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "apt has no package nothing, needed by the recipe");
    }
}
