//! One Debian package in, one RPM out.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    adapt::{self, Adapted},
    apt::{Index, Stanza},
    deb::{self, Kind, Node, Tree},
    error::Error,
    provides,
    recipe::{Recipe, ReleasePackage},
    resolve::Closure,
    rpm::{Dependency, Evr, Package},
};

/// Makes the RPM of one Debian package.
pub(crate) fn convert(
    recipe: &Recipe,
    index: &Index,
    closure: &Closure,
    stanza: &Stanza,
    debs: &BTreeMap<String, PathBuf>,
) -> Result<Package, Error> {
    let name = &stanza.name;
    let deb = debs.get(name).ok_or_else(|| Error::Download(name.clone()))?;
    let adapted = adapt::adapt(deb::unpack(deb, name)?, name, &recipe.debian)?;
    let evr = Evr::from_debian(&stanza.version);
    let noarch = stanza.arch == "all";
    Ok(Package {
        provides: all_provides(recipe, stanza, &evr, &adapted),
        requires: all_requires(recipe, index, closure, stanza),
        name: name.clone(),
        arch: if noarch {
            "noarch".to_owned()
        } else {
            recipe.arch.clone()
        },
        evr,
        summary: stanza.summary.clone(),
        url: stanza.homepage.clone(),
        source: stanza.source.clone(),
        build_time: adapt::newest(&adapted.tree),
        files: adapted.tree,
    })
}

fn all_provides(recipe: &Recipe, stanza: &Stanza, evr: &Evr, adapted: &Adapted) -> Vec<Dependency> {
    let mut provides = vec![Dependency::exactly(stanza.name.clone(), evr.to_string())];
    if stanza.arch != "all" {
        let isa = recipe.arch.replace('_', "-");
        provides.push(Dependency::exactly(
            format!("{}({isa})", stanza.name),
            evr.to_string(),
        ));
    }
    for it in &stanza.provides {
        let version = it
            .exact
            .as_ref()
            .map(|version| Evr::from_debian(version).to_string());
        provides.push(Dependency {
            name: it.name.clone(),
            version,
        });
    }
    if let Some(changes) = recipe.debian.packages.get(&stanza.name) {
        provides.extend(changes.provides.iter().map(|text| parse_provide(text, evr)));
    }
    provides.extend(provides::of_files(adapted));
    provides.sort();
    provides.dedup();
    provides
}

/// `name = version`, or `name` in the package's own version; a path has none.
fn parse_provide(text: &str, evr: &Evr) -> Dependency {
    match text.split_once(" = ") {
        Some((name, version)) => Dependency::exactly(name.to_owned(), version.to_owned()),
        None if text.starts_with('/') => Dependency::any(text.to_owned()),
        None => Dependency::exactly(text.to_owned(), evr.to_string()),
    }
}

fn all_requires(recipe: &Recipe, index: &Index, closure: &Closure, stanza: &Stanza) -> Vec<Dependency> {
    let mut requires = Vec::new();
    for relation in closure.requires.get(&stanza.name).into_iter().flatten() {
        // Only a real package's version is sure to be spelt the way it is required.
        let version = relation
            .exact
            .as_ref()
            .filter(|_| index.contains_key(&relation.name));
        let version = version.map(|version| Evr::from_debian(version).to_string());
        requires.push(Dependency {
            name: relation.name.clone(),
            version,
        });
    }
    if let Some(changes) = recipe.debian.packages.get(&stanza.name) {
        requires.extend(changes.requires.iter().cloned().map(Dependency::any));
    }
    requires.sort();
    requires.dedup();
    requires.retain(|it| it.name != stanza.name);
    requires
}

/// Makes the package that comes from no Debian package.
pub(crate) fn release_package(release: &ReleasePackage) -> Result<Package, Error> {
    let mut files = Tree::new();
    for (path, mode) in &release.dirs {
        let mode = u32::from_str_radix(mode, 8).map_err(|_| Error::BadPackage {
            package: release.name.clone(),
            reason: format!("mode {mode:?} of {path} is no octal number"),
        })?;
        files.insert(
            path.clone(),
            Node {
                mode,
                mtime: 0,
                kind: Kind::Dir,
            },
        );
    }
    adapt::apply(&mut files, &release.name, &release.content)?;
    let evr = Evr {
        epoch: 0,
        version: release.version.clone(),
        release: release.release.clone(),
    };
    let mut provides = vec![Dependency::exactly(release.name.clone(), evr.to_string())];
    provides.extend(
        release
            .content
            .provides
            .iter()
            .map(|text| parse_provide(text, &evr)),
    );
    Ok(Package {
        name: release.name.clone(),
        arch: "noarch".to_owned(),
        evr,
        summary: release.summary.clone(),
        url: String::new(),
        source: release.name.clone(),
        build_time: 0,
        provides,
        requires: release
            .content
            .requires
            .iter()
            .cloned()
            .map(Dependency::any)
            .collect(),
        files,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_release_package_has_the_links_of_a_merged_usr() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chroots/debian-12-x86_64.toml");
        let recipe = Recipe::from_file(&path).unwrap();
        let package = release_package(&recipe.debian.release).unwrap();
        assert_eq!(package.files["/bin"], Node::link(0, "usr/bin".into()));
        assert_eq!(
            package.files["/tmp"],
            Node {
                mode: 0o1777,
                mtime: 0,
                kind: Kind::Dir
            }
        );
        assert_eq!(package.file_name(), "debian-rpm-release-12-1.noarch.rpm");
        let names: Vec<_> = package.provides.iter().map(ToString::to_string).collect();
        assert!(
            names.contains(&"system-release(releasever) = 12".to_owned()),
            "{names:?}"
        );
    }

    #[test]
    fn the_recipes_provides_have_versions() {
        let evr = Evr::from_debian("1-2");
        for (text, expected) in [
            ("gcc-c++", "gcc-c++ = 1-2"),
            ("python(abi) = 3.11", "python(abi) = 3.11"),
            ("/bin/sh", "/bin/sh"),
        ] {
            assert_eq!(parse_provide(text, &evr).to_string(), expected);
        }
    }
}
