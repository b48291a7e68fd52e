//! What a package offers beside its name: what rpm's dependency generators would find in its files.

use std::collections::{BTreeMap, BTreeSet};

use crate::{adapt::Adapted, deb::Tree, elf, rpm::Dependency};

/// Folders that Perl's own and Debian's modules are in; `5.36` stands for whatever version the path has.
const PERL_FOLDERS: [&str; 5] = [
    "/usr/share/perl5/",
    "/usr/share/perl/",
    "/usr/lib/x86_64-linux-gnu/perl/",
    "/usr/lib/x86_64-linux-gnu/perl5/",
    "/usr/lib/x86_64-linux-gnu/perl-base/",
];

/// Everything that the files tell.
pub(crate) fn of_files(adapted: &Adapted) -> Vec<Dependency> {
    let tree = &adapted.tree;
    let mut names: BTreeSet<String> = adapted.former.iter().cloned().collect();
    for (path, node) in tree {
        if path.contains(".so")
            && let Some(bytes) = node.bytes()
        {
            names.extend(elf::provides(bytes));
        }
        names.extend(perl_module(path).map(|module| format!("perl({module})")));
    }
    let plain = names.into_iter().map(Dependency::any);
    plain
        .chain(pkgconfig(tree))
        .chain(python_distributions(tree))
        .collect()
}

fn perl_module(path: &str) -> Option<String> {
    let inside = PERL_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder))?;
    let inside = match inside.split_once('/') {
        Some((version, rest)) if version.starts_with('5') => rest,
        _ => inside,
    };
    Some(inside.strip_suffix(".pm")?.replace('/', "::"))
}

fn pkgconfig(tree: &Tree) -> impl Iterator<Item = Dependency> {
    tree.iter().filter_map(|(path, node)| {
        let name = path.strip_suffix(".pc")?;
        let (folder, name) = name.rsplit_once('/')?;
        let text = std::str::from_utf8(node.bytes()?).ok()?;
        folder
            .ends_with("/pkgconfig")
            .then(|| match pkgconfig_version(text) {
                Some(version) => Dependency::exactly(format!("pkgconfig({name})"), version),
                None => Dependency::any(format!("pkgconfig({name})")),
            })
    })
}

/// The `Version:` of a `.pc` file with its variables put in.
fn pkgconfig_version(text: &str) -> Option<String> {
    let variables: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let line = text.lines().find_map(|line| line.strip_prefix("Version:"))?;
    let mut version = line.trim().to_owned();
    // One variable may be made of others; ten rounds end any circle.
    for _ in 0..10 {
        for (key, value) in &variables {
            version = version.replace(&format!("${{{key}}}"), value);
        }
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+_~^".contains(&byte);
    (!version.is_empty() && version.bytes().all(plain)).then_some(version)
}

/// `python3dist(name) = version` and `python3.11dist(name) = version` for each installed distribution.
fn python_distributions(tree: &Tree) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (path, node) in tree {
        let inside = path.starts_with("/usr/lib/python3");
        let metadata = [".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info"]
            .iter()
            .any(|end| path.ends_with(end));
        let Some(text) = node
            .bytes()
            .filter(|_| inside && metadata)
            .map(String::from_utf8_lossy)
        else {
            continue;
        };
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
        };
        let (Some(name), Some(version)) = (field("Name:"), field("Version:")) else {
            continue;
        };
        let name = name.to_lowercase().replace(['_', '.'], "-");
        for language in ["python3dist", "python3.11dist"] {
            found.push(Dependency::exactly(
                format!("{language}({name})"),
                version.replace('-', "~"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::Node;

    #[test]
    fn files_tell_what_they_provide() {
        let file = |text: &str| Node::file(0o644, 1, text.as_bytes().to_vec());
        let tree: Tree = [
            ("/usr/share/perl/5.36.0/Text/Wrap.pm", file("")),
            ("/usr/lib/x86_64-linux-gnu/perl-base/strict.pm", file("")),
            ("/usr/share/perl5/Debian/X.pm", file("")),
            (
                "/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc",
                file("v=1.2\nName: zlib\nVersion: ${v}.13\n"),
            ),
            ("/usr/share/pkgconfig/odd.pc", file("Name: odd\n")),
            (
                "/usr/lib/python3/dist-packages/A_b-2.egg-info",
                file("Name: A_b\nVersion: 2\n\n"),
            ),
            ("/usr/lib/libno.so.1", file("no library")),
        ]
        .map(|(path, node)| (path.to_owned(), node))
        .into();
        let adapted = Adapted {
            tree,
            former: vec!["/bin/x".into()],
        };
        let found: Vec<_> = of_files(&adapted).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "/bin/x",
                "perl(Debian::X)",
                "perl(Text::Wrap)",
                "perl(strict)",
                "pkgconfig(zlib) = 1.2.13",
                "pkgconfig(odd)",
                "python3dist(a-b) = 2",
                "python3.11dist(a-b) = 2",
            ]
        );
    }
}
