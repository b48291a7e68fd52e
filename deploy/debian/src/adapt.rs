//! From Debian's file tree to ours: merged `/usr`, without what the recipe drops, with what it adds.

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::{
    apt,
    deb::{Kind, Node, Tree},
    error::Error,
    recipe::{Changes, DebianSection},
};

/// Folders of the root that are links into `/usr`.
const MERGED: [&str; 6] = ["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"];

/// A package's final files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Adapted {
    /// What the RPM holds.
    pub tree: Tree,
    /// Programs under the names that they had before `/usr` was merged, such as `/bin/bash`.
    pub former: Vec<String>,
}

/// Applies the recipe to a package's files.
pub(crate) fn adapt(tree: Tree, package: &str, section: &DebianSection) -> Result<Adapted, Error> {
    let mut adapted = merge_usr(tree);
    let changes = section.packages.get(package);
    if let Some(changes) = changes {
        apply(&mut adapted.tree, package, changes)?;
    }
    let dropped = changes.map(|it| it.drop.as_slice()).unwrap_or_default();
    let below =
        |path: &str, prefix: &String| path.starts_with(prefix) || path == prefix.trim_end_matches('/');
    adapted.tree.retain(|path, node| {
        let unwanted = section.drop_paths.iter().any(|it| below(path, it));
        let kept = node.kind != Kind::Dir && section.keep_suffixes.iter().any(|it| path.ends_with(it));
        (!unwanted || kept) && !dropped.iter().any(|it| below(path, it))
    });
    adapted
        .tree
        .extend(compile_python(&adapted.tree, &section.python)?);
    drop_plain_directories(&mut adapted.tree);
    Ok(adapted)
}

fn merge_usr(tree: Tree) -> Adapted {
    let mut adapted = Adapted::default();
    let moves = |path: &str| {
        MERGED
            .iter()
            .any(|top| path.starts_with(top) || path == top.trim_end_matches('/'))
    };
    for (path, node) in tree {
        if !moves(&path) {
            // A link from `/usr` to the same name outside has become the file itself.
            let loops =
                matches!(&node.kind, Kind::Link(target) if moves(target) && format!("/usr{target}") == path);
            if !loops {
                adapted.tree.insert(path, node);
            }
            continue;
        }
        let merged = format!("/usr{path}");
        let (program, link) = (
            path.starts_with("/bin/") || path.starts_with("/sbin/"),
            &node.kind,
        );
        if matches!(link, Kind::Link(target) if *target == merged) {
            continue;
        }
        if program && *link != Kind::Dir {
            adapted.former.push(path);
        }
        adapted.tree.insert(merged, node);
    }
    adapted
}

/// Adds what the recipe adds.
pub(crate) fn apply(tree: &mut Tree, package: &str, changes: &Changes) -> Result<(), Error> {
    let missing = |path: &str| Error::MissingFile {
        package: package.to_owned(),
        path: path.to_owned(),
    };
    let mtime = newest(tree);
    for (path, source) in &changes.copies {
        let node = tree.get(source).cloned().ok_or_else(|| missing(source))?;
        tree.insert(path.clone(), node);
    }
    for (path, folder) in &changes.bundles {
        let inside = tree
            .range(folder.clone()..)
            .take_while(|(path, _)| path.starts_with(folder));
        let bytes: Vec<u8> = inside
            .filter_map(|(_, node)| node.bytes())
            .flatten()
            .copied()
            .collect();
        if bytes.is_empty() {
            return Err(missing(folder));
        }
        tree.insert(path.clone(), Node::file(0o644, mtime, bytes));
    }
    for (path, text) in &changes.files {
        tree.insert(path.clone(), Node::file(0o644, mtime, text.clone().into_bytes()));
    }
    for (path, target) in &changes.links {
        tree.insert(path.clone(), Node::link(mtime, target.clone()));
    }
    Ok(())
}

/// The newest time among the files: the package's own time, the same each time it is made.
pub(crate) fn newest(tree: &Tree) -> u32 {
    tree.values().map(|node| node.mtime).max().unwrap_or(0)
}

/// Directories that rpm makes by itself need no mention, and cannot disagree between packages.
fn drop_plain_directories(tree: &mut Tree) {
    let mut parents = BTreeSet::new();
    for path in tree.keys() {
        if let Some((parent, _)) = path.rsplit_once('/') {
            parents.insert(parent.to_owned());
        }
    }
    tree.retain(|path, node| node.kind != Kind::Dir || node.mode != 0o755 || !parents.contains(path));
}

/// Bytecode of the Python modules, as the maintainer scripts would have compiled it: without it each fresh root
/// compiles what it imports again.
///
/// The bytecode is of the kind that is never compared with its source, so it does not depend on times.
fn compile_python(tree: &Tree, python: &str) -> Result<Tree, Error> {
    let version = python.trim_start_matches("python");
    let folders = [
        "/usr/lib/python3/".to_owned(),
        format!("/usr/lib/python{version}/"),
    ];
    let is_module = |path: &str| path.ends_with(".py") && folders.iter().any(|it| path.starts_with(it));
    let modules: Vec<_> = tree
        .iter()
        .filter(|(path, _)| is_module(path))
        .filter_map(|(path, node)| Some((path, node.bytes()?)))
        .collect();
    if modules.is_empty() {
        return Ok(Tree::new());
    }
    let temporary = tempfile::tempdir()?;
    let root = temporary.path();
    for (path, bytes) in modules {
        let file = root.join(path.trim_start_matches('/'));
        if let Some(parent) = file.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(file, bytes)?;
    }
    let mut command = Command::new(python);
    command.args([
        "-I",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        "-p",
        "/",
        "-s",
    ]);
    // Modules for other versions of the language do not compile, as in Debian; Python leaves them out and says so.
    match apt::run("compile Python modules", command.arg(root).arg(root)) {
        Ok(_) | Err(Error::Program { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut compiled = Tree::new();
    collect(root, root, newest(tree), &mut compiled)?;
    Ok(compiled)
}

fn collect(root: &Path, dir: &Path, mtime: u32, into: &mut Tree) -> Result<(), Error> {
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, mtime, into)?;
        } else if path.extension().is_some_and(|it| it == "pyc")
            && let Ok(inside) = path.strip_prefix(root)
        {
            into.insert(
                format!("/{}", inside.display()),
                Node::file(0o644, mtime, fs_err::read(&path)?),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(&str, Node)]) -> Tree {
        nodes
            .iter()
            .map(|(path, node)| ((*path).to_owned(), node.clone()))
            .collect()
    }

    fn file() -> Node {
        Node::file(0o755, 1, b"x = 1\n".to_vec())
    }

    fn dir(mode: u32) -> Node {
        Node {
            mode,
            mtime: 1,
            kind: Kind::Dir,
        }
    }

    #[test]
    fn usr_is_merged() {
        let adapted = merge_usr(tree(&[
            ("/bin", dir(0o755)),
            ("/bin/bash", file()),
            ("/bin/which", Node::link(1, "/usr/bin/which".into())),
            ("/usr/bin/which", file()),
            ("/usr/bin/loop", Node::link(1, "/bin/loop".into())),
            ("/bin/loop", file()),
            ("/lib64/ld.so", Node::link(1, "/lib/ld.so".into())),
            ("/library", file()),
        ]));
        assert_eq!(
            adapted.tree.keys().collect::<Vec<_>>(),
            [
                "/library",
                "/usr/bin",
                "/usr/bin/bash",
                "/usr/bin/loop",
                "/usr/bin/which",
                "/usr/lib64/ld.so"
            ]
        );
        assert!(adapted.tree["/usr/bin/which"].bytes().is_some());
        assert!(adapted.tree["/usr/bin/loop"].bytes().is_some());
        assert_eq!(adapted.former, ["/bin/bash", "/bin/loop"]);
    }

    #[test]
    fn additions_come_from_the_recipe() {
        let changes: Changes = toml::from_str(
            "copies = { '/etc/b' = '/a' }\nbundles = { '/all' = '/certs/' }\nfiles = { '/t' = 'text' }\n\
             links = { '/usr/bin/awk' = 'gawk' }",
        )
        .unwrap();
        let mut nodes = tree(&[("/a", file()), ("/certs/1", file()), ("/certs/2", file())]);
        apply(&mut nodes, "p", &changes).unwrap();
        assert_eq!(nodes["/etc/b"], file());
        assert_eq!(nodes["/all"].bytes(), Some(&b"x = 1\nx = 1\n"[..]));
        assert_eq!(nodes["/t"].bytes(), Some(&b"text"[..]));
        assert_eq!(nodes["/usr/bin/awk"], Node::link(1, "gawk".into()));
        let error = apply(&mut tree(&[]), "p", &changes).unwrap_err().to_string();
        assert_eq!(error, "the recipe takes /a from p, which has no such file");
    }

    #[test]
    fn plain_directories_go_and_telling_ones_stay() {
        let mut nodes = tree(&[
            ("/a", dir(0o755)),
            ("/a/b", file()),
            ("/tmp", dir(0o1777)),
            ("/tmp/x", file()),
            ("/e", dir(0o755)),
        ]);
        drop_plain_directories(&mut nodes);
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["/a/b", "/e", "/tmp", "/tmp/x"]);
    }

    #[test]
    fn python_is_compiled_the_same_each_time() {
        let nodes = tree(&[
            ("/usr/lib/python3/dist-packages/m.py", file()),
            ("/usr/share/n.py", file()),
        ]);
        let compiled = compile_python(&nodes, "python3.11").unwrap();
        assert_eq!(
            compiled.keys().collect::<Vec<_>>(),
            ["/usr/lib/python3/dist-packages/__pycache__/m.cpython-311.pyc"]
        );
        assert_eq!(compiled, compile_python(&nodes, "python3.11").unwrap());
        assert!(
            compile_python(&tree(&[("/bin/x", file())]), "no-such-python")
                .unwrap()
                .is_empty()
        );
        assert!(matches!(
            compile_python(&nodes, "no-such-python"),
            Err(Error::Start { .. })
        ));
    }
}
