//! A Debian package's files, in memory.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use crate::error::Error;

/// Files by absolute path.
pub(crate) type Tree = BTreeMap<String, Node>;

/// One file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// What it is.
    pub kind: Kind,
}

/// What a node is, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file's bytes.
    File(Vec<u8>),
    /// A symbolic link's target.
    Link(String),
    /// A directory.
    Dir,
}

impl Node {
    pub fn file(mode: u32, mtime: u32, bytes: Vec<u8>) -> Self {
        Self {
            mode,
            mtime,
            kind: Kind::File(bytes),
        }
    }

    pub fn link(mtime: u32, target: String) -> Self {
        Self {
            mode: 0o777,
            mtime,
            kind: Kind::Link(target),
        }
    }

    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::File(bytes) => Some(bytes),
            Kind::Link(_) | Kind::Dir => None,
        }
    }
}

/// Unpacks a package; `dpkg-deb` knows all of its compressions.
pub(crate) fn unpack(path: &Path, package: &str) -> Result<Tree, Error> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Start {
            program: "dpkg-deb".to_owned(),
            source,
        })?;
    let bad = |reason: String| Error::BadPackage {
        package: package.to_owned(),
        reason,
    };
    let Some(stdout) = child.stdout.take() else {
        return Err(bad("dpkg-deb has no output".to_owned()));
    };
    let tree = read_tar(stdout).map_err(|error| bad(error.to_string()));
    let status = child.wait()?;
    if status.success() {
        tree
    } else {
        Err(bad(format!("dpkg-deb ended with {status}")))
    }
}

/// Reads a tar archive. A hard link becomes a symbolic one: the archive's files are few, and programs that tell
/// their task by the name they are called by see the same name.
fn read_tar(reader: impl Read) -> std::io::Result<Tree> {
    let mut tree = Tree::new();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = absolute(&entry.path()?);
        if path == "/" {
            continue;
        }
        let header = entry.header();
        let mode = header.mode()? & 0o7777;
        // Only root is sure to exist where the package gets installed, so a set-group-id bit loses its meaning.
        let mode = if header.gid()? == 0 { mode } else { mode & !0o2000 };
        let mtime = u32::try_from(header.mtime()?).unwrap_or(u32::MAX);
        let kind = header.entry_type();
        let link = |entry: &tar::Entry<'_, _>| -> std::io::Result<String> {
            Ok(entry
                .link_name()?
                .map(|target| target.to_string_lossy().into_owned())
                .unwrap_or_default())
        };
        let node = if kind.is_dir() {
            Node {
                mode,
                mtime,
                kind: Kind::Dir,
            }
        } else if kind.is_symlink() {
            Node::link(mtime, link(&entry)?)
        } else if kind.is_hard_link() {
            Node::link(mtime, absolute(Path::new(&link(&entry)?)))
        } else {
            let mut bytes = Vec::with_capacity(usize::try_from(header.size()?).unwrap_or(0));
            entry.read_to_end(&mut bytes)?;
            Node::file(mode, mtime, bytes)
        };
        tree.insert(path, node);
    }
    Ok(tree)
}

/// `./usr/bin/x/` as `/usr/bin/x`.
fn absolute(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("/{}", path.trim_start_matches('.').trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_archive_becomes_a_tree() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind, mode, target: Option<&str>, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(if path.ends_with("group") { 42 } else { 0 });
            header.set_mtime(7);
            header.set_size(data.len() as u64);
            match target {
                Some(target) => builder.append_link(&mut header, path, target).unwrap(),
                None => builder.append_data(&mut header, path, data).unwrap(),
            }
        };
        add("./", tar::EntryType::Directory, 0o755, None, b"");
        add("./usr/", tar::EntryType::Directory, 0o755, None, b"");
        add("./usr/perl", tar::EntryType::Regular, 0o4755, None, b"x");
        add(
            "./usr/perl5",
            tar::EntryType::Link,
            0o755,
            Some("./usr/perl"),
            b"",
        );
        add("./usr/link", tar::EntryType::Symlink, 0o777, Some("perl"), b"");
        add("./usr/group", tar::EntryType::Regular, 0o2755, None, b"");
        let bytes = builder.into_inner().unwrap();
        let tree = read_tar(&bytes[..]).unwrap();
        assert_eq!(
            tree.keys().collect::<Vec<_>>(),
            ["/usr", "/usr/group", "/usr/link", "/usr/perl", "/usr/perl5"]
        );
        assert_eq!(tree["/usr/perl"], Node::file(0o4755, 7, b"x".to_vec()));
        assert_eq!(tree["/usr/perl5"], Node::link(7, "/usr/perl".into()));
        assert_eq!(tree["/usr/link"], Node::link(7, "perl".into()));
        assert_eq!(tree["/usr/group"].mode, 0o755);
    }
}
